/** `weir consume`: writes the records of a topic to standard output. */
import type { Client } from '../client/client.ts';
import type { FetchedBatch } from '../client/fetched-batch.ts';
import type { Fetcher, FetchStart } from '../client/fetcher.ts';
import type { TopicPartition } from '../client/list-offsets.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Command, ExitCode } from './command.ts';
import { WHEN_IT_COMES, withoutLeader } from './leaderless.ts';
import type { RecordFormat } from './record-format.ts';
import { parseTime } from './time.ts';
import { requireTopic } from './topic-name.ts';

/** Where to begin: a number is an offset. */
type Start = 'earliest' | 'latest' | number | { readonly time: number };

const POLL_MS = 200;
const COMMIT_INTERVAL_MS = 5000;
/** Written at once. */
const OUTPUT_BYTES = 256 * 1024;

export const consumeCommand: Command = {
  name: 'consume',
  summary: 'Read the records of a topic.',
  usage: 'consume TOPIC [options]',
  examples: [
    'weir consume logs --from-beginning',
    'weir consume orders --group billing --property print.key=true',
    'weir consume logs --offset 2026-11-22T15:00:00Z --max-messages 100 --json',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    { name: 'topic', value: 'NAME', doc: 'The topic, if not named before.' },
    {
      name: 'from-beginning',
      doc: 'From the first record kept; with --group only where it has no offset.',
    },
    { name: 'group', value: 'GROUP', doc: 'Join this group and commit what was read.' },
    {
      name: 'offset',
      value: 'WHERE',
      doc: 'earliest, latest, an offset, or a time (2026-11-22T15:00:00Z).',
    },
    { name: 'partition', value: 'N', doc: 'Only this partition.' },
    { name: 'max-messages', value: 'N', doc: 'End after so many records.' },
    { name: 'timeout-ms', value: 'MS', doc: 'End when no record comes for so long.' },
    {
      name: 'isolation-level',
      value: 'LEVEL',
      default: 'read_uncommitted',
      doc: 'read_uncommitted or read_committed.',
    },
    {
      name: 'property',
      value: 'KEY=VALUE',
      repeated: true,
      doc: 'print.key, print.timestamp, print.partition, print.offset, print.headers, print.value (true or false), key.separator, line.separator, headers.separator, null.literal.',
    },
    jsonOption,
  ],
  words: [0, 1],
  run: async (args) => {
    const topic = requireTopic(args);
    const plan = await readPlan(args);
    const [{ withClient }, { Fetcher: Class }, { Admin }] = await Promise.all([
      import('./cluster.ts'),
      import('../client/fetcher.ts'),
      import('../client/admin.ts'),
    ]);
    return withClient(args, async (client) => {
      const [described] = await new Admin(client).describeTopics([topic]);
      const partitions = described!.partitions.map((p) => p.index);
      const away = described!.partitions
        .filter((p) => p.leader < 0 && p.index === (plan.partition ?? p.index))
        .map(({ index: partition }) => ({ topic, partition }));
      if (away.length > 0) args.terminal.err(`${withoutLeader(away)}; ${WHEN_IT_COMES}\n`);
      if (plan.partition !== undefined && !partitions.includes(plan.partition)) {
        throw usageError(`topic '${topic}' has partitions 0 to ${partitions.length - 1}`);
      }
      const fetcher = new Class(client, {
        offsetReset: plan.start === 'earliest' ? 'earliest' : 'latest',
        isolation: plan.isolation,
      });
      const output = new Output(args, plan);
      try {
        if (plan.group !== undefined) await consumeGroup(client, fetcher, topic, plan, output);
        else {
          const wanted = plan.partition === undefined ? partitions : [plan.partition];
          const at = wanted.map((partition) => ({ topic, partition }));
          fetcher.assign(await positions(client, at, plan.start));
          await output.run(fetcher, (batch) => output.write(batch));
        }
      } finally {
        fetcher.close();
      }
      args.terminal.err(`Processed a total of ${output.count} messages\n`);
      return ExitCode.OK;
    });
  },
};

interface Plan {
  readonly start: Start;
  readonly partition: number | undefined;
  readonly group: string | undefined;
  readonly maxMessages: number;
  readonly timeoutMs: number;
  readonly isolation: 'read_uncommitted' | 'read_committed';
  readonly format: RecordFormat;
}

async function readPlan(args: Arguments): Promise<Plan> {
  const { recordFormat } = await import('./record-format.ts');
  const offset = args.text('offset');
  const group = args.text('group');
  const partition = args.integer('partition', 0);
  if (offset !== undefined && args.has('from-beginning')) {
    throw usageError('--offset and --from-beginning exclude each other');
  }
  if (group !== undefined && (offset !== undefined || partition !== undefined)) {
    throw usageError('a --group decides by itself; leave out --offset and --partition');
  }
  return {
    start: args.has('from-beginning') ? 'earliest' : startOf(offset ?? 'latest'),
    partition,
    group,
    maxMessages: args.integer('max-messages', 0) ?? Infinity,
    timeoutMs: args.integer('timeout-ms', 1) ?? Infinity,
    isolation: args.choice('isolation-level', ['read_uncommitted', 'read_committed'])!,
    format: recordFormat(args),
  };
}

function startOf(text: string): Start {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) return Number(text);
  return { time: parseTime(text, '--offset takes earliest, latest, a number or') };
}

async function positions(
  client: Client,
  partitions: readonly TopicPartition[],
  start: Start,
): Promise<FetchStart[]> {
  if (typeof start !== 'object') return partitions.map((p) => ({ ...p, offset: start }));
  const { listOffsets } = await import('../client/list-offsets.ts');
  const found = await listOffsets(client, partitions, start.time);
  // A negative offset: nothing is that young.
  return found.map((f) => ({ ...f, offset: f.offset < 0 ? 'latest' : f.offset }));
}

async function consumeGroup(
  client: Client,
  fetcher: Fetcher,
  topic: string,
  plan: Plan,
  output: Output,
): Promise<void> {
  const { GroupMember } = await import('../client/group-member.ts');
  const { sleep } = await import('../base/clock.ts');
  /** Next offsets by partition: what was written since the last assignment. */
  let written = new Map<number, number>();
  let writing: Promise<unknown> = Promise.resolve();
  const commit = async (offsets: ReadonlyMap<number, number>): Promise<void> => {
    if (offsets.size > 0) await member.commit(new Map([[topic, new Map(offsets)]]));
  };
  const reset = plan.start === 'earliest' ? 'earliest' : 'latest';
  let fatal: Error | null = null;
  const member = new GroupMember(client, {
    groupId: plan.group!,
    topics: [topic],
    onAssigned: async (partitions) => {
      const committed = await member.committed(partitions);
      fetcher.assign(committed.map((c) => ({ ...c, offset: c.offset < 0 ? reset : c.offset })));
    },
    onRevoked: async (_, lost) => {
      const last = written;
      written = new Map();
      fetcher.assign([]);
      if (lost) return;
      // Its offset is to be among those committed, or the next member shows it once more.
      await writing.catch(() => {});
      await commit(last);
    },
    onFatal: (error) => {
      fatal = error;
    },
  });
  member.start();
  let running = true;
  const committing = (async () => {
    while (running) {
      await sleep(client.clock, COMMIT_INTERVAL_MS);
      if (running) await commit(written).catch(() => {}); // Refused during a rebalance: the next one tells.
    }
  })();
  const write = async (batch: FetchedBatch): Promise<void> => {
    const noted = written;
    writing = output.write(batch).then((next) => noted.set(batch.partition, next));
    await writing;
  };
  const isReady = (): boolean => {
    if (fatal !== null) throw fatal;
    return member.generationId >= 0;
  };
  await output.run(fetcher, write, isReady, () => written);
  running = false;
  await member.leave();
  void committing;
}

/** Formats, counts, and knows when it is enough. */
class Output {
  count = 0;
  readonly #args: Arguments;
  readonly #plan: Plan;
  #interrupted = false;

  constructor(args: Arguments, plan: Plan) {
    this.#args = args;
    this.#plan = plan;
    void args.terminal.interrupted.then(() => {
      this.#interrupted = true;
    });
  }

  /**
   * Polls until enough was written, nothing came for long, or somebody asks to end. What was polled
   * before `assignment` has changed is fetched again by whoever it is assigned to.
   */
  async run(
    fetcher: Fetcher,
    write: (batch: FetchedBatch) => Promise<unknown>,
    isReady: () => boolean = () => true,
    assignment: () => unknown = () => null,
  ): Promise<void> {
    let quietSince = performance.now();
    while (!this.#interrupted && this.count < this.#plan.maxMessages) {
      const wait = Math.min(POLL_MS, this.#plan.timeoutMs);
      const batches = await fetcher.poll(wait);
      const polled = assignment();
      for (const batch of batches) {
        if (this.count >= this.#plan.maxMessages || this.#interrupted) return;
        if (assignment() !== polled) break;
        await write(batch);
      }
      // Waiting for a group's partitions is no silence of theirs.
      if (batches.length > 0 || !isReady()) quietSince = performance.now();
      else if (performance.now() - quietSince >= this.#plan.timeoutMs) return;
    }
  }

  /** Writes what is wanted of a batch; resolves to the offset behind it. */
  async write(batch: FetchedBatch): Promise<number> {
    const { forEachFetchedRecord } = await import('../client/fetched-batch.ts');
    const { format, maxMessages } = this.#plan;
    let next = batch.nextOffset;
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    const blocks: Buffer[] = [];
    forEachFetchedRecord(batch, (record) => {
      if (this.count === maxMessages) {
        next = record.offset;
        return false;
      }
      this.count++;
      const from = pieces.length;
      format(record, batch, pieces);
      for (let i = from; i < pieces.length; i++) bytes += pieces[i]!.length;
      if (bytes > OUTPUT_BYTES) {
        blocks.push(Buffer.concat(pieces, bytes));
        pieces = [];
        bytes = 0;
      }
      return true;
    });
    if (bytes > 0) blocks.push(Buffer.concat(pieces, bytes));
    for (const block of blocks) await this.#args.terminal.out(block);
    return next;
  }
}
