/**
 * Puts what clients say of themselves into the topic of metrics, as records like those of scraped
 * targets: `@timestamp`, `name`, `type`, `value`, `labels`. The client has been answered by then;
 * what gets lost on the way is counted, and its next push says more.
 */
import type { Clock } from '../../base/clock.ts';
import type { AutoTopics } from '../../cluster/auto-topics.ts';
import type { MetadataImage } from '../../cluster/metadata-image.ts';
import type { TopicWriter } from '../../cluster/topic-writer.ts';
import { CompressionType } from '../../protocol/compression.ts';
import { encodeHeaders } from '../../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts';

/** Size from which a batch is closed, before it is compressed, in bytes. */
const BATCH_BYTES = 256 * 1024;

export interface TelemetryRecord {
  readonly name: string;
  readonly type: string;
  readonly value: number;
  /** Milliseconds since 1970; 0: now. */
  readonly timeMs: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface TelemetryTopicOptions {
  /** `telemetry.topic`; '' for none. */
  readonly topic: () => string;
  readonly image: MetadataImage;
  readonly autoTopics: AutoTopics;
  readonly writer: TopicWriter;
  readonly clock: Clock;
}

export class TelemetryTopic {
  readonly #options: TelemetryTopicOptions;
  /** Records for which there was no topic yet. */
  #early = 0;

  constructor(options: TelemetryTopicOptions) {
    this.#options = options;
  }

  /** Records in the log. */
  get stored(): number {
    return this.#options.writer.stored;
  }
  /** Records that are not, by why. */
  get dropped(): Readonly<Record<string, number>> {
    return { ...this.#options.writer.dropped, no_topic: this.#early };
  }

  /** Of one push of the client at `peer`. */
  append(records: readonly TelemetryRecord[], peer: string): void {
    const { topic: topicOf, image, autoTopics, writer } = this.#options;
    const name = topicOf();
    if (name === '' || records.length === 0) return;
    const topic = image.topic(name);
    if (topic === undefined) {
      autoTopics.create([name]);
      this.#early += records.length;
      return;
    }
    const headers = encodeHeaders([
      { key: 'weir.source', value: Buffer.from('client-telemetry') },
      { key: 'weir.peer', value: Buffer.from(peer) },
    ]);
    const now = this.#options.clock.now();
    let builder = newBatch();
    for (const record of records) {
      const timeMs = record.timeMs === 0 ? now : record.timeMs;
      builder.append(timeMs, null, Buffer.from(jsonOf(record, timeMs)), headers);
      if (builder.sizeInBytes < BATCH_BYTES) continue;
      writer.write(topic, builder.build(), builder.count);
      builder = newBatch();
    }
    if (builder.count > 0) writer.write(topic, builder.build(), builder.count);
  }
}

const newBatch = (): RecordBatchBuilder =>
  new RecordBatchBuilder({ compression: CompressionType.zstd });

/** The latest time that JavaScript can write. */
const TIME_MS_MAX = 8.64e15;

/** JSON has no NaN and no infinities: they are texts beside a value of null. */
function jsonOf({ name, type, value, labels }: TelemetryRecord, timeMs: number): string {
  const number = Number.isFinite(value) ? { value } : { value: null, value_text: String(value) };
  return JSON.stringify({
    '@timestamp': new Date(Math.min(timeMs, TIME_MS_MAX)).toISOString(),
    name,
    type,
    ...number,
    labels,
  });
}
