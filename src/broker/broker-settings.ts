/** What the parts of a broker take from its configuration, in their own terms. */
import type { Configs } from '../cluster/configs.ts';
import { LONG_MAX } from '../config/table.ts';
import type { GroupSettings, MigrationPolicy } from '../coordinator/group-settings.ts';
import type { TransactionSettings } from '../coordinator/transactions/transaction-settings.ts';
import type { CleanerSettings } from '../log/log-cleaner.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { HotSettings } from './services.ts';

/** Answers that clients have not taken, above which fetches return as little as they may. */
const QUEUED_RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

export const hotSettings = (configs: Configs): HotSettings => ({
  flushOnAcksAll: configs.boolean('log.flush.on.acks.all'),
  fetchBytesMax: configs.number('fetch.max.bytes'),
  autoCreateTopics: configs.boolean('auto.create.topics.enable'),
  queuedResponseBytesMax: QUEUED_RESPONSE_BYTES_MAX,
});

/** Bytes a second that logs move from one directory to another with. */
export const moveRate = (configs: Configs): number => {
  const rate = configs.number('replica.alter.log.dirs.io.max.bytes.per.second');
  return rate >= LONG_MAX ? Number.POSITIVE_INFINITY : rate;
};

export const cleanerSettings = (configs: Configs): CleanerSettings => ({
  enabled: configs.boolean('log.cleaner.enable'),
  backoffMs: configs.number('log.cleaner.backoff.ms'),
  bytesPerSecond: configs.number('log.cleaner.io.max.bytes.per.second'),
  dedupeBytes: configs.number('log.cleaner.dedupe.buffer.size'),
  loadFactor: configs.number('log.cleaner.io.buffer.load.factor'),
  ioBytes: configs.number('log.cleaner.io.buffer.size'),
});

export const connectionLimits = (configs: Configs): ConnectionLimits => ({
  requestBytesMax: configs.number('socket.request.max.bytes'),
  unknownBytesMax: configs.number('sasl.server.max.receive.size'),
  queuedResponseBytesMax: configs.number('connections.queued.response.max.bytes'),
  queuedRequestsMax: configs.number('connections.queued.requests.max'),
  idleMs: configs.number('connections.max.idle.ms'),
  firstRequestMs: configs.number('connections.first.request.max.ms'),
  authenticationMs: configs.number('connections.authentication.max.ms'),
  requestMs: configs.number('connections.request.max.ms'),
});

export const groupSettings = (configs: Configs): Partial<GroupSettings> => ({
  minSessionTimeoutMs: configs.number('group.min.session.timeout.ms'),
  maxSessionTimeoutMs: configs.number('group.max.session.timeout.ms'),
  initialRebalanceDelayMs: configs.number('group.initial.rebalance.delay.ms'),
  groupMaxSize: configs.number('group.max.size'),
  consumerSessionTimeoutMs: configs.number('group.consumer.session.timeout.ms'),
  consumerHeartbeatIntervalMs: configs.number('group.consumer.heartbeat.interval.ms'),
  consumerGroupMaxSize: configs.number('group.consumer.max.size'),
  consumerAssignors: configs.list('group.consumer.assignors'),
  consumerMigrationPolicy: configs.broker('group.consumer.migration.policy') as MigrationPolicy,
  consumerAssignmentIntervalMs: configs.number('group.consumer.assignment.interval.ms'),
  consumerRegexRefreshIntervalMs: configs.number('group.consumer.regex.refresh.interval.ms'),
  offsetMetadataMaxBytes: configs.number('offset.metadata.max.bytes'),
  offsetsRetentionMs: configs.number('offsets.retention.minutes') * 60_000,
  offsetsRetentionCheckIntervalMs: configs.number('offsets.retention.check.interval.ms'),
});

export const transactionSettings = (configs: Configs): Partial<TransactionSettings> => ({
  maxTimeoutMs: configs.number('transaction.max.timeout.ms'),
  idExpirationMs: configs.number('transactional.id.expiration.ms'),
  abortIntervalMs: configs.number('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
  expireIntervalMs: configs.number('transaction.remove.expired.transaction.cleanup.interval.ms'),
});
