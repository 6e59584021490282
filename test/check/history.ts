/**
 * What a run has seen from outside, for the checkers to judge. Lists only grow; times are
 * milliseconds of one clock that everybody shares (the simulation's, or the test's).
 *
 * Values are unique: a value that stands at two offsets was written twice.
 */

/** `info`: it may have happened or not (a timeout, acks=0). */
export type Outcome = 'ok' | 'fail' | 'info';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface Send extends TopicPartition {
  readonly producer: string;
  /** Place among the sends of its producer. */
  readonly index: number;
  readonly value: string;
  readonly acks: 0 | 1 | -1;
  readonly idempotent: boolean;
  readonly at: number;
  outcome: Outcome;
  /** As the broker said; -1: it did not. */
  offset: number;
  doneAt: number;
}

export interface Poll extends TopicPartition {
  readonly consumer: string;
  /** Changes whenever the consumer's position is set. */
  readonly session: number;
  readonly offset: number;
  readonly value: string;
  readonly at: number;
}

/** A group's commit. */
export interface Commit extends TopicPartition {
  readonly group: string;
  readonly member: string;
  readonly generation: number;
  readonly offset: number;
  readonly at: number;
  outcome: Outcome;
  doneAt: number;
}

/** What a group was told that it had committed; -1: nothing. */
export interface CommittedRead extends TopicPartition {
  readonly group: string;
  readonly offset: number;
  /** When it was asked for, and when the answer came. */
  readonly at: number;
  readonly doneAt: number;
}

/** A partition that was given to a member of a group. */
export interface Ownership extends TopicPartition {
  readonly group: string;
  readonly generation: number;
  readonly member: string;
}

/** A transaction as its producer has it. */
export interface TransactionRun {
  readonly producer: string;
  readonly topic: string;
  /** Written, or perhaps written. */
  readonly values: { readonly partition: number; readonly value: string }[];
  readonly at: number;
  /** `ok`: its commit was acknowledged; `info`: it was asked for; `abort`: it never was. */
  outcome: 'ok' | 'info' | 'abort';
  doneAt: number;
}

/** A record that a reader of committed records has shown to its application. */
export interface CommittedPoll extends TopicPartition {
  /** `final…`: it read when everything had come to rest. */
  readonly consumer: string;
  readonly offset: number;
  readonly value: string;
  readonly at: number;
}

/** A record with a key, written to a compacted topic. All of a key have one producer. */
export interface KeyedWrite extends TopicPartition {
  readonly producer: string;
  readonly key: string;
  /** Place among the writes of its producer. */
  readonly index: number;
  /** Null: a tombstone. */
  readonly value: string | null;
  readonly at: number;
  /** `ok`: acknowledged by all, or committed; `abort`: of a transaction that never was to be. */
  outcome: 'ok' | 'info' | 'abort';
  /** As the broker said; -1: it did not. */
  offset: number;
  doneAt: number;
}

/** A record of a compacted topic that a reader of committed records has seen. */
export interface KeyedPoll extends TopicPartition {
  /** `final…`: it read when everything had come to rest. */
  readonly consumer: string;
  readonly key: string;
  readonly value: string | null;
  readonly offset: number;
  readonly at: number;
}

/** A heartbeat that a member of a consumer group (KIP-848) was answered well. */
export interface MemberEpoch {
  readonly group: string;
  readonly member: string;
  readonly epoch: number;
  readonly at: number;
}

/** A partition that a member of a consumer group (KIP-848) took for its own. */
export interface Claim extends TopicPartition {
  readonly group: string;
  readonly member: string;
  readonly epoch: number;
  readonly from: number;
  /** When it gave it up, or could be taken for dead if nobody heard of it any more. */
  until: number;
}

/** A member of a consumer group was told that it is none. */
export interface Expulsion {
  readonly group: string;
  readonly member: string;
  readonly at: number;
  readonly error: string;
  /** When it sent the last heartbeat that was answered well. */
  readonly heardAt: number;
  /** Heartbeats since then that had no such answer: nobody knows what became of them. */
  readonly unanswered: number;
  readonly sessionMs: number;
}

/** A replica as its broker had it at some time. */
export interface Sample extends TopicPartition {
  readonly broker: number;
  /** Which start of the broker. */
  readonly life: number;
  readonly leaderEpoch: number;
  readonly isLeader: boolean;
  readonly highWatermark: number;
  readonly logEndOffset: number;
  readonly at: number;
}

export interface StoredRecord {
  readonly offset: number;
  readonly epoch: number;
  readonly value: string;
}

/** A replica's log when everything has come to rest. */
export interface Replica extends TopicPartition {
  readonly broker: number;
  readonly leaderEpoch: number;
  readonly isLeader: boolean;
  readonly inSync: boolean;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly highWatermark: number;
  /** Where the leader epochs begin, oldest first. */
  readonly epochs: readonly { readonly epoch: number; readonly startOffset: number }[];
  readonly records: readonly StoredRecord[];
}

/** A record of a compacted log. */
export interface KeyedRecord {
  readonly offset: number;
  readonly epoch: number;
  readonly key: string;
  readonly value: string | null;
}

/** A replica of a compacted partition when everything has come to rest. */
export interface CompactedReplica extends Omit<Replica, 'records'> {
  readonly records: readonly KeyedRecord[];
}

/** What happened that lets weaker promises be broken. */
export interface Facts {
  /** Power was cut: what was in page caches only may be gone. */
  powerWasCut: boolean;
  /** A partition's leader may have changed: acks=1 may be lost. */
  leadersMoved: boolean;
}

/** Something that must have come to pass in time. */
export interface Expectation {
  readonly what: string;
  readonly met: boolean;
  readonly detail: string;
}

export class History {
  readonly sends: Send[] = [];
  readonly polls: Poll[] = [];
  readonly commits: Commit[] = [];
  readonly committedReads: CommittedRead[] = [];
  readonly ownerships: Ownership[] = [];
  readonly transactions: TransactionRun[] = [];
  readonly committedPolls: CommittedPoll[] = [];
  readonly keyedWrites: KeyedWrite[] = [];
  readonly keyedPolls: KeyedPoll[] = [];
  readonly memberEpochs: MemberEpoch[] = [];
  readonly claims: Claim[] = [];
  readonly expulsions: Expulsion[] = [];
  readonly samples: Sample[] = [];
  readonly replicas: Replica[] = [];
  readonly compacted: CompactedReplica[] = [];
  /** Topics that were deleted on purpose. */
  readonly deletedTopics = new Set<string>();
  readonly expectations: Expectation[] = [];
  readonly facts: Facts = { powerWasCut: false, leadersMoved: false };
}

export interface Violation {
  readonly checker: string;
  readonly message: string;
}

export type Checker = (history: History) => Violation[];

export const partitionName = (p: TopicPartition): string => `${p.topic}-${p.partition}`;

/** Items by partition. */
export function byPartition<T extends TopicPartition>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = partitionName(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}

/** The leaders' logs at rest, by partition. */
export function finalLogs(history: History): Map<string, Replica> {
  const logs = new Map<string, Replica>();
  for (const replica of history.replicas) {
    if (replica.isLeader) logs.set(partitionName(replica), replica);
  }
  return logs;
}
