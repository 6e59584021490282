/**
 * Which names a topic may have. They become names of folders and of metrics, so nothing else gets
 * through: letters, digits, dot, underscore and hyphen, at most 249.
 */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

/** A folder's name has 255 bytes at most; `-12345` and a suffix follow. */
export const TOPIC_NAME_LENGTH_MAX = 249;

/** Of a name that is too long, in what is said of it: the rest of the sentence must not be cut. */
const QUOTED_CHARS_MAX = 500;

export const OFFSETS_TOPIC = '__consumer_offsets';
export const TRANSACTIONS_TOPIC = '__transaction_state';
export const METADATA_TOPIC = '__cluster_metadata';

const internal: ReadonlySet<string> = new Set([OFFSETS_TOPIC, TRANSACTIONS_TOPIC]);

/** Topics that brokers write and clients only read. */
export const isInternal = (topic: string): boolean => internal.has(topic);

/** Why the name is no topic's, or null. */
export function topicNameFault(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed';
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `Topic name is invalid: the length of '${name.slice(0, QUOTED_CHARS_MAX)}' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return null;
}

export function checkTopicName(name: string): void {
  const fault = topicNameFault(name);
  if (fault !== null) throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
}

/** Names that differ only in dots and underscores would share their metrics. */
export const collisionKey = (name: string): string => name.replaceAll('.', '_');
