/**
 * A consumer group (KIP-848): its members, what they read, what each is to hold, and what each holds.
 *
 * The group's epoch grows whenever members or topics change; a target is made for an epoch, and each
 * member comes to that epoch when it is in step with its target:
 *
 *   Empty ──join──→ Assigning ──target made──→ Reconciling ──all in step──→ Stable
 *     ↑                 ↑                          │                          │
 *     └────all gone─────┴───────members or topics change──────────────────────┘
 *
 * All of it is what the records of the log say, one change a record (`changes.ts`), and `apply` is the
 * only way to change it. It returns the change that takes it back: so what the log refuses is undone.
 *
 * Invariants: an owner of a partition is a member that holds it, or is giving it up; an instance names
 * a member; the counts are those of the members.
 */
import { ZERO_BITS64 } from '../../base/bytes.ts';
import type { GroupOffsets } from '../group-offsets.ts';
import type { GroupProbe } from '../group-probe.ts';
import type { Timeout } from '../timers.ts';
import type { Change, GroupEpoch, ResolvedRegex, TargetEpoch } from './changes.ts';
import {
  type ConsumerMember,
  isReconciled,
  LEFT_EPOCH,
  type MemberMetadata,
  type MemberProgress,
  NEW_PROGRESS,
  newMember,
  regexOf,
} from './consumer-member.ts';
import type { Edit } from './edit.ts';
import { type HeldPartitions, NO_PARTITIONS, type TopicPartitions } from './partitions.ts';

/** Under the names that ConsumerGroupDescribe and ListGroups show. */
export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead';

/** Where a group begins, and its target, too: it has nothing to assign. */
const FIRST_EPOCH = 1;

/** What ends a wait for a member; none of it outlives this broker's term. */
export interface MemberTimeouts {
  /** It has not been heard of. */
  session?: Timeout;
  /** It has not given up what it has to. */
  revocation?: Timeout;
  /** A classic member has not joined again, or not asked for its assignment. */
  join?: Timeout;
  sync?: Timeout;
}

/** How many members, by what they have in common. */
class Counts {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }
  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }
  has(key: string): boolean {
    return this.#counts.has(key);
  }
  keys(): Iterable<string> {
    return this.#counts.keys();
  }
  add(key: string, change: number): void {
    const count = this.get(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
  most(): string | null {
    let [key, most]: [string | null, number] = [null, 0];
    for (const [other, count] of this.#counts) if (count > most) [key, most] = [other, count];
    return key;
  }
}

export class ConsumerGroup {
  readonly type = 'consumer';
  readonly protocolType = 'consumer';
  readonly id: string;
  readonly offsets: GroupOffsets;
  readonly members = new Map<string, ConsumerMember>();
  readonly targets = new Map<string, TopicPartitions>();
  readonly regexes = new Map<string, ResolvedRegex>();
  /** By member id. */
  readonly timeouts = new Map<string, MemberTimeouts>();
  /** Operations whose records are on their way into the log, in their order. */
  readonly edits: Edit[] = [];
  /** Topics may have changed since its epoch was set. */
  needsRefresh = true;
  /** Its regular expressions are being looked up. */
  isResolving = false;

  readonly #probe: GroupProbe;
  readonly #instances = new Map<string, string>();
  readonly #owners = new Map<string, Map<number, string>>();
  readonly #topicReaders = new Counts();
  readonly #regexReaders = new Counts();
  /** Regular expressions that stand for a topic. */
  readonly #regexesOfTopic = new Counts();
  readonly #assignorVotes = new Counts();
  readonly #classicProtocols = new Counts();
  #classicCount = 0;
  #group: GroupEpoch | null = null;
  #target: TargetEpoch | null = null;
  #hasLegacyTopics = false;
  #isDead = false;
  #isCounted = false;
  /** Null: it has to be found out anew. */
  #state: ConsumerGroupState | null = null;

  constructor(id: string, offsets: GroupOffsets, probe: GroupProbe) {
    this.id = id;
    this.offsets = offsets;
    this.#probe = probe;
  }

  get epoch(): number {
    return this.#group?.epoch ?? FIRST_EPOCH;
  }
  get metadataHash(): string {
    return this.#group?.metadataHash ?? ZERO_BITS64;
  }
  get targetEpoch(): number {
    return this.#target?.epoch ?? FIRST_EPOCH;
  }
  /** Wall clock, milliseconds, when the target was made; 0: unknown. */
  get targetTimestamp(): number {
    return this.#target?.timestamp ?? 0;
  }
  get hasLegacyTopics(): boolean {
    return this.#hasLegacyTopics;
  }
  /** Members that speak the classic protocol. */
  get classicCount(): number {
    return this.#classicCount;
  }
  /** What most of its members ask for; null: none of them does. */
  get preferredAssignor(): string | null {
    return this.#assignorVotes.most();
  }
  /** It holds nothing that anybody could miss. */
  get isUnused(): boolean {
    return (
      this.members.size === 0 &&
      this.#group === null &&
      this.edits.length === 0 &&
      this.offsets.isEmpty
    );
  }

  get state(): ConsumerGroupState {
    this.#state ??= this.#findState();
    return this.#state;
  }

  #findState(): ConsumerGroupState {
    if (this.#isDead) return 'Dead';
    if (this.members.size === 0) return 'Empty';
    if (this.epoch > this.targetEpoch) return 'Assigning';
    for (const member of this.members.values()) {
      if (!isReconciled(member, this.targetEpoch)) return 'Reconciling';
    }
    return 'Stable';
  }

  /** Names of the topics that it reads, whether they exist or not. */
  *subscribedTopics(): Generator<string> {
    yield* this.#topicReaders.keys();
    for (const topic of this.#regexesOfTopic.keys()) {
      if (!this.#topicReaders.has(topic)) yield topic;
    }
  }
  isSubscribedTo(topic: string): boolean {
    return this.#topicReaders.has(topic) || this.#regexesOfTopic.has(topic);
  }
  /** The regular expressions of its members. */
  subscribedRegexes(): Iterable<string> {
    return this.#regexReaders.keys();
  }
  get subscribedRegexCount(): number {
    return this.#regexReaders.size;
  }
  readersOfRegex(regex: string): number {
    return this.#regexReaders.get(regex);
  }
  /** Names of the topics that the member reads, by name and by regular expression. */
  topicsOf(member: MemberMetadata): readonly string[] {
    const regex = regexOf(member);
    const found = regex === null ? undefined : this.regexes.get(regex);
    return found === undefined ? member.topics : [...new Set([...member.topics, ...found.topics])];
  }

  target(memberId: string): TopicPartitions {
    return this.targets.get(memberId) ?? NO_PARTITIONS;
  }
  /** Who holds the partition, or is giving it up. */
  ownerOf(topicId: string, partition: number): string | undefined {
    return this.#owners.get(topicId)?.get(partition);
  }
  staticMember(instanceId: string): ConsumerMember | undefined {
    const id = this.#instances.get(instanceId);
    return id === undefined ? undefined : this.members.get(id);
  }
  /** Whether all its classic members offer one of these protocols. */
  supportsClassic(protocols: readonly { readonly name: string }[]): boolean {
    return protocols.some(({ name }) => this.#classicProtocols.get(name) === this.#classicCount);
  }

  /** Makes the change; returns the one that takes it back. */
  apply(change: Change): Change {
    this.#state = null;
    switch (change.kind) {
      case 'group': {
        const value = this.#group;
        this.#group = change.value;
        return { kind: 'group', value };
      }
      case 'legacyTopics': {
        const value = this.#hasLegacyTopics ? true : null;
        this.#hasLegacyTopics = change.value !== null;
        return { kind: 'legacyTopics', value };
      }
      case 'targetEpoch': {
        const value = this.#target;
        this.#target = change.value;
        return { kind: 'targetEpoch', value };
      }
      case 'target': {
        const value = this.targets.get(change.id) ?? null;
        if (change.value === null) this.targets.delete(change.id);
        else this.targets.set(change.id, change.value);
        return { ...change, value };
      }
      case 'member':
        return { ...change, value: this.#setMetadata(change.id, change.value) };
      case 'progress':
        return { ...change, value: this.#setProgress(change.id, change.value) };
      case 'regex':
        return { ...change, value: this.#setRegex(change.regex, change.value) };
    }
  }

  #setMetadata(id: string, metadata: MemberMetadata | null): MemberMetadata | null {
    const old = this.members.get(id);
    if (metadata !== null) this.#replace(old, { ...(old ?? newMember(id)), ...metadata, id });
    else if (old !== undefined) this.#replace(old, undefined);
    return old ?? null;
  }

  #setProgress(id: string, progress: MemberProgress | null): MemberProgress | null {
    const old = this.members.get(id);
    if (progress !== null) this.#replace(old, { ...(old ?? newMember(id)), ...progress, id });
    else if (old !== undefined) {
      this.#replace(old, {
        ...old,
        ...NEW_PROGRESS,
        epoch: LEFT_EPOCH,
        previousEpoch: LEFT_EPOCH,
      });
    }
    return old ?? null;
  }

  #replace(old: ConsumerMember | undefined, member: ConsumerMember | undefined): void {
    if (old !== undefined) {
      this.#count(old, -1);
      this.#disown(old.id, old.assigned);
      this.#disown(old.id, old.revoking);
      const { instanceId } = old;
      if (instanceId !== null && this.#instances.get(instanceId) === old.id) {
        this.#instances.delete(instanceId);
      }
      if (member === undefined) this.members.delete(old.id);
    }
    if (member === undefined) return;
    this.#count(member, 1);
    this.#own(member.id, member.assigned);
    this.#own(member.id, member.revoking);
    if (member.instanceId !== null) this.#instances.set(member.instanceId, member.id);
    this.members.set(member.id, member);
  }

  #count(member: ConsumerMember, change: 1 | -1): void {
    if (this.#isCounted) this.#probe.members += change;
    for (const topic of member.topics) this.#topicReaders.add(topic, change);
    const regex = regexOf(member);
    if (regex !== null) this.#regexReaders.add(regex, change);
    if (member.assignor !== null) this.#assignorVotes.add(member.assignor, change);
    if (member.classic === null) return;
    this.#classicCount += change;
    for (const { name } of member.classic.protocols) this.#classicProtocols.add(name, change);
  }

  #own(id: string, held: HeldPartitions): void {
    for (const [topicId, partitions] of held) {
      let owners = this.#owners.get(topicId);
      if (owners === undefined) this.#owners.set(topicId, (owners = new Map()));
      for (const partition of partitions.keys()) owners.set(partition, id);
    }
  }

  #disown(id: string, held: HeldPartitions): void {
    for (const [topicId, partitions] of held) {
      const owners = this.#owners.get(topicId);
      if (owners === undefined) continue;
      for (const partition of partitions.keys()) {
        if (owners.get(partition) === id) owners.delete(partition);
      }
      if (owners.size === 0) this.#owners.delete(topicId);
    }
  }

  #setRegex(regex: string, resolved: ResolvedRegex | null): ResolvedRegex | null {
    const old = this.regexes.get(regex) ?? null;
    for (const topic of old?.topics ?? []) this.#regexesOfTopic.add(topic, -1);
    for (const topic of resolved?.topics ?? []) this.#regexesOfTopic.add(topic, 1);
    if (resolved === null) this.regexes.delete(regex);
    else this.regexes.set(regex, resolved);
    return old;
  }

  /** What makes the log forget the group. */
  *tombstones(): Generator<Change> {
    for (const id of this.members.keys()) yield { kind: 'progress', id, value: null };
    for (const id of this.targets.keys()) yield { kind: 'target', id, value: null };
    yield { kind: 'targetEpoch', value: null };
    for (const id of this.members.keys()) yield { kind: 'member', id, value: null };
    for (const regex of this.regexes.keys()) yield { kind: 'regex', regex, value: null };
    if (this.#hasLegacyTopics) yield { kind: 'legacyTopics', value: null };
    yield { kind: 'group', value: null };
  }

  /** What the log has to know of the group, all of it. */
  *changes(): Generator<Change> {
    for (const [id, value] of this.members) yield { kind: 'member', id, value };
    yield { kind: 'group', value: { epoch: this.epoch, metadataHash: this.metadataHash } };
    for (const [id, value] of this.targets) yield { kind: 'target', id, value };
    const timestamp = this.targetTimestamp;
    yield { kind: 'targetEpoch', value: { epoch: this.targetEpoch, timestamp } };
    for (const [id, value] of this.members) yield { kind: 'progress', id, value };
  }

  /** The group is one of this broker's from now on; also one whose deletion the log did not take. */
  enter(): void {
    this.#isDead = false;
    this.#state = null;
    this.#setCounted(true);
  }

  /** Lets go of the group: it is deleted, of another type now, or another broker has it. */
  retire(): void {
    this.#isDead = true;
    this.#state = null;
    this.#setCounted(false);
  }

  #setCounted(isCounted: boolean): void {
    if (isCounted === this.#isCounted) return;
    this.#isCounted = isCounted;
    this.#probe.consumerGroups += isCounted ? 1 : -1;
    this.#probe.members += isCounted ? this.members.size : -this.members.size;
    this.offsets.count(isCounted);
  }
}
