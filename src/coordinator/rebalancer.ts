/**
 * Moves the groups of one partition from generation to generation: waits for members to join and to
 * sync, removes those that don't, and everything else that happens because time passes.
 *
 * Invariants: every member has a running session timeout, unless an answer of ours excuses it; a group
 * that prepares a rebalance has a running `joinTimeout`; one whose members have not all synced has a
 * running `syncTimeout`. So no state but Empty and Stable lasts for ever, whoever vanishes.
 */
import type { Logger } from '../base/logger.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';
import { joinError, joined, subscriptions, syncError, synced } from './answers.ts';
import type { AnyGroup } from './any-group.ts';
import type { Group } from './group.ts';
import type { GroupProbe } from './group-probe.ts';
import { groupRecord } from './group-records.ts';
import type { GroupSettings } from './group-settings.ts';
import type { Member } from './member.ts';
import { NO_ASSIGNMENT } from './member.ts';
import type { ShardLog } from './shard-log.ts';
import type { Timers } from './timers.ts';
import { Timeout } from './timers.ts';

export interface RebalancerParts {
  readonly store: ShardLog;
  readonly groups: Map<string, AnyGroup>;
  readonly settings: GroupSettings;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly probe: GroupProbe;
}

const NO_ASSIGNMENTS: ReadonlyMap<string, Buffer> = new Map();

export class Rebalancer {
  readonly #store: ShardLog;
  readonly #groups: Map<string, AnyGroup>;
  readonly #settings: GroupSettings;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #probe: GroupProbe;

  constructor(parts: RebalancerParts) {
    this.#store = parts.store;
    this.#groups = parts.groups;
    this.#settings = parts.settings;
    this.#timers = parts.timers;
    this.#logger = parts.logger;
    this.#probe = parts.probe;
  }

  /** The member lives: its session starts anew. */
  keepAlive(group: Group, member: Member, timeoutMs: number = member.sessionTimeoutMs): void {
    member.session ??= new Timeout(() => this.#expireSession(group, member));
    this.#timers.start(member.session, timeoutMs);
  }

  /** Remembers a member id that was given out, for as long as a session. */
  expectMember(group: Group, memberId: string, sessionTimeoutMs: number): void {
    const timeout = new Timeout(() => {
      this.#log('an expected member never joined', group, { 'kafka.member': memberId });
      this.forgetExpected(group, memberId);
    });
    group.pendingMembers.set(memberId, timeout);
    this.#timers.start(timeout, sessionTimeoutMs);
  }

  /** The id has become a member. */
  stopExpecting(group: Group, memberId: string): void {
    this.#timers.stop(group.pendingMembers.get(memberId) ?? null);
    group.pendingMembers.delete(memberId);
  }

  /** The id will not be used; a join phase that waited for it may end. */
  forgetExpected(group: Group, memberId: string): void {
    this.stopExpecting(group, memberId);
    this.tidy(group);
    this.#completeWhenAllJoined(group);
  }

  /** Removes a member; its waiting requests are answered with `code`. */
  drop(group: Group, member: Member, code: number = ErrorCode.UNKNOWN_MEMBER_ID): void {
    this.dismiss(group, member, '', code);
    group.remove(member.id);
  }

  /** Answers what waits for the member, and ends its session. */
  dismiss(group: Group, member: Member, memberId: string, code: number): void {
    group.answerJoin(member, joinError(memberId, code));
    group.answerSync(member, syncError(code));
    this.#timers.stop(member.session);
  }

  /** Lets a group go that nobody would miss. */
  tidy(group: Group): void {
    if (!group.isUnused || this.#groups.get(group.id) !== group) return;
    this.#groups.delete(group.id);
    group.retire();
  }

  /** Stops everything that waits for time to pass, and answers everything that waits for others. */
  release(group: Group, code: number): void {
    for (const member of group.members.values()) this.dismiss(group, member, member.id, code);
    for (const id of [...group.pendingMembers.keys()]) this.stopExpecting(group, id);
    this.#timers.stop(group.joinTimeout);
    this.#timers.stop(group.syncTimeout);
  }

  /** A group that came from the log: its members have a session's time to show up. */
  loaded(group: Group): void {
    for (const member of group.members.values()) this.keepAlive(group, member);
    if (group.members.size > this.#settings.groupMaxSize) {
      this.prepare(group, 'loaded with more members than group.max.size');
    }
  }

  /** A membership change: starts a rebalance, or ends the join phase of the one under way. */
  rebalance(group: Group, reason: string): void {
    if (group.canRebalance) this.prepare(group, reason);
    else this.completeIfJoined(group);
  }

  /** Ends the join phase when everybody is there; an initial one lasts its time. */
  completeIfJoined(group: Group): void {
    if (group.previousState !== 'Empty') this.#completeWhenAllJoined(group);
  }

  #completeWhenAllJoined(group: Group): void {
    if (group.state === 'PreparingRebalance' && group.hasAllJoined) this.#completeJoin(group);
  }

  /** Has all members join again. */
  prepare(group: Group, reason: string): void {
    if (group.state === 'CompletingRebalance') {
      this.#resetAssignments(group, ErrorCode.REBALANCE_IN_PROGRESS);
    }
    group.pendingSync.clear();
    this.#timers.stop(group.syncTimeout);
    const isInitial = group.state === 'Empty';
    group.transitionTo('PreparingRebalance');
    this.#log('group prepares a rebalance', group, { reason });
    if (isInitial) {
      const delayMs = this.#settings.initialRebalanceDelayMs;
      this.#awaitFirstMembers(group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0));
    } else if (group.hasAllJoined) this.#completeJoin(group);
    else this.#awaitJoins(group);
  }

  #awaitJoins(group: Group): void {
    this.#timers.stop(group.joinTimeout);
    group.joinTimeout = new Timeout(() => this.#completeJoin(group));
    this.#timers.start(group.joinTimeout, group.rebalanceTimeoutMs);
  }

  /** Waits once more as long as members keep coming, up to the rebalance timeout in all. */
  #awaitFirstMembers(group: Group, delayMs: number, remainingMs: number): void {
    this.#timers.stop(group.joinTimeout);
    group.joinTimeout = new Timeout(() => {
      if (group.newMemberAdded && remainingMs > 0) {
        group.newMemberAdded = false;
        const nextMs = Math.min(this.#settings.initialRebalanceDelayMs, remainingMs);
        this.#awaitFirstMembers(group, nextMs, Math.max(remainingMs - nextMs, 0));
      } else this.#completeJoin(group);
    });
    this.#timers.start(group.joinTimeout, delayMs);
  }

  /** Ends the join phase with those who are there. */
  #completeJoin(group: Group): void {
    this.#timers.stop(group.joinTimeout);
    group.newMemberAdded = false;
    for (const member of [...group.members.values()]) {
      if (member.joining !== null || member.isStatic) continue;
      this.#log('member did not join in time', group, { 'kafka.member': member.id });
      this.drop(group, member);
    }
    if (!group.electJoinedLeader() && group.members.size > 0) {
      // Only static members are left, and none of them is here: their sessions decide.
      this.#awaitJoins(group);
      return;
    }
    group.startGeneration();
    if (group.members.size === 0) this.#storeEmpty(group);
    else this.#answerJoins(group);
  }

  #answerJoins(group: Group): void {
    this.#log('group has a new generation', group, { members: group.members.size });
    const forLeader = subscriptions(group);
    for (const member of group.members.values()) {
      group.answerJoin(
        member,
        joined(group, member.id, member.id === group.leader ? forLeader : []),
      );
      member.isNew = false;
      this.keepAlive(group, member);
      group.pendingSync.add(member.id);
    }
    const { generation } = group;
    group.syncTimeout = new Timeout(() => this.#expireSync(group, generation));
    this.#timers.start(group.syncTimeout, group.rebalanceTimeoutMs);
  }

  #storeEmpty(group: Group): void {
    this.#log('group is empty', group, {});
    // Were this lost, the generation before would come back at a restart, and time out again: the
    // store logs and counts it, nobody waits for it.
    this.#store.write([groupRecord(group, NO_ASSIGNMENTS)], () => {});
  }

  /** The member asked for its assignment. */
  markSynced(group: Group, memberId: string): void {
    group.pendingSync.delete(memberId);
    if (group.pendingSync.size === 0) this.#timers.stop(group.syncTimeout);
  }

  /** Stores what the leader decided; then everybody gets theirs. */
  storeAssignments(group: Group, assignments: ReadonlyMap<string, Buffer>): void {
    const { generation } = group;
    this.#store.write([groupRecord(group, assignments)], (code) => {
      // Members may have come and gone meanwhile: then the next generation is under way.
      if (group.state !== 'CompletingRebalance' || group.generation !== generation) return;
      if (code !== ErrorCode.NONE) {
        this.#resetAssignments(group, code);
        this.rebalance(group, `${errorName(code)} when its assignment was stored`);
        return;
      }
      for (const member of group.members.values()) {
        member.assignment = assignments.get(member.id) ?? NO_ASSIGNMENT;
      }
      group.transitionTo('Stable');
      this.#probe.rebalances++;
      for (const member of group.members.values()) {
        if (group.answerSync(member, synced(group, member))) this.keepAlive(group, member);
      }
    });
  }

  #resetAssignments(group: Group, code: number): void {
    for (const member of group.members.values()) {
      member.assignment = NO_ASSIGNMENT;
      // A session may have run out while it was excused: it starts anew.
      if (group.answerSync(member, syncError(code))) this.keepAlive(group, member);
    }
  }

  #expireSession(group: Group, member: Member): void {
    if (group.members.get(member.id) !== member || member.isExcusedFromHeartbeat) return;
    this.#probe.expiredMembers++;
    this.#log('member has failed', group, { 'kafka.member': member.id });
    this.drop(group, member);
    if (group.state === 'PreparingRebalance') this.#completeWhenAllJoined(group);
    else this.rebalance(group, `member ${member.id} has failed`);
  }

  #expireSync(group: Group, generation: number): void {
    const isOver = group.state !== 'CompletingRebalance' && group.state !== 'Stable';
    if (isOver || group.generation !== generation || group.pendingSync.size === 0) return;
    const silent = [...group.pendingSync];
    for (const id of silent) {
      const member = group.members.get(id);
      if (member !== undefined) this.drop(group, member);
    }
    this.prepare(group, `${silent.join(', ')} did not sync in time`);
  }

  #log(message: string, group: Group, fields: Readonly<Record<string, unknown>>): void {
    this.#logger.info(message, {
      'kafka.group': group.id,
      'kafka.generation': group.generation,
      'kafka.group_state': group.state,
      ...fields,
    });
  }
}
