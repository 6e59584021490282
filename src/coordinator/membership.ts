/**
 * The requests of members to the groups of one partition: JoinGroup, SyncGroup, Heartbeat, LeaveGroup
 * (KIP-394 member ids, KIP-345 static members, KIP-800 reasons, KIP-814 skipped assignments).
 */
import { STRING_BYTES_MAX } from '../base/bytes.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { heartbeatRequest } from '../protocol/messages/12-heartbeat.ts';
import type { leaveGroupRequest, leaveGroupResponse } from '../protocol/messages/13-leave-group.ts';
import type { Infer } from '../protocol/schema.ts';
import { joinError, joined, joinedAs, syncError, synced } from './answers.ts';
import type { Group } from './group.ts';
import { groupRecord } from './group-records.ts';
import {
  NEW_MEMBER_JOIN_TIMEOUT_MS,
  PENDING_MEMBERS_MAX,
  REASON_CHARS_MAX,
} from './group-settings.ts';
import type { JoinRequest, JoinResponse, SyncRequest, SyncResponse } from './member.ts';
import { Member, newMemberId, protocolsOf, rebalanceTimeoutOf } from './member.ts';
import type { Rebalancer, RebalancerParts } from './rebalancer.ts';
import type { RequestContext } from './request-context.ts';

type HeartbeatRequest = Infer<typeof heartbeatRequest>;
type MemberIdentity = Infer<typeof leaveGroupRequest>['members'][number];
type LeaveResult = Infer<typeof leaveGroupResponse>['members'][number];
type Respond<T> = (response: T) => void;

/** From here on, members without an id are given one first, and join with it (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION = 4;
/** From here on, a leader that came back can be told not to assign (KIP-814). */
const SKIP_ASSIGNMENT_VERSION = 9;

export class Membership {
  readonly #parts: RebalancerParts;
  readonly #random: Random;
  readonly #rebalancer: Rebalancer;

  constructor(parts: RebalancerParts, rebalancer: Rebalancer, random: Random) {
    this.#parts = parts;
    this.#rebalancer = rebalancer;
    this.#random = random;
  }

  join(group: Group, request: JoinRequest, context: RequestContext): Promise<JoinResponse> {
    return new Promise((respond) => {
      const { memberId } = request;
      if (!this.#hasRoomFor(group, memberId)) {
        this.#parts.probe.refusedMembers++;
        const member = group.members.get(memberId);
        if (member !== undefined) this.#rebalancer.drop(group, member);
        respond(joinError('', ErrorCode.GROUP_MAX_SIZE_REACHED));
        this.#rebalancer.completeIfJoined(group);
      } else if (!group.supports(request.protocolType, request.protocols)) {
        respond(joinError(memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL));
      } else if (memberId === '') this.#joinNew(group, request, context, respond);
      else this.#joinKnown(group, request, context, respond);
      this.#rebalancer.tidy(group);
    });
  }

  /** While members rejoin, those who wait count: so a group that is too large loses its last ones. */
  #hasRoomFor(group: Group, memberId: string): boolean {
    const max = this.#parts.settings.groupMaxSize;
    const member = group.members.get(memberId);
    switch (group.state) {
      case 'PreparingRebalance':
        return (member?.joining ?? null) !== null || group.joiningCount < max;
      case 'CompletingRebalance':
      case 'Stable':
        return member !== undefined || group.members.size < max;
      default:
        return true;
    }
  }

  #joinNew(
    group: Group,
    request: JoinRequest,
    context: RequestContext,
    respond: Respond<JoinResponse>,
  ): void {
    const { groupInstanceId } = request;
    const id = newMemberId(this.#random, groupInstanceId ?? context.clientId ?? '');
    if (Buffer.byteLength(id) > STRING_BYTES_MAX) {
      // Neither the group's record nor an answer has room for it; Kafka says no more than this, too.
      respond(joinError('', ErrorCode.UNKNOWN_SERVER_ERROR));
    } else if (groupInstanceId !== null) {
      const known = group.members.get(group.memberIdOf(groupInstanceId) ?? '');
      if (known !== undefined) this.#replaceStatic(group, request, context, known, id, respond);
      else this.#add(group, request, context, id, respond);
    } else if (context.apiVersion < MEMBER_ID_REQUIRED_VERSION) {
      this.#add(group, request, context, id, respond);
    } else if (group.pendingMembers.size >= PENDING_MEMBERS_MAX) {
      this.#parts.probe.refusedMembers++;
      respond(joinError('', ErrorCode.GROUP_MAX_SIZE_REACHED));
    } else {
      this.#rebalancer.expectMember(group, id, request.sessionTimeoutMs);
      respond(joinError(id, ErrorCode.MEMBER_ID_REQUIRED));
    }
  }

  #joinKnown(
    group: Group,
    request: JoinRequest,
    context: RequestContext,
    respond: Respond<JoinResponse>,
  ): void {
    const { memberId, groupInstanceId } = request;
    if (groupInstanceId === null && group.pendingMembers.has(memberId)) {
      this.#rebalancer.stopExpecting(group, memberId);
      this.#add(group, request, context, memberId, respond);
      return;
    }
    const code = group.checkMember(memberId, groupInstanceId);
    if (code !== ErrorCode.NONE) return respond(joinError(memberId, code));
    const member = group.members.get(memberId) as Member;
    // The leader joins anew when topics have changed, which its metadata does not show.
    const isNoChange =
      member.matches(request.protocols) &&
      (group.state === 'CompletingRebalance' ||
        (group.state === 'Stable' && group.leader !== memberId));
    if (isNoChange) respond(joinedAs(group, memberId));
    else this.#rejoin(group, member, request, respond);
  }

  #rejoin(
    group: Group,
    member: Member,
    request: JoinRequest,
    respond: Respond<JoinResponse>,
  ): void {
    this.#update(group, member, request, respond);
    this.#rebalancer.rebalance(
      group,
      `member ${member.id} joins again: ${reasonOf(request.reason)}`,
    );
  }

  #update(
    group: Group,
    member: Member,
    request: JoinRequest,
    respond: Respond<JoinResponse>,
  ): void {
    group.setProtocols(member, protocolsOf(request));
    member.rebalanceTimeoutMs = rebalanceTimeoutOf(request);
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    group.holdJoin(member, respond, joinError(member.id, ErrorCode.REBALANCE_IN_PROGRESS));
  }

  #add(
    group: Group,
    request: JoinRequest,
    context: RequestContext,
    id: string,
    respond: Respond<JoinResponse>,
  ): void {
    const member = new Member({
      id,
      instanceId: request.groupInstanceId,
      clientId: context.clientId ?? '',
      clientHost: context.clientHost,
      rebalanceTimeoutMs: rebalanceTimeoutOf(request),
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: protocolsOf(request),
    });
    member.isNew = true;
    member.joining = respond;
    if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') {
      group.newMemberAdded = true;
    }
    group.add(member, request.protocolType);
    // It has no heartbeats to send before it is answered, so its session can't be what ends it.
    this.#rebalancer.keepAlive(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.#rebalancer.rebalance(group, `new member ${id}: ${reasonOf(request.reason)}`);
  }

  /** A static member is back, without the id it had: it takes over where it was. */
  #replaceStatic(
    group: Group,
    request: JoinRequest,
    context: RequestContext,
    old: Member,
    id: string,
    respond: Respond<JoinResponse>,
  ): void {
    const leaderBefore = group.leader ?? '';
    this.#rebalancer.dismiss(group, old, old.id, ErrorCode.FENCED_INSTANCE_ID);
    const member = new Member({
      ...old,
      id,
      clientId: context.clientId ?? '',
      clientHost: context.clientHost,
    });
    group.replace(old, member);
    this.#update(group, member, request, respond);
    this.#rebalancer.keepAlive(group, member);
    const why = `static member ${request.groupInstanceId} is back: ${reasonOf(request.reason)}`;
    if (group.state === 'Stable' && group.selectProtocol() === group.protocolName) {
      this.#storeReplaced(group, old, member, leaderBefore, context.apiVersion);
    } else if (group.state === 'PreparingRebalance') this.#rebalancer.completeIfJoined(group);
    // The leader may be dividing the work among ids of which one has just changed.
    else this.#rebalancer.rebalance(group, why);
  }

  /** Nothing changed but the id, so nobody else notices. */
  #storeReplaced(
    group: Group,
    old: Member,
    member: Member,
    leaderBefore: string,
    apiVersion: number,
  ): void {
    const assignments = new Map([...group.members.values()].map((m) => [m.id, m.assignment]));
    this.#parts.store.write([groupRecord(group, assignments)], (code) => {
      // A rebalance that began meanwhile answers it.
      if (group.members.get(member.id) !== member || group.state !== 'Stable') return;
      if (code !== ErrorCode.NONE) {
        this.#rebalancer.dismiss(group, member, '', code);
        group.replace(member, old);
        this.#rebalancer.keepAlive(group, old);
      } else if (apiVersion >= SKIP_ASSIGNMENT_VERSION) {
        const skipAssignment = group.leader === member.id;
        group.answerJoin(member, { ...joinedAs(group, member.id), skipAssignment });
      } else {
        // By the old leader's id it does not take itself for the leader, and so does not assign.
        group.answerJoin(member, { ...joined(group, member.id, []), leader: leaderBefore });
      }
    });
  }

  sync(group: Group, request: SyncRequest): Promise<SyncResponse> {
    return new Promise((respond) => {
      const code = this.#checkSync(group, request);
      if (code !== ErrorCode.NONE) return respond(syncError(code));
      const member = group.members.get(request.memberId) as Member;
      this.#rebalancer.markSynced(group, member.id);
      if (group.state === 'Stable') return respond(synced(group, member));
      group.answerSync(member, syncError(ErrorCode.REBALANCE_IN_PROGRESS));
      member.syncing = respond;
      if (group.leader !== member.id) return;
      const assignments = new Map(
        request.assignments.map((a) => [a.memberId, Buffer.from(a.assignment)]),
      );
      this.#rebalancer.storeAssignments(group, assignments);
    });
  }

  #checkSync(group: Group, request: SyncRequest): number {
    const code = group.checkMember(request.memberId, request.groupInstanceId);
    if (code !== ErrorCode.NONE) return code;
    if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (differs(request.protocolType, group.protocolType)) {
      return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    }
    if (differs(request.protocolName, group.protocolName)) {
      return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    }
    return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  heartbeat(group: Group, request: HeartbeatRequest): number {
    const code = group.checkMember(request.memberId, request.groupInstanceId);
    if (code !== ErrorCode.NONE) return code;
    if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
    this.#rebalancer.keepAlive(group, group.members.get(request.memberId) as Member);
    return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** A member that commits lives, too. */
  committed(group: Group, memberId: string): void {
    const member = group.members.get(memberId);
    if (member === undefined) return;
    if (group.state === 'Stable' || group.state === 'PreparingRebalance') {
      this.#rebalancer.keepAlive(group, member);
    }
  }

  /** Removes members, each with an outcome of its own; one rebalance follows for all of them. */
  leave(group: Group, members: readonly MemberIdentity[]): Promise<LeaveResult[]> {
    const results = members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      errorCode: this.#remove(group, member),
    }));
    const left = results.filter((result) => result.errorCode === ErrorCode.NONE);
    if (left.length > 0) {
      const reason = `${left.map((r) => r.memberId || r.groupInstanceId).join(', ')} left`;
      if (group.state === 'PreparingRebalance') this.#rebalancer.completeIfJoined(group);
      else if (group.state !== 'Empty') this.#rebalancer.rebalance(group, reason);
      this.#rebalancer.tidy(group);
    }
    // Where the last one left, that is written by now.
    return new Promise((resolve) => this.#parts.store.write([], () => resolve(results)));
  }

  #remove(group: Group, { memberId, groupInstanceId, reason }: MemberIdentity): number {
    if (memberId !== '' && group.pendingMembers.has(memberId)) {
      this.#rebalancer.stopExpecting(group, memberId);
      return ErrorCode.NONE;
    }
    // An administrator removes static members by their instance alone.
    const byInstance = groupInstanceId === null ? undefined : group.memberIdOf(groupInstanceId);
    const id = memberId === '' ? (byInstance ?? '') : memberId;
    const code = group.checkMember(id, groupInstanceId);
    if (code !== ErrorCode.NONE) return code;
    this.#parts.logger.info('member leaves', {
      'kafka.group': group.id,
      'kafka.member': id,
      reason: reasonOf(reason),
    });
    this.#rebalancer.drop(group, group.members.get(id) as Member);
    return ErrorCode.NONE;
  }
}

const reasonOf = (reason: string | null): string =>
  reason === null || reason === '' ? 'not provided' : reason.slice(0, REASON_CHARS_MAX);

const differs = (asked: string | null, present: string | null): boolean =>
  asked !== null && present !== null && asked !== present;
