/** A small Kafka cluster in memory whose answers tests may bend. */
import { ByteReader } from '../../../src/base/bytes.ts';
import type { Listening, Stream, Transport } from '../../../src/base/transport.ts';
import { apis } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { FrameSplitter, readRequestHeader, writeResponse } from '../../../src/protocol/frame.ts';
import {
  baseOffset,
  baseSequence,
  batchSize,
  forEachRecord,
  keyOf,
  lastOffset,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  recordCount,
  setBaseOffset,
  setPartitionLeaderEpoch,
  validateClientBatch,
  valueOf,
} from '../../../src/protocol/record-batch.ts';
import { MemoryTransport } from './memory-transport.ts';

export interface Stored {
  readonly key: string | null;
  readonly value: string | null;
}

interface ProducerState {
  id: number;
  epoch: number;
  nextSequence: number;
  recent: { sequence: number; count: number; offset: number }[];
}

export class FakePartition {
  leader: number;
  leaderEpoch = 0;
  readonly records: Stored[] = [];
  readonly batches: Buffer[] = [];
  startOffset = 0;
  /** Null: the leader alone. In sync is the leader, whatever they are. */
  replicas: readonly number[] | null = null;
  /** `max.message.bytes` */
  maxBytes = Infinity;
  readonly producers = new Map<number, ProducerState>();

  constructor(leader: number) {
    this.leader = leader;
  }

  append(batch: Buffer): { errorCode: number; baseOffset: number } {
    if (batch.length > this.maxBytes) {
      return { errorCode: ErrorCode.MESSAGE_TOO_LARGE, baseOffset: -1 };
    }
    const fault = validateClientBatch(batch, 0, batch.length);
    if (fault !== null) return { errorCode: fault.error, baseOffset: -1 };
    const offset = this.records.length;
    const id = producerId(batch, 0);
    if (id >= 0) {
      const seen = this.#sequence(id, batch);
      if (seen !== null) return seen;
    }
    const copy = Buffer.from(batch);
    setBaseOffset(copy, 0, offset);
    setPartitionLeaderEpoch(copy, 0, this.leaderEpoch);
    this.batches.push(copy);
    forEachRecord(copy, 0, (record) => {
      this.records.push({
        key: keyOf(record)?.toString() ?? null,
        value: valueOf(record)?.toString() ?? null,
      });
    });
    return { errorCode: ErrorCode.NONE, baseOffset: offset };
  }

  /** What lies behind a batch's end is lost, and the leader of a new term begins. */
  cut(offset: number): void {
    this.records.length = offset;
    const kept = this.batches.filter((batch) => lastOffset(batch, 0) < offset);
    this.batches.splice(0, this.batches.length, ...kept);
    this.leaderEpoch++;
  }

  /** The largest epoch up to `epoch`, and where it ends (KIP-279); null: no leader has had it yet. */
  endOfEpoch(epoch: number): { epoch: number; endOffset: number } | null {
    if (epoch > this.leaderEpoch) return null;
    const next = this.batches.find((batch) => partitionLeaderEpoch(batch, 0) > epoch);
    const last = this.batches.findLast((batch) => partitionLeaderEpoch(batch, 0) <= epoch);
    return {
      epoch:
        epoch === this.leaderEpoch || last === undefined ? epoch : partitionLeaderEpoch(last, 0),
      endOffset: next === undefined ? this.records.length : baseOffset(next, 0),
    };
  }

  /** What Kafka does: the last five batches are known, a gap is refused, a new epoch starts at 0. */
  #sequence(id: number, batch: Buffer): { errorCode: number; baseOffset: number } | null {
    const epoch = producerEpoch(batch, 0);
    const sequence = baseSequence(batch, 0);
    const count = recordCount(batch, 0);
    const gap = { errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, baseOffset: -1 };
    let state = this.producers.get(id);
    if (state !== undefined && epoch < state.epoch) {
      return { errorCode: ErrorCode.INVALID_PRODUCER_EPOCH, baseOffset: -1 };
    }
    if (state === undefined || epoch > state.epoch) {
      if (state !== undefined && sequence !== 0) return gap;
      state = { id, epoch, nextSequence: sequence, recent: [] };
      this.producers.set(id, state);
    }
    const known = state.recent.find((r) => r.sequence === sequence && r.count === count);
    if (known !== undefined) return { errorCode: ErrorCode.NONE, baseOffset: known.offset };
    if (sequence !== state.nextSequence) return gap;
    state.nextSequence = sequence + count;
    state.recent.push({ sequence, count, offset: this.records.length });
    if (state.recent.length > 5) state.recent.shift();
    return null;
  }
}

export interface FakeRequest {
  readonly broker: number;
  readonly api: string;
  readonly version: number;
  readonly body: any;
}

/** What a test may do with a request instead of having it answered. */
export type Verdict =
  | { readonly answer: unknown; readonly version?: number }
  /** Acts on it, then closes the connection instead of answering. */
  | 'act-and-close'
  | 'close'
  | 'silence'
  | undefined;

export class FakeBroker {
  readonly transport: Transport;
  readonly topics = new Map<
    string,
    { id: string; partitions: FakePartition[]; errorCode: number }
  >();
  readonly requests: FakeRequest[] = [];
  readonly ids: readonly number[];
  intercept: (request: FakeRequest) => Verdict | Promise<Verdict> = () => undefined;
  /** Answers of further APIs, by Kafka's name. */
  readonly handlers = new Map<string, (request: FakeRequest) => unknown>();
  readonly versions = new Map<number, { min: number; max: number }>();
  readonly #host: string;
  readonly #ports = new Map<number, number>();
  readonly #listening: Listening[] = [];
  #nextProducerId = 1000;

  /** With `host` on free ports of that address, which a real transport has. */
  constructor(
    transport: Transport,
    options: { topics?: Record<string, number>; brokers?: number; host?: string } = {},
  ) {
    this.transport = transport;
    this.#host = options.host ?? 'fake';
    this.ids = Array.from({ length: options.brokers ?? 1 }, (_, i) => i + 1);
    for (const [name, partitions] of Object.entries(options.topics ?? {})) {
      this.create(name, partitions);
    }
  }

  get address(): string {
    return this.ids.map((id) => `${this.#host}:${this.#portOf(id)}`).join(',');
  }

  create(name: string, partitions: number): void {
    const id = Buffer.alloc(16, this.topics.size + 1).toString('base64url');
    const list = Array.from(
      { length: partitions },
      (_, i) => new FakePartition(this.ids[i % this.ids.length]!),
    );
    this.topics.set(name, { id, partitions: list, errorCode: ErrorCode.NONE });
  }

  partition(topic: string, index: number): FakePartition {
    return this.topics.get(topic)!.partitions[index]!;
  }
  /** Values of a topic, partition after partition. */
  values(topic: string): (string | null)[] {
    return this.topics.get(topic)!.partitions.flatMap((p) => p.records.map((r) => r.value));
  }

  async start(): Promise<void> {
    for (const id of this.ids) {
      const port = this.#host === 'fake' ? this.#portOf(id) : 0;
      const accept = (stream: Stream): void => this.#serve(id, stream);
      const listening = await this.transport.listen(this.#host, port, accept);
      this.#ports.set(id, listening.port);
      this.#listening.push(listening);
    }
  }
  async stop(): Promise<void> {
    for (const listening of this.#listening) await listening.close();
  }

  #portOf(id: number): number {
    return this.#ports.get(id) ?? 9000 + id;
  }

  #serve(broker: number, stream: Stream): void {
    // One request after the other, as brokers do.
    let last = Promise.resolve();
    const splitter = new FrameSplitter(1 << 30, (frame) => {
      last = last.then(() => this.#request(broker, stream, frame));
    });
    stream.onData = (bytes) => splitter.push(bytes);
  }

  async #request(broker: number, stream: Stream, frame: Buffer): Promise<void> {
    const reader = new ByteReader(frame);
    const { apiKey, apiVersion, correlationId } = readRequestHeader(reader);
    const api = apis.get(apiKey)!;
    const body = codec(api.request, apiVersion).read(reader);
    const request: FakeRequest = { broker, api: api.name, version: apiVersion, body };
    this.requests.push(request);
    const verdict = await this.intercept(request);
    if (verdict === 'close') return stream.destroy();
    if (verdict === 'silence') return;
    const answer = typeof verdict === 'object' ? verdict.answer : await this.#answer(request);
    if (verdict === 'act-and-close') return stream.destroy();
    if (answer === null) return;
    const version = (typeof verdict === 'object' ? verdict.version : undefined) ?? apiVersion;
    stream.write(writeResponse(api, version, correlationId, answer));
  }

  #answer(request: FakeRequest): unknown {
    const handler = this.handlers.get(request.api);
    if (handler !== undefined) return handler(request);
    switch (request.api) {
      case 'ApiVersions':
        return this.#apiVersions();
      case 'Metadata':
        return this.#metadata(request.body);
      case 'Produce':
        return this.#produce(request);
      case 'Fetch':
        return this.#fetch(request);
      case 'ListOffsets':
        return this.#listOffsets(request);
      case 'InitProducerId':
        return {
          throttleTimeMs: 0,
          errorCode: 0,
          producerId: this.#nextProducerId++,
          producerEpoch: 0,
        };
      default:
        throw new Error(`the fake broker has no ${request.api}`);
    }
  }

  #apiVersions(): unknown {
    return {
      errorCode: 0,
      apiKeys: [...apis.values()].map((api) => ({
        apiKey: api.key,
        minVersion: this.versions.get(api.key)?.min ?? api.min,
        maxVersion: this.versions.get(api.key)?.max ?? api.max,
      })),
      throttleTimeMs: 0,
      supportedFeatures: [],
      finalizedFeaturesEpoch: -1,
      finalizedFeatures: [],
      zkMigrationReady: false,
    };
  }

  #metadata(body: { topics: { name: string }[] | null }): unknown {
    const names = body.topics?.map((topic) => topic.name) ?? [...this.topics.keys()];
    return {
      throttleTimeMs: 0,
      brokers: this.ids.map((id) => ({
        nodeId: id,
        host: this.#host,
        port: this.#portOf(id),
        rack: null,
      })),
      clusterId: 'fake-cluster',
      controllerId: 1,
      topics: names.map((name) => this.#topicMetadata(name)),
      clusterAuthorizedOperations: -0x8000_0000,
      errorCode: 0,
    };
  }

  #topicMetadata(name: string): unknown {
    const topic = this.topics.get(name);
    return {
      errorCode: topic?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      name,
      topicId: topic?.id ?? 'AAAAAAAAAAAAAAAAAAAAAA',
      isInternal: false,
      partitions: (topic?.partitions ?? []).map((partition, i) => ({
        errorCode: 0,
        partitionIndex: i,
        leaderId: partition.leader,
        leaderEpoch: partition.leaderEpoch,
        replicaNodes: partition.replicas ?? [partition.leader],
        isrNodes: [partition.leader],
        offlineReplicas: [],
      })),
      topicAuthorizedOperations: -0x8000_0000,
    };
  }

  /** Answers at once with what there is; with nothing, after a turn. */
  async #fetch({ broker, body }: FakeRequest): Promise<unknown> {
    let bytes = 0;
    const responses = body.topics.map((topic: any) => ({
      topic: topic.topic,
      topicId: topic.topicId,
      partitions: topic.partitions.map((asked: any) => {
        const name = this.topicName(topic);
        const partition =
          name === undefined ? undefined : this.topics.get(name)?.partitions[asked.partition];
        const answer = fetchAnswer(broker, partition, asked, bytes >= body.maxBytes);
        bytes += (answer.records as Buffer).length;
        return answer;
      }),
    }));
    if (bytes === 0) await this.idle(body.maxWaitMs);
    return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses, nodeEndpoints: [] };
  }
  /** How a fetch waits for data. */
  idle: (maxWaitMs: number) => Promise<void> = () =>
    new Promise((resolve) => setImmediate(resolve));

  #listOffsets({ broker, body }: FakeRequest): unknown {
    return {
      throttleTimeMs: 0,
      topics: body.topics.map((topic: any) => ({
        name: topic.name,
        partitions: topic.partitions.map((asked: any) => {
          const partition = this.topics.get(topic.name)?.partitions[asked.partitionIndex];
          const isLeader = partition?.leader === broker;
          const offset =
            asked.timestamp === -2 ? partition?.startOffset : partition?.records.length;
          return {
            partitionIndex: asked.partitionIndex,
            errorCode: isLeader ? 0 : ErrorCode.NOT_LEADER_OR_FOLLOWER,
            oldStyleOffsets: [],
            timestamp: -1,
            offset: isLeader ? offset : -1,
            leaderEpoch: 0,
          };
        }),
      })),
    };
  }

  topicName(topic: { name?: string; topic?: string; topicId: string }): string | undefined {
    const given = topic.name ?? topic.topic ?? '';
    if (given !== '') return given;
    return [...this.topics].find(([, known]) => known.id === topic.topicId)?.[0];
  }

  #produce({ broker, body }: FakeRequest): unknown {
    const responses = body.topicData.map((topic: any) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data: any) => {
        const name = this.topicName(topic);
        const partition =
          name === undefined ? undefined : this.topics.get(name)?.partitions[data.index];
        let result: { errorCode: number; baseOffset: number } = {
          errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          baseOffset: -1,
        };
        if (partition !== undefined && partition.leader !== broker) {
          result = { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, baseOffset: -1 };
        } else if (partition !== undefined) {
          const records: Buffer = data.records;
          result =
            batchSize(records, 0) === records.length
              ? partition.append(records)
              : { errorCode: ErrorCode.INVALID_RECORD, baseOffset: -1 };
        }
        return produceAnswer(data.index, result.errorCode, result.baseOffset);
      }),
    }));
    return body.acks === 0 ? null : { responses, throttleTimeMs: 0, nodeEndpoints: [] };
  }
}

function fetchAnswer(
  broker: number,
  partition: FakePartition | undefined,
  asked: any,
  isFull: boolean,
) {
  let errorCode: number = ErrorCode.NONE;
  const end = partition?.records.length ?? 0;
  if (partition === undefined) errorCode = ErrorCode.UNKNOWN_TOPIC_ID;
  else if (partition.leader !== broker) errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER;
  else if (asked.fetchOffset < partition.startOffset || asked.fetchOffset > end) {
    errorCode = ErrorCode.OFFSET_OUT_OF_RANGE;
  }
  let divergingEpoch = { epoch: -1, endOffset: -1 };
  if (partition !== undefined && asked.lastFetchedEpoch >= 0) {
    const known = partition.endOfEpoch(asked.lastFetchedEpoch);
    if (known === null) errorCode = ErrorCode.OFFSET_OUT_OF_RANGE;
    else if (known.epoch < asked.lastFetchedEpoch || known.endOffset < asked.fetchOffset) {
      errorCode = ErrorCode.NONE;
      divergingEpoch = known;
    }
  }
  const chosen: Buffer[] = [];
  let bytes = 0;
  const hasData = errorCode === 0 && divergingEpoch.epoch < 0 && !isFull;
  for (const batch of hasData ? partition!.batches : []) {
    if (lastOffset(batch, 0) < asked.fetchOffset) continue;
    if (bytes > 0 && bytes + batch.length > asked.partitionMaxBytes) {
      // As Kafka may: the next batch is cut short.
      chosen.push(batch.subarray(0, 20));
      break;
    }
    chosen.push(batch);
    bytes += batch.length;
  }
  return {
    partitionIndex: asked.partition,
    errorCode,
    highWatermark: end,
    lastStableOffset: end,
    logStartOffset: partition?.startOffset ?? -1,
    divergingEpoch,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: null,
    preferredReadReplica: -1,
    flushUpTo: -1,
    replicated: { offset: -1, partitionEpoch: -1 },
    removedTo: -1,
    records: Buffer.concat(chosen),
  };
}

export const produceAnswer = (index: number, errorCode: number, baseOffset = -1) => ({
  index,
  errorCode,
  baseOffset,
  logAppendTimeMs: -1,
  logStartOffset: 0,
  recordErrors: [],
  errorMessage: null,
  currentLeader: { leaderId: -1, leaderEpoch: -1 },
});

/** An answer that gives every batch of a Produce request the same error. */
export const produceError = (request: FakeRequest, errorCode: number): Verdict => ({
  answer: {
    responses: request.body.topicData.map((topic: any) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data: any) =>
        produceAnswer(data.index, errorCode),
      ),
    })),
    throttleTimeMs: 0,
    nodeEndpoints: [],
  },
});

export { MemoryTransport };
