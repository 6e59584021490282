/** A log in memory, with a group of one member: what a sink task reads in tests. */

import type { LetterProducer } from '../../../src/connectors/dead-letters.ts';
import type {
  AssignedPartition,
  OffsetToCommit,
  Source,
  SourceBatches,
  SourceListener,
} from '../../../src/connectors/source.ts';
import type { CompressionCode } from '../../../src/protocol/compression.ts';
import {
  type Header,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';

export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

export interface MemoryRecord {
  readonly key?: string | null;
  readonly value: string | null;
  readonly timestamp?: number;
  readonly headers?: readonly Header[];
}

interface Stored {
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly bytes: Buffer;
}

/** Partitions of topic `logs`, and the group's offsets; outlives the sources that read it. */
export class MemoryLog {
  readonly topic = 'logs';
  topicId = TOPIC_ID;
  readonly partitions: Stored[][];
  readonly committed: number[];
  /** What was committed with those. */
  readonly metadata: string[];
  /** Of all partitions: that of the batches that come next. */
  leaderEpoch = 0;
  readonly records: MemoryRecord[][];
  /** Every commit, in order. */
  readonly commits: OffsetToCommit[] = [];

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => []);
    this.records = Array.from({ length: partitions }, () => []);
    this.committed = Array.from({ length: partitions }, () => 0);
    this.metadata = Array.from({ length: partitions }, () => '');
  }

  append(
    partition: number,
    records: readonly MemoryRecord[],
    compression: CompressionCode = 0,
  ): void {
    const builder = new RecordBatchBuilder({ compression });
    for (const record of records) {
      const key = record.key === undefined || record.key === null ? null : Buffer.from(record.key);
      const value = record.value === null ? null : Buffer.from(record.value);
      builder.append(record.timestamp ?? 1_700_000_000_000, key, value, record.headers ?? []);
    }
    const bytes = Buffer.from(builder.build());
    const firstOffset = this.end(partition);
    setBaseOffset(bytes, 0, firstOffset);
    setPartitionLeaderEpoch(bytes, 0, this.leaderEpoch);
    this.records[partition]!.push(...records);
    this.partitions[partition]!.push({
      firstOffset,
      nextOffset: firstOffset + records.length,
      bytes,
    });
  }

  /** Deletes the topic and makes it anew, empty. */
  recreate(topicId: string): void {
    this.topicId = topicId;
    for (const batches of this.partitions) batches.length = 0;
    for (const records of this.records) records.length = 0;
  }

  /** What lies behind a batch's end is lost, and another leader begins. */
  cut(partition: number, offset: number): void {
    const batches = this.partitions[partition]!;
    const kept = batches.filter(({ nextOffset }) => nextOffset <= offset);
    batches.splice(0, batches.length, ...kept);
    this.records[partition]!.length = offset;
    this.leaderEpoch++;
  }

  end(partition: number): number {
    return this.records[partition]!.length;
  }
}

export class MemorySource implements Source {
  readonly #log: MemoryLog;
  readonly #positions: number[];
  readonly paused = new Set<number>();
  #closed = false;
  #isDead = false;
  listener: SourceListener | null = null;
  /** Makes commits fail. */
  failCommits = false;
  /** Why polls fail; '' when they do not. */
  failPolls = '';
  fault = '';

  constructor(log: MemoryLog) {
    this.#log = log;
    this.#positions = [...log.committed];
  }

  start(listener: SourceListener): Promise<void> {
    this.listener = listener;
    listener.assigned(this.partitions);
    return Promise.resolve();
  }

  /** All of them, where reading is. */
  get partitions(): AssignedPartition[] {
    const { topic, topicId, metadata } = this.#log;
    return this.#positions.map((offset, partition) => ({
      ...{ topic, topicId, partition, offset },
      metadata: metadata[partition]!,
    }));
  }

  async poll(): Promise<readonly SourceBatches[]> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (this.#closed) return [];
    if (this.failPolls !== '') throw new Error(this.failPolls);
    const found: SourceBatches[] = [];
    for (const [partition, batches] of this.#log.partitions.entries()) {
      if (this.paused.has(partition)) continue;
      const position = this.#positions[partition]!;
      // At most three batches at once; the first may begin before the position.
      const some = batches.filter((batch) => batch.nextOffset > position).slice(0, 3);
      if (some.length === 0) continue;
      this.#positions[partition] = some.at(-1)!.nextOffset;
      found.push({
        topic: this.#log.topic,
        topicId: this.#log.topicId,
        partition,
        fetchOffset: position,
        highWatermark: this.#log.end(partition),
        records: Buffer.concat(some.map((batch) => batch.bytes)),
      });
    }
    return found;
  }

  pause(_topic: string, partition: number): void {
    this.paused.add(partition);
  }
  resume(_topic: string, partition: number): void {
    this.paused.delete(partition);
  }

  commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    if (this.#isDead) return Promise.resolve();
    if (this.failCommits) return Promise.reject(new Error('scripted'));
    for (const offset of offsets) {
      this.#log.committed[offset.partition] = offset.offset;
      this.#log.metadata[offset.partition] = offset.metadata;
      this.#log.commits.push(offset);
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /** Reading begins anew: the topic was made again, or the partitions were given anew. */
  restartAtZero(): void {
    this.#positions.fill(0);
  }

  /** Where the log begins, or ends all at once. */
  moveTo(partition: number, offset: number): void {
    this.#positions[partition] = offset;
  }

  /** Like the death of its process: nothing is committed any more. */
  die(): void {
    this.#isDead = true;
    this.#closed = true;
  }
}

export interface Letter {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Keeps dead letters; `fault` makes writing them fail. */
export class MemoryLetters implements LetterProducer {
  readonly letters: Letter[] = [];
  fault: Error | null = null;

  append: LetterProducer['append'] = (topic, value, options) => {
    const headers: Record<string, string> = {};
    for (const { key, value: text } of options.headers) headers[key] = String(text ?? '');
    const letter = {
      topic,
      key: options.key === null ? null : Buffer.from(options.key).toString(),
      value: value === null ? null : Buffer.from(value).toString(),
      headers,
    };
    const fault = this.fault;
    queueMicrotask(() => {
      if (fault === null) this.letters.push(letter);
      options.delivered(fault);
    });
    return true;
  };
  drained(): Promise<void> {
    return Promise.resolve();
  }
}
