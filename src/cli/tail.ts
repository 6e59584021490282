/** `weir tail`: the newest logs for people to read, and those that come. */
import { OperatingError } from '../base/errors.ts';
import type { Admin } from '../client/admin.ts';
import type { Client } from '../client/client.ts';
import type { FetchedBatch } from '../client/fetched-batch.ts';
import type { FetchStart } from '../client/fetcher.ts';
import type { TopicPartition } from '../client/list-offsets.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { RecordView } from '../protocol/record-batch.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Command, ExitCode, type Terminal } from './command.ts';
import { namesOf, WHEN_IT_COMES, withoutLeader } from './leaderless.ts';
import { logLineText, readLogLine } from './log-line.ts';
import { parseDuration, parseTime } from './time.ts';

const LINES_MAX = 1_000_000;
const POLL_MS = 200;
const TOPIC_RETRY_MS = 1000;
/** Of records since a time, so many bytes are put in order of time at once: there may be any number. */
const ORDERED_BYTES_MAX = 32 * 1024 * 1024;

export const tailCommand: Command = {
  name: 'tail',
  summary: 'Show the newest logs, and new ones as they come.',
  usage: 'tail [options]',
  examples: [
    'weir tail',
    'weir tail --lines 100 --grep "timeout|refused"',
    'weir tail --since 15m --no-follow --json',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    { name: 'topic', value: 'NAME', default: 'logs', doc: 'The topic to show.' },
    { name: 'lines', short: 'n', value: 'N', default: '10', doc: 'So many of the newest ones.' },
    { name: 'since', value: 'TIME', doc: 'All since a time, or since so long ago (15m, 2h).' },
    { name: 'follow', short: 'f', doc: 'Go on with new ones (the default).' },
    { name: 'no-follow', doc: 'End after those that are there.' },
    { name: 'grep', short: 'g', value: 'REGEX', doc: 'Only lines that match (case matters not).' },
    { ...jsonOption, doc: 'Print the records as they are stored, one a line.' },
  ],
  run: async (args) => {
    if (args.has('follow') && args.has('no-follow')) {
      throw usageError('--follow and --no-follow exclude each other');
    }
    const plan = readPlan(args);
    const [{ withClient }, { Admin: Class }] = await Promise.all([
      import('./cluster.ts'),
      import('../client/admin.ts'),
    ]);
    return withClient(args, (client) => tail(args, client, new Class(client), plan));
  },
};

interface Plan {
  readonly topic: string;
  readonly lines: number;
  /** Milliseconds since 1970; null: the newest `lines`. */
  readonly since: number | null;
  readonly follow: boolean;
  readonly pattern: RegExp | null;
}

function readPlan(args: Arguments): Plan {
  const since = args.text('since');
  const grep = args.text('grep');
  let pattern: RegExp | null = null;
  try {
    if (grep !== undefined) pattern = new RegExp(grep, 'im');
  } catch (error) {
    throw usageError(`--grep: ${(error as Error).message}`);
  }
  return {
    topic: args.required('topic'),
    lines: args.integer('lines', 0, LINES_MAX)!,
    since: since === undefined ? null : sinceOf(since),
    follow: !args.has('no-follow'),
    pattern,
  };
}

/** An age, or a point in time; milliseconds since 1970. */
const sinceOf = (text: string): number =>
  /^\d+(\.\d+)?[a-z]+$/.test(text)
    ? Date.now() - parseDuration(text, '--since takes a time, or')
    : parseTime(text, '--since takes an age like 2h, or');

async function tail(args: Arguments, client: Client, admin: Admin, plan: Plan): Promise<number> {
  const { terminal } = args;
  let interrupted = false;
  void terminal.interrupted.then(() => {
    interrupted = true;
  });
  const partitions = await topicPartitions(admin, client, plan, terminal, () => interrupted);
  if (partitions === null) return ExitCode.OK;
  const led = partitions.filter((p) => p.leader >= 0);
  const away = partitions.filter((p) => p.leader < 0);
  const missing = withoutLeader(away);
  if (plan.follow && away.length > 0) terminal.err(`${missing}; ${WHEN_IT_COMES}\n`);
  const ends = await admin.listOffsets(led, 'latest');
  const starts = await startOffsets(admin, led, ends, plan);
  const endOf = new Map(ends.map((end) => [end.partition, end.offset]));
  const { Fetcher } = await import('../client/fetcher.ts');
  const fetcher = new Fetcher(client, { offsetReset: 'earliest', maxWaitMs: POLL_MS });
  const view = new View(args, plan);
  try {
    fetcher.assign([...starts, ...away.map(startOfAway)]);
    // Until each partition has come to where it ended at the start, lines are put in order of time.
    const behind = new Set(
      ends.filter((end, i) => (starts[i]!.offset as number) < end.offset).map((e) => e.partition),
    );
    let heardAt = performance.now();
    while (behind.size > 0 && !interrupted) {
      for (const batch of await fetcher.poll(POLL_MS)) {
        view.collect(batch);
        if (behind.has(batch.partition)) heardAt = performance.now();
        const end = endOf.get(batch.partition) ?? Infinity;
        if (batch.nextOffset >= end) behind.delete(batch.partition);
      }
      if (performance.now() - heardAt >= client.requestTimeoutMs) {
        await view.showCollected();
        const ms = client.requestTimeoutMs;
        const silent = led.filter((p) => behind.has(p.partition));
        const what = `nothing came from ${namesOf(silent)} for ${ms} ms`;
        if (!plan.follow) throw new OperatingError('silent', what);
        terminal.err(`${what}; ${WHEN_IT_COMES}\n`);
        break;
      }
      if (plan.since !== null && view.bytes > ORDERED_BYTES_MAX) await view.showCollected();
    }
    await view.showCollected();
    if (!plan.follow && away.length > 0) throw new OperatingError('no-leader', missing);
    while (plan.follow && !interrupted) {
      for (const batch of await fetcher.poll(POLL_MS)) view.collect(batch);
      await view.showCollected();
    }
  } finally {
    fetcher.close();
  }
  return ExitCode.OK;
}

interface ShownPartition extends TopicPartition {
  /** -1: none at present. */
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** Of a partition that is so new that it never had a leader, the first lines are new ones, too. */
const startOfAway = ({ topic, partition, leaderEpoch }: ShownPartition): FetchStart => ({
  topic,
  partition,
  offset: leaderEpoch === 0 ? 'earliest' : 'latest',
});

/** With --follow waits for a topic that nothing was sent to yet; null: asked to end meanwhile. */
async function topicPartitions(
  admin: Admin,
  client: Client,
  plan: Plan,
  terminal: Terminal,
  interrupted: () => boolean,
): Promise<ShownPartition[] | null> {
  const { sleep } = await import('../base/clock.ts');
  for (let told = false; !interrupted(); told = true) {
    try {
      const [topic] = await admin.describeTopics([plan.topic]);
      return topic!.partitions.map(({ index: partition, leader, leaderEpoch }) => ({
        topic: plan.topic,
        partition,
        leader,
        leaderEpoch,
      }));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || !plan.follow) throw error;
      if (!told) terminal.err(`waiting for topic ${plan.topic} …\n`);
      await sleep(client.clock, TOPIC_RETRY_MS);
    }
  }
  return null;
}

async function startOffsets(
  admin: Admin,
  partitions: readonly TopicPartition[],
  ends: readonly { offset: number }[],
  plan: Plan,
): Promise<FetchStart[]> {
  if (plan.since !== null) {
    const found = await admin.listOffsets(partitions, plan.since);
    return partitions.map((p, i) => ({
      ...p,
      offset: found[i]!.offset < 0 ? ends[i]!.offset : found[i]!.offset,
    }));
  }
  const firsts = await admin.listOffsets(partitions, 'earliest');
  // Any partition may hold all of the newest lines.
  return partitions.map((p, i) => ({
    ...p,
    offset: Math.max(firsts[i]!.offset, ends[i]!.offset - plan.lines),
  }));
}

interface Collected {
  readonly time: number;
  readonly text: string;
}

type ForEach = (batch: FetchedBatch, visit: (record: RecordView) => void) => void;

/** Turns batches into lines. */
class View {
  readonly #args: Arguments;
  readonly #plan: Plan;
  readonly #colours: boolean;
  #pending: FetchedBatch[] = [];
  /** As fetched, of what is pending. */
  bytes = 0;
  #collected: Collected[] = [];
  #isFirst = true;
  #forEach: ForEach | null = null;

  constructor(args: Arguments, plan: Plan) {
    this.#args = args;
    this.#plan = plan;
    this.#colours = args.terminal.isTty && (process.env['NO_COLOR'] ?? '') === '';
  }

  collect(batch: FetchedBatch): void {
    this.#pending.push(batch);
    this.bytes += batch.records.length;
  }

  /** Writes what was collected, in order of time; the first time no more than was asked for. */
  async showCollected(): Promise<void> {
    this.#forEach ??= (await import('../client/fetched-batch.ts')).forEachFetchedRecord;
    for (const batch of this.#pending.splice(0)) this.#read(batch, this.#forEach);
    this.bytes = 0;
    this.#collected.sort((a, b) => a.time - b.time);
    const limited = this.#isFirst && this.#plan.since === null;
    const shown = limited ? lastOf(this.#collected, this.#plan.lines) : this.#collected;
    this.#collected = [];
    this.#isFirst = false;
    if (shown.length > 0) await this.#args.terminal.out(shown.map((line) => line.text).join(''));
  }

  #read(batch: FetchedBatch, forEach: ForEach): void {
    const { pattern } = this.#plan;
    forEach(batch, (record) => {
      if (record.valueEnd < 0) return;
      const value = record.buffer.toString('utf8', record.valueStart, record.valueEnd);
      const line = readLogLine(value, record.timestamp);
      if (this.#args.has('json')) {
        if (pattern === null || pattern.test(value)) {
          this.#collected.push({ time: line.time, text: `${value}\n` });
        }
        return;
      }
      const plain = logLineText(line, false);
      if (pattern !== null && !pattern.test(plain.slice(0, -1))) return;
      const text = this.#colours ? logLineText(line, true) : plain;
      this.#collected.push({ time: line.time, text });
    });
  }
}

const lastOf = <T>(list: readonly T[], count: number): readonly T[] =>
  count === 0 ? [] : list.slice(-count);
