/**
 * Takes a member one step towards its target. A partition that moves is given up first, which the
 * member confirms by no longer naming it, and only then given to the next one: at no time do two
 * members hold it. While a member has something to give up it stays in its epoch.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { ConsumerMember, MemberProgress, MemberState } from './consumer-member.ts';
import { type HeldPartitions, has, NO_PARTITIONS, type TopicPartitions } from './partitions.ts';

export interface ReconciliationInput {
  readonly target: TopicPartitions;
  readonly targetEpoch: number;
  /** Ids of the topics that it reads, and that exist. */
  readonly topicIds: ReadonlySet<string>;
  /** What it reads has just changed: what it has must fit, even in the epoch of its target. */
  readonly isSubscriptionNew: boolean;
  /** What the member says it holds; null: it does not say. */
  readonly owned: TopicPartitions | null;
  /** Whether somebody holds the partition. */
  isHeld(topicId: string, partition: number): boolean;
}

/** Where the member gets to; its present state when it can't go on yet. */
export function reconcile(member: ConsumerMember, input: ReconciliationInput): MemberProgress {
  switch (member.state) {
    case 'stable':
      if (member.epoch !== input.targetEpoch) return advance(member, input, member.epoch);
      return input.isSubscriptionNew ? dropUnread(member, input) : member;
    case 'unrevoked':
      if (!ownsAny(member.revoking, input.owned)) return advance(member, input, member.epoch);
      return input.isSubscriptionNew ? dropUnread(member, input) : member;
    case 'unreleased':
      return advance(member, input, member.epoch);
    case 'unknown':
      // Of a state that only a later coordinator knows; it begins from nothing.
      if (input.owned === null || input.owned.size > 0) {
        throw new ProtocolError(
          ErrorCode.FENCED_MEMBER_EPOCH,
          'The consumer group member is in a unknown state. ' +
            'The member must abandon all its partitions and rejoin.',
        );
      }
      return advance(member, input, input.targetEpoch);
  }
}

/** A member that does not say what it owns may own everything. */
function ownsAny(held: HeldPartitions, owned: TopicPartitions | null): boolean {
  if (owned === null) return true;
  for (const [topicId, partitions] of owned) {
    for (const partition of partitions) if (has(held, topicId, partition)) return true;
  }
  return false;
}

const next = (
  member: MemberProgress,
  epoch: number,
  state: MemberState,
  assigned: HeldPartitions,
  revoking: HeldPartitions,
): MemberProgress => ({ epoch, previousEpoch: member.epoch, state, assigned, revoking });

/** Takes away the topics that it reads no more. */
function dropUnread(member: ConsumerMember, input: ReconciliationInput): MemberProgress {
  const assigned = new Map(member.assigned);
  const revoking = new Map(member.revoking);
  for (const [topicId, partitions] of member.assigned) {
    if (input.topicIds.has(topicId)) continue;
    assigned.delete(topicId);
    revoking.set(topicId, new Map([...(revoking.get(topicId) ?? []), ...partitions]));
  }
  if (assigned.size === member.assigned.size) return member;
  return ownsAny(revoking, input.owned)
    ? next(member, member.epoch, 'unrevoked', assigned, revoking)
    : next(member, member.epoch, member.state, assigned, member.revoking);
}

function advance(
  member: ConsumerMember,
  input: ReconciliationInput,
  epoch: number,
): MemberProgress {
  const assigned = new Map<string, Map<number, number>>();
  const revoking = new Map<string, Map<number, number>>();
  const given: [topicId: string, partition: number][] = [];
  let isUnreleased = false;
  const target = (topicId: string): ReadonlySet<number> =>
    (input.topicIds.has(topicId) ? input.target : NO_PARTITIONS).get(topicId) ?? new Set();
  for (const [topicId, partitions] of member.assigned) {
    for (const [partition, since] of partitions) {
      put(target(topicId).has(partition) ? assigned : revoking, topicId, partition, since);
    }
  }
  for (const topicId of input.target.keys()) {
    for (const partition of target(topicId)) {
      if (has(assigned, topicId, partition)) continue;
      // What it is about to give up is still its own, and nobody else's.
      const isFree = !input.isHeld(topicId, partition) || has(member.revoking, topicId, partition);
      if (isFree) given.push([topicId, partition]);
      else isUnreleased = true;
    }
  }
  if (revoking.size > 0 && ownsAny(revoking, input.owned)) {
    return next(member, epoch, 'unrevoked', assigned, revoking);
  }
  for (const [topicId, partition] of given) put(assigned, topicId, partition, input.targetEpoch);
  const state = isUnreleased ? 'unreleased' : 'stable';
  return next(member, input.targetEpoch, state, assigned, new Map());
}

function put(
  held: Map<string, Map<number, number>>,
  topicId: string,
  partition: number,
  epoch: number,
): void {
  const partitions = held.get(topicId);
  if (partitions === undefined) held.set(topicId, new Map([[partition, epoch]]));
  else partitions.set(partition, epoch);
}
