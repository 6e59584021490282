/**
 * Batches records and sends them: the way of every collector into the log.
 *
 * `append` is synchronous and copies the record straight into a batch's bytes. What the producer
 * holds is bounded by `bufferBytes`; beyond it `append` returns false. Every record that was taken
 * gets exactly one outcome: delivered, or failed with a reason, at the latest about
 * `deliveryTimeoutMs` after it was taken (plus the answer of a request that is under way).
 * `producer-sender.ts` does the sending.
 */
import type { Timer } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import { encodeHeaders, keyOf, NO_HEADERS, type RecordView } from '../protocol/record-batch.ts';
import type { Client } from './client.ts';
import { OutstandingBatches } from './outstanding-batches.ts';
import { copyRecord, type Delivered, ProducerBatch } from './producer-batch.ts';
import { ProducerCounters } from './producer-counters.ts';
import { ProducerMemory } from './producer-memory.ts';
import type { AppendOptions, DeliveryReport, ProducerOptions } from './producer-options.ts';
import type { PartitionQueue } from './producer-queue.ts';
import { ProducerSender } from './producer-sender.ts';
import { TopicQueues } from './producer-topic.ts';
import { SpareBuilders } from './spare-builders.ts';

export type { AppendOptions, DeliveryReport, ProducerOptions } from './producer-options.ts';

/** Lengths, deltas and attributes of a record: what it takes beyond its own bytes, at most. */
const RECORD_OVERHEAD_BYTES = 24;
/** First buffer of a batch of which nothing is known. */
const BATCH_INITIAL_BYTES = 4 * 1024;

const NO_OPTIONS: AppendOptions = {};
const EMPTY = new Uint8Array(0);

export class Producer {
  readonly counters = new ProducerCounters();
  readonly #client: Client;
  readonly #options: Required<Omit<ProducerOptions, 'compressionLevel' | 'delivery'>>;
  readonly #delivery: ((report: DeliveryReport) => void) | undefined;
  readonly #sender: ProducerSender;
  readonly #topics = new Map<string, TopicQueues>();
  /** Queues whose open batch lingers, oldest first. */
  readonly #lingering = new Set<PartitionQueue>();
  readonly #builders: SpareBuilders;
  readonly #memory: ProducerMemory;
  readonly #outstanding = new OutstandingBatches();
  readonly #stopListening: () => void;
  #lastTopic: TopicQueues | null = null;
  #lingerTimer: Timer | null = null;
  #expiryTimer: Timer | null = null;
  #closing = false;

  constructor(client: Client, options: ProducerOptions) {
    this.#client = client;
    this.#delivery = options.delivery;
    const bufferBytes = options.bufferBytes ?? 32 * 1024 * 1024;
    this.#options = {
      acks: options.acks,
      compression: options.compression ?? 'none',
      lingerMs: options.lingerMs ?? 5,
      batchBytes: options.batchBytes ?? 128 * 1024,
      bufferBytes,
      idempotent: options.idempotent ?? options.acks === -1,
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? 120_000,
      requestBytesMax: Math.min(options.requestBytesMax ?? 1024 * 1024, bufferBytes),
      inFlightMax: options.inFlightMax ?? 5,
    };
    const { compression } = this.#options;
    this.#builders = new SpareBuilders(client.clock, {
      compression,
      level: options.compressionLevel,
    });
    this.#memory = new ProducerMemory(this.counters, bufferBytes);
    this.#sender = new ProducerSender(client, this.#options, this.counters, {
      finish: (batch, error, baseOffset) => this.#finish(batch, error, baseOffset),
      split: (batch) => this.#split(batch),
      releaseMemory: (bytes) => this.#memory.release(bytes),
      recycle: (builder) => this.#builders.give(builder),
      builder: () => this.#builders.take(BATCH_INITIAL_BYTES),
    });
    this.#stopListening = client.metadata.onUpdate(() => this.#metadataChanged());
  }

  /**
   * Takes a record; its bytes may be reused when the call returns. False: the buffer memory is full
   * (wait for `drained`) or the producer is closed, and the record was not taken.
   */
  append(topic: string, value: Uint8Array | null, options: AppendOptions = NO_OPTIONS): boolean {
    if (value === null) return this.#append(topic, EMPTY, 0, -1, options);
    return this.#append(topic, value, 0, value.length, options);
  }

  /** The same, the value being `bytes[start, end)`. */
  appendRange(
    topic: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    options: AppendOptions = NO_OPTIONS,
  ): boolean {
    return this.#append(topic, bytes, start, end, options);
  }

  /** Resolves when `append` has room again. */
  drained(): Promise<void> {
    return this.#memory.drained();
  }

  /** Sends what was taken before the call without lingering; resolves when all of it has an outcome. */
  flush(): Promise<void> {
    this.#closeOpen();
    return this.#outstanding.settled();
  }

  /** Takes no more, flushes for at most `timeoutMs`, and fails the rest with `producer-closed`. */
  async close(timeoutMs = this.#options.deliveryTimeoutMs): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#memory.close();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#client.clock.after(timeoutMs, resolve);
    await Promise.race([this.flush(), late]);
    timer.cancel();
    const error = new OperatingError('producer-closed', `not delivered within ${timeoutMs} ms`);
    this.#lingerTimer?.cancel();
    this.#expiryTimer?.cancel();
    this.#builders.close();
    this.#stopListening();
    this.#sender.close();
    for (const batch of this.#outstanding.all()) this.#finish(batch, error, -1);
  }

  #append(
    topic: string,
    value: Uint8Array,
    start: number,
    end: number,
    options: AppendOptions,
  ): boolean {
    const key = options.key ?? null;
    const given = options.headers;
    const headers =
      given === undefined || given instanceof Uint8Array ? given : encodeHeaders(given);
    const size =
      RECORD_OVERHEAD_BYTES +
      (end < 0 ? 0 : end - start) +
      (key === null ? 0 : key.length) +
      (headers === undefined ? 0 : headers.length);
    const { counters } = this;
    if (this.#closing) return false;
    const fits = size <= this.#options.requestBytesMax;
    if (fits && !this.#memory.has(size)) return this.#refuseRecord(size);
    const last = this.#lastTopic;
    const queues = last !== null && last.name === topic ? last : this.#topic(topic);
    counters.records++;
    counters.bytes += size;
    if (!fits || queues === null) {
      this.#reject(topic, size, options, queues === null);
      return true;
    }
    const queue =
      options.partition === undefined ? queues.choose(key, size) : queues.queue(options.partition);
    let batch = queue.open;
    if (batch === null || batch.size + size > this.#options.batchBytes) batch = this.#open(queue);
    const timestamp = options.timestamp ?? this.#client.clock.now();
    const builder = batch.builder!;
    if (end < 0) builder.append(timestamp, key, null, headers ?? NO_HEADERS);
    else builder.appendRange(timestamp, key, value, start, end, headers ?? NO_HEADERS);
    batch.size += size;
    batch.count++;
    this.#memory.take(size);
    batch.note(options.tag, options.delivered);
    return true;
  }

  #refuseRecord(size: number): false {
    this.#memory.refuse(size);
    for (const queue of this.#lingering) this.#makeDue(queue);
    this.#lingering.clear();
    return false;
  }

  #topic(name: string): TopicQueues | null {
    let queues = this.#topics.get(name);
    if (queues === undefined) {
      try {
        this.#client.metadata.watch(name);
      } catch (error) {
        if (error instanceof OperatingError) return null;
        throw error;
      }
      queues = new TopicQueues(name, this.#client.random, this.#options.batchBytes);
      this.#topics.set(name, queues);
      const known = this.#client.metadata.topic(name);
      if (known !== undefined && known.partitions.length > 0) queues.update(known);
      else this.#client.metadata.requestRefresh();
    }
    this.#lastTopic = queues;
    return queues;
  }

  /** Taken and failed at once: no buffer of this producer could ever hold it. */
  #reject(topic: string, size: number, options: AppendOptions, tooManyTopics: boolean): void {
    const error = tooManyTopics
      ? new OperatingError('too-many-topics', `no more topics for '${topic}'`)
      : new ProtocolError(
          ErrorCode.MESSAGE_TOO_LARGE,
          `record of ${size} bytes, at most ${this.#options.requestBytesMax} fit a request`,
        );
    const partition = options.partition ?? -1;
    this.counters.drop(error, 1);
    options.delivered?.(error, topic, partition, -1);
    const tags = options.tag === undefined ? [] : [options.tag];
    this.#delivery?.({ topic, partition, count: 1, bytes: size, error, baseOffset: -1, tags });
  }

  #open(queue: PartitionQueue): ProducerBatch {
    if (queue.open !== null) {
      queue.close();
      this.#lingering.delete(queue);
      this.#sender.ready(queue);
    }
    const { clock } = this.#client;
    const initialBytes = Math.max(BATCH_INITIAL_BYTES, Math.ceil(queue.lastSize * 1.25));
    const builder = this.#builders.take(initialBytes);
    const order = this.#outstanding.nextOrder();
    const batch = new ProducerBatch(queue, order, clock.monotonic(), builder);
    queue.open = batch;
    this.#outstanding.add(batch);
    if (queue.index < 0) this.#client.metadata.requestRefresh();
    if (this.#options.lingerMs === 0) this.#makeDue(queue);
    else {
      this.#lingering.add(queue);
      this.#lingerTimer ??= clock.after(this.#options.lingerMs, () => this.#lingered());
    }
    this.#expiryTimer ??= clock.after(this.#options.deliveryTimeoutMs, () => this.#expire());
    return batch;
  }

  #makeDue(queue: PartitionQueue): void {
    queue.due = true;
    this.#sender.ready(queue);
  }

  #lingered(): void {
    this.#lingerTimer = null;
    const now = this.#client.clock.monotonic();
    for (const queue of this.#lingering) {
      const left = queue.open === null ? 0 : queue.open.createdAt + this.#options.lingerMs - now;
      // Timers may fire a fraction of a millisecond early.
      if (left >= 1) {
        this.#lingerTimer = this.#client.clock.after(left, () => this.#lingered());
        return;
      }
      this.#lingering.delete(queue);
      this.#makeDue(queue);
    }
  }

  /** Gives up what has waited too long; what is on its way is decided by its answer. */
  #expire(): void {
    this.#expiryTimer = null;
    const { clock } = this.#client;
    const now = clock.monotonic();
    for (const batch of this.#outstanding.all()) {
      const left = batch.createdAt + this.#options.deliveryTimeoutMs - now;
      if (left >= 1) {
        this.#expiryTimer = clock.after(left, () => this.#expire());
        return;
      }
      const { queue } = batch;
      if (queue.inFlight.includes(batch)) continue;
      if (queue.open === batch) queue.close();
      this.#lingering.delete(queue);
      const at = queue.waiting.indexOf(batch);
      if (at >= 0) queue.waiting.splice(at, 1);
      this.#finish(batch, this.#sender.timedOut(batch), -1);
    }
  }

  #metadataChanged(): void {
    for (const topic of this.#topics.values()) {
      const known = this.#client.metadata.topic(topic.name);
      if (known === undefined) continue;
      if (known.partitions.length > 0) {
        topic.update(known);
        this.#assign(topic);
      } else if (!isRetriable(known.errorCode)) this.#refuse(topic, known.errorCode);
      else if (topic.unassigned.open !== null || topic.unassigned.waiting.length > 0) {
        this.#client.metadata.requestRefresh();
      }
    }
    this.#sender.wake();
  }

  /** Hands records that came before the metadata to their partitions. */
  #assign(topic: TopicQueues): void {
    const { unassigned } = topic;
    this.#lingering.delete(unassigned);
    unassigned.close();
    const batches = unassigned.waiting.splice(0);
    for (const batch of batches) {
      batch.forEachNoted((record, tag, delivered) => {
        this.#assignRecord(topic, record, tag, delivered);
      });
      batch.discard();
    }
    if (batches.length > 0 && this.#outstanding.hasWaiters) {
      this.#outstanding.extendWaits();
      this.#closeOpen();
    }
    for (const batch of batches) {
      this.#outstanding.delete(batch);
      this.#memory.release(batch.size);
    }
  }

  #assignRecord(
    topic: TopicQueues,
    record: RecordView,
    tag: unknown,
    delivered: Delivered | undefined,
  ): void {
    const key = keyOf(record);
    const size =
      RECORD_OVERHEAD_BYTES +
      (key === null ? 0 : key.length) +
      Math.max(0, record.valueEnd - record.valueStart) +
      (record.headersEnd - record.headersStart);
    const queue = topic.choose(key, size);
    let batch = queue.open;
    if (batch === null || batch.size + size > this.#options.batchBytes) batch = this.#open(queue);
    copyRecord(record, batch.builder!);
    batch.count++;
    batch.size += size;
    this.#memory.take(size);
    batch.note(tag, delivered);
  }

  /** Makes everything that is being filled ready to be sent as it is. */
  #closeOpen(): void {
    this.#lingering.clear();
    for (const topic of this.#topics.values()) {
      for (const queue of topic.queues) {
        if (queue === undefined || queue.open === null) continue;
        queue.close();
        this.#sender.ready(queue);
      }
    }
  }

  #refuse(topic: TopicQueues, code: number): void {
    const error = new ProtocolError(code, `topic '${topic.name}': ${errorName(code)}`);
    topic.unassigned.close();
    this.#lingering.delete(topic.unassigned);
    for (const batch of topic.unassigned.waiting.splice(0)) this.#finish(batch, error, -1);
  }

  #finish(batch: ProducerBatch, error: Error | null, baseOffset: number): void {
    if (batch.isDone) return;
    batch.isDone = true;
    const { queue, count, callbacks } = batch;
    const topic = queue.topic.name;
    if (error === null) this.counters.delivered += count;
    else this.counters.drop(error, count);
    this.#outstanding.delete(batch);
    for (const delivered of callbacks) delivered(error, topic, queue.index, baseOffset);
    this.#delivery?.({
      topic,
      partition: queue.index,
      count,
      bytes: batch.size,
      error,
      baseOffset,
      tags: batch.tags,
    });
    batch.discard();
    if (batch.writes === 0) this.#memory.release(batch.size);
  }

  /** The halves of a batch that is too large for its topic take its place. */
  #split(batch: ProducerBatch): readonly ProducerBatch[] {
    const initialBytes = Math.max(BATCH_INITIAL_BYTES, batch.size);
    const parts = batch.split(() => this.#builders.take(initialBytes));
    batch.discard();
    this.#outstanding.replace(batch, parts);
    return parts;
  }
}
