/**
 * Brokers that copy from each other in memory: their logs on disks that fail at will, the handlers
 * and fetchers of the real ones, one clock that a test moves, and a controller that does as told.
 * What brokers send each other goes through the wire format.
 */
import { ByteReader } from '../../src/base/bytes.ts';
import { OperatingError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import { FetchSessionCache } from '../../src/broker/fetch-session.ts';
import { BodyWithRelease, type ConnectionInfo, RequestContext } from '../../src/broker/handler.ts';
import { produceHandler } from '../../src/broker/handlers/00-produce.ts';
import { fetchHandler } from '../../src/broker/handlers/01-fetch.ts';
import { listOffsetsHandler } from '../../src/broker/handlers/02-list-offsets.ts';
import { deleteRecordsHandler } from '../../src/broker/handlers/21-delete-records.ts';
import { offsetForLeaderEpochHandler } from '../../src/broker/handlers/23-offset-for-leader-epoch.ts';
import { FetchPurgatory } from '../../src/broker/purgatory.ts';
import type { BrokerServices } from '../../src/broker/services.ts';
import { type Call, calls } from '../../src/client/call.ts';
import { Configs, type GivenConfig } from '../../src/cluster/configs.ts';
import { MetadataDelta } from '../../src/cluster/metadata-delta.ts';
import {
  MetadataImage,
  type PartitionImage,
  partitionValue,
} from '../../src/cluster/metadata-image.ts';
import type { MetadataRecord } from '../../src/cluster/metadata-records.ts';
import type { Partition } from '../../src/cluster/partition.ts';
import { Partitions } from '../../src/cluster/partitions.ts';
import type { Channel, Peers } from '../../src/cluster/peers.ts';
import { Replication } from '../../src/cluster/replication.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { codec, decode, encode } from '../../src/protocol/codec.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { readResponseHeader, writeResponse } from '../../src/protocol/frame.ts';
import type { alterPartitionResponse } from '../../src/protocol/messages/56-alter-partition.ts';
import {
  batchSize,
  forEachRecord,
  partitionLeaderEpoch,
  valueOf,
} from '../../src/protocol/record-batch.ts';
import { type BatchProducer, RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { ClientQuotas } from '../../src/security/client-quotas.ts';
import { ANONYMOUS } from '../../src/security/principal.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { ManualClock } from './manual-clock.ts';

export const TOPIC = 't';
export const TOPIC_ID = 'c29tZS10b3BpYy1pZC0xMg';

const handlers = new Map(
  [
    produceHandler,
    fetchHandler,
    listOffsetsHandler,
    deleteRecordsHandler,
    offsetForLeaderEpochHandler,
  ].map((handler) => [handler.api.key, handler]),
);

type AlterPartitionAnswer = Infer<typeof alterPartitionResponse>;

/** Something between two brokers. */
export interface Passing {
  readonly from: number;
  readonly to: number;
  readonly api: number;
  readonly response: any;
}

export class Replica {
  readonly id: number;
  readonly image = new MetadataImage();
  readonly #rig: ReplicaRig;
  disk: FaultyDisk;
  logs!: LogManager;
  partitions!: Partitions;
  replication!: Replication;
  services!: BrokerServices;
  epoch: number;
  isUp = false;
  /** Resolves when the life that it leads now ends. */
  death: Promise<void> = Promise.resolve();
  #die = (): void => {};
  /** Requests that it has answered, by API key. */
  readonly answered = new Map<number, number>();

  constructor(rig: ReplicaRig, id: number) {
    this.#rig = rig;
    this.id = id;
    this.epoch = 100 + id;
    this.disk = new FaultyDisk(rig.clock);
  }

  get partition(): Partition {
    return this.partitions.get(TOPIC, 0)!;
  }
  get log() {
    return this.partition.log;
  }
  /** All values in the log, committed or not. */
  get values(): string[] {
    return this.batches().flatMap(({ values }) => values);
  }
  /** Of each batch the term in which it was written, and its values. */
  batches(): { epoch: number; values: string[] }[] {
    const { log } = this;
    const found: { epoch: number; values: string[] }[] = [];
    for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
      const read = log.read(offset, 1 << 20, { upTo: log.logEndOffset, minOneMessage: true });
      const { records } = read;
      if (read.bytes === 0) throw new Error(`no record at ${offset} before ${log.logEndOffset}`);
      const bytes =
        records instanceof Uint8Array ? Buffer.from(records) : Buffer.concat([...records]);
      read.release?.();
      for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
        const values: string[] = [];
        forEachRecord(bytes, at, (record) => {
          offset = record.offset + 1;
          values.push(valueOf(record)?.toString() ?? '');
        });
        found.push({ epoch: partitionLeaderEpoch(bytes, at), values });
      }
    }
    return found;
  }

  async start(): Promise<void> {
    const { clock, given } = this.#rig;
    const { id: nodeId, image } = this;
    // It has caught up with the metadata before it takes part.
    this.#rig.learn(nodeId);
    const random = seededRandom(nodeId + 1);
    const configs = new Configs({ 'node.id': nodeId, ...given }, image, nodeId);
    this.logs = new LogManager({
      disk: this.disk,
      clock,
      random,
      logger: silentLogger,
      dirs: [`/data-${nodeId}`],
      brokerId: nodeId,
      clusterId: 'c29tZS1jbHVzdGVyLWlkMQ',
      configFor: (topic) => configs.logConfig(topic),
      onDamaged: () => (this.replication as Replication | undefined)?.repair.wake(),
      onDirectoryOffline: () => {
        for (const partition of this.partitions.all()) partition.touched();
      },
    });
    await this.logs.start();
    this.partitions = new Partitions({
      logs: this.logs,
      configs,
      logger: silentLogger,
      nodeId,
      clock,
      image,
    });
    const fetchPurgatory = new FetchPurgatory(clock);
    this.replication = new Replication({
      nodeId,
      partitions: this.partitions,
      configs,
      peers: this.#rig.peersOf(nodeId),
      channel: { send: (call, body) => this.#rig.controller(nodeId, call, body) },
      brokerEpoch: () => this.epoch,
      clock,
      logger: silentLogger,
      waitingFetches: fetchPurgatory,
    });
    this.services = {
      nodeId,
      rack: `rack-${nodeId}`,
      clock,
      random,
      logger: silentLogger,
      configs,
      image,
      store: { image },
      partitions: this.partitions,
      access: null,
      quotas: new ClientQuotas({ quotas: [], version: 0 }, { windows: 11, windowMs: 1000 }),
      fetchSessions: new FetchSessionCache(100, random),
      fetchPurgatory,
      produceWaits: { count: 0 },
      connectionStats: { queuedResponseBytes: 0 },
      apiStats: new Map(),
      hot: {
        flushOnAcksAll: configs.boolean('log.flush.on.acks.all'),
        fetchBytesMax: configs.number('fetch.max.bytes'),
        autoCreateTopics: false,
        queuedResponseBytesMax: 1 << 30,
      },
    } as unknown as BrokerServices;
    this.isUp = true;
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
    this.replication.start();
    this.partitions.load(image);
  }

  /** As a killed process: what it held in memory is gone, what it wrote is there. */
  kill(): void {
    this.isUp = false;
    this.#die();
    this.replication.stop();
    this.services.fetchPurgatory.stop();
    this.logs.abandon();
  }
  async stop(): Promise<void> {
    if (!this.isUp) return;
    this.isUp = false;
    this.#die();
    this.replication.stop();
    this.services.fetchPurgatory.stop();
    await this.logs.stop();
  }

  /** As after an eviction of all of them. */
  forgetSessions(): void {
    const services = this.services as { fetchSessions: FetchSessionCache };
    services.fetchSessions = new FetchSessionCache(100, seededRandom(99));
  }

  /** A request as a client on a connection of its own sends it; resolves to the answer's body. */
  async request(api: number, version: number, body: any): Promise<any> {
    const handler = handlers.get(api)!;
    const context = new RequestContext(
      version,
      0,
      'test',
      CONNECTION,
      this.services,
      this.#rig.clock.monotonic(),
    );
    const answer: any = await handler.handle(body, context);
    this.answered.set(api, (this.answered.get(api) ?? 0) + 1);
    return answer;
  }

  /** Produces one batch; resolves to the error code and the first offset. */
  async produce(
    values: readonly string[],
    options: { acks?: number; timeoutMs?: number; producer?: BatchProducer } = {},
  ): Promise<{ errorCode: number; baseOffset: number; currentLeader: { leaderId: number } }> {
    const { acks = -1, timeoutMs = 60_000, producer } = options;
    const builder = new RecordBatchBuilder({});
    for (const value of values) {
      builder.append(this.#rig.clock.now(), null, Buffer.from(value));
    }
    const answer = await this.request(0, 13, {
      transactionalId: null,
      acks,
      timeoutMs,
      topicData: [
        {
          name: '',
          topicId: TOPIC_ID,
          partitionData: [{ index: 0, records: builder.build(producer) }],
        },
      ],
    });
    return answer.responses[0].partitionResponses[0];
  }

  /** Fetches as a consumer. */
  async fetch(fetchOffset: number, more: Record<string, unknown> = {}): Promise<any> {
    const { lastFetchedEpoch = -1, currentLeaderEpoch = -1, ...rest } = more;
    const answer = await this.request(1, 17, {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: '',
          topicId: TOPIC_ID,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch,
              fetchOffset,
              lastFetchedEpoch,
              logStartOffset: -1,
              partitionMaxBytes: 1 << 20,
              flushedOffset: -1,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
      ...rest,
    });
    const body = answer instanceof BodyWithRelease ? (answer.body as any) : answer;
    return body.responses[0].partitions[0];
  }
}

const CONNECTION: ConnectionInfo = {
  id: 1,
  remote: '127.0.0.1:1',
  clientHost: '127.0.0.1',
  listener: 'PLAINTEXT',
  advertised: { host: '127.0.0.1', port: 9092 },
  principal: ANONYMOUS,
  rights: null,
  sasl: null,
  meters: null,
  softwareName: '',
  softwareVersion: '',
  softwareKey: '',
} as unknown as ConnectionInfo;

export class ReplicaRig {
  readonly clock = new ManualClock();
  readonly given: GivenConfig;
  readonly replicas: Replica[] = [];
  /** Every committed record of the metadata. */
  readonly #records: MetadataRecord[] = [];
  /** How many of them each broker has heard of. */
  readonly #heard: number[] = [];
  /** Brokers that hear of no new metadata. */
  readonly deaf = new Set<number>();
  /** `from>to` that do not get through. */
  readonly cut = new Set<string>();
  /** Sees every answer before it arrives, and may change it or hold it back. */
  onPassing: (passing: Passing) => void | Promise<void> = () => {};
  /** What the controller answers to changes of the replicas in sync; null: as it should. */
  refuse: number | null = null;
  /** The controller does not answer. */
  controllerIsAway = false;
  alterations = 0;

  private constructor(given: GivenConfig) {
    this.given = given;
  }

  /** Starts brokers 0.. and the topic's one partition on all of them, led by 0. */
  static async start(count: number, given: GivenConfig = {}): Promise<ReplicaRig> {
    const rig = new ReplicaRig({
      'replica.lag.time.max.ms': 10_000,
      'log.flush.on.acks.all': false,
      ...given,
    });
    const ids = Array.from({ length: count }, (_, id) => id);
    for (const id of ids) {
      rig.#heard.push(0);
      rig.replicas.push(new Replica(rig, id));
    }
    for (const id of ids) await rig.replicas[id]!.start();
    for (const id of ids) rig.register(id);
    rig.commit([
      { type: 'Topic', value: { name: TOPIC, topicId: TOPIC_ID } },
      {
        type: 'Partition',
        value: {
          topicId: TOPIC_ID,
          partitionId: 0,
          replicas: ids,
          isr: ids,
          leader: 0,
          leaderEpoch: 0,
          partitionEpoch: 0,
          adding: [],
          removing: [],
          elr: [],
          lastKnownElr: [],
          leaderRecoveryState: 0,
        },
      },
    ]);
    await rig.settle();
    return rig;
  }

  get(id: number): Replica {
    return this.replicas[id]!;
  }
  /** What the controller has of the partition. */
  get state(): PartitionImage {
    const image = new MetadataImage();
    for (const record of this.#records) image.apply(record);
    return image.topic(TOPIC)!.partitions[0]!;
  }

  /** The broker is registered and takes part. */
  register(id: number, fenced = false): void {
    this.commit([
      {
        type: 'RegisterBroker',
        value: {
          brokerId: id,
          brokerEpoch: this.get(id).epoch,
          incarnationId: TOPIC_ID,
          rack: `rack-${id}`,
          endPoints: [
            { name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 + id, securityProtocol: 0 },
          ],
          logDirs: [],
          fenced,
          inControlledShutdown: false,
          features: [],
        },
      },
    ]);
  }

  /** Records become true, and every broker that hears acts on them. */
  commit(records: readonly MetadataRecord[]): void {
    this.#records.push(...records);
    for (const { id } of this.replicas) this.hear(id);
  }
  /** The broker hears of what it has not heard of yet. */
  hear(id: number): void {
    const replica = this.get(id);
    if (!replica.isUp || this.deaf.has(id)) return;
    replica.partitions.apply(this.learn(id), replica.image);
  }
  /** Brings its image up to date, and nothing else. */
  learn(id: number): MetadataDelta {
    const delta = new MetadataDelta();
    for (const record of this.#records.slice(this.#heard[id])) {
      this.get(id).image.apply(record, delta);
    }
    this.#heard[id] = this.#records.length;
    return delta;
  }

  /** Changes the partition; a new leader means a new term. */
  change(change: Partial<PartitionImage>): void {
    const before = this.state;
    const isElection = change.leader !== undefined;
    const after = {
      ...before,
      leaderEpoch: before.leaderEpoch + Number(isElection),
      ...change,
      partitionEpoch: before.partitionEpoch + 1,
    };
    this.commit([{ type: 'PartitionChange', value: partitionValue(after) }]);
  }
  elect(leader: number, isr: readonly number[] = this.state.isr): void {
    this.change({ leader, isr });
  }
  removeTopic(): void {
    this.commit([{ type: 'RemoveTopic', value: { topicId: TOPIC_ID } }]);
  }

  /** Nothing gets through between the two, in either direction. */
  separate(a: number, b: number): void {
    this.cut.add(`${a}>${b}`).add(`${b}>${a}`);
  }
  join(a: number, b: number): void {
    this.cut.delete(`${a}>${b}`);
    this.cut.delete(`${b}>${a}`);
  }
  isolate(id: number): void {
    for (const other of this.replicas) if (other.id !== id) this.separate(id, other.id);
  }
  rejoin(id: number): void {
    for (const other of this.replicas) if (other.id !== id) this.join(id, other.id);
  }

  peersOf(from: number): Peers {
    return {
      send: (to, _channel, call, body) => this.#send(from, to, call, body),
      onLost: (_listener: (nodeId: number, channel: Channel) => void) => {},
      setAddress: () => {},
      close: () => {},
      traffic: { receivedBytes: 0, sentBytes: 0, requests: 0, responses: 0 },
    } as Peers;
  }

  async #send<Q, R>(from: number, to: number, call: Call<Q, R>, body: Q): Promise<R> {
    const lost = (): OperatingError => new OperatingError('disconnected', `${from} to ${to}`);
    const version = call.max;
    const sent = this.#over(call.request, version, body);
    if (this.cut.has(`${from}>${to}`) || !this.get(to).isUp) throw lost();
    // Who dies takes its connections along.
    let answer = await Promise.race([
      this.get(to).request(call.key, version, sent),
      this.get(to).death.then(() => Promise.reject(lost())),
    ]);
    let release = (): void => {};
    if (answer instanceof BodyWithRelease) {
      ({ release } = answer);
      answer = answer.body;
    }
    const frame = Buffer.concat(writeResponse(call, version, 0, answer)).subarray(4);
    release();
    const reader = new ByteReader(frame);
    readResponseHeader(reader, call, version);
    const response = codec(call.response, version).read(reader);
    await this.onPassing({ from, to, api: call.key, response });
    if (this.cut.has(`${to}>${from}`) || !this.get(from).isUp) throw lost();
    return response;
  }

  #over(message: any, version: number, body: unknown): unknown {
    return decode(message, version, encode(message, version, body));
  }

  async controller(from: number, call: Call<any, any>, body: any): Promise<any> {
    if (call.key !== calls.alterPartition.key)
      throw new Error(`the controller takes no ${call.name}`);
    // Never within the request of a follower.
    await Promise.resolve();
    if (this.controllerIsAway) throw new OperatingError('request-timeout', 'no controller');
    this.alterations += 1;
    const topics: AlterPartitionAnswer['topics'] = [];
    for (const { topicId, partitions } of body.topics) {
      topics.push({ topicId, partitions: partitions.map((p: any) => this.#alter(from, p)) });
    }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics };
  }

  #alter(from: number, asked: any): AlterPartitionAnswer['topics'][number]['partitions'][number] {
    const before = this.state;
    const code =
      this.refuse ??
      (asked.leaderEpoch !== before.leaderEpoch || before.leader !== from
        ? ErrorCode.FENCED_LEADER_EPOCH
        : asked.partitionEpoch !== before.partitionEpoch
          ? ErrorCode.INVALID_UPDATE_VERSION
          : ErrorCode.NONE);
    const isr = asked.newIsrWithEpochs.map(({ brokerId }: { brokerId: number }) => brokerId);
    if (code === ErrorCode.NONE) this.change({ isr });
    const { state } = this;
    return {
      partitionIndex: asked.partitionIndex,
      errorCode: code,
      leaderId: state.leader,
      leaderEpoch: state.leaderEpoch,
      isr: [...state.isr],
      leaderRecoveryState: 0,
      partitionEpoch: state.partitionEpoch,
    };
  }

  /** Everything that can happen without time passing has happened. */
  async settle(): Promise<void> {
    for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Time passes, in small steps. */
  async pass(ms: number, stepMs = 10): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - passed));
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    await this.settle();
  }

  async stop(): Promise<void> {
    for (const replica of this.replicas) await replica.stop();
  }
}
