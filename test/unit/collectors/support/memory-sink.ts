import type {
  AppendOptions,
  DeliveryReport,
  RecordSink,
  SinkFactory,
  SinkOptions,
} from '../../../../src/collectors/record-sink.ts';
import { type Header, headersOf, type RecordView } from '../../../../src/protocol/record-batch.ts';

interface Stored {
  readonly topic: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A sink in memory. `auto` reports each record in a microtask; otherwise a test calls `report`.
 * Records without a report yet count as buffered.
 */
export class MemorySink implements RecordSink {
  readonly stored: Stored[] = [];
  readonly options: SinkOptions;
  auto = true;
  error: Error | null = null;
  bytesMax = Number.POSITIVE_INFINITY;
  bufferedBytes = 0;
  waiting: { topic: string; bytes: Buffer; tag: unknown; headers: Uint8Array | undefined }[] = [];
  #drained: (() => void)[] = [];
  #scheduled = false;
  #isClosed = false;

  constructor(options: SinkOptions) {
    this.options = options;
  }

  appendRange(
    topic: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    options: AppendOptions = {},
  ): boolean {
    if (this.#isClosed || this.bufferedBytes + end - start > this.bytesMax) return false;
    const copy = Buffer.from(bytes.subarray(start, end));
    this.bufferedBytes += copy.length;
    this.waiting.push({ topic, bytes: copy, tag: options.tag, headers: options.headers });
    if (this.auto && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        this.report(this.error);
      });
    }
    return true;
  }

  /** Resolves what waits, a batch a topic, in order. */
  report(error: Error | null = null, count = this.waiting.length): void {
    const some = this.waiting.splice(0, count);
    for (const topic of new Set(some.map((record) => record.topic))) {
      const batch = some.filter((record) => record.topic === topic);
      for (const { bytes, headers } of batch) {
        this.bufferedBytes -= bytes.length;
        if (error === null)
          this.stored.push({ topic, text: bytes.toString(), headers: unpack(headers) });
      }
      const tags = batch.map((record) => record.tag).filter((tag) => tag !== undefined);
      this.options.delivery({ topic, count: batch.length, error, tags } satisfies DeliveryReport);
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** As a producer's: nobody waits for room in one that is closed. */
  drained(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }
  flush(): Promise<void> {
    this.report(this.error);
    return Promise.resolve();
  }
  close(): Promise<void> {
    this.#isClosed = true;
    return this.flush();
  }

  records(topic = 'logs'): Record<string, unknown>[] {
    return this.stored
      .filter((record) => record.topic === topic)
      .map((record) => {
        if (record.text.includes('\n')) throw new Error('a record is one line');
        return JSON.parse(record.text) as Record<string, unknown>;
      });
  }
  messages(): unknown[] {
    return this.records().map((record) => record['message']);
  }
}

function unpack(headers: Uint8Array | undefined): Record<string, string> {
  if (headers === undefined) return {};
  const buffer = Buffer.from(headers);
  const view = { buffer, headersStart: 0, headersEnd: buffer.length } as RecordView;
  return Object.fromEntries(headersOf(view).map(({ key, value }: Header) => [key, String(value)]));
}

/** A factory that remembers the sink it made. */
export function memorySinks(): { factory: SinkFactory; sink: () => MemorySink } {
  let made: MemorySink | undefined;
  return {
    factory: (options) => {
      made = new MemorySink(options);
      return made;
    },
    sink: () => {
      if (made === undefined) throw new Error('no sink was asked for');
      return made;
    },
  };
}
