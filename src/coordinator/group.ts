/**
 * A classic consumer group: its members, what they agreed on, and the state they are in.
 *
 *   Empty ──join──→ PreparingRebalance ──all joined──→ CompletingRebalance ──leader synced──→ Stable
 *     ↑                │          ↑                            │                                 │
 *     └──all gone──────┘          └────────────a member joins, leaves or vanishes────────────────┘
 *
 * It decides nothing about time or the log; `membership.ts` does. After a crash the log gives back the
 * last generation that was Stable or Empty, its members with fresh sessions.
 *
 * Invariants: a group with members has a leader, who is one of them; every static member's instance
 * names that member; `supported` counts, per protocol, the members that offer it; the generation only
 * grows; members who have to sync are members.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { consumerProtocolSubscription } from '../protocol/stored/consumer-protocol.ts';
import { decodeVersioned } from '../protocol/stored/versioned.ts';
import { GroupOffsets } from './group-offsets.ts';
import type { GroupProbe } from './group-probe.ts';
import type { JoinResponse, Member, MemberProtocol, SyncResponse } from './member.ts';
import type { Timeout } from './timers.ts';

/** Under the names that DescribeGroups and ListGroups show. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

const MAY_COME_FROM: Record<GroupState, readonly GroupState[]> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable'],
};

/** The protocol type of consumers, whose subscriptions the coordinator understands. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** What a record of the log says about a group. */
export interface StoredGroup {
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string | null;
  readonly stateTimestamp: number;
  readonly members: readonly Member[];
}

export class Group {
  readonly type = 'classic';
  readonly id: string;
  readonly offsets: GroupOffsets;
  /** By member id, in the order they came. */
  readonly members = new Map<string, Member>();
  /** Ids that were given out and not used yet (KIP-394), each with its end. */
  readonly pendingMembers = new Map<string, Timeout>();
  /** Members of this generation that have not asked for their assignment yet. */
  readonly pendingSync = new Set<string>();
  generation = 0;
  /** Null: a simple group, which only stores offsets, or one that never had a member. */
  protocolType: string | null = null;
  protocolName: string | null = null;
  leader: string | null = null;
  /** Topics that the members of this generation subscribe to; null: unknown. */
  subscribedTopics: ReadonlySet<string> | null = null;
  /** Somebody joined while an initial rebalance waits. */
  newMemberAdded = false;
  /** Ends the wait for members to join. */
  joinTimeout: Timeout | null = null;
  /** Ends the wait for members to sync. */
  syncTimeout: Timeout | null = null;
  /** Wall clock of the last change of state; -1: unknown. */
  stateTimestamp: number;

  readonly #clock: Clock;
  readonly #probe: GroupProbe;
  readonly #instances = new Map<string, string>();
  readonly #supported = new Map<string, number>();
  #joiningCount = 0;
  #state: GroupState = 'Empty';
  #previousState: GroupState = 'Dead';

  /** `offsets`: those of the group that it takes the place of. */
  constructor(
    id: string,
    clock: Clock,
    probe: GroupProbe,
    offsets: GroupOffsets = new GroupOffsets(probe),
  ) {
    this.id = id;
    this.#clock = clock;
    this.#probe = probe;
    this.offsets = offsets;
    offsets.count(true);
    this.stateTimestamp = clock.now();
    probe.groups.Empty++;
  }

  get state(): GroupState {
    return this.#state;
  }
  get previousState(): GroupState {
    return this.#previousState;
  }
  /** Members whose JoinGroup waits. */
  get joiningCount(): number {
    return this.#joiningCount;
  }
  get canRebalance(): boolean {
    return MAY_COME_FROM.PreparingRebalance.includes(this.#state);
  }
  get isConsumerGroup(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }
  /** It holds nothing that anybody could miss. */
  get isUnused(): boolean {
    return (
      this.#state === 'Empty' &&
      this.generation === 0 &&
      this.pendingMembers.size === 0 &&
      this.offsets.isEmpty
    );
  }
  get hasAllJoined(): boolean {
    return this.members.size === this.#joiningCount && this.pendingMembers.size === 0;
  }
  /** The longest that any member asks for, in milliseconds. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) {
      longest = Math.max(longest, rebalanceTimeoutMs);
    }
    return longest;
  }

  transitionTo(state: GroupState): void {
    assert(
      MAY_COME_FROM[state].includes(this.#state),
      `group ${this.id} goes from ${this.#state} to ${state}`,
    );
    this.#enter(state);
    this.stateTimestamp = this.#clock.now();
  }

  #enter(state: GroupState): void {
    this.#probe.groups[this.#state]--;
    this.#probe.groups[state]++;
    this.#previousState = this.#state;
    this.#state = state;
  }

  /** Lets go of the group: it is deleted, or another broker has it now. */
  retire(): void {
    this.transitionTo('Dead');
    this.#probe.groups.Dead--;
    this.#probe.members -= this.members.size;
    this.offsets.count(false);
  }

  /** Takes back an empty group whose deletion the log did not take. */
  revive(stateTimestamp: number): void {
    this.#probe.groups.Dead++;
    this.#enter('Empty');
    this.stateTimestamp = stateTimestamp;
    this.offsets.count(true);
  }

  /**
   * Becomes what the log says, in place of what it was; offsets stay. Members that have not agreed on a
   * protocol do so.
   */
  restore(stored: StoredGroup): void {
    for (const id of [...this.members.keys()]) this.remove(id);
    this.generation = stored.generation;
    this.protocolType = stored.protocolType;
    this.protocolName = stored.protocolName;
    this.leader = stored.leader;
    this.#enter(stored.members.length === 0 ? 'Empty' : 'Stable');
    this.stateTimestamp = stored.stateTimestamp;
    for (const member of stored.members) this.add(member, stored.protocolType ?? '');
    if (this.members.size > 0) this.protocolName ??= this.selectProtocol();
    this.subscribedTopics = this.#subscriptions();
  }

  add(member: Member, protocolType: string): void {
    if (member.instanceId !== null) {
      assert(!this.#instances.has(member.instanceId), `two members are ${member.instanceId}`);
      this.#instances.set(member.instanceId, member.id);
    }
    if (this.members.size === 0) this.protocolType = protocolType;
    this.leader ??= member.id;
    this.members.set(member.id, member);
    this.#probe.members++;
    this.#count(member, 1);
    if (member.joining !== null) this.#joiningCount++;
    this.pendingMembers.delete(member.id);
  }

  /** Forgets the member; its waiting requests must have been answered. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      this.members.delete(memberId);
      this.#probe.members--;
      this.#count(member, -1);
      if (member.joining !== null) this.#joiningCount--;
      if (member.instanceId !== null) this.#instances.delete(member.instanceId);
    }
    if (this.leader === memberId) {
      const next = this.members.keys().next();
      this.leader = next.done === true ? null : next.value;
    }
    this.pendingSync.delete(memberId);
  }

  /** Puts `next` into the place of the static member `old`, who must not have requests waiting. */
  replace(old: Member, next: Member): void {
    this.members.delete(old.id);
    this.#count(old, -1);
    this.members.set(next.id, next);
    this.#count(next, 1);
    if (next.instanceId !== null) this.#instances.set(next.instanceId, next.id);
    if (this.leader === old.id) this.leader = next.id;
    if (this.pendingSync.delete(old.id)) this.pendingSync.add(next.id);
  }

  setProtocols(member: Member, protocols: readonly MemberProtocol[]): void {
    this.#count(member, -1);
    member.protocols = protocols;
    this.#count(member, 1);
  }

  memberIdOf(instanceId: string): string | undefined {
    return this.#instances.get(instanceId);
  }

  /** Holds the member's JoinGroup until the others have joined; answers one that it supersedes. */
  holdJoin(
    member: Member,
    respond: (response: JoinResponse) => void,
    superseded: JoinResponse,
  ): void {
    this.answerJoin(member, superseded);
    member.joining = respond;
    this.#joiningCount++;
  }

  answerJoin(member: Member, response: JoinResponse): void {
    const respond = member.joining;
    if (respond === null) return;
    member.joining = null;
    if (this.members.get(member.id) === member) this.#joiningCount--;
    respond(response);
  }

  /** True when a SyncGroup was waiting. */
  answerSync(member: Member, response: SyncResponse): boolean {
    const respond = member.syncing;
    if (respond === null) return false;
    member.syncing = null;
    respond(response);
    return true;
  }

  /** Whether the request of this member may touch the group. */
  checkMember(memberId: string, instanceId: string | null): number {
    if (instanceId !== null) {
      const known = this.#instances.get(instanceId);
      if (known === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (known !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  /** Whether somebody who offers these protocols can be a member beside the present ones. */
  supports(protocolType: string, protocols: readonly { readonly name: string }[]): boolean {
    if (this.#state === 'Empty') return protocolType !== '' && protocols.length > 0;
    return (
      protocolType === this.protocolType &&
      protocols.some(({ name }) => (this.#supported.get(name) ?? 0) === this.members.size)
    );
  }

  /** The protocol that most members prefer among those that all of them know. */
  selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const choice = member.protocols.find(
        (p) => this.#supported.get(p.name) === this.members.size,
      );
      assert(choice !== undefined, `members of group ${this.id} have no protocol in common`);
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let [winner, most] = ['', 0];
    for (const [name, count] of votes) if (count > most) [winner, most] = [name, count];
    return winner;
  }

  /** Makes a member that has joined the leader, if the present one has not; false when nobody has. */
  electJoinedLeader(): boolean {
    if (this.leader === null) return false;
    if (this.members.get(this.leader)?.joining) return true;
    for (const member of this.members.values()) {
      if (member.joining !== null) {
        this.leader = member.id;
        return true;
      }
    }
    return false;
  }

  /** Ends the join phase. */
  startGeneration(): void {
    this.generation++;
    this.protocolName = this.members.size === 0 ? null : this.selectProtocol();
    this.subscribedTopics = this.#subscriptions();
    this.pendingSync.clear();
    this.transitionTo(this.members.size === 0 ? 'Empty' : 'CompletingRebalance');
  }

  /** Whether a member reads the topic; where that can't be known, consumers are taken to. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.isConsumerGroup;
  }

  #subscriptions(): ReadonlySet<string> | null {
    if (!this.isConsumerGroup) return null;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      try {
        const metadata = member.metadataFor(this.protocolName);
        const { topics: own } = decodeVersioned(consumerProtocolSubscription, metadata);
        for (const topic of own) topics.add(topic);
      } catch (error) {
        // Other clients may put anything there; the subscription is unknown then.
        if (error instanceof RangeError) return null;
        throw error;
      }
    }
    return topics;
  }

  #count(member: Member, change: number): void {
    for (const { name } of member.protocols) {
      const count = (this.#supported.get(name) ?? 0) + change;
      if (count === 0) this.#supported.delete(name);
      else this.#supported.set(name, count);
    }
  }
}
