/**
 * Sends a producer's batches to the leaders of their partitions and decides what an answer means.
 *
 * One Produce request at a time is put together for each broker, with at most one batch a
 * partition; several are under way. Work is done in `#pump`, which runs once after any number of
 * wake-ups. A batch is in exactly one place: open or waiting in its queue, in flight, or finished.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import type { Timer } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import type { produceResponse } from '../protocol/messages/00-produce.ts';
import type { BatchProducer, RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import type { Connection } from './connection.ts';
import type { ProducerBatch } from './producer-batch.ts';
import type { ProducerCounters } from './producer-counters.ts';
import { IN_FLIGHT_BATCHES_MAX, type PartitionQueue } from './producer-queue.ts';
import { ReadBarrier } from './read-barrier.ts';

export interface SenderOptions {
  readonly acks: 0 | 1 | -1;
  readonly idempotent: boolean;
  readonly deliveryTimeoutMs: number;
  readonly requestBytesMax: number;
  readonly inFlightMax: number;
}

/** What the sender asks of the producer. */
export interface SenderOwner {
  /** The batch has its outcome. */
  finish(batch: ProducerBatch, error: Error | null, baseOffset: number): void;
  /** The batch in two, each of which gets an outcome of its own. */
  split(batch: ProducerBatch): readonly ProducerBatch[];
  releaseMemory(bytes: number): void;
  readonly recycle: (builder: RecordBatchBuilder) => void;
  readonly builder: () => RecordBatchBuilder;
}

type ProduceResponse = Infer<typeof produceResponse>;
type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number];

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 13;

/** The broker of some leaders, as the sender sees it. */
interface Leader {
  readonly id: number;
  connection: Connection | null;
  connecting: boolean;
  inFlight: number;
  /** Monotonic milliseconds until which the broker asked for silence (KIP-219). */
  mutedUntil: number;
  barrier: ReadBarrier | null;
}

interface Identity {
  readonly id: number;
  readonly epoch: number;
}

export class ProducerSender {
  readonly #client: Client;
  readonly #options: SenderOptions;
  readonly #counters: ProducerCounters;
  readonly #owner: SenderOwner;
  readonly #ready = new Set<PartitionQueue>();
  readonly #leaders = new Map<number, Leader>();
  #identity: Identity | null = null;
  #identifying = false;
  #identityFailures = 0;
  #pumpQueued = false;
  #timer: Timer | null = null;
  #timerAt = Infinity;
  #closed = false;
  #lastError: Error | null = null;

  constructor(
    client: Client,
    options: SenderOptions,
    counters: ProducerCounters,
    owner: SenderOwner,
  ) {
    this.#client = client;
    this.#options = options;
    this.#counters = counters;
    this.#owner = owner;
  }

  /** The queue has something to send. */
  ready(queue: PartitionQueue): void {
    if (queue.index < 0) return;
    this.#ready.add(queue);
    this.wake();
  }

  /** Something changed: look again at what can be sent. */
  wake(): void {
    if (this.#pumpQueued || this.#closed) return;
    this.#pumpQueued = true;
    queueMicrotask(() => {
      this.#pumpQueued = false;
      if (!this.#closed) this.#pump();
    });
  }

  /** Why a batch was not delivered in time. */
  timedOut(batch: ProducerBatch): OperatingError {
    const { queue } = batch;
    const last = this.#lastError === null ? '' : `; last seen: ${this.#lastError.message}`;
    return new OperatingError(
      'delivery-timeout',
      `batch for ${queue.topic.name}-${queue.index} not delivered within ${this.#options.deliveryTimeoutMs} ms, ${batch.attempts} attempts${last}`,
      { cause: this.#lastError },
    );
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const leader of this.#leaders.values()) leader.barrier?.close();
  }

  #pump(): void {
    const now = this.#client.clock.monotonic();
    const byLeader = new Map<Leader, PartitionQueue[]>();
    for (const queue of this.#ready) {
      if (!queue.hasWork) {
        this.#ready.delete(queue);
        continue;
      }
      const leader = this.#leaderFor(queue, now);
      if (leader === null) continue;
      const queues = byLeader.get(leader);
      if (queues === undefined) byLeader.set(leader, [queue]);
      else queues.push(queue);
    }
    if (byLeader.size === 0) return;
    if (this.#options.idempotent && this.#identity === null) return this.#identify();
    for (const [leader, queues] of byLeader) this.#sendTo(leader, queues);
  }

  /** Where the queue's next batch may be sent now; null: nowhere yet. */
  #leaderFor(queue: PartitionQueue, now: number): Leader | null {
    if (queue.retryAt > now) {
      this.#wakeAt(queue.retryAt);
      return null;
    }
    const limit = this.#inFlightLimit(queue);
    if (queue.inFlight.length >= limit) return null;
    const id = this.#client.metadata.leader(queue.topic.name, queue.index);
    if (id < 0) {
      this.#client.metadata.requestRefresh();
      return null;
    }
    // What went to the leader before must be decided first, or the order is lost.
    if (queue.inFlight.length > 0 && queue.broker !== id) return null;
    const leader = this.#leader(id);
    if (leader.mutedUntil > now) {
      this.#wakeAt(leader.mutedUntil);
      return null;
    }
    return leader;
  }

  #inFlightLimit(queue: PartitionQueue): number {
    if (this.#options.acks === 0) return Infinity;
    // Without sequence numbers a retry behind a later batch would change the order.
    if (!this.#options.idempotent || queue.recovering) return 1;
    return IN_FLIGHT_BATCHES_MAX;
  }

  #leader(id: number): Leader {
    let leader = this.#leaders.get(id);
    if (leader === undefined) {
      leader = {
        id,
        connection: null,
        connecting: false,
        inFlight: 0,
        mutedUntil: 0,
        barrier: null,
      };
      this.#leaders.set(id, leader);
    }
    return leader;
  }

  #sendTo(leader: Leader, queues: PartitionQueue[]): void {
    const connection = leader.connection;
    if (connection === null || !connection.isOpen) return this.#connect(leader);
    let rest = queues;
    while (rest.length > 0 && connection.writable && leader.inFlight < this.#options.inFlightMax) {
      const batches: ProducerBatch[] = [];
      let bytes = 0;
      const next: PartitionQueue[] = [];
      for (const queue of rest) {
        if (bytes >= this.#options.requestBytesMax) {
          next.push(queue);
          continue;
        }
        const batch = this.#take(queue, leader);
        if (batch === null) continue;
        bytes += batch.bytes;
        batches.push(batch.batch);
        if (queue.hasWork && queue.inFlight.length < this.#inFlightLimit(queue)) next.push(queue);
        else if (!queue.hasWork) this.#ready.delete(queue);
      }
      if (batches.length === 0) return;
      this.#send(leader, connection, batches);
      rest = next;
    }
  }

  /** Moves the queue's next batch into flight. */
  #take(
    queue: PartitionQueue,
    leader: Leader,
  ): { readonly batch: ProducerBatch; readonly bytes: number } | null {
    if (queue.waiting.length === 0) queue.close();
    const batch = queue.waiting[0];
    if (batch === undefined) return null;
    let producer: BatchProducer | undefined;
    if (this.#options.idempotent) {
      const { id, epoch } = this.#identity!;
      const identified = queue.identify(batch, id, epoch);
      if (identified === null) {
        this.#identity = null;
        this.wake();
        return null;
      }
      producer = identified;
    }
    queue.waiting.shift();
    queue.inFlight.push(batch);
    queue.broker = leader.id;
    const bytes = batch.seal(producer, this.#owner.recycle, this.#owner.builder).length;
    this.#counters.batches++;
    this.#counters.batchBytes += bytes;
    if (batch.attempts > 0) this.#counters.retries++;
    batch.attempts++;
    return { batch, bytes };
  }

  #send(leader: Leader, connection: Connection, batches: ProducerBatch[]): void {
    const { acks } = this.#options;
    const version = this.#version(connection, batches);
    if (version < 0) {
      const error = new OperatingError(
        'unsupported-version',
        `${connection.remote} takes no Produce version of this client`,
      );
      for (const batch of batches) this.#failed(batch, error);
      return;
    }
    const body = this.#body(batches, version);
    for (const batch of batches) batch.writes++;
    if (acks === 0) {
      connection.sendUnanswered(calls.produce, version, body, (error) => {
        this.#written(batches);
        this.#settleUnanswered(leader, batches, error);
      });
      return;
    }
    leader.inFlight++;
    connection.send(
      calls.produce,
      version,
      body,
      (error, response) => {
        leader.inFlight--;
        if (error !== null) for (const batch of batches) this.#retry(batch, error);
        else this.#settle(leader, batches, response!);
        this.wake();
      },
      () => this.#written(batches),
    );
  }

  #version(connection: Connection, batches: readonly ProducerBatch[]): number {
    const { metadata } = this.#client;
    const named = batches.every(
      (batch) => (metadata.topic(batch.queue.topic.name)?.id ?? ZERO_UUID) !== ZERO_UUID,
    );
    return connection.versionOf(calls.produce, named ? TOPIC_ID_VERSION : TOPIC_ID_VERSION - 1);
  }

  #body(batches: readonly ProducerBatch[], version: number) {
    const topics = new Map<
      string,
      { name: string; topicId: string; partitionData: { index: number; records: Buffer }[] }
    >();
    for (const batch of batches) {
      const { name } = batch.queue.topic;
      let topic = topics.get(name);
      if (topic === undefined) {
        const id = this.#client.metadata.topic(name)?.id ?? ZERO_UUID;
        topic = { name, topicId: version < TOPIC_ID_VERSION ? ZERO_UUID : id, partitionData: [] };
        topics.set(name, topic);
      }
      topic.partitionData.push({ index: batch.queue.index, records: batch.sealed });
    }
    return {
      transactionalId: null,
      acks: this.#options.acks,
      timeoutMs: this.#client.requestTimeoutMs,
      topicData: [...topics.values()],
    };
  }

  /** The transport has let go of the batches' bytes. */
  #written(batches: readonly ProducerBatch[]): void {
    for (const batch of batches) {
      batch.writes--;
      if (batch.isDone && batch.writes === 0) this.#owner.releaseMemory(batch.size);
    }
  }

  #settleUnanswered(leader: Leader, batches: readonly ProducerBatch[], error: Error | null): void {
    for (const batch of batches) {
      this.#land(batch);
      // Part of it may have left, so sending it again could double it: acks=0 gives it up.
      const lost = error === null ? null : new OperatingError('connection', reasonOf(error));
      this.#owner.finish(batch, lost, -1);
      if (lost === null) leader.barrier?.handed(batch.count);
    }
    this.wake();
  }

  #settle(leader: Leader, batches: readonly ProducerBatch[], response: ProduceResponse): void {
    if (response.throttleTimeMs > 0) {
      leader.mutedUntil = this.#client.clock.monotonic() + response.throttleTimeMs;
    }
    for (const batch of batches) {
      const answer = this.#answerFor(batch, response);
      if (answer === undefined) {
        this.#retry(batch, new OperatingError('missing-answer', 'the broker left a batch out'));
      } else this.#settleBatch(batch, answer);
    }
  }

  #answerFor(batch: ProducerBatch, response: ProduceResponse): PartitionResponse | undefined {
    const { name } = batch.queue.topic;
    const id = this.#client.metadata.topic(name)?.id;
    for (const topic of response.responses) {
      if (topic.name !== name && (topic.topicId === ZERO_UUID || topic.topicId !== id)) continue;
      const found = topic.partitionResponses.find((p) => p.index === batch.queue.index);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #settleBatch(batch: ProducerBatch, answer: PartitionResponse): void {
    const code = answer.errorCode;
    if (code === ErrorCode.NONE || code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#land(batch);
      batch.queue.recovering = false;
      batch.queue.failures = 0;
      const known = code === ErrorCode.NONE;
      this.#owner.finish(batch, null, known ? answer.baseOffset : -1);
      return;
    }
    const error = produceError(batch, answer);
    const isTooLarge =
      code === ErrorCode.MESSAGE_TOO_LARGE || code === ErrorCode.RECORD_LIST_TOO_LARGE;
    if (isTooLarge && batch.count > 1 && !batch.isDone) this.#split(batch);
    else if (isSequenceError(code) && this.#options.idempotent) this.#outOfSequence(batch, error);
    else if (isRetriable(code)) this.#retry(batch, error);
    else this.#failed(batch, error);
  }

  #split(batch: ProducerBatch): void {
    const { queue } = batch;
    this.#land(batch);
    for (const part of this.#owner.split(batch)) queue.requeue(part);
    this.#ready.add(queue);
    this.wake();
  }

  /** The batch is not in the log: an earlier one is missing, or the broker has lost its state. */
  #outOfSequence(batch: ProducerBatch, error: Error): void {
    if (!batch.queue.hasEarlier(batch)) batch.queue.bumpEpoch();
    this.#retry(batch, error);
  }

  #retry(batch: ProducerBatch, error: Error): void {
    if (batch.isDone) return this.#land(batch);
    this.#lastError = error;
    this.#land(batch);
    const { queue } = batch;
    const { clock, random, retryBackoff } = this.#client;
    const now = clock.monotonic();
    if (now - batch.createdAt >= this.#options.deliveryTimeoutMs || this.#closed) {
      queue.recovering = true;
      this.#owner.finish(batch, this.timedOut(batch), -1);
      return;
    }
    queue.requeue(batch);
    queue.failures++;
    queue.retryAt = now + backoffMs(retryBackoff, queue.failures, random);
    this.#ready.add(queue);
    this.#client.metadata.requestRefresh();
    this.wake();
  }

  #failed(batch: ProducerBatch, error: Error): void {
    this.#land(batch);
    this.#owner.finish(batch, error, -1);
    this.wake();
  }

  /** Takes a batch out of flight. */
  #land(batch: ProducerBatch): void {
    const { queue } = batch;
    const at = queue.inFlight.indexOf(batch);
    if (at >= 0) queue.inFlight.splice(at, 1);
    if (queue.hasWork) this.#ready.add(queue);
  }

  #connect(leader: Leader): void {
    if (leader.connecting || this.#closed) return;
    leader.connecting = true;
    const connected = (async () => this.#client.connection(leader.id, 'produce'))();
    connected.then(
      (connection) => {
        leader.connecting = false;
        this.#adopt(leader, connection);
        this.wake();
      },
      (error: unknown) => {
        leader.connecting = false;
        this.#lastError = error instanceof Error ? error : new Error(reasonOf(error));
        // The leader may have moved while its old broker is away. The link paces the attempts.
        this.#client.metadata.requestRefresh();
        this.wake();
      },
    );
  }

  #adopt(leader: Leader, connection: Connection): void {
    if (leader.connection === connection) return;
    leader.connection = connection;
    leader.barrier?.close();
    leader.barrier =
      this.#options.acks === 0
        ? new ReadBarrier(this.#client.clock, connection, (records) => {
            this.#counters.uncertain += records;
          })
        : null;
    const { onDrain, onClose } = connection;
    const { barrier } = leader;
    connection.onDrain = () => {
      onDrain();
      this.wake();
    };
    connection.onClose = (error) => {
      onClose(error);
      barrier?.lost();
      if (leader.connection === connection) leader.connection = null;
      this.#lastError = error;
      this.#client.metadata.requestRefresh();
      this.wake();
    };
  }

  #identify(): void {
    if (this.#identifying) return;
    this.#identifying = true;
    this.#initProducerId().then(
      (identity) => {
        this.#identifying = false;
        this.#identityFailures = 0;
        this.#identity = identity;
        this.wake();
      },
      (error: unknown) => {
        this.#identifying = false;
        this.#identityFailures++;
        this.#lastError = error instanceof Error ? error : new Error(reasonOf(error));
        const { clock, random, retryBackoff } = this.#client;
        this.#wakeAt(clock.monotonic() + backoffMs(retryBackoff, this.#identityFailures, random));
      },
    );
  }

  async #initProducerId(): Promise<Identity> {
    const response = await this.#client.request('any', calls.initProducerId, {
      transactionalId: null,
      transactionTimeoutMs: 0x7fff_ffff,
      producerId: -1,
      producerEpoch: -1,
    });
    if (response.errorCode !== ErrorCode.NONE) throw new ProtocolError(response.errorCode);
    return { id: response.producerId, epoch: response.producerEpoch };
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { clock } = this.#client;
    this.#timer = clock.after(Math.ceil(at - clock.monotonic()), () => {
      this.#timerAt = Infinity;
      this.wake();
    });
  }
}

const isSequenceError = (code: number): boolean =>
  code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER ||
  code === ErrorCode.UNKNOWN_PRODUCER_ID ||
  code === ErrorCode.INVALID_PRODUCER_EPOCH;

function produceError(batch: ProducerBatch, answer: PartitionResponse): ProtocolError {
  const where = `${batch.queue.topic.name}-${batch.queue.index}`;
  const details = [
    answer.errorMessage,
    ...answer.recordErrors.map((e) => `record ${e.batchIndex}: ${e.batchIndexErrorMessage ?? ''}`),
  ].filter((text) => text !== null);
  const more = details.length === 0 ? '' : ` (${details.slice(0, 3).join('; ')})`;
  return new ProtocolError(answer.errorCode, `${where}: ${errorName(answer.errorCode)}${more}`);
}
