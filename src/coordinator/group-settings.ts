/** Configuration and limits of the group coordinator. */

export type MigrationPolicy = 'disabled' | 'upgrade' | 'downgrade' | 'bidirectional';

export interface GroupSettings {
  /** `group.min.session.timeout.ms` */
  readonly minSessionTimeoutMs: number;
  /** `group.max.session.timeout.ms` */
  readonly maxSessionTimeoutMs: number;
  /** `group.initial.rebalance.delay.ms`: how long an empty group waits for further members. */
  readonly initialRebalanceDelayMs: number;
  /** `group.max.size`: members of one group. */
  readonly groupMaxSize: number;
  /** `group.consumer.session.timeout.ms` */
  readonly consumerSessionTimeoutMs: number;
  /** `group.consumer.heartbeat.interval.ms`: what members are told. */
  readonly consumerHeartbeatIntervalMs: number;
  /** `group.consumer.max.size`: members of one consumer group. */
  readonly consumerGroupMaxSize: number;
  /** `group.consumer.assignors`: names; the first is for groups that ask for none. */
  readonly consumerAssignors: readonly string[];
  /** `group.consumer.migration.policy`: in which directions groups change their type in use. */
  readonly consumerMigrationPolicy: MigrationPolicy;
  /** `group.consumer.assignment.interval.ms`: between two targets of one group (KIP-1263). */
  readonly consumerAssignmentIntervalMs: number;
  /** `group.consumer.regex.refresh.interval.ms` */
  readonly consumerRegexRefreshIntervalMs: number;
  /** `offset.metadata.max.bytes`: length of the text that a client may store beside an offset. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number;
  /** Groups that this coordinator holds; beyond it, new ones are asked to come back later. */
  readonly groupsMax: number;
}

/** Kafka's defaults, those of the properties that it ships where they differ. */
export const groupDefaults: GroupSettings = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 0,
  groupMaxSize: 2 ** 31 - 1,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5_000,
  consumerGroupMaxSize: 2 ** 31 - 1,
  consumerAssignors: ['uniform', 'range'],
  consumerMigrationPolicy: 'bidirectional',
  consumerAssignmentIntervalMs: 1_000,
  consumerRegexRefreshIntervalMs: 600_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  groupsMax: 100_000,
};

/** A new member's JoinGroup is given up after this long: its client is gone, or will ask again. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000;
/** Member ids of one group that were given out and not used yet (KIP-394). */
export const PENDING_MEMBERS_MAX = 10_000;
/** Reasons that clients give (KIP-800) are logged up to this many characters. */
export const REASON_CHARS_MAX = 255;
/** Records that wait for the batch under way share the next one up to this size. */
export const STORE_BATCH_BYTES_MAX = 512 * 1024;
/** How much of the logs is read in one turn of the event loop while they are loaded. */
export const LOAD_TURN_BYTES = 256 * 1024;
/** A partition that could not be loaded is tried again after this long. */
export const LOAD_RETRY_MS = 1_000;
