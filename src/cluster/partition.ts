/**
 * One partition as its leader sees it: the log, its term (leader epoch), and who waits for it.
 *
 * The replicas in sync are this broker alone, so the high watermark is the end of the log as soon
 * as an append has returned, and acks=all adds only that the bytes are on the device.
 */
import type { AppendInfo, PartitionLog } from '../log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { TopicStats } from './topic-stats.ts';

/** Who may append: see `LogConfig` and `PartitionLog.append`. */
export type AppendOrigin = 'client' | 'coordinator';

export interface PartitionAppend {
  readonly origin: AppendOrigin;
  /** Refuse when fewer replicas than `min.insync.replicas` are in sync. */
  readonly acksAll: boolean;
  /** The memory of the records is used again afterwards. */
  readonly reused?: boolean;
}

/** Something that may be able to go on once a partition has changed (a delayed fetch). */
export interface PartitionWatcher {
  /** Records of `bytes` have become visible; 0: something else has changed, look again. */
  changed(partition: Partition, bytes: number): void;
}

export interface PartitionOptions {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  readonly leaderEpoch: number;
  readonly nodeId: number;
  readonly stats: TopicStats;
  /** Null: its folder could not be opened; every use fails with KAFKA_STORAGE_ERROR. */
  readonly log: PartitionLog | null;
}

export class Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  readonly leaderEpoch: number;
  readonly stats: TopicStats;
  readonly isr: readonly number[];
  readonly #log: PartitionLog | null;
  readonly #watchers = new Set<PartitionWatcher>();
  #removed = false;

  constructor(options: PartitionOptions) {
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.index = options.index;
    this.leaderEpoch = options.leaderEpoch;
    this.stats = options.stats;
    this.isr = [options.nodeId];
    this.#log = options.log;
    options.log?.setHighWatermark(options.log.logEndOffset);
  }

  get name(): string {
    return `${this.topic}-${this.index}`;
  }
  /** Its log could not be opened, or its disk has failed since. */
  get isOffline(): boolean {
    return this.#log === null || this.#log.logDirectory.failure !== null;
  }
  get log(): PartitionLog {
    if (this.#removed) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    if (this.#log === null) {
      throw new ProtocolError(
        ErrorCode.KAFKA_STORAGE_ERROR,
        `the log of partition ${this.name} is offline`,
      );
    }
    return this.#log;
  }
  get highWatermark(): number {
    return this.log.highWatermark;
  }
  /** Where reading committed ends; there are no transactions yet, so nothing is held back. */
  get lastStableOffset(): number {
    return this.log.highWatermark;
  }

  /** KIP-320: a client of another term must refresh its metadata; -1 asks for no check. */
  checkLeaderEpoch(epoch: number): void {
    if (epoch < 0 || epoch === this.leaderEpoch) return;
    throw new ProtocolError(
      epoch < this.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH,
    );
  }

  /**
   * Appends one batch, in the page cache when it returns; offsets are written into `records`.
   * Throws ProtocolError. With acks=all the caller also waits for `flushed`.
   */
  append(records: Buffer, how: PartitionAppend): AppendInfo {
    const { log } = this;
    if (how.acksAll && this.isr.length < log.config.minInsyncReplicas) {
      throw new ProtocolError(
        ErrorCode.NOT_ENOUGH_REPLICAS,
        `The size of the current ISR of partition ${this.name} is insufficient to satisfy the min.isr requirement of ${log.config.minInsyncReplicas}`,
      );
    }
    const info = log.append(records, {
      leaderEpoch: this.leaderEpoch,
      origin: how.origin,
      reused: how.reused === true,
    });
    if (!info.duplicate) {
      log.setHighWatermark(log.logEndOffset);
      this.#notify(records.length);
    }
    return info;
  }

  /** Resolves when everything appended so far is on the device; shared by all who wait. */
  flushed(): Promise<void> {
    return this.log.flush();
  }

  /** Calls `watcher` at every change until `unwatch`. */
  watch(watcher: PartitionWatcher): void {
    this.#watchers.add(watcher);
  }
  unwatch(watcher: PartitionWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** The topic is gone: everybody who waits is told, later uses fail. */
  remove(): void {
    this.#removed = true;
    this.#notify(0);
  }
  /** Something that a reader sees has changed (start offset, settings). */
  touched(): void {
    this.#notify(0);
  }

  #notify(bytes: number): void {
    for (const watcher of this.#watchers) watcher.changed(this, bytes);
  }
}
