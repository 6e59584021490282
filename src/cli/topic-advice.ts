/**
 * How many partitions and replicas a topic should have and what it should keep, from what it is to
 * carry: rules of thumb, each with its reason.
 */

/** What one partition takes without effort, bytes a second: half of what one disk and core do. */
const PARTITION_BYTES_PER_SECOND = 10_000_000;
/** Replicas of a topic, where there are as many brokers. */
const REPLICAS = 3;
/** Partitions for each broker, so that all of them work and one more can take over some. */
const PARTITIONS_PER_BROKER = 2;
/** Above so many replicas a broker spends itself on keeping them. */
const REPLICAS_PER_BROKER_MAX = 4_000;
/** Share of a disk that logs may fill: segments are deleted late, and replicas are moved. */
const DISK_SHARE = 0.7;
/** Segments that the retention of a partition should span: only whole ones are deleted. */
const SEGMENTS = 20;

const MIB = 1024 * 1024;
const SEGMENT_BYTES_MIN = 16 * MIB;
const SEGMENT_BYTES_MAX = 1024 * MIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SEGMENT_MS_MAX = 7 * DAY_MS;

export interface Wish {
  /** Bytes that producers write a second, compressed as they are stored. */
  readonly bytesPerSecond: number;
  /** Consumers of the largest group that are to work at once. */
  readonly consumers: number;
  readonly brokers: number;
  /** Bytes of disk that each broker has for logs; null: not known. */
  readonly diskBytes: number | null;
  readonly retentionMs: number;
}

export interface Advice {
  /** An option of `weir topic create`, or one of Kafka's settings. */
  readonly setting: string;
  readonly value: number;
  readonly why: string;
}

export interface TopicAdvice {
  readonly advice: readonly Advice[];
  readonly warnings: readonly string[];
}

export function adviseTopic(wish: Wish): TopicAdvice {
  const warnings: string[] = [];
  const factor = replicationFactor(wish, warnings);
  const partitions = partitionCount(wish, factor.value, warnings);
  const minIsr = minInsyncReplicas(factor.value);
  const retention = retentionMs(wish, factor.value, warnings);
  const perPartition = (wish.bytesPerSecond * (retention.value / 1000)) / partitions.value;
  return {
    advice: [
      partitions,
      factor,
      minIsr,
      retention,
      ...retentionBytes(wish, factor.value, partitions.value),
      ...segments(perPartition, retention.value),
    ],
    warnings,
  };
}

function replicationFactor({ brokers }: Wish, warnings: string[]): Advice {
  const value = Math.min(REPLICAS, brokers);
  if (brokers === 1) {
    warnings.push(
      'one broker: whoever loses it or its disk loses the topic; with three, nobody does',
    );
  } else if (brokers === 2) {
    warnings.push(
      'two brokers: with one of them down, one more failure loses acknowledged records',
    );
  }
  const why =
    value === REPLICAS
      ? 'one broker may be down for maintenance and another one fail, and no record is lost'
      : `as many as there are brokers (${brokers}); ${REPLICAS} where there are more`;
  return { setting: 'replication-factor', value, why };
}

function minInsyncReplicas(factor: number): Advice {
  const value = Math.max(factor - 1, 1);
  const why =
    value > 1
      ? 'acks=all is answered when two have it, and goes on with one broker down'
      : 'more would stop producers when one broker is down';
  return { setting: 'min.insync.replicas', value, why };
}

function partitionCount(wish: Wish, factor: number, warnings: string[]): Advice {
  const { brokers, consumers, bytesPerSecond } = wish;
  const reasons: readonly (readonly [count: number, why: string])[] = [
    [PARTITIONS_PER_BROKER * brokers, `${PARTITIONS_PER_BROKER} for each of ${brokers} brokers`],
    [consumers, `${consumers} consumers work at once only with a partition each`],
    [
      Math.ceil(bytesPerSecond / PARTITION_BYTES_PER_SECOND),
      `${megabytes(PARTITION_BYTES_PER_SECOND)}/s a partition for ${megabytes(bytesPerSecond)}/s`,
    ],
  ];
  const [count, why] = reasons.reduce((best, next) => (next[0] > best[0] ? next : best));
  const value = Math.ceil(count / brokers) * brokers;
  const rounded = value === count ? '' : `; rounded up so that every broker leads as many`;
  const replicas = (value * factor) / brokers;
  if (replicas > REPLICAS_PER_BROKER_MAX) {
    warnings.push(
      `${Math.ceil(replicas)} replicas for each broker are more than ${REPLICAS_PER_BROKER_MAX}: use more brokers, or fewer consumers`,
    );
  }
  return { setting: 'partitions', value, why: `${why}${rounded}` };
}

function retentionMs(wish: Wish, factor: number, warnings: string[]): Advice {
  const { bytesPerSecond, brokers, diskBytes, retentionMs: wanted } = wish;
  const setting = 'retention.ms';
  if (diskBytes === null) {
    return { setting, value: wanted, why: 'as wished; the disks are not known' };
  }
  const perSecond = (bytesPerSecond * factor) / brokers;
  const fits = Math.floor(((diskBytes * DISK_SHARE) / perSecond) * 1000);
  const share = `${DISK_SHARE * 100} % of ${gigabytes(diskBytes)} at ${megabytes(perSecond)}/s a broker`;
  if (fits >= wanted) {
    return { setting, value: wanted, why: `as wished; ${share} would last ${span(fits)}` };
  }
  const needed = (perSecond * (wanted / 1000)) / DISK_SHARE;
  warnings.push(
    `${span(wanted)} of retention do not fit: each broker would need ${gigabytes(needed)} of disk`,
  );
  return { setting, value: fits, why: `what fits: ${share}, of the ${span(wanted)} wished` };
}

/** Holds when more is written than was thought: what is full stops everybody. */
function retentionBytes(
  { diskBytes, brokers }: Wish,
  factor: number,
  partitions: number,
): Advice[] {
  if (diskBytes === null) return [];
  const value = Math.floor((diskBytes * DISK_SHARE * brokers) / (factor * partitions));
  const why = 'a partition’s share of the disks, should more be written than was thought';
  return [{ setting: 'retention.bytes', value, why }];
}

function segments(bytesOfPartition: number, retention: number): Advice[] {
  const wanted = 2 ** Math.round(Math.log2(Math.max(bytesOfPartition / SEGMENTS, 1)));
  const value = Math.min(Math.max(wanted, SEGMENT_BYTES_MIN), SEGMENT_BYTES_MAX);
  const bytes: Advice = {
    setting: 'segment.bytes',
    value,
    why: `about ${SEGMENTS} segments in the time of retention: only whole ones are deleted`,
  };
  const longest = Math.min(Math.max(Math.floor(retention / SEGMENTS), HOUR_MS), SEGMENT_MS_MAX);
  const fillMs = (value / Math.max(bytesOfPartition, 1)) * retention;
  if (fillMs <= SEGMENT_MS_MAX && fillMs <= retention) return [bytes];
  const why = 'a segment takes longer to fill than it should be kept';
  return [bytes, { setting: 'segment.ms', value: longest, why }];
}

export interface ChosenTopic {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Brokers that run. */
  readonly brokers: number;
}

/** What speaks against a topic as somebody has made it. */
export function doubtsAbout({ partitions, replicationFactor, brokers }: ChosenTopic): string[] {
  const doubts: string[] = [];
  if (replicationFactor === 1 && brokers > 1) {
    doubts.push(
      `it has one replica, though ${brokers} brokers run: it is lost with one disk (--replication-factor ${Math.min(REPLICAS, brokers)})`,
    );
  }
  if (brokers > 1 && partitions < brokers) {
    const lead = partitions === 1 ? 'one leads it' : `${partitions} lead it`;
    doubts.push(
      `of ${brokers} brokers only ${lead}: ${PARTITIONS_PER_BROKER * brokers} partitions would use all of them`,
    );
  }
  const replicas = Math.ceil((partitions * replicationFactor) / brokers);
  if (replicas > REPLICAS_PER_BROKER_MAX) {
    doubts.push(`${replicas} replicas for each broker are more than ${REPLICAS_PER_BROKER_MAX}`);
  }
  return doubts;
}

const megabytes = (bytes: number): string => `${rounded(bytes / 1e6)} MB`;
const gigabytes = (bytes: number): string =>
  bytes >= 1e12 ? `${rounded(bytes / 1e12)} TB` : `${rounded(bytes / 1e9)} GB`;
const span = (ms: number): string =>
  ms >= 2 * DAY_MS ? `${rounded(ms / DAY_MS)} days` : `${rounded(ms / HOUR_MS)} hours`;
const rounded = (value: number): string =>
  value >= 10 ? String(Math.round(value)) : String(Number(value.toFixed(value < 0.1 ? 3 : 1)));
