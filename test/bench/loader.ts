/**
 * The replayer: loads a broker to its limit with requests that were encoded before.
 *
 * Run as a process of its own, so that its CPU time is not the broker's:
 *   loader.ts produce|fetch JSON-options
 * It prints one line of JSON when it is done: bytes, seconds and requests. One connection a
 * partition; `inFlight` requests are always under way on each (Fetch: one, as a consumer does).
 */
import net from 'node:net';
import { ByteReader } from '../../src/base/bytes.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { CompressionType } from '../../src/protocol/compression.ts';
import { FrameSplitter, readResponseHeader, writeRequest } from '../../src/protocol/frame.ts';
import { produceResponse } from '../../src/protocol/messages/00-produce.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  /** By partition, where its leader listens; `port` where they are not told. */
  readonly ports?: readonly number[];
  readonly topic: string;
  readonly partitions: number;
  /** Bytes of values, before compression, to produce in all; Fetch reads all that there is, several times over. */
  readonly bytes: number;
  readonly recordBytes: number;
  readonly compression: keyof typeof CompressionType;
  readonly acks: number;
  readonly batchBytes: number;
  readonly inFlight: number;
}

export interface LoadResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly requests: number;
}

/** Old enough for any broker and without topic ids. */
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 11;
/** Times that all there is is read, so that the loader's own start is not what is measured. */
const FETCH_PASSES = 3;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

function logLikeRecord(size: number, i: number): Buffer {
  const line = `{"@timestamp":"2026-01-01T00:00:${i % 60}.123Z","message":"GET /items/${(i * 7919) % 100_003} ${i % 7 ? 200 : 404} in ${(i * 31) % 977} ms","user":${(i * 104_729) % 1_000_003}}`;
  return Buffer.from(line.repeat(Math.ceil(size / line.length)).slice(0, size));
}

function encodeProduce(options: LoadOptions, partition: number): { frame: Buffer; values: number } {
  const builder = new RecordBatchBuilder({
    compression: CompressionType[options.compression],
    initialBytes: options.batchBytes + 4096,
  });
  // Of now: old records would be deleted by retention while they are measured.
  const now = Date.now() - 60_000;
  for (let i = 0; builder.sizeInBytes + options.recordBytes + 20 < options.batchBytes; i++) {
    builder.append(now + i, null, logLikeRecord(options.recordBytes, i));
  }
  const values = builder.count * options.recordBytes;
  const body = {
    transactionalId: null,
    acks: options.acks,
    timeoutMs: 30_000,
    topicData: [
      { name: options.topic, partitionData: [{ index: partition, records: builder.build() }] },
    ],
  };
  const chunks = writeRequest(apis.get(0)!, PRODUCE_VERSION, 1, 'replayer', body);
  return { frame: Buffer.concat(chunks), values };
}

/** Read buffer of a connection, used again and again: fresh memory would be what is measured. */
const READ_BYTES = 256 * 1024;

function connect(
  options: LoadOptions,
  partition: number,
  onData: (bytes: Buffer) => void,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host: options.host,
      port: options.ports?.[partition] ?? options.port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback(size, buffer) {
          onData((buffer as Buffer).subarray(0, size));
          return true;
        },
      },
    });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function produceOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  const { frame, values } = encodeProduce(options, partition);
  const total = Math.ceil(options.bytes / options.partitions / values);
  let onData: (bytes: Buffer) => void = () => {};
  const socket = await connect(options, partition, (bytes) => onData(bytes));
  let sent = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const done = (): void => {
      socket.destroy();
      const seconds = (performance.now() - start) / 1000;
      resolve({ bytes: total * values, seconds, requests: total });
    };
    const send = (): void => {
      while (sent < total && sent - answered < options.inFlight) {
        sent++;
        socket.write(frame);
      }
    };
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX, (answer) => {
      const reader = new ByteReader(answer);
      readResponseHeader(reader, apis.get(0)!, PRODUCE_VERSION);
      const body = codec(produceResponse, PRODUCE_VERSION).read(reader);
      const error = body.responses[0]!.partitionResponses[0]!.errorCode;
      if (error !== 0) return reject(new Error(`Produce answered error ${error}`));
      answered++;
      if (answered === total) done();
      else send();
    });
    onData = (bytes) => splitter.push(bytes);
    socket.on('error', reject);
    send();
  });
}

/** Bytes of a batch's header that the reader looks at: base offset, length, … last offset delta. */
const BATCH_HEAD_BYTES = 27;

/**
 * Walks Fetch answers (one topic, one partition) as they stream by, and copies nothing but the
 * heads of answer and batches: the replayer must not be what bounds the measurement.
 */
class FetchWalker {
  readonly #headBytes: number;
  readonly #onAnswer: (walker: FetchWalker) => void;
  readonly #head = Buffer.alloc(256);
  #headFilled = 0;
  #inBatches = false;
  #left = 0; // Of the answer's records.
  #skip = 0; // Of the batch under way.
  nextOffset = 0;
  highWatermark = 0;
  recordBytes = 0;

  constructor(topic: string, onAnswer: (walker: FetchWalker) => void) {
    // size 4, correlation 4, throttle 4, error 2, session 4, topics 4, name 2+n, partitions 4,
    // index 4, error 2, high watermark 8, stable 8, start 8, aborted 4, replica 4, records 4
    this.#headBytes = 22 + 2 + Buffer.byteLength(topic) + 4 + 42;
    this.#onAnswer = onAnswer;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
      } else at += this.#gather(chunk, at);
      if (this.#skip === 0 && this.#inBatches && this.#left === 0) {
        this.#inBatches = false;
        this.#onAnswer(this);
      }
    }
  }

  #gather(chunk: Buffer, at: number): number {
    const wanted = this.#inBatches ? Math.min(BATCH_HEAD_BYTES, this.#left) : this.#headBytes;
    const n = Math.min(wanted - this.#headFilled, chunk.length - at);
    chunk.copy(this.#head, this.#headFilled, at, at + n);
    this.#headFilled += n;
    if (this.#headFilled < wanted) return n;
    this.#headFilled = 0;
    if (this.#inBatches) this.#batchHead(wanted);
    else this.#answerHead();
    return n;
  }

  #answerHead(): void {
    const partition = this.#headBytes - 42;
    const error = this.#head.readInt16BE(partition + 4);
    if (error !== 0) throw new Error(`Fetch answered error ${error}`);
    this.highWatermark = Number(this.#head.readBigInt64BE(partition + 6));
    this.#left = Math.max(this.#head.readInt32BE(this.#headBytes - 4), 0);
    this.recordBytes += this.#left;
    this.#inBatches = true;
  }

  #batchHead(size: number): void {
    const whole = size < BATCH_HEAD_BYTES ? size : 12 + this.#head.readInt32BE(8);
    if (whole <= this.#left) {
      this.nextOffset = Number(this.#head.readBigInt64BE(0)) + this.#head.readInt32BE(23) + 1;
    } // Else the last batch is cut, which is legal.
    this.#skip = Math.min(whole, this.#left) - size;
    this.#left -= size + this.#skip;
  }
}

async function fetchOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  let onData: (bytes: Buffer) => void = () => {};
  const socket = await connect(options, partition, (bytes) => onData(bytes));
  let requests = 0;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const ask = (fetchOffset: number): void => {
      requests++;
      const part = { partition, currentLeaderEpoch: -1, fetchOffset, logStartOffset: -1 };
      const body = {
        replicaId: -1,
        maxWaitMs: 500,
        minBytes: 1,
        maxBytes: 50 * 1024 * 1024,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [
          {
            topic: options.topic,
            partitions: [{ ...part, partitionMaxBytes: options.batchBytes }],
          },
        ],
        forgottenTopicsData: [],
        rackId: '',
      };
      for (const chunk of writeRequest(apis.get(1)!, FETCH_VERSION, 1, 'replayer', body)) {
        socket.write(chunk);
      }
    };
    let passes = 1;
    const walker = new FetchWalker(options.topic, ({ nextOffset, highWatermark, recordBytes }) => {
      if (nextOffset < highWatermark) return ask(nextOffset);
      if (passes++ < FETCH_PASSES) return ask(0);
      socket.destroy();
      resolve({ bytes: recordBytes, seconds: (performance.now() - start) / 1000, requests });
    });
    onData = (bytes) => walker.push(bytes);
    socket.on('error', reject);
    ask(0);
  });
}

async function main(): Promise<void> {
  const [kind, json] = process.argv.slice(2);
  const options = JSON.parse(json!) as LoadOptions;
  const one = kind === 'produce' ? produceOn : fetchOn;
  const all = await Promise.all(
    Array.from({ length: options.partitions }, (_, partition) => one(options, partition)),
  );
  const result: LoadResult = {
    bytes: all.reduce((sum, r) => sum + r.bytes, 0),
    seconds: Math.max(...all.map((r) => r.seconds)),
    requests: all.reduce((sum, r) => sum + r.requests, 0),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
