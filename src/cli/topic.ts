/** `weir topic`: list, create, alter, delete; `topic-describe.ts` and `topic-elect.ts` have the rest. */
import type { Admin, Result } from '../client/admin.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { factorOf, isUnderReplicated } from '../protocol/replication-factor.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Administrators, withBrokers } from './broker-client.ts';
import { type Command, ExitCode, type Option } from './command.ts';
import { type Column, printRows } from './table.ts';
import { doubtsAbout } from './topic-advice.ts';
import { adviseCommand } from './topic-advise.ts';
import { describeCommand } from './topic-describe.ts';
import { electCommand } from './topic-elect.ts';
import { changeFactor } from './topic-factor.ts';
import { topicNames, topicOption } from './topic-name.ts';

const common = [bootstrapOption, timeoutOption] as const;
const configOption: Option = {
  name: 'config',
  value: 'KEY=VALUE',
  repeated: true,
  doc: "Setting of the topic, in Kafka's names (retention.ms=86400000).",
};
const PARTITIONS_MAX = 10_000;
const REPLICATION_MAX = 0x7fff;

async function withAdmin(args: Arguments, work: (admin: Admin) => Promise<number>) {
  const [{ withAdministrator }, { Admin: Class }] = await Promise.all([
    import('./cluster.ts'),
    import('../client/admin.ts'),
  ]);
  return withAdministrator(args, Class, work);
}

function requiredNames(args: Arguments): readonly string[] {
  const names = topicNames(args);
  if (names.length === 0) throw usageError(`which topic? usage: weir ${args.command.usage}`);
  return names;
}

/** Prints what became of each topic; the exit code says whether all of it worked. */
function report(args: Arguments, results: readonly Result[], verb: string): number {
  let failures = 0;
  for (const { name, error } of results) {
    if (error === null) void args.terminal.out(`${verb} topic ${name}\n`);
    else {
      failures++;
      const isMissing = error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      const why = isMissing ? `topic '${name}' does not exist` : error.message;
      args.terminal.err(`weir: ${why}\n`);
    }
  }
  return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
}

interface ListRow {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly underReplicated: number;
  readonly internal: boolean;
}

const listColumns: readonly Column<ListRow>[] = [
  { title: 'TOPIC', cell: (row) => row.topic },
  { title: 'PARTITIONS', cell: (row) => row.partitions, right: true },
  { title: 'REPLICATION-FACTOR', cell: (row) => row.replicationFactor, right: true },
  { title: 'UNDER-REPLICATED', cell: (row) => row.underReplicated, right: true },
  { title: 'INTERNAL', cell: (row) => (row.internal ? 'yes' : '') },
];

const listCommand: Command = {
  name: 'list',
  summary: 'List the topics.',
  usage: 'topic list [options]',
  examples: ['weir topic list', 'weir topic list --bootstrap-server kafka-1:9092 --json'],
  options: [
    ...common,
    { name: 'exclude-internal', doc: 'Leave out topics that the cluster keeps for itself.' },
    jsonOption,
  ],
  run: (args) =>
    withBrokers(args, async ({ admin, cluster }) => {
      const topics = await cluster.assigned(await admin.listTopics());
      const shown = topics.filter((topic) => !(args.has('exclude-internal') && topic.isInternal));
      await printRows(
        args,
        listColumns,
        shown.map((topic) => ({
          topic: topic.name,
          partitions: topic.partitions.length,
          replicationFactor: factorOf(topic.partitions),
          underReplicated: topic.partitions.filter(isUnderReplicated).length,
          internal: topic.isInternal,
        })),
      );
      return ExitCode.OK;
    }),
};

const createCommand: Command = {
  name: 'create',
  summary: 'Create a topic.',
  usage: 'topic create NAME [options]',
  examples: [
    'weir topic create orders --partitions 6',
    'weir topic create audit --config retention.ms=-1 --config cleanup.policy=compact',
  ],
  options: [
    ...common,
    topicOption,
    { name: 'partitions', value: 'N', doc: "Number of partitions (default: the cluster's)." },
    { name: 'replication-factor', value: 'N', doc: "Number of replicas (default: the cluster's)." },
    configOption,
    { name: 'if-not-exists', doc: 'Succeed when the topic exists already.' },
  ],
  words: [0, 1],
  run: async (args) => {
    const [name, more] = requiredNames(args);
    if (more !== undefined) throw usageError('one topic at a time');
    const partitions = args.integer('partitions', 1, PARTITIONS_MAX);
    const replicationFactor = args.integer('replication-factor', 1, REPLICATION_MAX);
    const topic = {
      name: name!,
      ...(partitions === undefined ? {} : { partitions }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      configs: Object.fromEntries(args.properties('config')),
    };
    return withBrokers(args, async (administrators) => {
      const results = await administrators.admin.createTopics([topic]);
      const exists = results[0]?.error?.code === ErrorCode.TOPIC_ALREADY_EXISTS;
      if (exists && args.has('if-not-exists')) return ExitCode.OK;
      const code = report(args, results, 'created');
      if (code === ExitCode.OK) await warn(args, administrators, name!).catch(mayNotKnow);
      return code;
    });
  },
};

/** Whoever may create topics need not be allowed to see the cluster; the topic is there all the same. */
function mayNotKnow(error: unknown): void {
  if (!(error instanceof ProtocolError)) throw error;
}

/** Says what speaks against the topic, as the cluster has made it. */
async function warn(args: Arguments, { admin, cluster }: Administrators, name: string) {
  const [[topic], { brokers }] = await Promise.all([
    admin.describeTopics([name]),
    cluster.describeCluster(),
  ]);
  if (topic === undefined) return;
  const chosen = {
    partitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
    brokers: brokers.filter(({ isFenced }) => !isFenced).length,
  };
  for (const doubt of doubtsAbout(chosen)) args.terminal.err(`weir: topic ${name}: ${doubt}\n`);
}

const deleteCommand: Command = {
  name: 'delete',
  summary: 'Delete topics and all their records.',
  usage: 'topic delete NAME… [options]',
  examples: ['weir topic delete scratch'],
  options: [
    ...common,
    topicOption,
    { name: 'if-exists', doc: 'Succeed when the topic does not exist.' },
  ],
  words: [0, Infinity],
  run: async (args) => {
    const names = requiredNames(args);
    return withAdmin(args, async (admin) => {
      const results = await admin.deleteTopics(names);
      const fine = (r: Result): boolean =>
        args.has('if-exists') && r.error?.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return report(
        args,
        results.filter((r) => !fine(r)),
        'deleted',
      );
    });
  },
};

const alterCommand: Command = {
  name: 'alter',
  summary: 'Add partitions to a topic, or change its replicas or settings.',
  usage: 'topic alter NAME [options]',
  examples: [
    'weir topic alter orders --partitions 12',
    'weir topic alter orders --replication-factor 3',
    'weir topic alter logs --config retention.ms=604800000 --delete-config segment.bytes',
  ],
  options: [
    ...common,
    topicOption,
    { name: 'partitions', value: 'N', doc: 'New number of partitions; it can only grow.' },
    {
      name: 'replication-factor',
      value: 'N',
      doc: 'New number of replicas: brokers copy or drop theirs.',
    },
    configOption,
    {
      name: 'delete-config',
      value: 'KEY',
      repeated: true,
      doc: 'Setting to take back to its default.',
    },
  ],
  words: [0, 1],
  run: async (args) => {
    const [name] = requiredNames(args);
    const count = args.integer('partitions', 1, PARTITIONS_MAX);
    const factor = args.integer('replication-factor', 1, REPLICATION_MAX);
    const changes: Record<string, string | null> = Object.fromEntries(args.properties('config'));
    for (const key of args.list('delete-config')) changes[key] = null;
    if (count === undefined && factor === undefined && Object.keys(changes).length === 0) {
      throw usageError(
        'nothing to alter: give --partitions, --replication-factor, --config or --delete-config',
      );
    }
    return withBrokers(args, async (administrators) => {
      const { admin } = administrators;
      if (Object.keys(changes).length > 0) await admin.alterConfigs('topic', name!, changes);
      const results =
        count === undefined
          ? [{ name: name!, error: null }]
          : await admin.createPartitions([{ name: name!, count }]);
      if (factor !== undefined) await changeFactor(administrators, name!, factor);
      return report(args, results, 'altered');
    });
  },
};

export const topicCommand: Command = {
  name: 'topic',
  summary: 'List, create, describe, alter and delete topics, and elect their leaders.',
  usage: 'topic COMMAND [options]',
  examples: ['weir topic list', 'weir topic create orders --partitions 6'],
  options: [],
  commands: [
    listCommand,
    adviseCommand,
    createCommand,
    describeCommand,
    alterCommand,
    deleteCommand,
    electCommand,
  ],
  run: () => Promise.resolve(ExitCode.USAGE),
};
