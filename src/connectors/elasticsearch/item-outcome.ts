import type { ItemResult } from './bulk-response.ts';

/**
 * What to do about an item:
 * - `done`, `duplicate`: the document is there;
 * - `again`: the fault passes;
 * - `slower`: the fault passes when there is less load;
 * - `refused`: this document is never taken;
 * - `stuck`: no document is taken until somebody acts.
 */
export type ItemAction = 'done' | 'duplicate' | 'again' | 'slower' | 'refused' | 'stuck';

/** Kinds of error that pass, whatever their status. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'es_rejected_execution_exception',
  'rejected_execution_exception',
  'circuit_breaking_exception',
  'unavailable_shards_exception',
  'process_cluster_event_timeout_exception',
  'no_shard_available_action_exception',
  'primary_missing_action_exception',
  'retry_on_primary_exception',
  'retry_on_replica_exception',
  'shard_not_in_primary_mode_exception',
  'shard_not_found_exception',
  'illegal_index_shard_state_exception',
  'index_shard_closed_exception',
  'index_shard_not_started_exception',
  'index_shard_recovering_exception',
  'node_closed_exception',
  'node_disconnected_exception',
  'node_not_connected_exception',
  'cluster_manager_not_discovered_exception',
  'master_not_discovered_exception',
  'receive_timeout_transport_exception',
  'timeout_exception',
]);

/** A disk beyond the flood stage, a read-only index: taken again as soon as the block is lifted. */
const BLOCK = 'cluster_block_exception';

/** Kinds of error that concern the index or the credentials, not the document. */
const STUCK: ReadonlySet<string> = new Set([
  'security_exception',
  'index_closed_exception',
  'media_type_header_exception',
  // The index can't be made: too many shards in the cluster, say. Of a request it is another kind.
  'validation_exception',
]);

/**
 * `illegal_argument_exception` is of documents, too, but not with these reasons: an alias without a
 * write index; too many shards, as OpenSearch and servers before Elasticsearch 7.4 say it; a default
 * pipeline that is gone. From the start of the text, because the rest may quote a document.
 */
const STUCK_ARGUMENT =
  /^(?:no write index is defined for alias|Validation Failed: 1: this action would add|pipeline with id \[)/;

/** Attempts at an item that fails with a 500 of an unknown kind, before it counts as poison. */
const UNKNOWN_FAULT_ATTEMPTS_MAX = 10;

/** `attempt`: how often the server has judged the item, this time included. */
export function actionFor(item: ItemResult, attempt: number): ItemAction {
  const { status, type, reason } = item;
  if (status >= 200 && status < 300) return 'done';
  // Only we make these ids, so a document with one of them is the one we meant.
  if (status === 409) return 'duplicate';
  if (type === BLOCK) return 'slower';
  if (STUCK.has(type)) return 'stuck';
  if (type === 'illegal_argument_exception' && STUCK_ARGUMENT.test(reason)) return 'stuck';
  if (status === 429 || status === 503) return 'slower';
  if (TRANSIENT.has(type) || status === 408 || status === 502 || status === 504) return 'again';
  // What is not found can only be the index: a `create` asks for no document.
  if (status === 401 || status === 403 || status === 404) return 'stuck';
  if (status >= 500) return attempt < UNKNOWN_FAULT_ATTEMPTS_MAX ? 'again' : 'refused';
  return 'refused';
}
