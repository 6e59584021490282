/** `weir topic advise`: partitions, replicas and retention for what a topic is to carry, and why. */
import type { Key } from '../config/table.ts';
import { parseValue } from '../config/table.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Administrators, withBrokers } from './broker-client.ts';
import { type Command, ExitCode } from './command.ts';
import { type Column, tableText } from './table.ts';
import { type Advice, adviseTopic, type Wish } from './topic-advice.ts';

const BROKERS_MAX = 1_000;
const CONSUMERS_MAX = 10_000;

const columns: readonly Column<Advice>[] = [
  { title: 'SETTING', cell: (row) => row.setting },
  { title: 'VALUE', cell: (row) => row.value, right: true },
  { title: 'WHY', cell: (row) => row.why },
];

/** A size or a duration, as in a configuration file. */
function measure(args: Arguments, name: string, type: 'bytes' | 'duration'): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const key: Key = { name, type, default: null, min: 1, doc: '' };
  const parsed = parseValue(key, text);
  if ('problem' in parsed) throw usageError(`--${name} ${parsed.problem}`);
  if (typeof parsed.value !== 'number') throw usageError(`--${name} needs a value`);
  return parsed.value;
}

/** Brokers that run, and the smallest disk that one of them has for its logs, in bytes. */
async function askCluster({ cluster }: Administrators) {
  const { brokers } = await cluster.describeCluster();
  const running = brokers.filter(({ isFenced }) => !isFenced);
  const disks = await Promise.all(
    running.map(async ({ id }) => {
      const dirs = (await cluster.logDirs(id)).filter(({ error }) => error === null);
      const totals = dirs.map(({ totalBytes }) => totalBytes);
      return totals.length === 0 || totals.includes(-1)
        ? null
        : totals.reduce((sum, bytes) => sum + bytes, 0);
    }),
  );
  const known = disks.filter((bytes) => bytes !== null);
  return {
    brokers: running.length,
    diskBytes: known.length < disks.length || known.length === 0 ? null : Math.min(...known),
  };
}

async function print(args: Arguments, wish: Wish): Promise<number> {
  const { advice, warnings } = adviseTopic(wish);
  if (args.has('json')) {
    await args.terminal.out(`${JSON.stringify({ wish, advice, warnings }, null, 2)}\n`);
    return ExitCode.OK;
  }
  await args.terminal.out(tableText(columns, advice));
  const options = advice.map(({ setting, value }) =>
    setting.includes('.') ? `--config ${setting}=${value}` : `--${setting} ${value}`,
  );
  await args.terminal.out(`\nweir topic create NAME ${options.join(' ')}\n`);
  for (const warning of warnings) args.terminal.err(`weir: ${warning}\n`);
  return ExitCode.OK;
}

export const adviseCommand: Command = {
  name: 'advise',
  summary: 'Say how many partitions and replicas a topic should have, and why.',
  usage: 'topic advise --throughput SIZE [options]',
  examples: [
    'weir topic advise --throughput 20MB --consumers 8',
    'weir topic advise --throughput 5MB --brokers 3 --disk 500GB --retention 30d',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    {
      name: 'throughput',
      value: 'SIZE',
      doc: 'What producers write in a second, compressed as it is stored (20MB).',
    },
    {
      name: 'consumers',
      value: 'N',
      default: '1',
      doc: 'Consumers of one group that are to work at once.',
    },
    { name: 'retention', value: 'TIME', default: '7d', doc: 'How long records are to be kept.' },
    { name: 'brokers', value: 'N', doc: 'Number of brokers (default: those that run).' },
    {
      name: 'disk',
      value: 'SIZE',
      doc: 'Disk that each broker has for its logs (default: that of the brokers that run).',
    },
    jsonOption,
  ],
  run: async (args) => {
    const bytesPerSecond = measure(args, 'throughput', 'bytes');
    if (bytesPerSecond === undefined) throw usageError('missing --throughput');
    const given = {
      bytesPerSecond,
      consumers: args.integer('consumers', 1, CONSUMERS_MAX) ?? 1,
      retentionMs: measure(args, 'retention', 'duration')!,
    };
    const brokers = args.integer('brokers', 1, BROKERS_MAX);
    const diskBytes = measure(args, 'disk', 'bytes');
    // Who plans a cluster has none yet.
    if (brokers !== undefined) {
      return print(args, { ...given, brokers, diskBytes: diskBytes ?? null });
    }
    return withBrokers(args, async (administrators) => {
      const seen = await askCluster(administrators);
      return print(args, { ...given, ...seen, diskBytes: diskBytes ?? seen.diskBytes });
    });
  },
};
