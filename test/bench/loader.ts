/**
 * The replayer: loads a broker to its limit with requests that were encoded before.
 *
 * Run as a process of its own, so that its CPU time is not the broker's:
 *   loader.ts produce|fetch JSON-options
 * It prints one line of JSON when it is done: bytes, seconds and requests. One connection a
 * partition; `inFlight` requests are always under way on each (Fetch: one, as a consumer does).
 */
import { ByteReader } from '../../src/base/bytes.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { readResponseHeader, writeRequest } from '../../src/protocol/frame.ts';
import { produceResponse } from '../../src/protocol/messages/00-produce.ts';
import { type BatchShape, encodeBatch } from './batches.ts';
import { PartitionReader } from './partition-reader.ts';
import { type Address, CLIENT_ID, RawConnection } from './raw-connection.ts';

export interface LoadOptions extends BatchShape {
  readonly host: string;
  readonly port: number;
  /** By partition, where its leader listens; `port` where they are not told. */
  readonly ports?: readonly number[];
  readonly topic: string;
  readonly partitions: number;
  /** Bytes of values, before compression, to produce in all; Fetch reads all that there is, several times over. */
  readonly bytes: number;
  readonly acks: number;
  readonly inFlight: number;
}

export interface LoadResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly requests: number;
}

/** Old enough for any broker and without topic ids. */
const PRODUCE_VERSION = 9;
/** Times that all there is is read, so that the loader's own start is not what is measured. */
const FETCH_PASSES = 3;

function encodeProduce(options: LoadOptions, partition: number): { frame: Buffer; values: number } {
  const { batch, values } = encodeBatch(options);
  const body = {
    transactionalId: null,
    acks: options.acks,
    timeoutMs: 30_000,
    topicData: [{ name: options.topic, partitionData: [{ index: partition, records: batch }] }],
  };
  const chunks = writeRequest(apis.get(0)!, PRODUCE_VERSION, 1, CLIENT_ID, body);
  return { frame: Buffer.concat(chunks), values };
}

const addressOf = ({ host, port, ports }: LoadOptions, partition: number): Address => ({
  host,
  port: ports?.[partition] ?? port,
});

async function produceOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  const { frame, values } = encodeProduce(options, partition);
  const total = Math.ceil(options.bytes / options.partitions / values);
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  const connection = await RawConnection.open(addressOf(options, partition), reject);
  let sent = 0;
  let answered = 0;
  const start = performance.now();
  const onAnswer = (answer: Buffer): void => {
    const reader = new ByteReader(answer);
    readResponseHeader(reader, apis.get(0)!, PRODUCE_VERSION);
    const body = codec(produceResponse, PRODUCE_VERSION).read(reader);
    const error = body.responses[0]!.partitionResponses[0]!.errorCode;
    if (error !== 0) return reject(new Error(`Produce answered error ${error}`));
    answered++;
    if (answered < total) return send();
    connection.close();
    const seconds = (performance.now() - start) / 1000;
    resolve({ bytes: total * values, seconds, requests: total });
  };
  const send = (): void => {
    while (sent < total && sent - answered < options.inFlight) {
      sent++;
      connection.send([frame], onAnswer);
    }
  };
  send();
  return promise;
}

async function fetchOn(options: LoadOptions, partition: number): Promise<LoadResult> {
  const { topic, batchBytes: maxBytes } = options;
  const source = { ...addressOf(options, partition), topic, partition, maxBytes };
  const reader = await PartitionReader.open(source);
  let requests = 0;
  const start = performance.now();
  for (let pass = 0; pass < FETCH_PASSES; pass++) {
    for (let offset = 0, end = 1; offset < end; requests++) {
      ({ nextOffset: offset, highWatermark: end } = await reader.fetch(offset));
    }
  }
  const seconds = (performance.now() - start) / 1000;
  reader.close();
  return { bytes: reader.recordBytes, seconds, requests };
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
