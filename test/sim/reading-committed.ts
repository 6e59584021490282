import { ZERO_UUID } from '../../src/base/bytes.ts';
import { reasonOf } from '../../src/base/errors.ts';
import { calls } from '../../src/client/call.ts';
import { readMarkerBatch } from '../../src/protocol/end-transaction-marker.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type { fetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import {
  attributes,
  batchSize,
  forEachRecord,
  isControl,
  isTransactional,
  lastOffset,
  producerId,
  type RecordView,
} from '../../src/protocol/record-batch.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { type Finding, findingLeader } from './finding.ts';
import { leaderOf } from './leaders.ts';
import { pick } from './sim-random.ts';
import type { World } from './world.ts';

type PartitionAnswer = Infer<typeof fetchResponse>['responses'][number]['partitions'][number];

const READ_COMMITTED = 1;
const FETCH_VERSION = 11;

/** For how long it reads from a replica in its rack before it asks the leader again. */
const NEAR_MS = 5000;

/**
 * Reads one partition as an application would that wants committed records alone (KIP-98), where
 * there are racks from a replica in its own (KIP-392).
 */
export class ReadingCommitted {
  readonly #world: World;
  readonly #name: string;
  readonly #topic: string;
  readonly #partition: number;
  readonly #visit: (record: RecordView) => void;
  readonly #client;
  readonly #leader: Finding;
  readonly #rack: string;
  /** Whom it reads from, and until when; null: the leader. */
  #near: { readonly id: number; readonly until: number } | null = null;
  /** Producers of whose aborted transactions records are being passed over. */
  readonly #aborting = new Set<number>();
  position = 0;
  #stopped = false;

  /** `visit` is shown every record that the application would be. */
  constructor(
    world: World,
    name: string,
    topic: string,
    partition: number,
    visit: (record: RecordView) => void,
  ) {
    this.#world = world;
    this.#name = name;
    this.#topic = topic;
    this.#partition = partition;
    this.#visit = visit;
    this.#client = world.newClient(name);
    this.#leader = findingLeader(this.#client, topic, partition);
    this.#rack = pick(world.chance(`rack-${name}`), world.nodes).rack ?? '';
    this.#client.clock.after(1, () => void this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#readOn();
      } catch (error) {
        this.#world.note(this.#name, `cannot read: ${reasonOf(error)}`);
        await new Promise<void>((resolve) => this.#client.clock.after(200, resolve));
      }
    }
  }

  async #readOn(): Promise<void> {
    const near = this.#near;
    if (near === null || near.until < this.#world.now) {
      this.#near = null;
      const answer = await this.#leader.ask(
        (leader) => this.#fetch(leader),
        (partition) => partition === null || partition.errorCode === ErrorCode.NONE,
      );
      if (answer === null) return;
      if (answer.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) this.#skipDeleted();
      if (answer.preferredReadReplica >= 0) {
        this.#near = { id: answer.preferredReadReplica, until: this.#world.now + NEAR_MS };
      }
      return this.#take(answer);
    }
    try {
      this.#take(await this.#fetch(near.id));
    } catch (error) {
      // The leader knows better, also when this one only is behind.
      this.#near = null;
      throw error;
    }
  }

  async #fetch(broker: number): Promise<PartitionAnswer | null> {
    const partition = {
      partition: this.#partition,
      currentLeaderEpoch: -1,
      fetchOffset: this.position,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      partitionMaxBytes: 2000,
      replicaDirectoryId: ZERO_UUID,
      highWatermark: Number.MAX_SAFE_INTEGER,
      flushedOffset: -1,
    };
    const body = {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1_000_000,
      isolationLevel: READ_COMMITTED,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topic: this.#topic, topicId: ZERO_UUID, partitions: [partition] }],
      forgottenTopicsData: [],
      rackId: this.#rack,
    };
    const answer = await this.#client.request(broker, calls.fetch, body, {
      version: FETCH_VERSION,
    });
    // Who is held back by a quota is told of no partition.
    return answer.responses[0]?.partitions[0] ?? null;
  }

  #take(answer: PartitionAnswer | null): void {
    if (answer === null) return;
    if (answer.errorCode !== ErrorCode.NONE) throw new Error(`error ${answer.errorCode}`);
    const bytes = answer.records as Buffer;
    const aborted = [...(answer.abortedTransactions ?? [])].sort(
      (a, b) => a.firstOffset - b.firstOffset,
    );
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      while (aborted.length > 0 && aborted[0]!.firstOffset <= lastOffset(bytes, at)) {
        this.#aborting.add(aborted.shift()!.producerId);
      }
      if (lastOffset(bytes, at) >= this.position) this.#takeBatch(bytes, at);
      this.position = Math.max(this.position, lastOffset(bytes, at) + 1);
    }
  }

  /** Retention has been here: goes on where the log begins now. */
  #skipDeleted(): void {
    const start = leaderOf(this.#world, this.#topic, this.#partition)?.log.logStartOffset ?? 0;
    this.position = Math.max(this.position, start);
  }

  #takeBatch(bytes: Buffer, at: number): void {
    const id = producerId(bytes, at);
    const bits = attributes(bytes, at);
    if (isControl(bits)) {
      if (readMarkerBatch(bytes, at)?.committed === false) this.#aborting.delete(id);
      return;
    }
    if (isTransactional(bits) && this.#aborting.has(id)) return;
    forEachRecord(bytes, at, this.#visit);
  }

  stop(): void {
    this.#stopped = true;
    this.#client.close();
  }
}
