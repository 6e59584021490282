/**
 * What a broker keeps of a partition while it leads it: the followers and how far they are, who of
 * them is in sync, and who waits for records to be committed.
 *
 * Committed is what every replica in sync has. The high watermark says so, and never goes back in
 * here; it rises only while at least `min.insync.replicas` are in sync (KIP-966). A follower that
 * is being added counts already, one that is being taken away counts still, until the controller
 * has agreed (KIP-497): whichever the outcome, nothing counts as committed too early. That it has is
 * told by the metadata, after all that it had decided before: by a `min.insync.replicas` that was
 * raised then, the ISR may be too small to commit, and whoever left it may still be elected.
 *
 * A leader that has not heard yet that another one was chosen needs no session with the controller to
 * be safe. The other one was in the controller's ISR, and this one's contains that: it drops members only
 * by leave of the controller, which takes some in only at its wish, in its own term. (One that was
 * eligible outside the ISR is chosen only where the ISR was too small to commit.) The other one follows it
 * no more, and so nothing further is committed here. Coordinators answer from memory: they need one.
 */

import type { PartitionLog } from '../log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { CommitWaiter } from './commit-queue.ts';
import { CommitWaits } from './commit-waits.ts';
import type { PartitionImage } from './metadata-image.ts';
import type { Partition } from './partition.ts';
import type { IsrChange, PartitionEnvironment } from './partition-environment.ts';
import { type FollowerPosition, ReplicaState, UNKNOWN_BROKER_EPOCH } from './replica-state.ts';

/** After the controller has refused to add a replica, no further attempt for that long. */
const EXPAND_REST_MS = 500;

export class Leadership {
  readonly #partition: Partition;
  readonly #environment: PartitionEnvironment;
  #log: PartitionLog;
  readonly #waits: CommitWaits;
  #followers: ReplicaState[] = [];
  #isr: readonly number[] = [];
  #pending: IsrChange | null = null;
  /** Where the log ended when this term began. */
  #epochStart = 0;
  /** All before it may have been acknowledged as being on the devices of all in sync. */
  #promised = 0;

  constructor(partition: Partition, log: PartitionLog, environment: PartitionEnvironment) {
    this.#partition = partition;
    this.#log = log;
    this.#environment = environment;
    this.#waits = new CommitWaits(partition, log, () => this.#answerCommitted());
  }

  logMoved(log: PartitionLog): void {
    this.#log = log;
    this.#waits.logMoved(log);
  }

  get followers(): readonly ReplicaState[] {
    return this.#followers;
  }
  /** In sync as the controller has it. */
  get isr(): readonly number[] {
    return this.#isr;
  }
  get epochStart(): number {
    return this.#epochStart;
  }
  get pending(): IsrChange | null {
    return this.#pending;
  }
  get waiting(): number {
    return this.#waits.size;
  }
  /** As many as there are replicas, if fewer than asked for. */
  get minIsr(): number {
    return Math.min(this.#log.config.minInsyncReplicas, this.#followers.length + 1);
  }
  follower(id: number): ReplicaState | undefined {
    return this.#followers.find((follower) => follower.id === id);
  }

  /** Takes over what the metadata say; `isNewLeader`: this broker did not lead the term before. */
  update(image: PartitionImage, isNewTerm: boolean, isNewLeader: boolean): void {
    const { nodeId, clock } = this.#environment;
    const known = new Map(this.#followers.map((follower) => [follower.id, follower]));
    this.#followers = image.replicas
      .filter((id) => id !== nodeId)
      .map((id) => known.get(id) ?? new ReplicaState(id));
    this.#countChange(image.isr);
    this.#isr = image.isr;
    this.#pending = null;
    if (isNewTerm) {
      this.#epochStart = this.#log.logEndOffset;
      // Nobody knows what earlier leaders have answered.
      this.#promised = this.#epochStart;
      this.#log.denyEpochsAbove(image.leaderEpoch);
      // Successive elections without a record: followers must still find the end of every term
      // (KAFKA-7415). A partition without followers has nobody who would ask.
      if (this.#followers.length > 0) this.#log.assignEpoch(image.leaderEpoch);
      for (const follower of this.#followers) {
        const isInSync = image.isr.includes(follower.id);
        follower.reset(clock.monotonic(), this.#epochStart, isNewLeader, isInSync);
      }
    } else if (this.#followers.length > 0 && this.#log.latestEpoch < image.leaderEpoch) {
      this.#log.assignEpoch(image.leaderEpoch);
    }
    this.#markInSync();
    this.#settle();
  }

  #countChange(isr: readonly number[]): void {
    const pending = this.#pending;
    const { stats } = this.#environment;
    const isOwn =
      pending !== null &&
      pending.isr.length === isr.length &&
      pending.isr.every(({ brokerId }) => isr.includes(brokerId));
    if (isOwn && pending.kind === 'expand') stats.isrExpands += 1;
    // The controller takes out a broker that stops without being asked to.
    else if (isOwn || this.#isr.some((id) => !isr.includes(id))) stats.isrShrinks += 1;
  }

  #markInSync(): void {
    const pending = this.#pending;
    for (const follower of this.#followers) {
      follower.isInSync =
        this.#isr.includes(follower.id) ||
        (pending?.kind === 'expand' &&
          pending.isr.some(({ brokerId }) => brokerId === follower.id));
    }
  }

  /** Throws NOT_ENOUGH_REPLICAS when acks=all can't be promised. */
  checkEnoughInSync(): void {
    const { minIsr } = this;
    if (this.#isr.length >= minIsr) return;
    throw new ProtocolError(
      ErrorCode.NOT_ENOUGH_REPLICAS,
      `The size of the current ISR of partition ${this.#partition.name} is insufficient to satisfy the min.isr requirement of ${minIsr}`,
    );
  }

  /** Records were appended here; returns whether the high watermark has moved. */
  appendedHere(): boolean {
    if (this.#followers.length === 0) {
      this.#log.setHighWatermark(this.#log.logEndOffset);
      return true;
    }
    return this.#raiseHighWatermark();
  }

  /** How far down everybody in sync has got. */
  #raiseHighWatermark(): boolean {
    const log = this.#log;
    if (this.#isr.length < this.minIsr) return false;
    const end = log.logEndOffset;
    let lowest = end;
    for (const follower of this.#followers) {
      if (follower.logEndOffset >= lowest) continue;
      if (follower.isInSync || this.#isAboutToJoin(follower, end)) lowest = follower.logEndOffset;
    }
    if (lowest <= log.highWatermark) return false;
    log.setHighWatermark(lowest);
    return true;
  }

  /**
   * A follower that had everything a moment ago holds the high watermark back, or it would run
   * ahead of it for ever while this broker is alone in sync.
   */
  #isAboutToJoin(follower: ReplicaState, end: number): boolean {
    const { clock, lagMaxMs } = this.#environment;
    return follower.isCaughtUp(end, clock.monotonic(), lagMaxMs()) && this.#mayBeInSync(follower);
  }

  #mayBeInSync(follower: ReplicaState): boolean {
    const broker = this.#environment.broker(follower.id);
    if (broker === undefined || broker.fenced || broker.inControlledShutdown) return false;
    if (!follower.hasFetched) return false;
    return follower.brokerEpoch === UNKNOWN_BROKER_EPOCH || follower.brokerEpoch === broker.epoch;
  }

  /** The high watermark may be able to rise, and somebody may be able to go on. */
  #settle(): void {
    const before = this.#log.highWatermark;
    if (this.#raiseHighWatermark()) this.#partition.highWatermarkMoved(before);
    this.#answerCommitted();
  }

  /**
   * A follower fetches. Throws UNKNOWN_LEADER_EPOCH when it is none of ours, and
   * NOT_LEADER_OR_FOLLOWER when it speaks for an earlier start of its broker.
   */
  followerFetches(id: number, position: FollowerPosition): void {
    const follower = this.checkFollower(id, position.brokerEpoch);
    const { clock } = this.#environment;
    const { logEndOffset, flushedOffset, logStartOffset } = follower;
    follower.fetched(position, clock.monotonic(), this.#log.logEndOffset);
    if (!follower.isInSync) this.#tryExpand(follower);
    if (follower.logEndOffset !== logEndOffset) this.#settle();
    else if (follower.flushedOffset !== flushedOffset) this.#answerCommitted();
    if (follower.logStartOffset !== logStartOffset) this.#partition.lowWatermarkMoved();
  }

  /**
   * The state of a replica that may fetch. Throws as `followerFetches` does, and NOT_LEADER_OR_FOLLOWER
   * for none of ours that does not tell the term it fetches in: which of us is behind is not known then.
   */
  checkFollower(id: number, brokerEpoch: number, tellsTerm = true): ReplicaState {
    const follower = this.follower(id);
    if (follower === undefined) {
      throw new ProtocolError(
        tellsTerm ? ErrorCode.UNKNOWN_LEADER_EPOCH : ErrorCode.NOT_LEADER_OR_FOLLOWER,
        `broker ${id} is no replica of ${this.#partition.name}`,
      );
    }
    const registered = this.#environment.broker(id)?.epoch ?? UNKNOWN_BROKER_EPOCH;
    if (brokerEpoch !== UNKNOWN_BROKER_EPOCH && brokerEpoch < registered) {
      throw new ProtocolError(
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        `broker ${id} fetches with epoch ${brokerEpoch}, it is registered with ${registered}`,
      );
    }
    return follower;
  }

  /**
   * All replicas, in sync or not, have what lies before on their devices: compaction may take away
   * what only says that something else is gone. Unknown is 0.
   */
  get replicatedTo(): number {
    let lowest = this.#log.logEndOffset;
    for (const { flushedOffset, logEndOffset } of this.#followers) {
      // A follower that does not tell of its device counts with what it has.
      const safe = flushedOffset >= 0 ? flushedOffset : logEndOffset;
      lowest = Math.min(lowest, safe);
    }
    return Math.max(lowest, 0);
  }

  /** Who waits on the device is answered once everybody in sync has it there. */
  #flushedInSync(): number {
    const end = this.#log.logEndOffset;
    let lowest = Math.min(this.#log.highWatermark, this.#log.flushedOffset);
    for (const follower of this.#followers) {
      if (follower.flushedOffset >= lowest) continue;
      if (follower.isInSync || this.#isAboutToJoin(follower, end)) lowest = follower.flushedOffset;
    }
    return lowest;
  }

  #answerCommitted(): void {
    if (this.#waits.size === 0) return;
    const flushed = this.#flushedInSync();
    // Whoever comes in sync later must have it on its device as well.
    if (this.#waits.flushUpTo >= 0) this.#promised = Math.max(this.#promised, flushed);
    this.#waits.advance(this.#log.highWatermark, flushed, this.#outcome());
  }

  /** The replicas may have become too few after the append. */
  #outcome(): number {
    const members = 1 + this.#followers.reduce((n, { isInSync }) => n + Number(isInSync), 0);
    return members < this.minIsr ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND : ErrorCode.NONE;
  }

  /**
   * Tells `waiter` when what lies before `end` is committed, and with `flushed` on the devices of
   * everybody in sync. Returns false when that is so already, and then it is not told.
   */
  wait(end: number, flushed: boolean, waiter: CommitWaiter<Partition>): boolean {
    const reached = flushed ? this.#flushedInSync() : this.#log.highWatermark;
    if (reached >= end) {
      if (flushed) this.#promised = Math.max(this.#promised, end);
      return false;
    }
    this.#waits.add(end, flushed, waiter);
    return true;
  }
  forgetWaiter(waiter: CommitWaiter<Partition>): void {
    this.#waits.remove(waiter);
  }

  /** Up to where producers wait for the followers' devices; -1: nobody does. */
  get flushUpTo(): number {
    return this.#waits.flushUpTo;
  }

  /**
   * Up to where the follower is to sync its log; -1: no need. One that is not in sync must have
   * what was promised on its device before it may be: it would be trusted to have it there.
   */
  flushAskedOf(id: number): number {
    const follower = this.follower(id);
    if (follower === undefined) return -1;
    if (follower.isInSync) return this.flushUpTo;
    // While it still catches up, a sync now and then would only hold it up.
    if (follower.logEndOffset < this.#promised) return -1;
    const joins = this.#isAboutToJoin(follower, this.#log.logEndOffset);
    return Math.max(this.#promised, joins ? this.flushUpTo : -1);
  }

  /**
   * Called now and then. Takes those out of sync that have been behind for too long, and waits no
   * more for those that were about to join and have stayed away.
   */
  review(): void {
    if (this.#followers.length === 0) return;
    this.#settle();
    if (this.#pending !== null) return;
    const { clock, lagMaxMs, nodeId, logger } = this.#environment;
    const end = this.#log.logEndOffset;
    const now = clock.monotonic();
    const late = this.#isr.filter((id) => {
      if (id === nodeId) return false;
      return this.follower(id)?.isCaughtUp(end, now, lagMaxMs()) !== true;
    });
    if (late.length === 0) return;
    logger.warn('replicas have fallen out of sync', {
      'kafka.topic': this.#partition.topic,
      'kafka.partition': this.#partition.index,
      'weir.replicas': late,
    });
    this.#submit(
      'shrink',
      this.#isr.filter((id) => !late.includes(id)),
    );
  }

  /**
   * KIP-101: behind the high watermark, or before this term, a follower may lack what is committed;
   * and what was promised to be on its device must be there.
   */
  #tryExpand(follower: ReplicaState): void {
    const { clock } = this.#environment;
    if (this.#pending !== null || this.#isr.includes(follower.id)) return;
    if (follower.logEndOffset < Math.max(this.#log.highWatermark, this.#epochStart)) return;
    if (Math.max(follower.flushedOffset, 0) < this.#promised) return;
    if (clock.monotonic() < follower.expandNotBeforeMs || !this.#mayBeInSync(follower)) return;
    this.#submit('expand', [...this.#isr, follower.id]);
  }

  #submit(kind: IsrChange['kind'], isr: readonly number[]): void {
    const updater = this.#environment.isrUpdater();
    if (updater === null) return;
    this.#pending = {
      kind,
      isr: isr.map((brokerId) => ({
        brokerId,
        brokerEpoch: this.follower(brokerId)?.brokerEpoch ?? UNKNOWN_BROKER_EPOCH,
      })),
      leaderEpoch: this.#partition.leaderEpoch,
      partitionEpoch: this.#partition.partitionEpoch,
    };
    this.#markInSync();
    updater.submit(this.#partition, this.#pending);
  }

  /**
   * The controller has refused. With INELIGIBLE_REPLICA it has certainly not made the change;
   * otherwise what is true comes with the metadata, and until then the change stays pending.
   */
  refused(change: IsrChange, code: number): void {
    if (this.#pending !== change) return;
    const { stats, clock } = this.#environment;
    stats.failedIsrUpdates += 1;
    if (code !== ErrorCode.INELIGIBLE_REPLICA && code !== ErrorCode.OPERATION_NOT_ATTEMPTED) return;
    for (const { brokerId } of change.isr) {
      const follower = this.follower(brokerId);
      if (follower !== undefined && !this.#isr.includes(brokerId)) {
        follower.expandNotBeforeMs = clock.monotonic() + EXPAND_REST_MS;
      }
    }
    this.#pending = null;
    this.#markInSync();
    this.#settle();
  }

  /** The lowest start of the log over all replicas that live. */
  get lowWatermark(): number {
    let lowest = this.#log.logStartOffset;
    for (const { id, logStartOffset } of this.#followers) {
      const broker = this.#environment.broker(id);
      if (broker === undefined || broker.fenced) continue;
      lowest = Math.min(lowest, logStartOffset);
    }
    return lowest;
  }

  /** This broker leads no more: whoever waits is told. */
  close(code: number): void {
    this.#waits.close(code);
  }
  /** The same of a disk that has failed; the leadership goes on until the metadata say otherwise. */
  failWaiting(code: number): void {
    this.#waits.fail(code);
  }
}
