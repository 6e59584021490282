/** `weir produce`: one record for each line of standard input. */

import type { Producer } from '../client/producer.ts';
import type { CompressionName } from '../protocol/compression.ts';
import { type Arguments, bootstrapOption, timeoutOption, usageError } from './arguments.ts';
import { type Command, ExitCode } from './command.ts';
import { LineSplitter } from './lines.ts';
import { requireTopic } from './topic-name.ts';

const ACKS = { '0': 0, '1': 1, all: -1, '-1': -1 } as const;
const COMPRESSIONS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const PROPERTIES = ['parse.key', 'key.separator', 'null.marker', 'ignore.error'];
const REQUEST_BYTES_MAX = 1024 * 1024;

interface LineForm {
  readonly parseKey: boolean;
  readonly separator: Buffer;
  readonly nullMarker: Buffer | null;
  readonly ignoreError: boolean;
}

export const produceCommand: Command = {
  name: 'produce',
  summary: 'Send each line of standard input as a record.',
  usage: 'produce TOPIC [options]',
  examples: [
    'echo hello | weir produce greetings',
    'weir produce orders --property parse.key=true --property key.separator=: < orders.txt',
    'tail -F app.log | weir produce logs --acks 0 --compression-codec zstd',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    { name: 'topic', value: 'NAME', doc: 'The topic, if not named before.' },
    { name: 'acks', value: '0|1|all', default: 'all', doc: 'Whose answer counts as delivered.' },
    {
      name: 'compression-codec',
      value: 'CODEC',
      default: 'none',
      doc: 'none, gzip, snappy, lz4 or zstd.',
    },
    { name: 'partition', value: 'N', doc: 'Send everything to this partition.' },
    { name: 'key', value: 'KEY', doc: 'Key of every record.' },
    { name: 'batch-size', value: 'BYTES', default: '131072', doc: 'Size of a batch.' },
    { name: 'linger', value: 'MS', default: '5', doc: 'How long a batch waits for more records.' },
    {
      name: 'max-request-size',
      value: 'BYTES',
      doc: 'Largest request and record (default: 1 MB).',
    },
    {
      name: 'property',
      value: 'KEY=VALUE',
      repeated: true,
      doc: 'parse.key=true, key.separator=… (default: a tab), null.marker=…, ignore.error=true.',
    },
  ],
  words: [0, 1],
  run: async (args) => {
    const topic = requireTopic(args);
    const form = lineForm(args);
    const acks = ACKS[args.choice('acks', Object.keys(ACKS) as (keyof typeof ACKS)[])!];
    const compression = args.choice('compression-codec', COMPRESSIONS)!;
    const lingerMs = args.integer('linger', 0, 60_000)!;
    const batchBytes = args.integer('batch-size', 0, 64 * 1024 * 1024)!;
    const requestBytesMax = args.integer('max-request-size', 1, 1 << 30) ?? REQUEST_BYTES_MAX;
    const [{ withClient }, { Producer: Class }] = await Promise.all([
      import('./cluster.ts'),
      import('../client/producer.ts'),
    ]);
    return withClient(args, async (client) => {
      client.metadata.allowAutoCreate = true;
      let failure: Error | null = null;
      const producer = new Class(client, {
        acks,
        compression,
        lingerMs,
        batchBytes,
        requestBytesMax,
        deliveryTimeoutMs: Math.max(args.integer('timeout', 1)!, lingerMs + 1),
        delivery: ({ error }) => {
          failure ??= error;
        },
      });
      let code: number = ExitCode.OK;
      try {
        await send(args, producer, topic, form, requestBytesMax);
      } finally {
        // What was read before a line that can be no record is sent, and answered for.
        await producer.close();
        code = summary(args, producer, topic, failure);
      }
      return code;
    });
  },
};

function lineForm(args: Arguments): LineForm {
  const properties = args.properties('property');
  for (const name of properties.keys()) {
    if (!PROPERTIES.includes(name)) {
      throw usageError(`--property takes ${PROPERTIES.join(', ')}; saw '${name}'`);
    }
  }
  const marker = properties.get('null.marker');
  const separator = properties.get('key.separator') ?? '\t';
  if (separator === '') throw usageError('key.separator must not be empty');
  return {
    parseKey: properties.get('parse.key') === 'true',
    separator: Buffer.from(separator),
    nullMarker: marker === undefined ? null : Buffer.from(marker),
    ignoreError: properties.get('ignore.error') === 'true',
  };
}

/** Reads to the end of the input, or until somebody asks to end. */
async function send(
  args: Arguments,
  producer: Producer,
  topic: string,
  form: LineForm,
  lineBytesMax: number,
): Promise<void> {
  const partition = args.integer('partition', 0);
  const fixedKey = args.text('key');
  const key = fixedKey === undefined ? null : Buffer.from(fixedKey);
  const base = partition === undefined ? {} : { partition };
  // Lines that came while the memory was full; at most one chunk of them.
  let refused: (() => boolean)[] = [];
  let number = 0;
  const splitter = new LineSplitter(lineBytesMax, (bytes, start, end) => {
    number++;
    const record = form.parseKey
      ? keyed(bytes.subarray(start, end), form, number)
      : { key, start, bytes };
    const value = record.bytes.subarray(record.start, record.bytes === bytes ? end : undefined);
    const isNull = form.nullMarker?.equals(value) === true;
    const options = { ...base, key: record.key };
    if (refused.length === 0 && producer.append(topic, isNull ? null : value, options)) return;
    const copy = isNull ? null : Buffer.from(value);
    const kept = { ...options, key: record.key === null ? null : Buffer.from(record.key) };
    refused.push(() => producer.append(topic, copy, kept));
  });
  const take = async (read: () => void): Promise<void> => {
    try {
      read();
    } finally {
      for (const append of refused) while (!append()) await producer.drained();
      refused = [];
    }
  };
  const progress = new SendProgress(args, producer);
  const input = args.terminal.input[Symbol.asyncIterator]();
  let stop = (): void => {};
  let interrupted = false;
  void args.terminal.interrupted.then(() => {
    interrupted = true;
    stop();
  });
  for (;;) {
    const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      stop = () => resolve({ done: true, value: undefined });
      input.next().then(resolve, reject);
    });
    if (next.done === true || interrupted) break;
    const chunk = next.value;
    await take(() => splitter.push(chunk));
    progress.show();
  }
  await take(() => splitter.end());
}

function keyed(
  line: Buffer,
  form: LineForm,
  number: number,
): { key: Buffer | null; start: number; bytes: Buffer } {
  const at = line.indexOf(form.separator);
  if (at >= 0) {
    const key = line.subarray(0, at);
    const isNull = form.nullMarker?.equals(key) === true;
    return { key: isNull ? null : key, start: at + form.separator.length, bytes: line };
  }
  if (form.ignoreError) return { key: null, start: 0, bytes: line };
  throw usageError(`no key separator '${form.separator.toString()}' in line ${number}`);
}

/** Once a second, for people. */
class SendProgress {
  readonly #args: Arguments;
  readonly #producer: Producer;
  #shownAt = performance.now();

  constructor(args: Arguments, producer: Producer) {
    this.#args = args;
    this.#producer = producer;
  }
  show(): void {
    if (!this.#args.terminal.errIsTty || performance.now() - this.#shownAt < 1000) return;
    this.#shownAt = performance.now();
    const { records, delivered } = this.#producer.counters;
    this.#args.terminal.err(`\r${records} records read, ${delivered} delivered`);
  }
}

function summary(
  args: Arguments,
  producer: Producer,
  topic: string,
  failure: Error | null,
): number {
  const { delivered, failed } = producer.counters;
  if (args.terminal.errIsTty) args.terminal.err(`\r${delivered} records delivered to ${topic}\n`);
  if (failed === 0) return ExitCode.OK;
  const why = failure === null ? '' : `: ${failure.message}`;
  args.terminal.err(`weir: ${failed} of ${delivered + failed} records not delivered${why}\n`);
  return ExitCode.FAILURE;
}
