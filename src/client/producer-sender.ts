/**
 * Sends a producer's batches to the leaders of their partitions and decides what an answer means.
 *
 * One Produce request at a time is put together for each broker, with at most one batch a
 * partition; several are under way. Work is done in `#pump`, which runs once after any number of
 * wake-ups. A batch is in exactly one place: open or waiting in its queue, in flight, or finished.
 */
import { OperatingError, reasonOf } from '../base/errors.ts';
import { ErrorCode, isRetriable } from '../protocol/error-codes.ts';
import type { BatchProducer, RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import type { Connection } from './connection.ts';
import {
  isSequenceError,
  leaderHints,
  type ProduceAnswer,
  type ProduceResponse,
  produceAnswerFor,
  produceBody,
  produceError,
  produceVersion,
} from './produce-request.ts';
import type { ProducerBatch } from './producer-batch.ts';
import type { ProducerCounters } from './producer-counters.ts';
import { ProducerIdentity } from './producer-identity.ts';
import { ProducerLeader } from './producer-leader.ts';
import { IN_FLIGHT_BATCHES_MAX, type PartitionQueue } from './producer-queue.ts';
import { Suspicion } from './suspicion.ts';
import { WakeUp } from './wake-up.ts';

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

export class ProducerSender {
  readonly #client: Client;
  readonly #options: SenderOptions;
  readonly #counters: ProducerCounters;
  readonly #owner: SenderOwner;
  readonly #ready = new Set<PartitionQueue>();
  readonly #leaders = new Map<number, ProducerLeader>();
  readonly #identity: ProducerIdentity;
  readonly #wakeUp: WakeUp;
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
    this.#wakeUp = new WakeUp(client.clock, () => this.#pump());
    this.#identity = new ProducerIdentity(
      client,
      () => this.wake(),
      (error, retryAt) => {
        this.#lastError = error;
        this.#wakeUp.at(retryAt);
      },
    );
  }

  /** The queue has something to send. */
  ready(queue: PartitionQueue): void {
    if (queue.index < 0) return;
    this.#ready.add(queue);
    this.wake();
  }

  /** Something changed: look again at what can be sent. */
  wake(): void {
    this.#wakeUp.now();
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
    this.#wakeUp.close();
    for (const leader of this.#leaders.values()) leader.close();
  }

  #pump(): void {
    const now = this.#client.clock.monotonic();
    const byLeader = new Map<ProducerLeader, PartitionQueue[]>();
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
    if (this.#options.idempotent && this.#identity.current === null) {
      return this.#identity.request();
    }
    for (const [leader, queues] of byLeader) this.#sendTo(leader, queues);
  }

  /** Where the queue's next batch may be sent now; null: nowhere yet. */
  #leaderFor(queue: PartitionQueue, now: number): ProducerLeader | null {
    const limit = this.#inFlightLimit(queue);
    if (queue.inFlight.length >= limit) return null;
    const id = this.#client.metadata.leader(queue.topic.name, queue.index);
    // A new leader need not wait for what the one before it has refused.
    if (queue.retryAt > now && (id < 0 || id === queue.broker)) {
      this.#wakeUp.at(queue.retryAt);
      return null;
    }
    if (id < 0) {
      this.#client.metadata.requestRefresh();
      return null;
    }
    // What went to the leader before must be decided first, or the order is lost.
    if (queue.inFlight.length > 0 && queue.broker !== id) return null;
    const leader = this.#leader(id);
    if (leader.mutedUntil > now) {
      this.#wakeUp.at(leader.mutedUntil);
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

  #leader(id: number): ProducerLeader {
    let leader = this.#leaders.get(id);
    if (leader === undefined) {
      const listener = {
        wake: () => this.wake(),
        failed: (error: Error) => {
          this.#lastError = error;
          // The leader may have moved while its old broker is away.
          this.#client.metadata.requestRefresh();
          this.wake();
        },
        uncertain: (records: number) => {
          this.#counters.uncertain += records;
        },
      };
      leader = new ProducerLeader(this.#client, id, this.#options.acks, listener);
      this.#leaders.set(id, leader);
    }
    return leader;
  }

  #sendTo(leader: ProducerLeader, queues: PartitionQueue[]): void {
    const { connection } = leader;
    if (connection === null) return leader.connect();
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
    leader: ProducerLeader,
  ): { readonly batch: ProducerBatch; readonly bytes: number } | null {
    if (queue.waiting.length === 0) queue.close();
    const batch = queue.waiting[0];
    if (batch === undefined) return null;
    let producer: BatchProducer | undefined;
    if (this.#options.idempotent) {
      const { id, epoch } = this.#identity.current!;
      const identified = queue.identify(batch, id, epoch);
      if (identified === null) {
        this.#identity.forget();
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

  #send(leader: ProducerLeader, connection: Connection, batches: ProducerBatch[]): void {
    const { acks } = this.#options;
    const { metadata, requestTimeoutMs } = this.#client;
    const version = produceVersion(connection, batches, metadata);
    if (version < 0) {
      const error = new OperatingError(
        'unsupported-version',
        `${connection.remote} takes no Produce version of this client`,
      );
      for (const batch of batches) this.#failed(batch, error);
      return;
    }
    const body = produceBody(batches, acks, requestTimeoutMs, metadata);
    for (const batch of batches) batch.writes++;
    if (acks === 0) {
      connection.sendUnanswered(calls.produce, version, body, (error) => {
        this.#written(batches);
        this.#settleUnanswered(leader, batches, error);
      });
      return;
    }
    leader.inFlight++;
    const suspicion = new Suspicion(this.#client, {
      isWaitedFor: () =>
        !this.#closed && batches.some((batch) => batch.queue.inFlight.includes(batch)),
      isReplaced: () =>
        batches.some(
          ({ isDone, queue }) =>
            !isDone && metadata.leader(queue.topic.name, queue.index) !== leader.id,
        ),
      giveUp: () => connection.close(),
    });
    connection.send(
      calls.produce,
      version,
      body,
      (error, response) => {
        suspicion.cancel();
        leader.inFlight--;
        if (error !== null) for (const batch of batches) this.#retry(batch, error);
        else this.#settle(leader, batches, response!);
        this.wake();
      },
      () => this.#written(batches),
    );
  }

  /** The transport has let go of the batches' bytes. */
  #written(batches: readonly ProducerBatch[]): void {
    for (const batch of batches) {
      batch.writes--;
      if (batch.isDone && batch.writes === 0) this.#owner.releaseMemory(batch.size);
    }
  }

  #settleUnanswered(
    leader: ProducerLeader,
    batches: readonly ProducerBatch[],
    error: Error | null,
  ): void {
    for (const batch of batches) {
      this.#land(batch);
      // Part of it may have left, so sending it again could double it: acks=0 gives it up.
      const lost = error === null ? null : new OperatingError('connection', reasonOf(error));
      this.#owner.finish(batch, lost, -1);
      if (lost === null) leader.barrier?.handed(batch.count);
    }
    this.wake();
  }

  #settle(
    leader: ProducerLeader,
    batches: readonly ProducerBatch[],
    response: ProduceResponse,
  ): void {
    if (response.throttleTimeMs > 0) {
      leader.mutedUntil = this.#client.clock.monotonic() + response.throttleTimeMs;
    }
    const { metadata } = this.#client;
    const answers = batches.map((batch) => produceAnswerFor(batch, response, metadata));
    metadata.learn(leaderHints(batches, answers), response.nodeEndpoints);
    for (const [i, batch] of batches.entries()) {
      const answer = answers[i];
      if (answer === undefined) {
        this.#retry(batch, new OperatingError('missing-answer', 'the broker left a batch out'));
      } else this.#settleBatch(batch, answer);
    }
  }

  #settleBatch(batch: ProducerBatch, answer: ProduceAnswer): void {
    const code = answer.errorCode;
    if (code === ErrorCode.NONE || code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#land(batch);
      batch.queue.gotThrough(batch);
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
    const { metadata } = this.#client;
    const leader = metadata.leader(queue.topic.name, queue.index);
    if (leader < 0 || leader === queue.broker) metadata.requestRefresh();
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
}
