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
import { fetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { batchSize, lastOffset } from '../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly topic: string;
  readonly partitions: number;
  /** Bytes of values, before compression, to produce in all; Fetch reads all that there is. */
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
  for (let i = 0; builder.sizeInBytes + options.recordBytes + 20 < options.batchBytes; i++) {
    builder.append(1_767_225_600_000 + i, null, logLikeRecord(options.recordBytes, i));
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

function connect(options: LoadOptions): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: options.host, port: options.port, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function produceOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  const { frame, values } = encodeProduce(options, partition);
  const total = Math.ceil(options.bytes / options.partitions / values);
  const socket = await connect(options);
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
    socket.on('data', (chunk: Buffer) => splitter.push(chunk));
    socket.on('error', reject);
    send();
  });
}

async function fetchOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  const socket = await connect(options);
  let offset = 0;
  let bytes = 0;
  let requests = 0;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const ask = (): void => {
      requests++;
      const body = {
        clusterId: null,
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
            partitions: [
              {
                partition,
                currentLeaderEpoch: -1,
                fetchOffset: offset,
                logStartOffset: -1,
                partitionMaxBytes: options.batchBytes,
              },
            ],
          },
        ],
        forgottenTopicsData: [],
        rackId: '',
      };
      for (const chunk of writeRequest(apis.get(1)!, FETCH_VERSION, 1, 'replayer', body)) {
        socket.write(chunk);
      }
    };
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX, (answer) => {
      const reader = new ByteReader(answer);
      readResponseHeader(reader, apis.get(1)!, FETCH_VERSION);
      const body = codec(fetchResponse, FETCH_VERSION).read(reader);
      const part = body.responses[0]!.partitions[0]!;
      if (part.errorCode !== 0) return reject(new Error(`Fetch answered error ${part.errorCode}`));
      const records = part.records as Buffer | null;
      if (records === null || records.length === 0) {
        return reject(new Error(`end of partition ${partition} at ${offset}, ${bytes} bytes read`));
      }
      for (let at = 0; at + 61 <= records.length; ) {
        const size = batchSize(records, at);
        if (at + size > records.length) break; // A cut batch at the end is legal.
        offset = lastOffset(records, at) + 1;
        bytes += size;
        at += size;
      }
      if (offset < part.highWatermark) return ask();
      socket.destroy();
      resolve({ bytes, seconds: (performance.now() - start) / 1000, requests });
    });
    socket.on('data', (chunk: Buffer) => splitter.push(chunk));
    socket.on('error', reject);
    ask();
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
