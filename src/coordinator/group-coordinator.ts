/**
 * The coordinator of consumer groups: takes and gives the bodies of the protocol, finds the group's
 * partition of `__consumer_offsets`, and hands the request to the shard that holds it.
 *
 * It answers only for partitions that the broker has told it to `load`; the others are somebody
 * else's. Nothing is answered before what it promises is in the log.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { offsetFetchRequest } from '../protocol/messages/09-offset-fetch.ts';
import type { heartbeatRequest, heartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import type { leaveGroupRequest, leaveGroupResponse } from '../protocol/messages/13-leave-group.ts';
import type {
  describeGroupsRequest,
  describeGroupsResponse,
} from '../protocol/messages/15-describe-groups.ts';
import type { listGroupsRequest, listGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type {
  deleteGroupsRequest,
  deleteGroupsResponse,
} from '../protocol/messages/42-delete-groups.ts';
import type { offsetDeleteRequest } from '../protocol/messages/47-offset-delete.ts';
import type {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from '../protocol/messages/69-consumer-group-describe.ts';
import type { Infer } from '../protocol/schema.ts';
import { joinError, syncError } from './answers.ts';
import type { AnyGroup } from './any-group.ts';
import type { ConsumerGroupState } from './consumer/consumer-group.ts';
import {
  type DescribedConsumerGroup,
  describedConsumerGroup,
  undescribed,
} from './consumer/description.ts';
import {
  checkHeartbeat,
  type HeartbeatRequest,
  type HeartbeatResponse,
  heartbeatError,
} from './consumer/heartbeats.ts';
import type { GroupOverrides } from './consumer/planning.ts';
import { TopicHashes } from './consumer/topic-hashes.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import {
  ALL_OPERATIONS,
  deadGroup,
  describedGroup,
  failedGroup,
  isListed,
  listedGroup,
} from './group-description.ts';
import { GroupProbe } from './group-probe.ts';
import type { GroupSettings } from './group-settings.ts';
import { groupDefaults } from './group-settings.ts';
import type { JoinRequest, JoinResponse, SyncRequest, SyncResponse } from './member.ts';
import { OffsetRequests } from './offset-requests.ts';
import type { CommitRequest } from './offsets.ts';
import type { RequestContext } from './request-context.ts';
import { Shards } from './shards.ts';
import type { TopicDirectory } from './topic-directory.ts';
import {
  TransactionalCommits,
  type TransactionGate,
  type TxnCommitRequest,
} from './transactional-commits.ts';

export interface GroupCoordinatorOptions {
  readonly log: CoordinatorLog;
  readonly topics: TopicDirectory;
  readonly transactions: TransactionGate;
  /**
   * Whether this broker can be sure that no other one has taken over its partitions. While it can't,
   * it does not tell what was committed: others may have committed since; puts no member out, of
   * whom it may only have not heard; and promises none that it stays, of whom another coordinator
   * hears nothing meanwhile. Default: it always can.
   */
  readonly mayAnswer?: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Kafka's defaults where absent. */
  readonly settings?: Partial<GroupSettings>;
  /** What was set for single groups; default: nothing. */
  readonly groupSettings?: GroupOverrides;
}

/** Versions of the APIs in which what is answered changes. */
const JOIN_NULL_PROTOCOL_VERSION = 7;
const SYNC_PROTOCOL_VERSION = 5;
const LEAVE_SEVERAL_VERSION = 3;

/** By these a member learns that it is none, or not what it thinks; a consumer may give up for good. */
const VERDICTS: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.GROUP_ID_NOT_FOUND,
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.UNRELEASED_INSTANCE_ID,
]);

export class GroupCoordinator {
  readonly probe = new GroupProbe();
  readonly #clock: Clock;
  readonly #settings: GroupSettings;
  readonly #topics: TopicDirectory;
  readonly #hashes: TopicHashes;
  readonly #shards: Shards;
  readonly #mayAnswer: () => boolean;
  readonly #offsets: OffsetRequests;
  readonly #transactional: TransactionalCommits;
  #sweep: Timer | null = null;

  constructor(options: GroupCoordinatorOptions) {
    this.#clock = options.clock;
    this.#settings = { ...groupDefaults, ...options.settings };
    this.#topics = options.topics;
    this.#hashes = new TopicHashes(options.topics);
    this.#shards = new Shards({
      ...options,
      settings: this.#settings,
      groupSettings: options.groupSettings ?? (() => undefined),
      hashes: this.#hashes,
      probe: this.probe,
    });
    this.#mayAnswer = options.mayAnswer ?? (() => true);
    this.#offsets = new OffsetRequests(this.#shards, options.topics, this.#mayAnswer);
    const { topics, transactions } = options;
    this.#transactional = new TransactionalCommits(this.#shards, topics, transactions);
    this.#scheduleSweep();
  }

  /** The partition of `__consumer_offsets` that holds the group. */
  partitionFor(groupId: string): number {
    return this.#shards.partitionFor(groupId);
  }

  /**
   * This broker leads the partition now, in this leader epoch: reads it, and serves its groups from
   * then on. Until it resolves, they are COORDINATOR_LOAD_IN_PROGRESS; where it fails it is tried
   * again. An older epoch is ignored.
   */
  load(partition: number, epoch = 0): Promise<void> {
    return this.#shards.load(partition, epoch);
  }

  /** This broker leads the partition no more, as of `epoch`. A newer load is left alone. */
  unload(partition: number, epoch: number = Infinity): void {
    this.#shards.unload(partition, epoch);
  }

  /** Groups of some partition are being read. */
  get isLoading(): boolean {
    return this.#shards.isLoading;
  }
  /** Partitions of `__consumer_offsets` that are served here, and that are being read. */
  partitionCounts(): { active: number; loading: number } {
    return this.#shards.partitionCounts();
  }

  /** Idempotent. Whoever waits is told to look for another coordinator. */
  stop(): void {
    this.#sweep?.cancel();
    this.#shards.stop();
  }

  #scheduleSweep(): void {
    this.#sweep = this.#clock.after(this.#settings.offsetsRetentionCheckIntervalMs, () => {
      void this.expire();
      this.#scheduleSweep();
    });
  }

  /** Forgets offsets whose retention is over, and groups that are left without any. */
  async expire(): Promise<void> {
    await Promise.all(this.#shards.active().map((shard) => shard.expire()));
  }

  /** The topic is gone: nobody needs its offsets. */
  async topicDeleted(name: string, topicId: string): Promise<void> {
    const shards = this.#shards.active();
    await Promise.all(
      shards.map(({ offsets, groups }) => offsets.topicDeleted(groups.values(), name, topicId)),
    );
  }

  /** Topics have other partitions or replicas now, or are new (`hasNew`), or are gone. */
  topicsChanged(names: readonly string[], hasNew: boolean): void {
    for (const name of names) this.#hashes.forget(name);
    for (const shard of this.#shards.active()) shard.consumers.topicsChanged(names, hasNew);
  }

  async consumerHeartbeat(
    request: HeartbeatRequest,
    context: RequestContext,
  ): Promise<HeartbeatResponse> {
    try {
      checkHeartbeat(request, context.apiVersion, this.#settings.consumerAssignors);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return heartbeatError(error.code, error.message);
    }
    const shard = this.#shards.route(request.groupId);
    if (typeof shard === 'number') return heartbeatError(shard);
    const response = await shard.consumers.heartbeat(request, context);
    return this.#mayAnswer() ? response : heartbeatError(ErrorCode.NOT_COORDINATOR);
  }

  #mayTell({ errorCode }: { readonly errorCode: number }): boolean {
    return !VERDICTS.has(errorCode) || this.#mayAnswer();
  }

  async joinGroup(request: JoinRequest, context: RequestContext): Promise<JoinResponse> {
    let response = await this.#join(request, context);
    if (!this.#mayTell(response)) {
      response = joinError(request.memberId, ErrorCode.NOT_COORDINATOR);
    }
    const { protocolName } = response;
    const isNullable = context.apiVersion >= JOIN_NULL_PROTOCOL_VERSION;
    return { ...response, protocolName: isNullable ? protocolName : (protocolName ?? '') };
  }

  async #join(request: JoinRequest, context: RequestContext): Promise<JoinResponse> {
    const { groupId, memberId, sessionTimeoutMs } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#settings;
    const shard = this.#shards.routeMember(groupId);
    if (typeof shard === 'number') return joinError(memberId, shard);
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return joinError(memberId, ErrorCode.INVALID_SESSION_TIMEOUT);
    }
    let group = shard.groups.get(groupId);
    if (group === undefined) {
      if (memberId !== '') return joinError(memberId, ErrorCode.UNKNOWN_MEMBER_ID);
      if (this.#shards.refusesNewGroup()) return joinError('', ErrorCode.COORDINATOR_NOT_AVAILABLE);
      group = shard.create(groupId);
    }
    if (group.type === 'consumer') {
      if (group.members.size > 0) return shard.consumers.classic.join(group, request, context);
      if (memberId !== '') return joinError(memberId, ErrorCode.UNKNOWN_MEMBER_ID);
      group = shard.createInsteadOf(group);
    }
    return shard.membership.join(group, request, context);
  }

  async syncGroup(request: SyncRequest, context: RequestContext): Promise<SyncResponse> {
    const response = await this.#sync(request, context);
    return this.#mayTell(response) ? response : syncError(ErrorCode.NOT_COORDINATOR);
  }

  async #sync(request: SyncRequest, context: RequestContext): Promise<SyncResponse> {
    const mustName = context.apiVersion >= SYNC_PROTOCOL_VERSION;
    if (mustName && (request.protocolType === null || request.protocolName === null)) {
      return syncError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    const shard = this.#shards.routeMember(request.groupId);
    if (typeof shard === 'number') return syncError(shard);
    const group = shard.groups.get(request.groupId);
    if (group === undefined) return syncError(ErrorCode.UNKNOWN_MEMBER_ID);
    if (group.type === 'consumer') return shard.consumers.classic.sync(group, request);
    return shard.membership.sync(group, request);
  }

  heartbeat(request: Infer<typeof heartbeatRequest>): Infer<typeof heartbeatResponse> {
    const response = this.#heartbeat(request);
    return this.#mayAnswer() ? response : { ...response, errorCode: ErrorCode.NOT_COORDINATOR };
  }

  #heartbeat(request: Infer<typeof heartbeatRequest>): Infer<typeof heartbeatResponse> {
    const shard = this.#shards.routeMember(request.groupId);
    const answer = (errorCode: number) => ({ throttleTimeMs: 0, errorCode });
    // While its group loads nobody knows better than the member that it is one.
    if (shard === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) return answer(ErrorCode.NONE);
    if (typeof shard === 'number') return answer(shard);
    const group = shard.groups.get(request.groupId);
    if (group === undefined) return answer(ErrorCode.UNKNOWN_MEMBER_ID);
    if (group.type === 'consumer') return answer(shard.consumers.classic.heartbeat(group, request));
    return answer(shard.membership.heartbeat(group, request));
  }

  async leaveGroup(
    request: Infer<typeof leaveGroupRequest>,
    context: RequestContext,
  ): Promise<Infer<typeof leaveGroupResponse>> {
    const isSeveral = context.apiVersion >= LEAVE_SEVERAL_VERSION;
    const members = isSeveral
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null, reason: null }];
    const failed = (errorCode: number) => ({ throttleTimeMs: 0, errorCode, members: [] });
    const shard = this.#shards.routeMember(request.groupId);
    if (typeof shard === 'number') return failed(shard);
    const group = shard.groups.get(request.groupId);
    const results =
      group === undefined
        ? members.map(({ memberId, groupInstanceId }) => ({
            memberId,
            groupInstanceId,
            errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
          }))
        : group.type === 'consumer'
          ? await shard.consumers.classic.leave(group, members)
          : await shard.membership.leave(group, members);
    if (!isSeveral) return failed(results[0]?.errorCode ?? ErrorCode.NONE);
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, members: results };
  }

  commitOffsets(
    request: CommitRequest,
    context: RequestContext,
  ): ReturnType<OffsetRequests['commit']> {
    return this.#offsets.commit(request, context);
  }
  /** TxnOffsetCommit. */
  commitInTransaction(
    request: TxnCommitRequest,
    context: RequestContext,
  ): ReturnType<TransactionalCommits['commit']> {
    return this.#transactional.commit(request, context.apiVersion);
  }
  /** A transaction has ended, as far as this partition of `__consumer_offsets` goes; an error code. */
  completeTransaction(
    ...args: Parameters<TransactionalCommits['complete']>
  ): ReturnType<TransactionalCommits['complete']> {
    return this.#transactional.complete(...args);
  }
  fetchOffsets(
    request: Infer<typeof offsetFetchRequest>,
    context: RequestContext,
  ): ReturnType<OffsetRequests['fetch']> {
    return this.#offsets.fetch(request, context);
  }
  deleteOffsets(request: Infer<typeof offsetDeleteRequest>): ReturnType<OffsetRequests['delete']> {
    return this.#offsets.delete(request);
  }

  describeGroups(
    request: Infer<typeof describeGroupsRequest>,
    context: RequestContext,
  ): Infer<typeof describeGroupsResponse> {
    const groups = request.groups.map((groupId) => {
      const shard = this.#shards.route(groupId);
      if (typeof shard === 'number') return failedGroup(groupId, shard);
      const group = shard.groups.get(groupId);
      if (group === undefined) return deadGroup(groupId, context.apiVersion);
      if (group.type !== 'classic') {
        return deadGroup(groupId, context.apiVersion, `Group ${groupId} is not a classic group.`);
      }
      return describedGroup(group, request.includeAuthorizedOperations);
    });
    return { throttleTimeMs: 0, groups };
  }

  async describeConsumerGroups(
    request: Infer<typeof consumerGroupDescribeRequest>,
  ): Promise<Infer<typeof consumerGroupDescribeResponse>> {
    const describe = async (groupId: string): Promise<DescribedConsumerGroup> => {
      const shard = this.#shards.routeMember(groupId);
      if (typeof shard === 'number') return undescribed(groupId, shard);
      const group = shard.groups.get(groupId);
      if (group?.type !== 'consumer') {
        const why = group === undefined ? 'not found' : 'is not a consumer group';
        const message = `Group ${groupId} ${why}.`;
        return undescribed(groupId, ErrorCode.GROUP_ID_NOT_FOUND, message);
      }
      const [assignor] = this.#settings.consumerAssignors as [string];
      const described = describedConsumerGroup(group, this.#topics, assignor);
      // It may tell of what is still on its way into the log.
      const code = await shard.consumers.settled(group);
      if (code !== ErrorCode.NONE) return undescribed(groupId, code);
      const isAsked = request.includeAuthorizedOperations;
      return isAsked ? { ...described, authorizedOperations: ALL_OPERATIONS } : described;
    };
    const groups = await Promise.all(request.groupIds.map(describe));
    return { throttleTimeMs: 0, groups };
  }

  listGroups(request: Infer<typeof listGroupsRequest>): Infer<typeof listGroupsResponse> {
    if (this.#shards.isLoading) {
      const errorCode = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return { throttleTimeMs: 0, errorCode, groups: [] };
    }
    const groups = this.#shards
      .active()
      .flatMap((shard) => [...shard.groups.values()])
      .filter((group) => isListed(group, request))
      .map(listedGroup);
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups };
  }

  async deleteGroups(
    request: Infer<typeof deleteGroupsRequest>,
  ): Promise<Infer<typeof deleteGroupsResponse>> {
    const results = await Promise.all(
      [...new Set(request.groupsNames)].map(async (groupId) => {
        const shard = this.#shards.route(groupId);
        if (typeof shard === 'number') return { groupId, errorCode: shard };
        const group = shard.groups.get(groupId);
        if (group === undefined) return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND };
        return { groupId, errorCode: await shard.delete(group) };
      }),
    );
    return { throttleTimeMs: 0, results };
  }

  /** Every committed offset: what lag is measured from. */
  *lagView(): Generator<{ group: string; topic: string; partition: number; offset: number }> {
    for (const shard of this.#shards.active()) {
      for (const group of shard.groups.values()) {
        for (const { topic, partition, committed } of group.offsets.entries()) {
          if (committed === null) continue;
          yield { group: group.id, topic, partition, offset: committed.offset };
        }
      }
    }
  }

  /** The state of every group of the consumer protocol. */
  *consumerGroupStates(): Generator<ConsumerGroupState> {
    for (const shard of this.#shards.active()) {
      for (const group of shard.groups.values()) {
        if (group.type === 'consumer') yield group.state;
      }
    }
  }

  /** Every group with its state and the number of its members. */
  *groupView(): Generator<{
    group: string;
    type: AnyGroup['type'];
    state: AnyGroup['state'];
    members: number;
  }> {
    for (const shard of this.#shards.active()) {
      for (const group of shard.groups.values()) {
        const { id, type, state, members } = group;
        yield { group: id, type, state, members: members.size };
      }
    }
  }
}
