/**
 * Members of consumer groups that speak the classic protocol (KIP-848): JoinGroup, SyncGroup, Heartbeat
 * and LeaveGroup, of which the coordinator makes what heartbeats of the consumer protocol say. The
 * generation is the member's epoch; nobody leads, for the coordinator assigns; and nobody waits for the
 * others: a member joins, learns in SyncGroup what it may hold, and is told by its heartbeat to join
 * again when there is something to give up, or more to have.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { heartbeatRequest } from '../../protocol/messages/12-heartbeat.ts';
import type {
  leaveGroupRequest,
  leaveGroupResponse,
} from '../../protocol/messages/13-leave-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { joinError, syncError } from '../answers.ts';
import { CONSUMER_PROTOCOL_TYPE } from '../group.ts';
import {
  type JoinRequest,
  type JoinResponse,
  protocolsOf,
  rebalanceTimeoutOf,
  type SyncRequest,
  type SyncResponse,
} from '../member.ts';
import type { RequestContext } from '../request-context.ts';
import { ownedBy, readSubscription, writeAssignment } from './classic-protocol.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import {
  type ClassicMetadata,
  type ConsumerMember,
  hasSameTopics,
  isSameMetadata,
  type MemberMetadata,
  newMember,
  regexOf,
} from './consumer-member.ts';
import type { Conversions } from './conversions.ts';
import { Edit } from './edit.ts';
import { dropUnusedRegex, type Fencing } from './fencing.ts';
import { newMemberId, replaceMember } from './heartbeats.ts';
import { has } from './partitions.ts';
import { advance, bumpEpoch, type ConsumerParts, retarget } from './planning.ts';

type MemberIdentity = Infer<typeof leaveGroupRequest>['members'][number];
type LeaveResult = Infer<typeof leaveGroupResponse>['members'][number];
type ClassicMember = ConsumerMember & { readonly classic: ClassicMetadata };

/** From here on, members without an id are given one first, and join with it (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION = 4;

export class ClassicMembers {
  readonly #parts: ConsumerParts;
  readonly #fencing: Fencing;
  readonly #conversions: Conversions;

  constructor(parts: ConsumerParts, fencing: Fencing, conversions: Conversions) {
    this.#parts = parts;
    this.#fencing = fencing;
    this.#conversions = conversions;
  }

  async join(
    group: ConsumerGroup,
    request: JoinRequest,
    context: RequestContext,
  ): Promise<JoinResponse> {
    const code = this.#refusal(group, request);
    if (code !== ErrorCode.NONE) return joinError('', code);
    const { memberId, groupInstanceId } = request;
    const needsId = groupInstanceId === null && memberId === '';
    const id = memberId === '' ? newMemberId(this.#parts) : memberId;
    if (needsId && context.apiVersion >= MEMBER_ID_REQUIRED_VERSION) {
      return joinError(id, ErrorCode.MEMBER_ID_REQUIRED);
    }
    const edit = new Edit(group);
    try {
      return await this.#enter(edit, id, request, context);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      edit.undo();
      return joinError('', error.code);
    }
  }

  #refusal(group: ConsumerGroup, request: JoinRequest): number {
    const { consumerMigrationPolicy, consumerGroupMaxSize } = this.#parts.settings;
    if (consumerMigrationPolicy === 'disabled') return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    const { memberId, groupInstanceId, protocolType, protocols } = request;
    const isKnown =
      group.members.has(memberId) ||
      (groupInstanceId !== null && group.staticMember(groupInstanceId) !== undefined);
    if (!isKnown && group.members.size >= consumerGroupMaxSize) {
      this.#parts.probe.refusedMembers++;
      return ErrorCode.GROUP_MAX_SIZE_REACHED;
    }
    const isFit = protocolType === CONSUMER_PROTOCOL_TYPE && group.supportsClassic(protocols);
    return isFit ? ErrorCode.NONE : ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  }

  async #enter(
    edit: Edit,
    id: string,
    request: JoinRequest,
    context: RequestContext,
  ): Promise<JoinResponse> {
    const { group } = edit;
    const { groupInstanceId } = request;
    const old = groupInstanceId === null ? undefined : group.staticMember(groupInstanceId);
    const isLastToChange = old !== undefined && this.#conversions.isClassicInsteadOf(group, old);
    const before = this.#findMember(edit, id, request, old);
    const subscription = subscriptionOf(request);
    const metadata = updated(before, subscription, request, context);
    if (!isSameMetadata(before, metadata) || !group.members.has(id)) {
      edit.apply({ kind: 'member', id, value: metadata });
    }
    const isRegexGone = regexOf(before) !== null;
    if (isRegexGone) dropUnusedRegex(edit, regexOf(before));
    const isNew = !hasSameTopics(before, metadata) || isRegexGone;
    if (isNew || group.needsRefresh) bumpEpoch(this.#parts, edit, isNew);
    const isStale = group.targetEpoch < group.epoch;
    if (!isLastToChange) retarget(this.#parts, edit);
    let member = group.members.get(id) as ClassicMember;
    if (!isLastToChange || !isStale) {
      const owned = ownedBy(subscription, this.#parts.topics);
      member = advance(this.#parts, edit, id, isNew, owned) as ClassicMember;
    }
    if (isLastToChange) {
      // Of what is still to move nobody would be told: a classic group that is stable stays as it is.
      const isSettled = group.state === 'Stable';
      const why = isSettled ? null : 'a group that was being assigned anew is a classic one now';
      this.#fencing.release(group);
      const code = await this.#conversions.downgrade(group, new Set(), why, edit.records);
      return code === ErrorCode.NONE ? joined(member) : joinError('', code);
    }
    this.#fencing.keepAlive(group, member);
    const code = await edit.commit(this.#parts.store);
    if (code !== ErrorCode.NONE) return joinError('', code);
    this.#fencing.awaitSync(group, member, member.rebalanceTimeoutMs);
    return joined(member);
  }

  #findMember(
    edit: Edit,
    id: string,
    { memberId, groupInstanceId }: JoinRequest,
    old: ConsumerMember | undefined,
  ): ConsumerMember {
    const { group } = edit;
    if (groupInstanceId === null) return group.members.get(id) ?? newMember(id);
    if (memberId !== '') {
      if (old === undefined) throw new ProtocolError(ErrorCode.UNKNOWN_MEMBER_ID);
      if (old.id !== memberId) throw new ProtocolError(ErrorCode.FENCED_INSTANCE_ID);
      return old;
    }
    if (old === undefined) return newMember(id);
    replaceMember(edit, old, id);
    return group.members.get(id) as ConsumerMember;
  }

  async sync(group: ConsumerGroup, request: SyncRequest): Promise<SyncResponse> {
    const member = this.#member(group, request.memberId, request.groupInstanceId);
    if (typeof member === 'number') return syncError(member);
    if (request.generationId !== member.epoch) return syncError(ErrorCode.ILLEGAL_GENERATION);
    const { protocolType, protocolName } = request;
    const isOther =
      (protocolType ?? CONSUMER_PROTOCOL_TYPE) !== CONSUMER_PROTOCOL_TYPE ||
      (protocolName ?? nameOf(member)) !== nameOf(member);
    if (isOther) return syncError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    // Who has to give something up has joined for that already.
    if (group.targetEpoch > member.epoch && member.state !== 'unrevoked') {
      this.#fencing.awaitJoin(group, member);
      return syncError(ErrorCode.REBALANCE_IN_PROGRESS);
    }
    const assignment = writeAssignment(member.assigned, member.classic, this.#parts.topics);
    const code = await new Edit(group).commit(this.#parts.store);
    if (code !== ErrorCode.NONE) return syncError(code);
    this.#fencing.stop(group, member.id, 'sync');
    this.#fencing.keepAlive(group, member);
    return { ...syncError(code), protocolType, protocolName, assignment };
  }

  /** As an error code. */
  heartbeat(group: ConsumerGroup, request: Infer<typeof heartbeatRequest>): number {
    const member = this.#member(group, request.memberId, request.groupInstanceId);
    if (typeof member === 'number') return member;
    if (request.generationId !== member.epoch) return ErrorCode.ILLEGAL_GENERATION;
    this.#fencing.keepAlive(group, member);
    // Where nobody speaks the consumer protocol nobody else has a target made.
    const isUnassigned =
      group.targetEpoch < group.epoch && group.classicCount === group.members.size;
    const mustJoin =
      isUnassigned ||
      member.epoch < group.targetEpoch ||
      member.state === 'unrevoked' ||
      (member.state === 'unreleased' && this.#canHaveMore(group, member));
    if (!mustJoin) return ErrorCode.NONE;
    this.#fencing.awaitJoin(group, member);
    return ErrorCode.REBALANCE_IN_PROGRESS;
  }

  /** Nobody holds any more what it is to have. */
  #canHaveMore(group: ConsumerGroup, member: ConsumerMember): boolean {
    for (const [topicId, partitions] of group.target(member.id)) {
      for (const partition of partitions) {
        if (has(member.assigned, topicId, partition)) continue;
        if (group.ownerOf(topicId, partition) !== undefined) return false;
      }
    }
    return true;
  }

  #member(group: ConsumerGroup, id: string, instanceId: string | null): ClassicMember | number {
    const member = instanceId === null ? group.members.get(id) : group.staticMember(instanceId);
    if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (member.id !== id) return ErrorCode.FENCED_INSTANCE_ID;
    return member.classic === null ? ErrorCode.UNKNOWN_MEMBER_ID : (member as ClassicMember);
  }

  /** Removes members of either protocol, each with an outcome of its own. */
  async leave(group: ConsumerGroup, members: readonly MemberIdentity[]): Promise<LeaveResult[]> {
    const leaving = new Map<string, ConsumerMember>();
    const results = members.map(({ memberId, groupInstanceId }) => {
      const member =
        groupInstanceId === null
          ? group.members.get(memberId)
          : group.staticMember(groupInstanceId);
      const isFenced = groupInstanceId !== null && memberId !== '' && member?.id !== memberId;
      if (member === undefined) {
        return { memberId, groupInstanceId, errorCode: ErrorCode.UNKNOWN_MEMBER_ID };
      }
      if (isFenced) return { memberId, groupInstanceId, errorCode: ErrorCode.FENCED_INSTANCE_ID };
      leaving.set(member.id, member);
      return { memberId, groupInstanceId, errorCode: ErrorCode.NONE };
    });
    const code = await this.#fencing.fence(group, [...leaving.values()]);
    if (code === ErrorCode.NONE) return results;
    return results.map((r) => ({ ...r, errorCode: r.errorCode || code }));
  }
}

const nameOf = ({ classic }: ClassicMember): string => classic.protocols[0]?.name ?? '';

const joined = (member: ClassicMember): JoinResponse => ({
  ...joinError(member.id, ErrorCode.NONE),
  generationId: member.epoch,
  protocolType: CONSUMER_PROTOCOL_TYPE,
  protocolName: nameOf(member),
});

function subscriptionOf({ protocols }: JoinRequest): ReturnType<typeof readSubscription> {
  try {
    return readSubscription(protocols[0]?.metadata ?? Buffer.alloc(0));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ProtocolError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
}

const updated = (
  member: ConsumerMember,
  { topics, rackId }: ReturnType<typeof readSubscription>,
  request: JoinRequest,
  context: RequestContext,
): MemberMetadata => ({
  instanceId: request.groupInstanceId ?? member.instanceId,
  rackId: rackId ?? member.rackId,
  clientId: context.clientId ?? '',
  clientHost: context.clientHost,
  topics: [...new Set(topics)],
  regex: '',
  rebalanceTimeoutMs: rebalanceTimeoutOf(request),
  assignor: member.assignor,
  classic: { sessionTimeoutMs: request.sessionTimeoutMs, protocols: protocolsOf(request) },
});
