/**
 * Takes the markers of decided transactions to the leaders of their partitions: to each broker one
 * request at a time, with all that has come together meanwhile. What fails for a while is sent
 * again, to whoever leads then, for as long as this broker coordinates the transaction.
 *
 * Nothing here survives a crash: whoever coordinates next finds the decision in its log, and begins
 * with all partitions anew. A marker that is there already does no harm.
 */
import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { ErrorCode, errorName, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { TransactionPartitions } from './transaction.ts';
import type { TransactionProbe } from './transaction-probe.ts';
import { MARKERS_PER_REQUEST_MAX, RETRY_MS } from './transaction-settings.ts';

export type MarkersRequest = Infer<typeof writeTxnMarkersRequest>;
export type MarkersResponse = Infer<typeof writeTxnMarkersResponse>;

/** The partitions of the cluster, as far as markers go. */
export interface MarkerDestinations {
  /** The broker that leads the partition; -1: nobody for now; null: there is no such partition. */
  leaderOf(topic: string, partition: number): number | null;
  /** Rejects with OperatingError or ProtocolError; what became of the markers is unknown then. */
  write(brokerId: number, request: MarkersRequest): Promise<MarkersResponse>;
}

/** The markers of one transaction. */
export interface MarkerJob {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly transactionVersion: number;
  readonly committed: boolean;
  readonly partitions: TransactionPartitions;
  /** This broker coordinates it no more. */
  isOver(): boolean;
  /** All of them are written, or not needed any more. */
  done(): void;
}

interface Sending {
  readonly job: MarkerJob;
  /** Partitions by topic whose marker is not written. */
  readonly missing: Map<string, Set<number>>;
  isStopped: boolean;
}

/** What goes to one broker of one transaction. */
interface Part {
  readonly sending: Sending;
  readonly topics: Map<string, number[]>;
}

interface Lane {
  waiting: Part[];
  isBusy: boolean;
}

/** A partition is led by somebody else, or can't be written to for a while. */
const passing: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
]);

/** Another coordinator, or the producer itself, has gone on since. */
const fencing: ReadonlySet<number> = new Set([
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.TRANSACTION_COORDINATOR_FENCED,
]);

export interface MarkerSenderOptions {
  readonly destinations: MarkerDestinations;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly probe: TransactionProbe;
}

export class MarkerSender {
  readonly #options: MarkerSenderOptions;
  readonly #lanes = new Map<number, Lane>();
  #retries: Part[] = [];
  #isRetrySet = false;

  constructor(options: MarkerSenderOptions) {
    this.#options = options;
  }

  send(job: MarkerJob): void {
    const missing = new Map([...job.partitions].map(([topic, ids]) => [topic, new Set(ids)]));
    const sending: Sending = { job, missing, isStopped: false };
    const topics = new Map([...job.partitions].map(([topic, ids]) => [topic, [...ids]]));
    this.#route({ sending, topics });
    this.#finish(sending);
  }

  /** To the lanes of those who lead. */
  #route({ sending, topics }: Part): void {
    const { destinations, probe } = this.#options;
    if (this.#isOver(sending)) return;
    const parts = new Map<number, Map<string, number[]>>();
    for (const [topic, indexes] of topics) {
      for (const index of indexes) {
        const leader = destinations.leaderOf(topic, index);
        if (leader === null) this.#written(sending, topic, index);
        else {
          if (leader < 0) probe.markersWithoutLeader++;
          const part = parts.get(leader) ?? new Map<string, number[]>();
          parts.set(leader, part);
          put(part, topic, index);
        }
      }
    }
    for (const [leader, partTopics] of parts) {
      const part = { sending, topics: partTopics };
      if (leader < 0) this.#retry(part);
      else this.#enqueue(leader, part);
    }
  }

  #isOver(sending: Sending): boolean {
    return sending.isStopped || sending.job.isOver();
  }

  #written(sending: Sending, topic: string, index: number): void {
    const indexes = sending.missing.get(topic);
    indexes?.delete(index);
    if (indexes?.size === 0) sending.missing.delete(topic);
  }

  #finish(sending: Sending): void {
    if (sending.missing.size > 0 || this.#isOver(sending)) return;
    sending.isStopped = true;
    sending.job.done();
  }

  #enqueue(brokerId: number, part: Part): void {
    let lane = this.#lanes.get(brokerId);
    if (lane === undefined) this.#lanes.set(brokerId, (lane = { waiting: [], isBusy: false }));
    lane.waiting.push(part);
    if (!lane.isBusy) void this.#drain(brokerId, lane);
  }

  async #drain(brokerId: number, lane: Lane): Promise<void> {
    lane.isBusy = true;
    while (lane.waiting.length > 0) {
      const parts = lane.waiting.splice(0, MARKERS_PER_REQUEST_MAX);
      const live = parts.filter(({ sending }) => !this.#isOver(sending));
      if (live.length > 0) await this.#write(brokerId, live);
    }
    lane.isBusy = false;
  }

  async #write(brokerId: number, parts: readonly Part[]): Promise<void> {
    let response: MarkersResponse;
    try {
      response = await this.#options.destinations.write(brokerId, requestOf(parts));
    } catch (error) {
      if (!(error instanceof OperatingError) && !(error instanceof ProtocolError)) throw error;
      for (const part of parts) this.#retry(part);
      return;
    }
    const results = new Map(response.markers.map((m) => [m.producerId, m.topics]));
    for (const part of parts) {
      this.#take(part, results.get(part.sending.job.producerId) ?? []);
    }
  }

  #take(part: Part, topics: MarkersResponse['markers'][number]['topics']): void {
    const { sending } = part;
    const codes = new Map<string, number>();
    for (const { name, partitions } of topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        codes.set(`${name}-${partitionIndex}`, errorCode);
      }
    }
    const again = new Map<string, number[]>();
    for (const [topic, indexes] of part.topics) {
      for (const index of indexes) {
        const code = codes.get(`${topic}-${index}`) ?? ErrorCode.REQUEST_TIMED_OUT;
        if (code === ErrorCode.NONE) {
          this.#options.probe.markers++;
          this.#written(sending, topic, index);
        } else if (fencing.has(code)) this.#fenced(sending, topic, index, code);
        else put(again, topic, index);
        if (code !== ErrorCode.NONE && !fencing.has(code) && !passing.has(code)) {
          this.#unexpected(sending, topic, index, code);
        }
      }
    }
    if (again.size > 0) this.#retry({ sending, topics: again });
    this.#finish(sending);
  }

  /** Whoever has gone on decides what becomes of the transaction. */
  #fenced(sending: Sending, topic: string, index: number, code: number): void {
    sending.isStopped = true;
    this.#log('the marker of a transaction is out of date', sending, topic, index, code);
  }

  #unexpected(sending: Sending, topic: string, index: number, code: number): void {
    this.#log('the marker of a transaction was refused, trying again', sending, topic, index, code);
  }

  #log(message: string, { job }: Sending, topic: string, index: number, code: number): void {
    this.#options.logger.warn(message, {
      'weir.transactional.id': job.transactionalId,
      'kafka.topic': topic,
      'kafka.partition': index,
      'error.code': errorName(code),
    });
  }

  #retry(part: Part): void {
    const { clock, probe } = this.#options;
    probe.retriedMarkers++;
    this.#retries.push(part);
    if (this.#isRetrySet) return;
    this.#isRetrySet = true;
    clock.after(RETRY_MS, () => {
      this.#isRetrySet = false;
      probe.markersWithoutLeader = 0;
      for (const again of this.#retries.splice(0)) {
        this.#route(again);
        this.#finish(again.sending);
      }
    });
  }
}

function put(topics: Map<string, number[]>, topic: string, index: number): void {
  const indexes = topics.get(topic);
  if (indexes === undefined) topics.set(topic, [index]);
  else indexes.push(index);
}

const requestOf = (parts: readonly Part[]): MarkersRequest => ({
  markers: parts.map(({ sending: { job }, topics }) => ({
    producerId: job.producerId,
    producerEpoch: job.producerEpoch,
    transactionResult: job.committed,
    topics: [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
    coordinatorEpoch: job.coordinatorEpoch,
    transactionVersion: job.transactionVersion,
  })),
});
