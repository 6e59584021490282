/** `__consumer_offsets` for the group coordinator: its partitions, as this broker leads them. */
import type { Configs } from '../cluster/configs.ts';
import type { Partition } from '../cluster/partition.ts';
import type { Partitions } from '../cluster/partitions.ts';
import { OFFSETS_TOPIC } from '../cluster/topic-names.ts';
import { type CoordinatorLog, groupPartition } from '../coordinator/coordinator-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { HotSettings } from './services.ts';

export class OffsetsLog implements CoordinatorLog {
  readonly topic = OFFSETS_TOPIC;
  readonly #partitions: Partitions;
  readonly #configs: Configs;
  readonly #hot: HotSettings;

  constructor(partitions: Partitions, configs: Configs, hot: HotSettings) {
    this.#partitions = partitions;
    this.#configs = configs;
    this.#hot = hot;
  }

  partitionFor(groupId: string): number {
    const topic = this.#partitions.topic(OFFSETS_TOPIC);
    const count = topic?.partitions.length ?? this.#configs.number('offsets.topic.num.partitions');
    return groupPartition(groupId, count);
  }

  async append(partition: number, batch: Buffer): Promise<void> {
    const held = this.#held(partition);
    held.append(batch, { origin: 'coordinator', acksAll: true });
    if (this.#hot.flushOnAcksAll) await held.flushed();
  }

  async committed(partition: number): Promise<void> {
    if (this.#hot.flushOnAcksAll) await this.#held(partition).flushed();
  }

  range(partition: number): { readonly start: number; readonly end: number } {
    const { log } = this.#held(partition);
    return { start: log.logStartOffset, end: log.logEndOffset };
  }

  read(partition: number, offset: number, maxBytes: number): Buffer {
    const { log } = this.#held(partition);
    const read = log.read(offset, maxBytes, { upTo: log.logEndOffset, minOneMessage: true });
    // The coordinator may keep views of what it reads, so the bytes do not go back to their pool.
    const { records } = read;
    return records instanceof Uint8Array
      ? Buffer.from(records.buffer, records.byteOffset, records.length)
      : Buffer.concat(records);
  }

  #held(partition: number): Partition {
    const held = this.#partitions.get(OFFSETS_TOPIC, partition);
    if (held === undefined) throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    return held;
  }
}
