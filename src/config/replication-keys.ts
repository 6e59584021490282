/** How a broker copies what others lead, and what it expects of those that copy from it. */
import { type Key, LONG_MAX } from './table.ts';

const INT_MAX = 2 ** 31 - 1;
const MIB = 1024 * 1024;

export const replicationKeys: readonly Key[] = [
  {
    name: 'replica.lag.time.max.ms',
    type: 'long',
    default: 30_000,
    min: 1,
    doc: 'A follower that has not had everything for that long is taken out of sync.',
  },
  {
    name: 'replica.fetch.max.bytes',
    type: 'int',
    default: MIB,
    min: 0,
    doc: 'Bytes of one partition that a follower asks for at once; a larger batch comes nevertheless.',
  },
  {
    name: 'replica.fetch.response.max.bytes',
    type: 'int',
    default: 10 * MIB,
    min: 0,
    doc: 'Bytes of all partitions that a follower asks for at once.',
  },
  {
    name: 'replica.fetch.min.bytes',
    type: 'int',
    default: 1,
    min: 0,
    doc: 'Bytes that a leader waits for before it answers a follower.',
  },
  {
    name: 'replica.fetch.wait.max.ms',
    type: 'int',
    default: 500,
    min: 0,
    max: INT_MAX,
    doc: 'How long a leader waits for them; below replica.lag.time.max.ms.',
  },
  {
    name: 'replica.fetch.backoff.ms',
    type: 'int',
    default: 100,
    min: 0,
    doc: 'How long a follower rests after a fetch has failed. Kafka: 1000.',
  },
  {
    name: 'replica.socket.timeout.ms',
    type: 'int',
    default: 30_000,
    min: 1,
    doc: 'How long a follower waits for an answer, beyond replica.fetch.wait.max.ms.',
  },
  {
    name: 'replica.selector.class',
    type: 'string',
    default: null,
    values: ['org.apache.kafka.common.replica.RackAwareReplicaSelector'],
    doc: 'Has consumers fetch from a replica in their own rack (KIP-392); without it, from the leader.',
  },
  {
    name: 'leader.replication.throttled.rate',
    type: 'long',
    default: LONG_MAX,
    min: 1,
    dynamic: 'broker',
    doc: 'Bytes a second that this broker sends to followers out of sync of the partitions in leader.replication.throttled.replicas.',
  },
  {
    name: 'follower.replication.throttled.rate',
    type: 'long',
    default: LONG_MAX,
    min: 1,
    dynamic: 'broker',
    doc: 'Bytes a second that this broker fetches of the partitions in follower.replication.throttled.replicas while it is out of sync.',
  },
  {
    name: 'replica.alter.log.dirs.io.max.bytes.per.second',
    type: 'long',
    default: LONG_MAX,
    min: 1,
    dynamic: 'broker',
    doc: 'Bytes a second that this broker copies while it moves replicas between its log directories.',
  },
];
