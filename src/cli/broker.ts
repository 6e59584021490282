/** `weir broker`: list, describe, drain, remove. */
import { OperatingError, reasonOf } from '../base/errors.ts';
import type { ClusterBroker, LogDir, QuorumDescription } from '../client/cluster-admin.ts';
import { bootstrapOption, jsonOption, timeoutOption } from './arguments.ts';
import { type Administrators, withBrokers } from './broker-client.ts';
import { brokerId, drainCommand } from './broker-drain.ts';
import { type Command, ExitCode } from './command.ts';
import { type Column, printRows, tableText } from './table.ts';

const common = [bootstrapOption, timeoutOption] as const;

interface BrokerRow {
  readonly id: number;
  readonly rack: string | null;
  readonly endpoint: string;
  readonly state: 'running' | 'fenced';
  /** Its part in the metadata quorum; null where the cluster does not tell. */
  readonly quorum: 'controller' | 'voter' | 'observer' | null;
  readonly partitions: number;
  readonly leaders: number;
  /** Replicas of it that are not in sync. */
  readonly outOfSync: number;
  /** Of its logs, bytes; null when it does not answer. */
  readonly usedBytes: number | null;
  /** Of its volumes, bytes; null where it does not tell. */
  readonly freeBytes: number | null;
}

const columns: readonly Column<BrokerRow>[] = [
  { title: 'ID', cell: (row) => row.id, right: true },
  { title: 'RACK', cell: (row) => row.rack },
  { title: 'ENDPOINT', cell: (row) => row.endpoint },
  { title: 'STATE', cell: (row) => row.state },
  { title: 'QUORUM', cell: (row) => row.quorum },
  { title: 'PARTITIONS', cell: (row) => row.partitions, right: true },
  { title: 'LEADERS', cell: (row) => row.leaders, right: true },
  { title: 'OUT-OF-SYNC', cell: (row) => row.outOfSync, right: true },
  { title: 'DISK', cell: (row) => sizeText(row.usedBytes), right: true },
  { title: 'FREE', cell: (row) => sizeText(row.freeBytes), right: true },
];

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function sizeText(bytes: number | null): string | null {
  if (bytes === null) return null;
  let unit = 0;
  let size = bytes;
  for (; size >= 1_024 && unit < UNITS.length - 1; unit++) size /= 1_024;
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

const listCommand: Command = {
  name: 'list',
  summary: 'List the brokers with their part in the cluster.',
  usage: 'broker list [options]',
  examples: ['weir broker list', 'weir broker list --bootstrap-server kafka-1:9092 --json'],
  options: [...common, jsonOption],
  run: (args) =>
    withBrokers(args, async (administrators) => {
      const { rows } = await rowsOf(administrators);
      await printRows(args, columns, rows);
      return ExitCode.OK;
    }),
};

async function rowsOf(administrators: Administrators, only: number | null = null) {
  const { admin, cluster } = administrators;
  const [{ brokers: all }, quorum, topics] = await Promise.all([
    cluster.describeCluster(),
    // Clusters of other kinds have none, and that is no reason to say nothing of their brokers.
    cluster.describeQuorum().catch(() => null),
    admin.listTopics(),
  ]);
  const brokers = only === null ? all : all.filter(({ id }) => id === only);
  if (brokers.length === 0) {
    const ids = all.map(({ id }) => id).join(', ');
    throw new OperatingError('unknown-broker', `there is no broker ${only}; there are ${ids}`);
  }
  const partitions = topics.flatMap((topic) => topic.partitions);
  const dirs = await Promise.all(brokers.map((broker) => dirsOf(administrators, broker)));
  const rows = brokers.map((broker, i): BrokerRow => {
    const { id, rack, host, port, isFenced } = broker;
    const held = partitions.filter(({ replicas }) => replicas.includes(id));
    return {
      id,
      rack,
      endpoint: `${host}:${port}`,
      state: isFenced ? 'fenced' : 'running',
      quorum: quorum === null ? null : partOf(quorum, id),
      partitions: held.length,
      leaders: held.filter(({ leader }) => leader === id).length,
      outOfSync: held.filter(({ isr }) => !isr.includes(id)).length,
      usedBytes: sumOf(dirs[i]!, ({ usedBytes }) => usedBytes),
      freeBytes: sumOf(dirs[i]!, ({ usableBytes }) => usableBytes),
    };
  });
  return { rows, quorum, topics, dirs };
}

/** Null when the broker does not answer: the table says the rest all the same. */
async function dirsOf(
  { cluster }: Administrators,
  { id, isFenced }: ClusterBroker,
): Promise<readonly LogDir[] | null> {
  if (isFenced) return null;
  try {
    return await cluster.logDirs(id);
  } catch {
    return null;
  }
}

function sumOf(dirs: readonly LogDir[] | null, bytes: (dir: LogDir) => number): number | null {
  const known = (dirs ?? []).map(bytes).filter((value) => value >= 0);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function partOf({ leaderId, voters, observers }: QuorumDescription, id: number) {
  if (id === leaderId) return 'controller';
  if (voters.some((voter) => voter.id === id)) return 'voter';
  return observers.some((observer) => observer.id === id) ? 'observer' : null;
}

const describeCommand: Command = {
  name: 'describe',
  summary: 'Show what a broker holds, where, and what of it is not in sync.',
  usage: 'broker describe ID [options]',
  examples: ['weir broker describe 1', 'weir broker describe 1 --json'],
  options: [...common, jsonOption],
  words: [1, 1],
  run: (args) =>
    withBrokers(args, async (administrators) => {
      const id = brokerId(args.words[0]!);
      const { rows, quorum, topics, dirs } = await rowsOf(administrators, id);
      const behind = topics.flatMap(({ name: topic, partitions }) =>
        partitions
          .filter(({ replicas, isr }) => replicas.includes(id) && !isr.includes(id))
          .map(({ index: partition, leader, isr }) => ({ topic, partition, leader, isr })),
      );
      const replica = [...(quorum?.voters ?? []), ...(quorum?.observers ?? [])].find(
        (candidate) => candidate.id === id,
      );
      const metadataLag =
        quorum === null || replica === undefined || replica.logEndOffset < 0
          ? null
          : Math.max(0, quorum.highWatermark - replica.logEndOffset);
      const [row] = rows;
      const logDirs = dirs[0] ?? [];
      if (args.has('json')) {
        const all = { ...row, metadataLag, logDirs, outOfSyncPartitions: behind };
        await args.terminal.out(`${JSON.stringify(all, null, 2)}\n`);
        return ExitCode.OK;
      }
      const parts = [tableText(columns, rows)];
      if (logDirs.length > 0) parts.push(tableText(dirColumns, logDirs));
      if (metadataLag !== null) parts.push(`Metadata: ${metadataLag} records behind\n`);
      if (behind.length > 0) parts.push(tableText(behindColumns, behind));
      await args.terminal.out(parts.join('\n'));
      return ExitCode.OK;
    }),
};

const dirColumns: readonly Column<LogDir>[] = [
  { title: 'LOG-DIR', cell: (dir) => dir.path },
  { title: 'STATE', cell: (dir) => dir.error ?? 'works' },
  { title: 'PARTITIONS', cell: (dir) => dir.partitions, right: true },
  { title: 'DISK', cell: (dir) => sizeText(dir.usedBytes), right: true },
  {
    title: 'FREE',
    cell: (dir) => sizeText(dir.usableBytes < 0 ? null : dir.usableBytes),
    right: true,
  },
];

const behindColumns: readonly Column<{
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly isr: readonly number[];
}>[] = [
  { title: 'OUT-OF-SYNC', cell: (row) => row.topic },
  { title: 'PARTITION', cell: (row) => row.partition, right: true },
  { title: 'LEADER', cell: (row) => (row.leader < 0 ? null : row.leader), right: true },
  { title: 'ISR', cell: (row) => row.isr.join(',') },
];

const removeCommand: Command = {
  name: 'remove',
  summary: 'Make the cluster forget a broker that is empty and stopped.',
  usage: 'broker remove ID [--force]',
  examples: ['weir broker remove 2'],
  options: [
    ...common,
    { name: 'force', doc: 'Even when it runs or holds replicas: what only it holds is lost.' },
  ],
  words: [1, 1],
  run: (args) =>
    withBrokers(args, async (administrators) => {
      const id = brokerId(args.words[0]!);
      const { rows } = await rowsOf(administrators, id);
      const { partitions, state } = rows[0]!;
      if (!args.has('force')) {
        if (partitions > 0) {
          const held = partitions === 1 ? '1 replica' : `${partitions} replicas`;
          throw new OperatingError(
            'not-empty',
            `broker ${id} holds ${held}; first: weir broker drain ${id}`,
          );
        }
        if (state === 'running') {
          throw new OperatingError(
            'still-running',
            `broker ${id} still runs, and would come back; take it out of the configuration and stop it first`,
          );
        }
      }
      try {
        await administrators.cluster.unregisterBroker(id);
      } catch (error) {
        throw new OperatingError('not-removed', reasonOf(error), { cause: error });
      }
      await args.terminal.out(`removed broker ${id}\n`);
      return ExitCode.OK;
    }),
};

export const brokerCommand: Command = {
  name: 'broker',
  summary: 'List, describe, drain and remove brokers.',
  usage: 'broker COMMAND [options]',
  examples: ['weir broker list', 'weir broker drain 2', 'weir broker remove 2'],
  options: [],
  commands: [listCommand, describeCommand, drainCommand, removeCommand],
  run: () => Promise.resolve(ExitCode.USAGE),
};
