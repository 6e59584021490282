/**
 * ConsumerGroupHeartbeat: a member joins, says what it reads and holds, is told what it may hold, and
 * leaves (KIP-848).
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from '../../protocol/messages/68-consumer-group-heartbeat.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { RequestContext } from '../request-context.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import {
  AWAY_EPOCH,
  type ConsumerMember,
  hasSameTopics,
  isSameMetadata,
  isSameProgress,
  LEFT_EPOCH,
  type MemberMetadata,
  NEW_PROGRESS,
  newMember,
  regexOf,
} from './consumer-member.ts';
import { Edit } from './edit.ts';
import type { Entrances } from './entrances.ts';
import { dropUnusedRegex, type Fencing } from './fencing.ts';
import {
  type HeldPartitions,
  has,
  heldSince,
  isSame,
  listed,
  type TopicPartitions,
} from './partitions.ts';
import { advance, bumpEpoch, type ConsumerParts, retarget, settingOf } from './planning.ts';
import { compileRegex, type Regexes } from './regexes.ts';

export type HeartbeatRequest = Infer<typeof consumerGroupHeartbeatRequest>;
export type HeartbeatResponse = Infer<typeof consumerGroupHeartbeatResponse>;

const JOIN_EPOCH = 0;
/** From here on, members make their ids themselves (KIP-1082). */
const OWN_ID_VERSION = 1;

export const heartbeatError = (
  errorCode: number,
  errorMessage: string | null = null,
): HeartbeatResponse => ({
  throttleTimeMs: 0,
  errorCode,
  errorMessage,
  memberId: null,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
  assignment: null,
});

export class Heartbeats {
  readonly #parts: ConsumerParts;
  readonly #entrances: Entrances;
  readonly #fencing: Fencing;
  readonly #regexes: Regexes;

  constructor(parts: ConsumerParts, entrances: Entrances, fencing: Fencing, regexes: Regexes) {
    this.#parts = parts;
    this.#entrances = entrances;
    this.#fencing = fencing;
    this.#regexes = regexes;
  }

  /** Throws ProtocolError. */
  heartbeat(request: HeartbeatRequest, context: RequestContext): Promise<HeartbeatResponse> {
    return request.memberEpoch < JOIN_EPOCH ? this.#leave(request) : this.#beat(request, context);
  }

  async #beat(request: HeartbeatRequest, context: RequestContext): Promise<HeartbeatResponse> {
    const isJoining = request.memberEpoch === JOIN_EPOCH;
    const entrance = this.#entrances.forConsumer(request.groupId, isJoining);
    const { group } = entrance;
    const edit = new Edit(group, entrance.records);
    try {
      const before = this.#findMember(edit, request);
      const member = this.#update(edit, before, request, context);
      entrance.enter();
      this.#fencing.keepAlive(group, member);
      if (!isSameProgress(before, member)) this.#fencing.watchRevocation(group, member);
      this.#regexes.refresh(group, context, before.regex !== member.regex);
      const response = this.#answer(group, before, member, request);
      const code = await edit.commit(this.#parts.store);
      if (code === ErrorCode.NONE) return response;
      entrance.failed();
      return heartbeatError(code);
    } catch (error) {
      if (error instanceof ProtocolError) edit.undo();
      throw error;
    }
  }

  /** The member as it was, or as it begins. */
  #findMember(edit: Edit, request: HeartbeatRequest): ConsumerMember {
    const { group } = edit;
    const { memberEpoch, instanceId } = request;
    const memberId = request.memberId === '' ? newMemberId(this.#parts) : request.memberId;
    const owned = request.topicPartitions === null ? null : partitionsOf(request.topicPartitions);
    const isJoining = memberEpoch === JOIN_EPOCH;
    const old = instanceId === null ? undefined : group.staticMember(instanceId);
    if (old === undefined) this.#checkSize(group, memberId);
    if (instanceId === null || (old === undefined && isJoining)) {
      const member = group.members.get(memberId) ?? (isJoining ? newMember(memberId) : undefined);
      if (member === undefined) throw unknownMember(group, memberId);
      checkEpoch(member, memberEpoch, owned);
      return member;
    }
    if (old === undefined) throw unknownInstance(instanceId);
    if (!isJoining) {
      checkInstance(old, memberId, instanceId);
      checkEpoch(old, memberEpoch, owned);
      return old;
    }
    // It begins anew, after a fence or because the answer to its join was lost; nobody else has its id.
    if (old.id === memberId && old.epoch !== AWAY_EPOCH && old.classic === null) return old;
    // Who speaks the classic protocol is replaced without having left, as in that protocol.
    if (old.classic === null && old.epoch !== AWAY_EPOCH) {
      throw new ProtocolError(
        ErrorCode.UNRELEASED_INSTANCE_ID,
        `Static member ${memberId} with instance id ${instanceId} cannot join the group ` +
          `because the instance id is owned by ${old.id} member.`,
      );
    }
    replaceMember(edit, old, memberId);
    return group.members.get(memberId) as ConsumerMember;
  }

  #checkSize(group: ConsumerGroup, memberId: string): void {
    const { consumerGroupMaxSize: max } = this.#parts.settings;
    if (group.members.size < max || group.members.has(memberId)) return;
    this.#parts.probe.refusedMembers++;
    throw new ProtocolError(
      ErrorCode.GROUP_MAX_SIZE_REACHED,
      `The consumer group has reached its maximum capacity of ${max} members.`,
    );
  }

  /** Enters what the request says, and takes the member as far as it can go. */
  #update(
    edit: Edit,
    before: ConsumerMember,
    request: HeartbeatRequest,
    context: RequestContext,
  ): ConsumerMember {
    const { group } = edit;
    const { id } = before;
    const metadata = updated(before, request, context);
    const isRegexNew = metadata.regex !== before.regex;
    const regex = regexOf(metadata);
    if (isRegexNew && regex !== null && group.readersOfRegex(regex) === 0) compileRegex(regex);
    if (!isSameMetadata(before, metadata) || !group.members.has(id)) {
      edit.apply({ kind: 'member', id, value: metadata });
    }
    if (isRegexNew) dropUnusedRegex(edit, regexOf(before));
    const areTopicsNew = !hasSameTopics(before, metadata);
    // Topics of an expression that is new to the group are not known yet; they bring an epoch of
    // their own.
    const isResolved =
      isRegexNew && (regex === null ? regexOf(before) !== null : group.regexes.has(regex));
    if (areTopicsNew || isResolved || group.needsRefresh) {
      bumpEpoch(this.#parts, edit, areTopicsNew || isResolved);
    }
    retarget(this.#parts, edit);
    const owned = request.topicPartitions === null ? null : partitionsOf(request.topicPartitions);
    return advance(this.#parts, edit, id, areTopicsNew || isRegexNew, owned);
  }

  /** What it holds is told to a member that can't know it, and when it changes. */
  #answer(
    group: ConsumerGroup,
    before: ConsumerMember,
    member: ConsumerMember,
    request: HeartbeatRequest,
  ): HeartbeatResponse {
    const isWhole =
      request.rebalanceTimeoutMs !== -1 &&
      (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null) &&
      request.topicPartitions !== null;
    const isTold =
      request.memberEpoch === JOIN_EPOCH || isWhole || !isSame(before.assigned, member.assigned);
    const heartbeatIntervalMs = settingOf(this.#parts, group.id, 'consumer.heartbeat.interval.ms');
    return {
      ...heartbeatError(ErrorCode.NONE),
      memberId: member.id,
      memberEpoch: member.epoch,
      heartbeatIntervalMs,
      assignment: isTold ? { topicPartitions: listed(member.assigned) } : null,
    };
  }

  async #leave(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    const { groupId, memberId, instanceId, memberEpoch } = request;
    const group = this.#entrances.consumer(groupId);
    let member = group.members.get(memberId);
    if (instanceId !== null) {
      member = group.staticMember(instanceId);
      if (member === undefined) throw unknownInstance(instanceId);
      checkInstance(member, memberId, instanceId);
    } else if (member === undefined) throw unknownMember(group, memberId);
    const willBeBack = instanceId !== null && memberEpoch === AWAY_EPOCH;
    const code = willBeBack
      ? await this.#goAway(group, member as ConsumerMember)
      : await this.#fencing.fence(group, [member as ConsumerMember]);
    return code === ErrorCode.NONE
      ? { ...heartbeatError(code), memberId, memberEpoch }
      : heartbeatError(code);
  }

  /** A static member leaves for a while: until its session is over, what it has is kept for it. */
  #goAway(group: ConsumerGroup, member: ConsumerMember): Promise<number> {
    const edit = new Edit(group);
    const value = {
      ...member,
      epoch: AWAY_EPOCH,
      // For its next id, it has had them from the beginning.
      assigned: since(member.assigned, 0),
      revoking: new Map(),
    };
    edit.apply({ kind: 'progress', id: member.id, value });
    return edit.commit(this.#parts.store);
  }
}

/** Throws ProtocolError with INVALID_REQUEST or UNSUPPORTED_ASSIGNOR, in Kafka's words. */
export function checkHeartbeat(
  request: HeartbeatRequest,
  apiVersion: number,
  known: readonly string[],
): void {
  const refuse = (message: string): never => {
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, message);
  };
  const { memberEpoch: epoch } = request;
  const needsId = apiVersion >= OWN_ID_VERSION || epoch > 0 || epoch === LEFT_EPOCH;
  const isBlank = (text: string | null): boolean => text?.trim() === '';
  if (needsId && isBlank(request.memberId)) refuse("MemberId can't be empty.");
  if (isBlank(request.groupId)) refuse("GroupId can't be empty.");
  if (isBlank(request.instanceId)) refuse("InstanceId can't be empty.");
  if (isBlank(request.rackId)) refuse("RackId can't be empty.");
  if (epoch === JOIN_EPOCH) {
    if (request.rebalanceTimeoutMs === -1) {
      refuse('RebalanceTimeoutMs must be provided in first request.');
    }
    if (request.topicPartitions === null || request.topicPartitions.length > 0) {
      refuse('TopicPartitions must be empty when (re-)joining.');
    }
    if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
      refuse(
        'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.',
      );
    }
  } else if (epoch === AWAY_EPOCH) {
    if (request.instanceId === null) refuse("InstanceId can't be null.");
  } else if (epoch < AWAY_EPOCH) refuse('MemberEpoch is invalid.');
  const { serverAssignor } = request;
  if (serverAssignor !== null && !known.includes(serverAssignor)) {
    throw new ProtocolError(
      ErrorCode.UNSUPPORTED_ASSIGNOR,
      `ServerAssignor ${serverAssignor} is not supported. ` +
        `Supported assignors: ${known.join(', ')}.`,
    );
  }
}

/**
 * Puts a member with another id in the place of a static one; everything else is left to it. What waits
 * for the old one goes on, and finds nobody, unless this is undone.
 */
export function replaceMember(edit: Edit, old: ConsumerMember, id: string): void {
  const target = edit.group.target(old.id);
  edit.apply({ kind: 'progress', id: old.id, value: null });
  edit.apply({ kind: 'target', id: old.id, value: null });
  edit.apply({ kind: 'member', id: old.id, value: null });
  edit.apply({ kind: 'member', id, value: old });
  edit.apply({ kind: 'target', id, value: target });
  const value = { ...old, epoch: NEW_PROGRESS.epoch, previousEpoch: NEW_PROGRESS.epoch };
  edit.apply({ kind: 'progress', id, value });
}

/** What the member says of itself from now on. */
const updated = (
  member: ConsumerMember,
  request: HeartbeatRequest,
  context: RequestContext,
): MemberMetadata => ({
  instanceId: request.instanceId ?? member.instanceId,
  rackId: request.rackId ?? member.rackId,
  clientId: context.clientId ?? '',
  clientHost: context.clientHost,
  topics:
    request.subscribedTopicNames === null
      ? member.topics
      : [...new Set(request.subscribedTopicNames)],
  regex: request.subscribedTopicRegex ?? member.regex,
  rebalanceTimeoutMs:
    request.rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : request.rebalanceTimeoutMs,
  assignor: request.serverAssignor ?? member.assignor,
  classic: null,
});

const partitionsOf = (
  topics: NonNullable<HeartbeatRequest['topicPartitions']>,
): TopicPartitions => {
  const byTopic = new Map<string, Set<number>>();
  for (const { topicId, partitions } of topics) {
    let indexes = byTopic.get(topicId);
    if (indexes === undefined) byTopic.set(topicId, (indexes = new Set()));
    for (const index of partitions) indexes.add(index);
  }
  return byTopic;
};

const since = (held: HeldPartitions, epoch: number): HeldPartitions =>
  heldSince(new Map([...held].map(([id, partitions]) => [id, new Set(partitions.keys())])), epoch);

/** A UUID, as Kafka prints ids. */
export function newMemberId({ random }: ConsumerParts): string {
  const bytes = Buffer.alloc(16);
  random.fill(bytes);
  return bytes.toString('base64url');
}

function checkEpoch(member: ConsumerMember, epoch: number, owned: TopicPartitions | null): void {
  if (epoch === JOIN_EPOCH || epoch === member.epoch) return;
  // The answer with the present epoch may have been lost.
  const isRetry =
    epoch < member.epoch &&
    epoch === member.previousEpoch &&
    owned !== null &&
    isWithin(owned, member.assigned);
  if (isRetry) return;
  const relation = epoch > member.epoch ? 'greater' : 'smaller';
  throw new ProtocolError(
    ErrorCode.FENCED_MEMBER_EPOCH,
    `The consumer group member has a ${relation} member epoch (${epoch}) than the one known ` +
      `by the group coordinator (${member.epoch}). The member must abandon all its partitions ` +
      'and rejoin.',
  );
}

function isWithin(owned: TopicPartitions, held: HeldPartitions): boolean {
  for (const [topicId, partitions] of owned) {
    if (!held.has(topicId)) return false;
    for (const partition of partitions) if (!has(held, topicId, partition)) return false;
  }
  return true;
}

function checkInstance(member: ConsumerMember, memberId: string, instanceId: string): void {
  if (member.id === memberId) return;
  throw new ProtocolError(
    ErrorCode.FENCED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.id}.`,
  );
}

const unknownMember = (group: ConsumerGroup, memberId: string): ProtocolError =>
  new ProtocolError(
    ErrorCode.UNKNOWN_MEMBER_ID,
    `Member ${memberId} is not a member of group ${group.id}.`,
  );

const unknownInstance = (instanceId: string): ProtocolError =>
  new ProtocolError(ErrorCode.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`);
