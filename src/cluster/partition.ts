/**
 * One partition that this broker holds: its log, the term under way (leader epoch), and whether
 * this broker leads it or follows somebody. What it is to do comes from the metadata by `update`;
 * everything older than what is known here is ignored, so the order of news does not matter.
 *
 * As leader it takes records from producers, and makes them visible once they are committed; see
 * `Leadership`. As follower it takes the leader's batches as they are, and its high watermark is
 * what the leader says, as far as its own log reaches.
 */

import { assert } from '../base/assert.ts';
import type { Timer } from '../base/clock.ts';
import { type AppendInfo, type ClientBatch, NotAppended } from '../log/log-appends.ts';
import { type PartitionLog } from '../log/partition-log.ts';
import type { Verification } from '../log/verification.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { CommitWaiter } from './commit-queue.ts';
import { Leadership } from './leadership.ts';
import { LowWatermarkWaits } from './low-watermark-waits.ts';
import { NO_LEADER, type PartitionImage } from './metadata-image.ts';
import type { IsrChange, PartitionEnvironment } from './partition-environment.ts';
import { type PartitionWatcher, PartitionWatchers, type WatchFor } from './partition-watchers.ts';
import type { FollowerPosition, ReplicaState } from './replica-state.ts';
import type { TopicStats } from './topic-stats.ts';

/** Who may append: see `LogConfig` and `PartitionLog.append`. */
export type AppendOrigin = 'client' | 'coordinator';

export interface PartitionAppend {
  readonly origin: AppendOrigin;
  /** Refuse when fewer replicas than `min.insync.replicas` are in sync. */
  readonly acksAll: boolean;
  /** The memory of the records is used again afterwards. */
  readonly reused?: boolean;
  /** See `AppendOptions` of the log. */
  readonly verification?: Verification | null;
  readonly transactionVersion?: number;
}

export interface PartitionOptions {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  readonly stats: TopicStats;
  /** Null: its folder could not be opened; every use fails with KAFKA_STORAGE_ERROR. */
  readonly log: PartitionLog | null;
  readonly environment: PartitionEnvironment;
}

/** Before the first metadata. */
const NO_EPOCH = -1;

export class Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  readonly stats: TopicStats;
  leaderId = NO_LEADER;
  leaderEpoch = NO_EPOCH;
  partitionEpoch = NO_EPOCH;
  /** In the order of preference. */
  replicas: readonly number[] = [];
  adding: readonly number[] = [];
  removing: readonly number[] = [];
  /** Replication to others, or by this broker, passes under a quota while it is out of sync. */
  isLeaderThrottled = false;
  isFollowerThrottled = false;
  /** Of the metadata; a leader has its own, see `isr`. */
  #knownIsr: readonly number[] = [];
  readonly #environment: PartitionEnvironment;
  #log: PartitionLog | null;
  /** Its log is to be opened in a moment. */
  isOpening = false;
  /** What the metadata said last. */
  #image: PartitionImage | null = null;
  readonly #watchers: PartitionWatchers;
  readonly #lowWaits: LowWatermarkWaits;
  #leadership: Leadership | null = null;
  /** Of the metadata that named the replicas as they are. */
  #replicasEpoch = NO_EPOCH;
  /** As the leader told. */
  #replicatedTo = 0;
  /** As follower: the leader whose log its own is a part of so far. */
  #source: { readonly leaderId: number; readonly leaderEpoch: number } | null = null;
  /** The error of everybody who still has it, after it was removed. */
  #removed: number | null = null;

  constructor(options: PartitionOptions) {
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.index = options.index;
    this.stats = options.stats;
    this.#environment = options.environment;
    this.#log = options.log;
    this.#watchers = new PartitionWatchers(this);
    this.#lowWaits = new LowWatermarkWaits(options.environment.clock);
  }

  get name(): string {
    return `${this.topic}-${this.index}`;
  }
  /** Its log is not open yet, could not be opened, or its disk has failed since. */
  get isOffline(): boolean {
    return this.#log === null || this.#log.logDirectory.failure !== null;
  }
  get log(): PartitionLog {
    if (this.#removed !== null) throw new ProtocolError(this.#removed);
    if (this.#log === null) {
      // Whoever asks again finds it open; there is nothing wrong with its disk.
      if (this.isOpening) throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
      throw new ProtocolError(
        ErrorCode.KAFKA_STORAGE_ERROR,
        `the log of partition ${this.name} is offline`,
      );
    }
    return this.#log;
  }
  get isRemoved(): boolean {
    return this.#removed !== null;
  }
  get isLeader(): boolean {
    return this.leaderId === this.#environment.nodeId;
  }
  /** Null: somebody else leads, or the log can't be used. */
  get leadership(): Leadership | null {
    return this.#leadership;
  }
  get isr(): readonly number[] {
    return this.#leadership?.isr ?? this.#knownIsr;
  }
  /** What `min.insync.replicas` comes to with as many replicas as there are. */
  get minIsr(): number {
    const asked = this.isOffline ? 1 : this.log.config.minInsyncReplicas;
    return Math.min(asked, this.replicas.length);
  }
  get isReassigning(): boolean {
    return this.adding.length > 0 || this.removing.length > 0;
  }
  get highWatermark(): number {
    return this.log.highWatermark;
  }
  /** Where reading committed ends: before the oldest transaction whose outcome may still change. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset;
  }

  /**
   * Becomes what the metadata say. Returns whether a new term began or this broker's part in it
   * changed. What is older than what is known here changes nothing.
   */
  update(image: PartitionImage): boolean {
    if (image.partitionEpoch < this.partitionEpoch || this.#removed !== null) return false;
    // What a change under way is made from is no news, and must not undo it.
    const isKnown = image.partitionEpoch === this.partitionEpoch;
    if (isKnown && this.#leadership !== null && this.#leadership.pending !== null) return false;
    const isNewTerm = image.leaderEpoch > this.leaderEpoch;
    const formerLeader = this.leaderId;
    this.partitionEpoch = image.partitionEpoch;
    this.leaderEpoch = image.leaderEpoch;
    this.leaderId = image.leader;
    if (image.replicas.some((id) => !this.replicas.includes(id))) {
      // Who has come has nothing yet.
      this.#replicasEpoch = image.partitionEpoch;
      this.#replicatedTo = 0;
    }
    this.replicas = image.replicas;
    this.adding = image.adding;
    this.removing = image.removing;
    this.#knownIsr = image.isr;
    this.#image = image;
    if (this.isLeader) this.#lead(image, isNewTerm);
    else this.#stopLeading(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    const changed = isNewTerm || formerLeader !== image.leader;
    if (changed) this.#watchers.changed();
    return changed;
  }

  /** Its log, which could not be opened, could be now: it takes the part that the metadata give it. */
  opened(log: PartitionLog): void {
    assert(this.#log === null, `the log of ${this.name} is opened twice`);
    this.#log = log;
    this.isOpening = false;
    if (this.#image !== null && this.isLeader) this.#lead(this.#image, true);
    this.#watchers.changed();
  }

  /** Its log is in another directory from now on; what waits, waits for that one. */
  logMoved(log: PartitionLog): void {
    this.#log = log;
    this.#leadership?.logMoved(log);
    this.#watchers.changed();
  }

  #lead(image: PartitionImage, isNewTerm: boolean): void {
    if (this.#log === null) return;
    const isNewLeader = this.#leadership === null;
    this.#leadership ??= new Leadership(this, this.#log, this.#environment);
    this.#leadership.update(image, isNewTerm || isNewLeader, isNewLeader);
  }

  #stopLeading(code: number): void {
    const former = this.#leadership;
    this.#leadership = null;
    former?.close(code);
    this.#lowWaits.fail(code);
  }

  /** KIP-320: a client of another term must refresh its metadata; -1 asks for no check. */
  checkLeaderEpoch(epoch: number): void {
    if (epoch === NO_EPOCH || epoch === this.leaderEpoch) return;
    throw new ProtocolError(
      epoch < this.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH,
    );
  }

  /** The part of the leader; throws NOT_LEADER_OR_FOLLOWER, or what keeps the log from use. */
  leading(): Leadership {
    const leadership = this.#leadership;
    if (leadership !== null) return leadership;
    // Throws why, where it can't be used at all; a disk that has failed is the better reason, too.
    this.log.logDirectory.assertOnline();
    throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  }

  /**
   * Appends one batch, in the page cache when it returns; offsets are written into `records`.
   * Throws ProtocolError. With acks=all the caller also waits by `wait` or `whenCommitted`.
   */
  append(records: Buffer, how: PartitionAppend): AppendInfo {
    const leadership = this.leading();
    const { log } = this;
    if (how.acksAll) leadership.checkEnoughInSync();
    const info = log.append(records, {
      leaderEpoch: this.leaderEpoch,
      origin: how.origin,
      reused: how.reused === true,
      verification: how.verification ?? null,
      transactionVersion: how.transactionVersion ?? 0,
    });
    if (!info.duplicate) this.#appended(leadership, records.length);
    return info;
  }

  /**
   * The same for batches of clients that came together: each as if it came alone. Tells of each, in
   * its place, where it is or why it was not appended.
   */
  appendTogether(batches: readonly ClientBatch[], acksAll: boolean): (AppendInfo | NotAppended)[] {
    const leadership = this.leading();
    if (acksAll) leadership.checkEnoughInSync();
    const outcomes = this.log.appendTogether(batches, this.leaderEpoch);
    let bytes = 0;
    outcomes.forEach((outcome, i) => {
      if (!(outcome instanceof NotAppended) && !outcome.duplicate)
        bytes += batches[i]!.records.length;
    });
    if (bytes > 0) this.#appended(leadership, bytes);
    return outcomes;
  }

  #appended(leadership: Leadership, bytes: number): void {
    const before = this.log.highWatermark;
    this.#watchers.hidden(bytes);
    if (leadership.appendedHere()) this.#watchers.highWatermarkMoved(before);
    this.#watchers.appended(bytes);
  }

  /**
   * Tells `waiter` once the records before `end` are committed, with `flushed` on the devices of
   * all replicas in sync, or can't be any more. False: they are, and it is not told.
   */
  wait(end: number, flushed: boolean, waiter: CommitWaiter<Partition>): boolean {
    const leadership = this.leading();
    const mustWait = leadership.wait(end, flushed, waiter);
    // Followers that have the records already must hear that somebody waits for their devices.
    if (mustWait && flushed && leadership.followers.length > 0) this.#hurryFollowers(leadership);
    return mustWait;
  }
  forgetWaiter(waiter: CommitWaiter<Partition>): void {
    this.#leadership?.forgetWaiter(waiter);
  }

  #hurryFollowers(leadership: Leadership): void {
    const { flushUpTo, followers } = leadership;
    const isAsked = (f: ReplicaState): boolean =>
      f.logEndOffset >= flushUpTo && f.flushedOffset < flushUpTo;
    if (followers.some(isAsked)) this.#watchers.appended(0);
  }

  /**
   * Resolves with NONE once the record at `offset` is committed (with `flushed`: on the devices of
   * all replicas in sync), with the error why it will not be, or with REQUEST_TIMED_OUT when it is
   * not by `deadlineMs` of the monotonic clock.
   */
  whenCommitted(offset: number, flushed: boolean, deadlineMs: number): Promise<number> {
    const { clock } = this.#environment;
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      let isSettled = false;
      const waiter: CommitWaiter<Partition> = {
        settled: (_, code) => {
          isSettled = true;
          timer?.cancel();
          resolve(code);
        },
      };
      try {
        const mustWait = this.wait(offset + 1, flushed, waiter);
        if (!mustWait) return resolve(ErrorCode.NONE);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return resolve(error.code);
      }
      // A disk that fails at the first try has answered already.
      if (isSettled) return;
      timer = clock.after(Math.max(deadlineMs - clock.monotonic(), 0), () => {
        this.forgetWaiter(waiter);
        resolve(ErrorCode.REQUEST_TIMED_OUT);
      });
    });
  }

  /** Resolves when everything appended so far is on this broker's device; shared by all who wait. */
  flushed(): Promise<void> {
    return this.log.flush();
  }

  /** A follower fetches: see `Leadership.followerFetches`. */
  followerFetches(id: number, position: FollowerPosition): void {
    this.leading().followerFetches(id, position);
  }

  /**
   * As follower: the leader's batches, whose checksums are checked before they are written. Throws
   * ProtocolError, and then nothing has changed.
   */
  replicate(records: Buffer): void {
    this.log.append(records, {
      leaderEpoch: this.leaderEpoch,
      origin: 'replication',
      reused: true,
    });
    this.#watchers.hidden(records.length);
  }

  /** As follower: what the leader says of what is committed, and of where the log starts. */
  follow(highWatermark: number, logStartOffset: number): void {
    const { log } = this;
    const before = log.highWatermark;
    const known = Math.min(highWatermark, log.logEndOffset);
    // What was committed stays so, whatever a new leader has learnt of it yet.
    if (known > before) {
      log.setHighWatermark(known);
      this.highWatermarkMoved(before);
    }
    const start = Math.min(logStartOffset, log.highWatermark);
    if (start > log.logStartOffset) log.advanceLogStartOffset(start);
  }

  /** As the metadata say, of this broker. */
  get isInSync(): boolean {
    return this.#knownIsr.includes(this.#environment.nodeId);
  }
  copiedFrom(leaderId: number, leaderEpoch: number): void {
    this.#source = { leaderId, leaderEpoch };
  }
  /** Nobody else has led since it was copied from last. */
  copiesFrom(leaderId: number, leaderEpoch: number): boolean {
    const source = this.#source;
    return source?.leaderId === leaderId && leaderEpoch <= source.leaderEpoch + 1;
  }

  /** As follower: what all replicas have, as the leader knew them at `partitionEpoch`. */
  toldReplicated(offset: number, partitionEpoch: number): void {
    if (partitionEpoch >= this.#replicasEpoch) {
      this.#replicatedTo = Math.max(this.#replicatedTo, offset);
    }
  }
  /**
   * All replicas have what lies before. Compaction takes tombstones and markers away only there: a
   * replica that never gets them would keep what they delete, or wait for the end of a transaction
   * that has long ended, and serve it once it leads.
   */
  get replicatedTo(): number {
    return this.#leadership?.replicatedTo ?? this.#replicatedTo;
  }

  /** As follower: cuts what the leader has not. */
  truncateTo(offset: number): void {
    const { stats } = this.#environment;
    stats.truncations += 1;
    if (offset < this.log.highWatermark) stats.truncationsBelowCommitted += 1;
    this.log.truncateTo(offset);
    this.#watchers.cut();
  }
  /** As follower: what is here is no beginning of the leader's log, which starts there. */
  restartAt(offset: number): void {
    this.#environment.stats.truncations += 1;
    this.log.truncateFullyAndStartAt(offset);
    this.#watchers.cut();
  }

  /** More is committed than at `before`: who waits for it is told. */
  highWatermarkMoved(before: number): void {
    this.#watchers.highWatermarkMoved(before);
  }

  /** The controller does not agree to a change of the replicas in sync. */
  isrRefused(change: IsrChange, code: number): void {
    this.#leadership?.refused(change, code);
  }

  /**
   * Resolves with NONE once all living replicas start at `offset` or behind, or with the error why
   * not: REQUEST_TIMED_OUT after `timeoutMs`.
   */
  whenLowWatermark(offset: number, timeoutMs: number): Promise<number> {
    if (this.leading().lowWatermark >= offset) return Promise.resolve(ErrorCode.NONE);
    return this.#lowWaits.add(offset, timeoutMs);
  }
  /** A follower's log starts elsewhere, or a broker came or went. */
  lowWatermarkMoved(): void {
    if (this.#lowWaits.size === 0 || this.#leadership === null) return;
    this.#lowWaits.advance(this.#leadership.lowWatermark);
  }

  /** Calls `watcher` at every change until `unwatch`. */
  watch(watcher: PartitionWatcher, what: WatchFor): void {
    this.#watchers.add(watcher, what);
  }
  unwatch(watcher: PartitionWatcher, what: WatchFor): void {
    this.#watchers.remove(watcher, what);
  }

  /** It is gone from here: everybody who waits is told `code`, and later uses fail with it. */
  remove(code: number = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION): void {
    this.#removed = code;
    this.#stopLeading(code);
    this.leaderId = NO_LEADER;
    this.#watchers.changed();
  }
  /** Something that a reader sees has changed (start offset, settings, its disk has failed). */
  touched(): void {
    if (this.isOffline) this.#leadership?.failWaiting(ErrorCode.KAFKA_STORAGE_ERROR);
    this.#watchers.changed();
  }
}
