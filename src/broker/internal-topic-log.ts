/** An internal topic for its coordinator: the partitions of it, as this broker leads them. */
import { type Clock, sleep } from '../base/clock.ts';
import type { Configs } from '../cluster/configs.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import type { Partition } from '../cluster/partition.ts';
import type { Partitions } from '../cluster/partitions.ts';
import {
  type AppendProof,
  type CoordinatorLog,
  partitionOfKey,
  UncommittedError,
} from '../coordinator/coordinator-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { HotSettings } from './services.ts';

/** Between two looks whether what a new leader has read is committed by now, milliseconds. */
const COMMIT_LOOK_MS = 1_000;

/** The records are in the log, and may still come to be committed. */
const UNDECIDED: ReadonlySet<number> = new Set([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
]);

export interface InternalTopicLogOptions {
  readonly topic: string;
  /** Setting of the number of its partitions, while the topic is missing. */
  readonly partitionsKey: string;
  /** Time for an append to be committed, milliseconds. */
  readonly commitMs: number;
  readonly partitions: Partitions;
  readonly image: MetadataImage;
  readonly configs: Configs;
  readonly hot: HotSettings;
  readonly clock: Clock;
}

export class InternalTopicLog implements CoordinatorLog {
  readonly topic: string;
  readonly #options: InternalTopicLogOptions;
  readonly #partitions: Partitions;
  readonly #image: MetadataImage;
  readonly #configs: Configs;
  readonly #hot: HotSettings;
  readonly #clock: Clock;

  constructor(options: InternalTopicLogOptions) {
    const { topic, partitions, image, configs, hot, clock } = options;
    this.topic = topic;
    this.#options = options;
    this.#partitions = partitions;
    this.#image = image;
    this.#configs = configs;
    this.#hot = hot;
    this.#clock = clock;
  }

  partitionFor(key: string): number {
    const topic = this.#image.topic(this.topic);
    const { partitionsKey } = this.#options;
    return partitionOfKey(key, topic?.partitions.length ?? this.#configs.number(partitionsKey));
  }

  async append(
    partition: number,
    batch: Buffer,
    epoch: number,
    proof: AppendProof = {},
  ): Promise<void> {
    const held = this.#led(partition, epoch);
    const how = { ...proof, origin: 'coordinator', acksAll: true } as const;
    const { lastOffset } = held.append(batch, how);
    const code = await this.#committed(held, lastOffset, this.#options.commitMs);
    if (code !== ErrorCode.NONE) throw new UncommittedError(code);
  }

  async committed(partition: number, end: number, epoch: number): Promise<void> {
    for (;;) {
      const held = this.#led(partition, epoch);
      const code = await this.#committed(held, end - 1, COMMIT_LOOK_MS);
      if (code === ErrorCode.NONE) return;
      if (!UNDECIDED.has(code)) throw new ProtocolError(code);
      // Too few replicas are in sync: that is told at once, and may last.
      if (code !== ErrorCode.REQUEST_TIMED_OUT) await sleep(this.#clock, COMMIT_LOOK_MS);
    }
  }

  #committed(held: Partition, offset: number, timeoutMs: number): Promise<number> {
    const deadline = this.#clock.monotonic() + timeoutMs;
    return held.whenCommitted(offset, this.#hot.flushOnAcksAll, deadline);
  }

  range(partition: number, epoch: number): { readonly start: number; readonly end: number } {
    const { log } = this.#led(partition, epoch);
    return { start: log.logStartOffset, end: log.logEndOffset };
  }

  read(partition: number, offset: number, maxBytes: number, epoch: number): Buffer {
    const { log } = this.#led(partition, epoch);
    const read = log.read(offset, maxBytes, { upTo: log.logEndOffset, minOneMessage: true });
    // The coordinator may keep views of what it reads, so the bytes do not go back to their pool.
    const { records } = read;
    return records instanceof Uint8Array
      ? Buffer.from(records.buffer, records.byteOffset, records.length)
      : Buffer.concat(records);
  }

  /** The partition, which this broker leads in that term; throws NOT_LEADER_OR_FOLLOWER. */
  #led(partition: number, epoch: number): Partition {
    const held = this.#partitions.get(this.topic, partition);
    if (held === undefined || held.leaderEpoch !== epoch) {
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    }
    held.leading();
    return held;
  }
}
