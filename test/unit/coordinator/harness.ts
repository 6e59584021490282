import { expect } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { CoordinatorLog } from '../../../src/coordinator/coordinator-log.ts';
import { partitionOfKey, UncommittedError } from '../../../src/coordinator/coordinator-log.ts';
import { GroupCoordinator } from '../../../src/coordinator/group-coordinator.ts';
import type { GroupSettings } from '../../../src/coordinator/group-settings.ts';
import type { JoinRequest, JoinResponse, SyncRequest } from '../../../src/coordinator/member.ts';
import type { RequestContext } from '../../../src/coordinator/request-context.ts';
import type { TopicDirectory } from '../../../src/coordinator/topic-directory.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import {
  batchSize,
  lastOffset,
  lastOffsetDelta,
  setBaseOffset,
  validateBatch,
} from '../../../src/protocol/record-batch.ts';
import { consumerProtocolSubscription } from '../../../src/protocol/stored/consumer-protocol.ts';
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts';
import { StepClock, settle } from './step-clock.ts';

/** `__consumer_offsets` in memory; a test can hold appends back, or have them fail. */
export class MemoryLog implements CoordinatorLog {
  readonly topic = '__consumer_offsets';
  readonly partitions: number;
  readonly batches: Buffer[][];
  /** Error code that the next appends fail with; 0: none. */
  failWith = 0;
  /** Error code that the next appends fail with after they were written; 0: none. */
  uncertainWith = 0;
  /** Holds back `committed`, until it is resolved. */
  commit: Promise<void> = Promise.resolve();
  #held: (() => void)[] | null = null;

  constructor(partitions = 4) {
    this.partitions = partitions;
    this.batches = Array.from({ length: partitions }, () => []);
  }
  partitionFor(groupId: string): number {
    return partitionOfKey(groupId, this.partitions);
  }
  range(partition: number): { start: number; end: number } {
    const last = this.batches[partition]?.at(-1);
    return { start: 0, end: last === undefined ? 0 : lastOffset(last, 0) + 1 };
  }
  async append(partition: number, batch: Buffer): Promise<void> {
    expect(validateBatch(batch, 0, batch.length)).toBeNull();
    if (this.#held !== null) {
      const held = this.#held;
      await new Promise<void>((resolve) => held.push(resolve));
    }
    if (this.failWith !== 0) throw new ProtocolError(this.failWith);
    setBaseOffset(batch, 0, this.range(partition).end);
    this.batches[partition]?.push(Buffer.from(batch));
    if (this.uncertainWith !== 0) throw new UncommittedError(this.uncertainWith);
  }
  committed(): Promise<void> {
    return this.commit;
  }
  read(partition: number, offset: number, maxBytes: number): Buffer | Promise<Buffer> {
    const found: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.batches[partition] ?? []) {
      if (lastOffset(batch, 0) < offset) continue;
      if (found.length > 0 && bytes + batchSize(batch, 0) > maxBytes) break;
      found.push(batch);
      bytes += batch.length;
    }
    return Buffer.concat(found);
  }
  get appends(): number {
    return this.batches.reduce((sum, batches) => sum + batches.length, 0);
  }
  /** Appends wait from now on, until `release`. */
  hold(): void {
    this.#held ??= [];
  }
  async release(): Promise<void> {
    const held = this.#held ?? [];
    this.#held = null;
    for (const resolve of held) resolve();
    await settle();
  }
  recordsIn(partition: number): number {
    return (this.batches[partition] ?? []).reduce((sum, b) => sum + lastOffsetDelta(b, 0) + 1, 0);
  }
}

export const TOPIC_ID = 'b8tRS7h4TJ2Vt43Dp85v2A';
export const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

/** Topics that a test may change: in the beginning `t` and `other`, eight partitions each. */
export class Topics implements TopicDirectory {
  readonly #topics = new Map([
    ['t', { id: TOPIC_ID, partitions: 8 }],
    ['other', { id: OTHER_ID, partitions: 8 }],
  ]);
  version = 1;
  /** Of every partition. */
  rack: string | null = null;

  topicId(name: string): string | undefined {
    return this.#topics.get(name)?.id;
  }
  topicName(id: string): string | undefined {
    return [...this.#topics].find(([, topic]) => topic.id === id)?.[0];
  }
  hasPartition(name: string, partition: number): boolean {
    return partition < this.partitionCount(name);
  }
  partitionCount(name: string): number {
    return this.#topics.get(name)?.partitions ?? 0;
  }
  names(): Iterable<string> {
    return this.#topics.keys();
  }
  racks(name: string): string[][] {
    const racks = this.rack === null ? [] : [this.rack];
    return Array.from({ length: this.partitionCount(name) }, () => racks);
  }
  set(name: string, partitions: number, id = idOf(name)): void {
    this.#topics.set(name, { id: this.#topics.get(name)?.id ?? id, partitions });
    this.version++;
  }
  remove(name: string): void {
    this.#topics.delete(name);
    this.version++;
  }
}

const idOf = (name: string): string => Buffer.from(name.padEnd(16, '.')).toString('base64url');

export const subscription = (...subscribed: string[]): Buffer =>
  encodeVersioned(consumerProtocolSubscription, 1, {
    topics: subscribed,
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });

export const context = (apiVersion: number, clientId = 'client'): RequestContext => ({
  clientId,
  clientHost: '/127.0.0.1',
  apiVersion,
});

/** A coordinator on a log, a clock and topics of the test's own. */
export class Harness {
  readonly clock = new StepClock();
  readonly topics = new Topics();
  readonly log: MemoryLog;
  readonly settings: Partial<GroupSettings>;
  coordinator!: GroupCoordinator;
  /** False: another broker may have taken over. */
  isInCharge = true;
  #seed = 1;

  constructor(settings: Partial<GroupSettings> = {}, log = new MemoryLog()) {
    this.settings = settings;
    this.log = log;
  }

  static async start(settings: Partial<GroupSettings> = {}): Promise<Harness> {
    const harness = new Harness({ initialRebalanceDelayMs: 0, ...settings });
    await harness.start();
    return harness;
  }

  async start(): Promise<void> {
    this.coordinator = this.create();
    for (let p = 0; p < this.log.partitions; p++) await this.coordinator.load(p, 1);
  }

  create(): GroupCoordinator {
    return new GroupCoordinator({
      log: this.log,
      topics: this.topics,
      transactions: { admit: () => Promise.resolve({ code: ErrorCode.NONE, verification: null }) },
      mayAnswer: () => this.isInCharge,
      clock: this.clock,
      random: seededRandom(this.#seed++),
      logger: silentLogger,
      settings: this.settings,
    });
  }

  /** As a crash would: what is not in the log is gone. */
  async restart(): Promise<void> {
    this.coordinator.stop();
    await this.start();
  }

  join(request: Partial<JoinRequest> = {}, apiVersion = 9): Promise<JoinResponse> {
    return this.coordinator.joinGroup(joinRequest(request), context(apiVersion));
  }

  /** Takes a member id first, where that is asked for, and joins with it. */
  async enter(request: Partial<JoinRequest> = {}): Promise<JoinResponse> {
    const first = await this.join(request, 9);
    if (first.errorCode !== ErrorCode.MEMBER_ID_REQUIRED) return first;
    return this.join({ ...request, memberId: first.memberId }, 9);
  }

  sync(
    joined: JoinResponse,
    assignments: SyncRequest['assignments'] = [],
    more: Partial<SyncRequest> = {},
  ): ReturnType<GroupCoordinator['syncGroup']> {
    return this.coordinator.syncGroup(
      {
        groupId: 'g',
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments,
        ...more,
      },
      context(5),
    );
  }

  heartbeat(joined: JoinResponse, generationId = joined.generationId): number {
    const { memberId } = joined;
    return this.coordinator.heartbeat({
      groupId: 'g',
      generationId,
      memberId,
      groupInstanceId: null,
    }).errorCode;
  }

  async leave(...memberIds: string[]): Promise<number[]> {
    const response = await this.coordinator.leaveGroup(
      {
        groupId: 'g',
        memberId: '',
        members: memberIds.map((memberId) => ({ memberId, groupInstanceId: null, reason: null })),
      },
      context(5),
    );
    return response.members.map((member) => member.errorCode);
  }

  /** Commits `offset` for partition 0 of topic `t`; the partition's error code. */
  async commit(offset: number, more: CommitOptions = {}): Promise<number> {
    const response = await this.coordinator.commitOffsets(
      {
        groupId: more.groupId ?? 'g',
        generationIdOrMemberEpoch: more.generation ?? -1,
        memberId: more.memberId ?? '',
        groupInstanceId: null,
        retentionTimeMs: more.retentionTimeMs ?? -1,
        topics: [
          {
            name: more.topic ?? 't',
            topicId: TOPIC_ID,
            partitions: [
              {
                partitionIndex: more.partition ?? 0,
                committedOffset: offset,
                committedLeaderEpoch: 3,
                committedMetadata: more.metadata ?? 'note',
              },
            ],
          },
        ],
      },
      context(more.apiVersion ?? 9),
    );
    return response.topics[0]?.partitions[0]?.errorCode ?? -2;
  }

  /** Partition 0 of topic `t`, unless told otherwise; -1: nothing committed. */
  async committed(groupId = 'g', topic = 't', partition = 0): Promise<number> {
    const response = await this.coordinator.fetchOffsets(
      {
        groupId,
        topics: [{ name: topic, partitionIndexes: [partition] }],
        groups: [],
        requireStable: false,
      },
      context(7),
    );
    expect(response.errorCode).toBe(0);
    return response.topics[0]?.partitions[0]?.committedOffset ?? -2;
  }

  describe(
    groupId = 'g',
    apiVersion = 6,
  ): ReturnType<GroupCoordinator['describeGroups']>['groups'][number] {
    const { groups } = this.coordinator.describeGroups(
      { groups: [groupId], includeAuthorizedOperations: false },
      context(apiVersion),
    );
    expect(groups).toHaveLength(1);
    return groups[0] as (typeof groups)[number];
  }

  /** Members that have joined and synced; the first leads. */
  async stable(count = 1, request: Partial<JoinRequest> = {}): Promise<JoinResponse[]> {
    const joins: Promise<JoinResponse>[] = [];
    for (let i = 0; i < count; i++) joins.push(this.enter(request));
    await this.clock.pass(1);
    const members = await Promise.all(joins);
    await this.syncAll(members);
    return members;
  }

  /** Every member is assigned its own id. */
  async syncAll(members: readonly JoinResponse[], groupId = 'g'): Promise<void> {
    const answers = members.map((member) =>
      this.sync(
        member,
        member.members.map((m) => ({ memberId: m.memberId, assignment: Buffer.from(m.memberId) })),
        { groupId },
      ),
    );
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      expect(answer.errorCode).toBe(0);
      expect(answer.assignment.toString()).toBe(members[i]?.memberId);
    }
  }
}

export interface CommitOptions {
  groupId?: string;
  topic?: string;
  partition?: number;
  generation?: number;
  memberId?: string;
  metadata?: string;
  retentionTimeMs?: number;
  apiVersion?: number;
}

export const joinRequest = (request: Partial<JoinRequest> = {}): JoinRequest => ({
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription('t') }],
  reason: null,
  ...request,
});

/** Whether the promise is settled already. */
export async function isDone(promise: Promise<unknown>): Promise<boolean> {
  await settle();
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}
