/** A classic group coordinator for one group, as small as members allow. */
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import type { FakeBroker, FakeRequest } from './fake-broker.ts';

interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  metadata: Buffer;
  assignment: Buffer;
  join: ((answer: unknown) => void) | null;
  sync: ((answer: unknown) => void) | null;
}

export class FakeCoordinator {
  readonly members = new Map<string, Member>();
  readonly committed = new Map<string, number>();
  /** Leader epochs that were committed with them. */
  readonly epochs = new Map<string, number>();
  readonly log: string[] = [];
  generation = 0;
  state: 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' = 'Empty';
  #nextId = 1;

  constructor(broker: FakeBroker) {
    const { handlers } = broker;
    handlers.set('FindCoordinator', ({ body }) => ({
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      nodeId: 1,
      host: 'fake',
      port: 9001,
      coordinators: body.coordinatorKeys.map((key: string) => ({
        key,
        nodeId: 1,
        host: 'fake',
        port: 9001,
        errorCode: 0,
        errorMessage: null,
      })),
    }));
    handlers.set('JoinGroup', (request) => this.#join(request));
    handlers.set('SyncGroup', (request) => this.#sync(request));
    handlers.set('Heartbeat', ({ body }) => ({
      throttleTimeMs: 0,
      errorCode: this.#check(body),
    }));
    handlers.set('LeaveGroup', ({ body }) => {
      for (const { memberId } of body.members) this.remove(memberId);
      return { throttleTimeMs: 0, errorCode: 0, members: [] };
    });
    handlers.set('OffsetCommit', (request) => this.#commit(request));
    handlers.set('OffsetFetch', ({ body }) => ({
      throttleTimeMs: 0,
      topics: [],
      errorCode: 0,
      groups: body.groups.map((group: any) => ({
        groupId: group.groupId,
        errorCode: 0,
        topics: group.topics.map((topic: any) => ({
          name: topic.name,
          topicId: topic.topicId,
          partitions: topic.partitionIndexes.map((partition: number) => ({
            partitionIndex: partition,
            committedOffset: this.committed.get(`${topic.name}-${partition}`) ?? -1,
            committedLeaderEpoch: this.epochs.get(`${topic.name}-${partition}`) ?? -1,
            metadata: '',
            errorCode: 0,
          })),
        })),
      })),
    }));
  }

  /** Takes a member out, as a session timeout does. */
  remove(id: string): void {
    if (!this.members.delete(id)) return;
    this.log.push(`gone ${id}`);
    this.#rebalance();
  }

  #check(body: { memberId: string; generationId?: number }): number {
    if (!this.members.has(body.memberId)) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (body.generationId !== this.generation) return ErrorCode.ILLEGAL_GENERATION;
    return this.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : 0;
  }

  #join({ body }: FakeRequest): unknown {
    let id: string = body.memberId;
    if (id === '' && body.groupInstanceId === null) {
      return this.#joined(`member-${this.#nextId++}`, ErrorCode.MEMBER_ID_REQUIRED);
    }
    const old = [...this.members.values()].find(
      ({ instanceId }) => instanceId !== null && instanceId === body.groupInstanceId,
    );
    if (id === '' && old !== undefined && this.state === 'Stable') return this.#replaced(old);
    if (id === '') id = `static-${this.#nextId++}`;
    let member = this.members.get(id);
    if (member === undefined) {
      member = {
        id,
        instanceId: body.groupInstanceId,
        metadata: body.protocols[0].metadata,
        assignment: Buffer.alloc(0),
        join: null,
        sync: null,
      };
      this.members.set(id, member);
    }
    this.log.push(`join ${id}`);
    const answer = new Promise((resolve) => {
      member.join = resolve;
    });
    this.state = 'PreparingRebalance';
    this.#rebalance();
    return answer;
  }

  #rebalance(): void {
    const members = [...this.members.values()];
    if (members.length === 0) {
      this.state = 'Empty';
      return;
    }
    this.state = 'PreparingRebalance';
    for (const member of members) {
      member.sync?.({
        throttleTimeMs: 0,
        errorCode: ErrorCode.REBALANCE_IN_PROGRESS,
        protocolType: null,
        protocolName: null,
        assignment: Buffer.alloc(0),
      });
      member.sync = null;
    }
    if (members.some((member) => member.join === null)) return;
    this.generation++;
    this.state = 'CompletingRebalance';
    for (const member of members) {
      const answer = this.#joined(
        member.id,
        0,
        members[0]!.id,
        member === members[0] ? members : [],
      );
      member.join!(answer);
      member.join = null;
    }
  }

  /** A static member is back, and the group goes on as it was (KIP-814). */
  #replaced(old: Member): unknown {
    const member = { ...old, id: `static-${this.#nextId++}` };
    const others = [...this.members.values()];
    this.members.clear();
    for (const other of others) {
      const now = other === old ? member : other;
      this.members.set(now.id, now);
    }
    const [leader] = this.members.values();
    const isLeader = leader === member;
    return {
      ...this.#joined(member.id, 0, leader!.id, isLeader ? [...this.members.values()] : []),
      skipAssignment: isLeader,
    };
  }

  #joined(memberId: string, errorCode: number, leader = '', members: readonly Member[] = []) {
    return {
      throttleTimeMs: 0,
      errorCode,
      generationId: this.generation,
      protocolType: 'consumer',
      protocolName: 'range',
      leader,
      skipAssignment: false,
      memberId,
      members: members.map(({ id, instanceId, metadata }) => ({
        memberId: id,
        groupInstanceId: instanceId,
        metadata,
      })),
    };
  }

  #sync({ body }: FakeRequest): unknown {
    const answer = (errorCode: number, assignment: Buffer) => ({
      throttleTimeMs: 0,
      errorCode,
      protocolType: 'consumer',
      protocolName: 'range',
      assignment,
    });
    const error = this.#check(body);
    if (error !== 0) return answer(error, Buffer.alloc(0));
    const member = this.members.get(body.memberId)!;
    const synced = new Promise((resolve) => {
      member.sync = resolve;
    });
    if (body.assignments.length > 0) {
      for (const { memberId, assignment } of body.assignments) {
        this.members.get(memberId)!.assignment = Buffer.from(assignment);
      }
      this.state = 'Stable';
    }
    if (this.state === 'Stable') {
      for (const waiting of this.members.values()) {
        waiting.sync?.(answer(0, waiting.assignment));
        waiting.sync = null;
      }
    }
    return synced;
  }

  #commit({ body }: FakeRequest): unknown {
    let error: number = ErrorCode.NONE;
    if (!this.members.has(body.memberId)) error = ErrorCode.UNKNOWN_MEMBER_ID;
    else if (body.generationIdOrMemberEpoch !== this.generation) {
      error = ErrorCode.ILLEGAL_GENERATION;
    }
    return {
      throttleTimeMs: 0,
      topics: body.topics.map((topic: any) => ({
        name: topic.name,
        topicId: topic.topicId,
        partitions: topic.partitions.map((p: any) => {
          if (error === 0) {
            const key = `${topic.name}-${p.partitionIndex}`;
            this.committed.set(key, p.committedOffset);
            this.epochs.set(key, p.committedLeaderEpoch);
          }
          return { partitionIndex: p.partitionIndex, errorCode: error };
        }),
      })),
    };
  }
}
