/** `weir topic describe`: partitions with their replicas, offsets and settings; or those in trouble. */
import type { Admin } from '../client/admin.ts';
import type { AssignedTopic, ClusterAdmin, ReplicaState } from '../client/cluster-admin.ts';
import type { KnownOffsets } from '../client/list-offsets.ts';
import type { TopicInfo } from '../client/metadata-cache.ts';
import { factorOf, isUnderReplicated } from '../protocol/replication-factor.ts';
import { type Arguments, bootstrapOption, jsonOption, timeoutOption } from './arguments.ts';
import { withBrokers } from './broker-client.ts';
import { type Command, ExitCode } from './command.ts';
import { type Column, tableText } from './table.ts';
import { topicNames, topicOption } from './topic-name.ts';

interface PartitionRow {
  readonly partition: number;
  readonly leader: number | null;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** Null where the cluster does not tell. */
  readonly elr: readonly number[] | null;
  readonly lastKnownElr: readonly number[] | null;
  /** Null when they were not asked for, or there is nobody to ask. */
  readonly earliest: number | null;
  readonly latest: number | null;
}

const idColumns: readonly Column<PartitionRow>[] = [
  { title: 'PARTITION', cell: (row) => row.partition, right: true },
  { title: 'LEADER', cell: (row) => row.leader, right: true },
  { title: 'REPLICAS', cell: (row) => row.replicas.join(',') },
  { title: 'ISR', cell: (row) => row.isr.join(',') },
];

const elrColumns: readonly Column<PartitionRow>[] = [
  { title: 'ELR', cell: (row) => row.elr?.join(',') ?? null },
  { title: 'LAST-KNOWN-ELR', cell: (row) => row.lastKnownElr?.join(',') ?? null },
];

const offsetColumns: readonly Column<PartitionRow>[] = [
  { title: 'LOG-START-OFFSET', cell: (row) => row.earliest, right: true },
  { title: 'LOG-END-OFFSET', cell: (row) => row.latest, right: true },
];

type AssignedPartition = AssignedTopic['partitions'][number];
type Wanted = (partition: AssignedPartition, minIsr: number) => boolean;

/** By Kafka's names of the same. A partition needs no more in sync than it has replicas. */
const filters: Readonly<Record<string, { readonly doc: string; readonly wanted: Wanted }>> = {
  'under-replicated-partitions': {
    doc: 'Only partitions that lack a replica in sync.',
    wanted: isUnderReplicated,
  },
  'unavailable-partitions': {
    doc: 'Only partitions without a leader.',
    wanted: ({ leader }) => leader < 0,
  },
  'under-min-isr-partitions': {
    doc: 'Only partitions that refuse acks=all: too few in sync.',
    wanted: ({ isr, replicas }, minIsr) => isr.length < Math.min(minIsr, replicas.length),
  },
  'at-min-isr-partitions': {
    doc: 'Only partitions that would refuse acks=all without one more.',
    wanted: ({ isr, replicas }, minIsr) => isr.length === Math.min(minIsr, replicas.length),
  },
};

export const describeCommand: Command = {
  name: 'describe',
  summary: 'Show partitions, leaders, replicas, offsets and settings of topics.',
  usage: 'topic describe [NAME…] [options]',
  examples: [
    'weir topic describe logs',
    'weir topic describe --under-replicated-partitions',
    'weir topic describe --json',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    topicOption,
    ...Object.entries(filters).map(([name, { doc }]) => ({ name, doc })),
    jsonOption,
  ],
  words: [0, Infinity],
  run: (args) =>
    withBrokers(args, async ({ admin, cluster }) => {
      const names = topicNames(args);
      const topics = await cluster.assigned(
        names.length === 0 ? await admin.listTopics() : await admin.describeTopics(names),
      );
      const filter = filterOf(args);
      const eligible = await eligibleReplicas(cluster, topics);
      const offsets = filter === null ? await offsetsOf(args, admin, topics) : null;
      const described = [];
      for (const topic of topics) {
        const one = await describe(admin, topic, { eligible, offsets, filter });
        if (filter === null || one.partitions.length > 0) described.push(one);
      }
      if (args.has('json')) {
        await args.terminal.out(`${JSON.stringify(described, null, 2)}\n`);
        return ExitCode.OK;
      }
      for (const [i, topic] of described.entries()) {
        if (i > 0) await args.terminal.out('\n');
        await args.terminal.out(topicText(topic, filter === null));
      }
      return ExitCode.OK;
    }),
};

/** What any of the given filters wants; null: everything. */
function filterOf(args: Arguments): Wanted | null {
  const given = Object.entries(filters).filter(([name]) => args.has(name));
  if (given.length === 0) return null;
  return (partition, minIsr) => given.some(([, { wanted }]) => wanted(partition, minIsr));
}

type Eligible = ReadonlyMap<string, ReplicaState>;

/** Empty where the cluster does not tell: older ones have no such question. */
async function eligibleReplicas(
  cluster: ClusterAdmin,
  topics: readonly TopicInfo[],
): Promise<Eligible> {
  try {
    const states = await cluster.replicas(topics.map(({ name }) => name));
    return new Map(states.map((state) => [`${state.topic}-${state.partition}`, state]));
  } catch {
    return new Map();
  }
}

type Described = Awaited<ReturnType<typeof describe>>;

interface Known {
  readonly eligible: Eligible;
  /** Null: nobody asked. */
  readonly offsets: KnownOffsets | null;
  readonly filter: Wanted | null;
}

async function describe(admin: Admin, topic: AssignedTopic, { eligible, offsets, filter }: Known) {
  const configs = await admin.describeConfigs('topic', topic.name);
  const minIsr = Number(configs.find(({ name }) => name === 'min.insync.replicas')?.value ?? 1);
  const wanted = topic.partitions.filter((partition) => filter?.(partition, minIsr) ?? true);
  return {
    topic: topic.name,
    topicId: topic.id,
    internal: topic.isInternal,
    partitionCount: topic.partitions.length,
    replicationFactor: factorOf(topic.partitions),
    configs: Object.fromEntries(
      configs
        .filter((config) => config.source === 'DYNAMIC_TOPIC_CONFIG')
        .map((config) => [config.name, config.value]),
    ),
    partitions: wanted.map((partition): PartitionRow => {
      const key = `${topic.name}-${partition.index}`;
      const state = eligible.get(key);
      return {
        partition: partition.index,
        leader: partition.leader < 0 ? null : partition.leader,
        replicas: partition.replicas,
        isr: partition.isr,
        elr: state?.elr ?? null,
        lastKnownElr: state?.lastKnownElr ?? null,
        earliest: offsets?.earliest.get(key) ?? null,
        latest: offsets?.latest.get(key) ?? null,
      };
    }),
  };
}

/** A broker that has not told its offsets by then tells none. */
const OFFSETS_MS_MAX = 5_000;
/** Partitions that a line names; the others are counted. */
const NAMED_MAX = 5;

/** Asks all leaders at once, and says which partitions they did not tell of, and why. */
async function offsetsOf(
  args: Arguments,
  admin: Admin,
  topics: readonly TopicInfo[],
): Promise<KnownOffsets> {
  const withinMs = Math.min(args.integer('timeout') ?? OFFSETS_MS_MAX, OFFSETS_MS_MAX);
  const offsets = await admin.knownOffsets(topics, withinMs);
  for (const [reason, partitions] of grouped(offsets.unknown)) {
    const named = partitions.slice(0, NAMED_MAX).join(', ');
    const more = partitions.length - NAMED_MAX;
    const list = more > 0 ? `${named} and ${more} more` : named;
    args.terminal.err(`weir: not all offsets are known of ${list}: ${reason}\n`);
  }
  return offsets;
}

/** Keys by their values. */
function grouped(pairs: ReadonlyMap<string, string>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, value] of pairs) groups.set(value, [...(groups.get(value) ?? []), key]);
  return groups;
}

function topicText(topic: Described, withOffsets: boolean): string {
  const configs = Object.entries(topic.configs).map(([name, value]) => `${name}=${value}`);
  const head = [
    `Topic: ${topic.topic}`,
    `TopicId: ${topic.topicId}`,
    `PartitionCount: ${topic.partitionCount}`,
    `ReplicationFactor: ${topic.replicationFactor}`,
    `Configs: ${configs.join(',')}`,
  ];
  // A lone replica has nobody to be eligible beside it.
  const columns = [
    ...idColumns,
    ...(topic.replicationFactor > 1 ? elrColumns : []),
    ...(withOffsets ? offsetColumns : []),
  ];
  return `${head.join('  ').trimEnd()}\n${tableText(columns, topic.partitions)}`;
}
