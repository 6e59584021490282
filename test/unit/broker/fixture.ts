/** A broker on a free port of loopback, and a client that writes its requests by hand. */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ByteReader } from '../../../src/base/bytes.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { Disk } from '../../../src/base/disk.ts';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { Broker } from '../../../src/broker/broker.ts';
import type { KeyValue } from '../../../src/config/table.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';
import { type Api, apiByName } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import type { CompressionCode } from '../../../src/protocol/compression.ts';
import { FrameSplitter, readResponseHeader, writeRequest } from '../../../src/protocol/frame.ts';
import type { produceResponse } from '../../../src/protocol/messages/00-produce.ts';
import type { fetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { batchSize, forEachRecord, valueOf } from '../../../src/protocol/record-batch.ts';
import {
  type BatchProducer,
  RecordBatchBuilder,
} from '../../../src/protocol/record-batch-builder.ts';
import type { Infer, Message } from '../../../src/protocol/schema.ts';

export interface RunningBroker {
  readonly broker: Broker;
  readonly port: number;
  readonly directory: string;
  readonly logged: { level: string; message: string; fields: Record<string, unknown> }[];
  /** Stops it and starts another on the same data. */
  restart(given?: Record<string, KeyValue>): Promise<RunningBroker>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly directory?: string;
  readonly clock?: Clock;
  readonly disk?: Disk;
  readonly onFatal?: (error: Error) => void;
}

let seed = 1;

/** One that has not been started. */
export function newBroker(
  given: Record<string, KeyValue> = {},
  options: StartOptions = {},
): Pick<RunningBroker, 'broker' | 'directory' | 'logged'> {
  const directory =
    options.directory ?? fs.mkdtempSync(path.join(os.tmpdir(), 'weir-broker-test-'));
  const logged: RunningBroker['logged'] = [];
  const log =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      logged.push({ level, message, fields });
    };
  const logger: Logger = { ...silentLogger, warn: log('warn'), error: log('error') };
  const broker = new Broker({
    config: {
      given: { listeners: ['PLAINTEXT://127.0.0.1:0'], 'log.dirs': [directory], ...given },
    },
    disk: options.disk ?? nodeDisk,
    clock: options.clock ?? systemClock,
    random: seededRandom(seed++),
    transport: nodeTransport,
    logger,
    registry: new MetricsRegistry(),
    ...(options.onFatal === undefined ? {} : { onFatal: options.onFatal }),
  });
  return { broker, directory, logged };
}

export async function startBroker(
  given: Record<string, KeyValue> = {},
  options: StartOptions = {},
): Promise<RunningBroker> {
  const { broker, directory, logged } = newBroker(given, options);
  await broker.start();
  const { port } = broker.listeners[0]!;
  return {
    broker,
    port,
    directory,
    logged,
    restart: async (again) => {
      await broker.stop();
      return startBroker(again ?? given, { ...options, directory });
    },
    stop: async () => {
      await broker.stop();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Keys that the schema knows but a test need not name. */
export type Loose = Record<string, unknown>;

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** One connection; answers come in the order of the requests. */
export class WireClient {
  readonly #socket: net.Socket;
  readonly #splitter: FrameSplitter;
  readonly #waiting: ((frame: Buffer | null) => void)[] = [];
  readonly closed: Promise<void>;
  #correlationId = 0;
  #isClosed = false;
  clientId: string | null = 'test';

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#splitter = new FrameSplitter(ANSWER_BYTES_MAX, (frame) => this.#waiting.shift()?.(frame));
    socket.on('data', (chunk: Buffer) => this.#splitter.push(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        for (const done of this.#waiting.splice(0)) done(null);
        resolve();
      });
    });
  }

  /** From the address `localAddress`; '' for whichever the system takes. */
  static connect(port: number, host = '127.0.0.1', localAddress = ''): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const from = localAddress === '' ? {} : { localAddress };
      const socket = net.connect({ port, host, noDelay: true, ...from });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new WireClient(socket)));
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Stops and restarts taking answers. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** The frame of the next answer; null when the connection closes first. */
  nextFrame(): Promise<Buffer | null> {
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** `schema` writes the body where it is one that the API's own schema does not allow. */
  encode(name: string, version: number, body: Loose, schema = apiOf(name).request): Buffer {
    const api = { ...apiOf(name), request: schema };
    this.#correlationId += 1;
    const complete = completed(schema, body);
    return Buffer.concat(writeRequest(api, version, this.#correlationId, this.clientId, complete));
  }

  /** Null when the connection closes instead. */
  tryRequest<R = any>(
    name: string,
    version: number,
    body: Loose,
    schema?: Message<any>,
  ): Promise<R | null> {
    return this.tryFrame(name, version, this.encode(name, version, body, schema));
  }

  /** Sends what was encoded last, as it is or ill-treated. Null when the connection closes instead. */
  async tryFrame<R = any>(name: string, version: number, bytes: Buffer): Promise<R | null> {
    const api = apiOf(name);
    const expected = this.#correlationId;
    const answer = this.nextFrame();
    this.write(bytes);
    const frame = await answer;
    if (frame === null) return null;
    const reader = new ByteReader(frame);
    const correlationId = readResponseHeader(reader, api, version);
    if (correlationId !== expected) {
      throw new Error(`answer ${correlationId} where ${expected} was due`);
    }
    const response = codec(api.response, version).read(reader) as R;
    if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes behind the answer`);
    return response;
  }

  async request<R = any>(name: string, version: number, body: Loose = {}): Promise<R> {
    const answer = await this.tryRequest<R>(name, version, body);
    if (answer === null) throw new Error(`${name} v${version}: the connection was closed`);
    return answer;
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return this.closed;
  }
}

export function apiOf(name: string): Api {
  const api = apiByName.get(name);
  if (api === undefined) throw new Error(`no API ${name}`);
  return api;
}

/** Fills in what the schema has a default for. */
function completed(message: Message<any>, body: Loose): unknown {
  return complete(message.body.spec, body);
}

function complete(spec: Message<any>['body']['spec'], value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (spec.kind === 'array') return (value as unknown[]).map((v) => complete(spec.item!, v));
  if (spec.kind !== 'struct') return value;
  const given = value as Loose;
  const result: Loose = {};
  for (const [name, field] of spec.fields) {
    const v = given[name];
    if (v !== undefined) result[name] = complete(field, v);
    else if (field.kind === 'struct' && field.nullFrom === Infinity) {
      result[name] = complete(field, {});
    } else result[name] = field.kind === 'struct' ? null : field.absent;
  }
  for (const name of Object.keys(given)) {
    if (!spec.fields.some(([known]) => known === name)) throw new Error(`no field ${name}`);
  }
  return result;
}

export type ProduceAnswer = Infer<
  typeof produceResponse
>['responses'][number]['partitionResponses'][number];
export type FetchAnswer = Infer<typeof fetchResponse>['responses'][number]['partitions'][number];

export interface BatchOptions {
  readonly timestamp?: number;
  readonly key?: string | null;
  readonly compression?: CompressionCode;
  readonly producer?: BatchProducer;
  readonly attributes?: number;
}

/** A value, or a key with its value; null is a tombstone. */
export type TestRecord = string | readonly [key: string, value: string | null];

/** A batch of these records; those without a key of their own have that of the options. */
export function batchOf(records: readonly TestRecord[], options: BatchOptions = {}): Buffer {
  const builder = new RecordBatchBuilder({
    compression: options.compression ?? 0,
    attributes: options.attributes ?? 0,
  });
  records.forEach((record, i) => {
    const [key, value] = typeof record === 'string' ? [options.key ?? null, record] : record;
    builder.append((options.timestamp ?? Date.now()) + i, bytesOf(key), bytesOf(value));
  });
  return builder.build(options.producer);
}

const bytesOf = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text));

/** Creates a topic and returns its id. */
export async function createTopic(
  client: WireClient,
  name: string,
  numPartitions = 1,
  configs: Record<string, string> = {},
): Promise<string> {
  const response = await client.request('CreateTopics', 7, {
    topics: [
      {
        name,
        numPartitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  });
  const topic = response.topics[0];
  if (topic.errorCode !== 0) throw new Error(`create ${name}: ${topic.errorMessage}`);
  return topic.topicId;
}

/** Produces one batch to a partition, by name. */
export async function produce(
  client: WireClient,
  topic: string,
  records: Buffer | null,
  options: { acks?: number; partition?: number; version?: number } = {},
): Promise<ProduceAnswer> {
  const { acks = 1, partition = 0, version = 9 } = options;
  const response = await client.request('Produce', version, {
    acks,
    timeoutMs: 5000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  });
  return response.responses[0].partitionResponses[0];
}

/** Fetches from one partition, without a session. */
export async function fetch(
  client: WireClient,
  topic: string,
  fetchOffset: number,
  options: {
    partition?: number;
    version?: number;
    maxWaitMs?: number;
    minBytes?: number;
    maxBytes?: number;
    partitionMaxBytes?: number;
    isolationLevel?: number;
    currentLeaderEpoch?: number;
    lastFetchedEpoch?: number;
  } = {},
): Promise<FetchAnswer> {
  const response = await client.request('Fetch', options.version ?? 11, {
    maxWaitMs: options.maxWaitMs ?? 0,
    minBytes: options.minBytes ?? 1,
    maxBytes: options.maxBytes ?? 50_000_000,
    isolationLevel: options.isolationLevel ?? 0,
    topics: [
      {
        topic,
        partitions: [
          {
            partition: options.partition ?? 0,
            fetchOffset,
            partitionMaxBytes: options.partitionMaxBytes ?? 1_000_000,
            currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
            lastFetchedEpoch: options.lastFetchedEpoch ?? -1,
          },
        ],
      },
    ],
  });
  return response.responses[0].partitions[0];
}

/** Values of all records in the batches. */
export function valuesOf(records: FetchAnswer['records']): string[] {
  const bytes = records as Buffer;
  const values: string[] = [];
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    forEachRecord(bytes, at, (record) => {
      values.push(valueOf(record)?.toString() ?? '');
    });
  }
  return values;
}
