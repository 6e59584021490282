/**
 * How a partition goes from one state to the next: who leads it, who is in sync, and who may lead
 * when nobody in sync is there (KIP-966). Pure functions over `PartitionImage`.
 *
 * Invariants of every state that comes out of `changePartition`:
 * - the leader is in the ISR, or there is none;
 * - ISR and ELR are among the replicas, have no member in common, and whoever is in one of them is
 *   certain to have everything that was committed;
 * - there is an ELR only while the ISR is smaller than `min.insync.replicas`, for then nothing more
 *   can be committed than its members have. The last one that leaves the ISR goes there, too, and the
 *   ISR is empty until one of them leads. Where eligibility is off (`eligible.leader.replicas.version`
 *   0) it stays in the ISR without leading;
 * - `lastKnownElr` is filled only while there is no leader, with the last one that there was: it leads
 *   again when it comes back, even if nobody is certain any more. When nobody is, and that one has lost
 *   its disk, all replicas are in there, and then only a person, or
 *   `unclean.leader.election.enable`, can make one of them lead;
 * - the partition epoch goes up by one with every change, the leader epoch with every new leader,
 *   with the loss of the leader, and when replicas are taken away.
 */
import { NO_LEADER, type PartitionImage } from '../metadata-image.ts';
import { completion } from './reassignment.ts';

/**
 * `online`: keep the leader if it can go on, else anybody certain to have everything. `preferred`:
 * the first replica if it can. `unclean`: as `online`, and at the worst anybody who is there.
 */
export type Election = 'online' | 'preferred' | 'unclean';

export const LeaderRecovery = { recovered: 0, recovering: 1 } as const;

export interface PartitionGoal {
  /** Whether the broker may lead: it is there, and not on its way out. */
  readonly isAcceptable: (brokerId: number) => boolean;
  /** In-sync replicas without which nothing is committed; at least 1. */
  readonly minIsr: number;
  /** Whether replicas out of sync may be eligible. Default true. */
  readonly electsEligible?: boolean;
  readonly election?: Election;
  /** What is not given stays as it is. */
  readonly isr?: readonly number[];
  readonly replicas?: readonly number[];
  readonly adding?: readonly number[];
  readonly removing?: readonly number[];
  readonly leaderRecoveryState?: number;
  /** Replicas that may have lost some of what they had: neither in sync nor eligible any more. */
  readonly uncertain?: readonly number[];
  /** They have lost all of it: none of them is to lead because it was the last to. */
  readonly isLost?: boolean;
}

/** The state after the change; null when nothing changes. */
export function changePartition(
  before: PartitionImage,
  asked: PartitionGoal,
): PartitionImage | null {
  const { uncertain = [] } = asked;
  // Who is in doubt now does not lead by the same change.
  const isAcceptable = (id: number): boolean => asked.isAcceptable(id) && !uncertain.includes(id);
  const goal = { ...asked, isAcceptable };
  const draft = targetOf(before, goal);
  keepCertain(before, draft, goal);
  elect(before, draft, goal);
  settleElr(before, draft, goal);
  draft.lastKnownElr = lastKnown(before, draft, goal);
  const leaderEpoch = before.leaderEpoch + (bumpsLeaderEpoch(before, draft) ? 1 : 0);
  const after: PartitionImage = {
    topicId: before.topicId,
    index: before.index,
    replicas: draft.replicas,
    isr: draft.isr,
    adding: draft.adding,
    removing: draft.removing,
    elr: draft.elr,
    lastKnownElr: draft.lastKnownElr,
    leader: draft.leader,
    leaderRecoveryState: draft.leaderRecoveryState,
    leaderEpoch,
    partitionEpoch: before.partitionEpoch + 1,
  };
  return isSame(before, after) ? null : after;
}

/** Whether the change has made somebody leader who was not certain to have everything. */
export const isUncleanElection = (before: PartitionImage, after: PartitionImage): boolean =>
  after.leader !== NO_LEADER &&
  after.leader !== before.leader &&
  !before.isr.includes(after.leader) &&
  !before.elr.includes(after.leader);

interface Target {
  replicas: readonly number[];
  isr: readonly number[];
  adding: readonly number[];
  removing: readonly number[];
  elr: readonly number[];
  lastKnownElr: readonly number[];
  leader: number;
  leaderRecoveryState: number;
}

/** What was asked for, with a reassignment completed when it can be. */
function targetOf(before: PartitionImage, goal: PartitionGoal): Target {
  const uncertain = goal.uncertain ?? [];
  const target: Target = {
    replicas: goal.replicas ?? before.replicas,
    isr: (goal.isr ?? before.isr).filter((id) => !uncertain.includes(id)),
    adding: goal.adding ?? before.adding,
    removing: goal.removing ?? before.removing,
    elr: before.elr.filter((id) => !uncertain.includes(id)),
    lastKnownElr: before.lastKnownElr,
    leader: before.leader,
    leaderRecoveryState: goal.leaderRecoveryState ?? before.leaderRecoveryState,
  };
  const completed = completion(target);
  if (completed !== null) Object.assign(target, completed, { adding: [], removing: [] });
  const isReplica = (id: number): boolean => target.replicas.includes(id);
  target.isr = target.isr.filter(isReplica);
  target.elr = target.elr.filter(isReplica);
  target.lastKnownElr = target.lastKnownElr.filter(isReplica);
  return target;
}

/** Moves who leaves the ISR into the ELR; or keeps the last one, where nobody is eligible. */
function keepCertain(before: PartitionImage, target: Target, goal: PartitionGoal): void {
  const { uncertain = [], electsEligible = true } = goal;
  const left = before.isr.filter((id) => target.replicas.includes(id) && !uncertain.includes(id));
  target.elr = without(union(target.elr, left), target.isr).sort(byNumber);
  if (electsEligible) return;
  if (target.isr.length === 0) {
    const last = [before.leader, ...target.lastKnownElr].find((id) => target.elr.includes(id));
    target.isr = last === undefined ? target.elr.slice(0, 1) : [last];
  }
  target.elr = [];
}

function elect(before: PartitionImage, target: Target, goal: PartitionGoal): void {
  target.leader = cleanLeader(before, target, goal);
  if (target.isr.includes(target.leader)) return;
  if (target.leader !== NO_LEADER) {
    // Of those who are eligible: the others are, too, for as long as it is alone.
    target.elr = without(union(target.elr, target.isr), [target.leader]);
    target.isr = [target.leader];
    return;
  }
  target.leader = uncleanLeader(before, target, goal);
  if (target.leader === NO_LEADER) return;
  target.isr = [target.leader];
  target.elr = [];
  target.leaderRecoveryState = LeaderRecovery.recovering;
}

/** Somebody who is there and certain to have everything that was committed, or `NO_LEADER`. */
function cleanLeader(before: PartitionImage, target: Target, goal: PartitionGoal): number {
  const { isAcceptable, election = 'online' } = goal;
  const isInSync = (id: number): boolean => target.isr.includes(id) && isAcceptable(id);
  const preferred = target.replicas[0]!;
  if (election === 'preferred' && isInSync(preferred)) return preferred;
  if (isInSync(before.leader)) return before.leader;
  const inSync = target.replicas.find(isInSync);
  if (inSync !== undefined) return inSync;
  return target.replicas.find((id) => target.elr.includes(id) && isAcceptable(id)) ?? NO_LEADER;
}

/** The last leader when nobody is certain, or anybody where that is allowed. */
function uncleanLeader(before: PartitionImage, target: Target, goal: PartitionGoal): number {
  const [last = NO_LEADER, ...others] = before.lastKnownElr;
  const isOnly = others.length === 0 && target.isr.length === 0 && target.elr.length === 0;
  if (isOnly && target.replicas.includes(last) && goal.isAcceptable(last)) return last;
  if (goal.election !== 'unclean') return NO_LEADER;
  const { replicas } = target;
  // Several: the first of them has lost everything, and any other is better.
  const better = others.length > 0 ? without(replicas, [last]) : replicas;
  return better.find(goal.isAcceptable) ?? replicas.find(goal.isAcceptable) ?? NO_LEADER;
}

/** Whoever is out of sync is no longer eligible once the ISR can commit without it. */
function settleElr(before: PartitionImage, target: Target, goal: PartitionGoal): void {
  const commits = target.leader !== NO_LEADER && target.isr.length >= goal.minIsr;
  // Without a leader nothing is committed, but what was before was so by the ISR that it had.
  const committed = target.leader === NO_LEADER && before.isr.length >= goal.minIsr;
  if (commits) target.elr = [];
  else if (committed) target.elr = target.elr.filter((id) => before.isr.includes(id));
}

/** Who led last, while nobody does. */
function lastKnown(before: PartitionImage, target: Target, goal: PartitionGoal): readonly number[] {
  const { electsEligible = true, isLost = false, uncertain = [] } = goal;
  const isCertain = target.isr.length > 0 || target.elr.length > 0;
  if (target.leader !== NO_LEADER || (isCertain && !electsEligible)) return [];
  const lost = isLost ? uncertain : [];
  const isReplica = (id: number): boolean => target.replicas.includes(id);
  const known = before.leader === NO_LEADER ? target.lastKnownElr : [before.leader];
  const [first] = known;
  if (first !== undefined && isReplica(first) && !lost.includes(first)) return known;
  if (isCertain) return [];
  const certain = [...before.isr, ...before.elr].filter(isReplica);
  const last = certain.find((id) => !lost.includes(id));
  if (last !== undefined) return [last];
  const gone = certain[0] ?? first;
  return gone === undefined ? [] : [gone, ...without(target.replicas, [gone])];
}

const bumpsLeaderEpoch = (before: PartitionImage, target: Target): boolean =>
  target.leader !== before.leader || !before.replicas.every((id) => target.replicas.includes(id));

const union = (a: readonly number[], b: readonly number[]): readonly number[] => [
  ...a,
  ...b.filter((id) => !a.includes(id)),
];

const without = (a: readonly number[], b: readonly number[]): number[] =>
  a.filter((id) => !b.includes(id));

const byNumber = (a: number, b: number): number => a - b;

const isSame = (a: PartitionImage, b: PartitionImage): boolean =>
  a.leader === b.leader &&
  a.leaderEpoch === b.leaderEpoch &&
  a.leaderRecoveryState === b.leaderRecoveryState &&
  isEqual(a.replicas, b.replicas) &&
  isEqual(a.isr, b.isr) &&
  isEqual(a.adding, b.adding) &&
  isEqual(a.removing, b.removing) &&
  isEqual(a.elr, b.elr) &&
  isEqual(a.lastKnownElr, b.lastKnownElr);

const isEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
