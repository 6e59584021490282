/**
 * What can be set on a group: Kafka's names, types and defaults (GroupConfig of Kafka 4.3), and the
 * broker's settings that a group's fall back to and are bounded by.
 *
 * Share and streams groups are not served here; their keys are taken and described, so that scripts
 * written for Kafka run, and change nothing.
 */
import { type Key, type KeyValue, tableOf } from './table.ts';

export interface GroupKey<T extends KeyValue = KeyValue> extends Key<T> {
  /** The broker's setting that holds where the group sets nothing. */
  readonly brokerKey?: string;
  readonly atLeast?: Bound;
  readonly atMost?: Bound;
}

/** A broker's setting that bounds a group's. */
export interface Bound {
  readonly setting: string;
  /** Its value where brokers have no such setting here: Kafka's default. */
  readonly fixed?: number;
}

const INT_MAX = 2 ** 31 - 1;

const consumer: readonly GroupKey[] = [
  {
    name: 'consumer.assignment.interval.ms',
    type: 'int',
    default: 1000,
    min: 0,
    brokerKey: 'group.consumer.assignment.interval.ms',
    atLeast: { setting: 'group.consumer.min.assignment.interval.ms' },
    atMost: { setting: 'group.consumer.max.assignment.interval.ms' },
    doc: 'Shortest time between two new assignments of the group, in milliseconds.',
  },
  {
    name: 'consumer.heartbeat.interval.ms',
    type: 'int',
    default: 5000,
    min: 1,
    brokerKey: 'group.consumer.heartbeat.interval.ms',
    atLeast: { setting: 'group.consumer.min.heartbeat.interval.ms' },
    atMost: { setting: 'group.consumer.max.heartbeat.interval.ms' },
    doc: 'Milliseconds between two heartbeats that members of the group are told to send.',
  },
  {
    name: 'consumer.session.timeout.ms',
    type: 'int',
    default: 45_000,
    min: 1,
    brokerKey: 'group.consumer.session.timeout.ms',
    atLeast: { setting: 'group.consumer.min.session.timeout.ms' },
    atMost: { setting: 'group.consumer.max.session.timeout.ms' },
    doc: 'Milliseconds without a heartbeat after which a member is taken out of the group.',
  },
];

const share: readonly GroupKey[] = [
  {
    name: 'share.assignment.interval.ms',
    type: 'int',
    default: 1000,
    min: 0,
    atLeast: { setting: 'group.share.min.assignment.interval.ms', fixed: 0 },
    atMost: { setting: 'group.share.max.assignment.interval.ms', fixed: 15_000 },
    doc: 'Shortest time between two new assignments of a share group; has no effect here.',
  },
  {
    name: 'share.auto.offset.reset',
    type: 'string',
    default: 'latest',
    doc: 'Where a share group begins: earliest, latest or by_duration:PERIOD; has no effect here.',
  },
  {
    name: 'share.delivery.count.limit',
    type: 'int',
    default: 5,
    min: 2,
    atLeast: { setting: 'group.share.min.delivery.count.limit', fixed: 2 },
    atMost: { setting: 'group.share.max.delivery.count.limit', fixed: 10 },
    doc: 'Attempts to deliver a record to a share group; has no effect here.',
  },
  {
    name: 'share.heartbeat.interval.ms',
    type: 'int',
    default: 5000,
    min: 1,
    atLeast: { setting: 'group.share.min.heartbeat.interval.ms', fixed: 5000 },
    atMost: { setting: 'group.share.max.heartbeat.interval.ms', fixed: 15_000 },
    doc: 'Milliseconds between two heartbeats of a share group’s member; has no effect here.',
  },
  {
    name: 'share.isolation.level',
    type: 'string',
    default: 'read_uncommitted',
    values: ['read_committed', 'read_uncommitted'],
    doc: 'Whether a share group sees records of transactions that are not committed; has no effect here.',
  },
  {
    name: 'share.partition.max.record.locks',
    type: 'int',
    default: 2000,
    min: 100,
    atLeast: { setting: 'group.share.min.partition.max.record.locks', fixed: 100 },
    atMost: { setting: 'group.share.max.partition.max.record.locks', fixed: 4000 },
    doc: 'Records of a partition that a share group holds at once; has no effect here.',
  },
  {
    name: 'share.record.lock.duration.ms',
    type: 'int',
    default: 30_000,
    min: 1000,
    atLeast: { setting: 'group.share.min.record.lock.duration.ms', fixed: 15_000 },
    atMost: { setting: 'group.share.max.record.lock.duration.ms', fixed: 60_000 },
    doc: 'Milliseconds that a member of a share group holds a record; has no effect here.',
  },
  {
    name: 'share.renew.acknowledge.enable',
    type: 'boolean',
    default: true,
    doc: 'Whether members of a share group may hold records for longer; has no effect here.',
  },
  {
    name: 'share.session.timeout.ms',
    type: 'int',
    default: 45_000,
    min: 1,
    atLeast: { setting: 'group.share.min.session.timeout.ms', fixed: 45_000 },
    atMost: { setting: 'group.share.max.session.timeout.ms', fixed: 60_000 },
    doc: 'Milliseconds after which a silent member of a share group is taken out; has no effect here.',
  },
];

const streams: readonly GroupKey[] = [
  {
    name: 'streams.assignment.interval.ms',
    type: 'int',
    default: 1000,
    min: 0,
    atLeast: { setting: 'group.streams.min.assignment.interval.ms', fixed: 0 },
    atMost: { setting: 'group.streams.max.assignment.interval.ms', fixed: 15_000 },
    doc: 'Shortest time between two new assignments of a streams group; has no effect here.',
  },
  {
    name: 'streams.heartbeat.interval.ms',
    type: 'int',
    default: 5000,
    min: 1,
    atLeast: { setting: 'group.streams.min.heartbeat.interval.ms', fixed: 5000 },
    atMost: { setting: 'group.streams.max.heartbeat.interval.ms', fixed: 15_000 },
    doc: 'Milliseconds between two heartbeats of a streams group’s member; has no effect here.',
  },
  {
    name: 'streams.initial.rebalance.delay.ms',
    type: 'int',
    default: 3000,
    min: 0,
    doc: 'Milliseconds that a new streams group waits for more members; has no effect here.',
  },
  {
    name: 'streams.num.standby.replicas',
    type: 'int',
    default: 0,
    min: 0,
    atMost: { setting: 'group.streams.max.standby.replicas', fixed: 2 },
    doc: 'Standby copies of each task of a streams group; has no effect here.',
  },
  {
    name: 'streams.session.timeout.ms',
    type: 'int',
    default: 45_000,
    min: 1,
    atLeast: { setting: 'group.streams.min.session.timeout.ms', fixed: 45_000 },
    atMost: { setting: 'group.streams.max.session.timeout.ms', fixed: 60_000 },
    doc: 'Milliseconds after which a silent member of a streams group is taken out; has no effect here.',
  },
];

export const groupKeys: ReadonlyMap<string, GroupKey> = tableOf([
  ...consumer,
  ...share,
  ...streams,
]);

/** What can be set on a broker about groups of the consumer protocol (KIP-848). */
export const consumerGroupKeys: readonly Key[] = [
  {
    name: 'group.consumer.session.timeout.ms',
    type: 'int',
    default: 45_000,
    min: 1,
    doc: 'Milliseconds without a heartbeat after which a member is taken out of its group.',
  },
  {
    name: 'group.consumer.min.session.timeout.ms',
    type: 'int',
    default: 45_000,
    min: 1,
    doc: 'Smallest consumer.session.timeout.ms that a group may set.',
  },
  {
    name: 'group.consumer.max.session.timeout.ms',
    type: 'int',
    default: 60_000,
    min: 1,
    doc: 'Largest consumer.session.timeout.ms that a group may set.',
  },
  {
    name: 'group.consumer.heartbeat.interval.ms',
    type: 'int',
    default: 5000,
    min: 1,
    doc: 'Milliseconds between two heartbeats that members are told to send.',
  },
  {
    name: 'group.consumer.min.heartbeat.interval.ms',
    type: 'int',
    default: 5000,
    min: 1,
    doc: 'Smallest consumer.heartbeat.interval.ms that a group may set.',
  },
  {
    name: 'group.consumer.max.heartbeat.interval.ms',
    type: 'int',
    default: 15_000,
    min: 1,
    doc: 'Largest consumer.heartbeat.interval.ms that a group may set.',
  },
  {
    name: 'group.consumer.assignment.interval.ms',
    type: 'int',
    default: 1000,
    min: 0,
    dynamic: 'broker',
    doc: 'Shortest time between two new assignments of a group, in milliseconds.',
  },
  {
    name: 'group.consumer.min.assignment.interval.ms',
    type: 'int',
    default: 0,
    min: 0,
    doc: 'Smallest consumer.assignment.interval.ms that a group may set.',
  },
  {
    name: 'group.consumer.max.assignment.interval.ms',
    type: 'int',
    default: 15_000,
    min: 0,
    doc: 'Largest consumer.assignment.interval.ms that a group may set.',
  },
  {
    name: 'group.consumer.max.size',
    type: 'int',
    default: INT_MAX,
    min: 1,
    doc: 'Members that one group of the consumer protocol may have.',
  },
  {
    name: 'group.consumer.assignors',
    type: 'list',
    default: ['uniform', 'range'],
    min: 1,
    values: ['uniform', 'range'],
    doc: 'Assignors of the broker; the first one serves groups whose members name none.',
  },
  {
    name: 'group.consumer.migration.policy',
    type: 'string',
    default: 'bidirectional',
    values: ['disabled', 'upgrade', 'downgrade', 'bidirectional'],
    doc: 'Whether a group changes between the classic and the consumer protocol while it has members, and which way.',
  },
  {
    name: 'group.consumer.regex.refresh.interval.ms',
    type: 'int',
    default: 600_000,
    min: 10_000,
    doc: 'Milliseconds after which topics are matched with the patterns of subscriptions again.',
  },
];
