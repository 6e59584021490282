/** A coordinator of transactions on a log, a clock and leaders of the test's own. */

import { OperatingError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import type {
  MarkerDestinations,
  MarkersRequest,
  MarkersResponse,
} from '../../../../src/coordinator/transactions/marker-sender.ts';
import {
  partitionsByTopic,
  type Transaction,
} from '../../../../src/coordinator/transactions/transaction.ts';
import {
  type Identity,
  TransactionCoordinator,
} from '../../../../src/coordinator/transactions/transaction-coordinator.ts';
import type { TransactionSettings } from '../../../../src/coordinator/transactions/transaction-settings.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { MemoryLog } from '../harness.ts';
import { StepClock, settle } from '../step-clock.ts';

/** What a partition was told: by whom, and what. */
export interface Marked {
  readonly partition: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly committed: boolean;
}

/** Brokers that lead partitions, as the coordinator sees them. */
export class Leaders implements MarkerDestinations {
  readonly marked: Marked[] = [];
  /** By `topic-partition`; broker 1 leads all others. */
  readonly leaders = new Map<string, number | null>();
  /** Error codes that partitions answer with, each once. */
  readonly failures = new Map<string, number[]>();
  /** Nobody is reached. */
  isDown = false;
  /** Requests wait until it is resolved. */
  gate: Promise<void> = Promise.resolve();
  requests = 0;

  leaderOf(topic: string, partition: number): number | null {
    const known = this.leaders.get(`${topic}-${partition}`);
    return known === undefined ? 1 : known;
  }

  async write(_brokerId: number, request: MarkersRequest): Promise<MarkersResponse> {
    this.requests++;
    await this.gate;
    if (this.isDown) throw new OperatingError('disconnected', 'the broker is away');
    return {
      markers: request.markers.map((marker) => ({
        producerId: marker.producerId,
        topics: marker.topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => {
            const partition = `${name}-${partitionIndex}`;
            const errorCode = this.failures.get(partition)?.shift() ?? ErrorCode.NONE;
            if (errorCode === ErrorCode.NONE) {
              this.marked.push({
                partition,
                producerId: marker.producerId,
                producerEpoch: marker.producerEpoch,
                coordinatorEpoch: marker.coordinatorEpoch,
                committed: marker.transactionResult,
              });
            }
            return { partitionIndex, errorCode };
          }),
        })),
      })),
    };
  }
}

export class TransactionRig {
  readonly clock = new StepClock();
  readonly log = new MemoryLog(2);
  readonly leaders = new Leaders();
  readonly settings: Partial<TransactionSettings>;
  coordinator!: TransactionCoordinator;
  #epoch = 0;
  #nextId = 1000;

  constructor(settings: Partial<TransactionSettings> = {}) {
    this.settings = settings;
  }

  static async start(settings: Partial<TransactionSettings> = {}): Promise<TransactionRig> {
    const rig = new TransactionRig(settings);
    await rig.failOver();
    return rig;
  }

  /** Another broker coordinates from now on, with what is in the log. */
  async failOver(): Promise<void> {
    this.coordinator?.stop();
    this.#epoch++;
    this.coordinator = new TransactionCoordinator({
      log: this.log,
      nextProducerId: () => Promise.resolve(this.#nextId++),
      destinations: this.leaders,
      clock: this.clock,
      logger: silentLogger,
      settings: this.settings,
    });
    for (let p = 0; p < this.log.partitions; p++) await this.coordinator.load(p, this.#epoch);
    await settle();
  }

  init(id = 'tx', claim: Identity | null = null, timeoutMs = 60_000): Promise<Identity> {
    const request = {
      transactionalId: id,
      transactionTimeoutMs: timeoutMs,
      producerId: claim?.producerId ?? -1,
      producerEpoch: claim?.producerEpoch ?? -1,
    };
    return this.coordinator.initProducerId(request, claim);
  }

  add(producer: Identity, topics: Record<string, number[]>, id = 'tx', version = 2) {
    const partitions = partitionsByTopic(Object.entries(topics));
    return this.coordinator.addPartitions(id, producer, partitions, version);
  }

  end(producer: Identity, committed: boolean, id = 'tx', version = 2): Promise<Identity> {
    return this.coordinator.endTxn({ ...producer, transactionalId: id, committed }, version);
  }

  transaction(id = 'tx'): Transaction | null {
    const found = this.coordinator.describe(id);
    return typeof found === 'number' ? null : found;
  }

  state(id = 'tx'): string | number {
    const found = this.coordinator.describe(id);
    return typeof found === 'number' ? found : found.fields.state;
  }
}
