/**
 * The partitions of an internal topic that this broker looks after, each with its shard: what a
 * coordinator keeps in memory of one partition, for one term of this broker as its leader.
 *
 * A shard is loading, then it serves, then it is closed for good. When the partition comes back, or
 * when something was appended of which nobody knows whether it stays, there is a new one, read from
 * the log: so nothing that was under way in the old one can touch it, and nothing that was not
 * committed is ever shown. Leadership may come and go faster than a partition loads; epochs keep
 * the order: an older load or unload never undoes a newer one.
 */
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { BugError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import type { CoordinatorProbe } from './coordinator-probe.ts';
import { LOAD_RETRY_MS } from './group-settings.ts';
import { LoadPacer } from './load-pacer.ts';
import { type LogReplay, ShardLog } from './shard-log.ts';

export interface HostedShard extends LogReplay {
  /** All records were given, and are committed: it serves from now on. */
  loaded(): void;
  /** Its log takes nothing any more: answers everything that waits with `code`. */
  close(code: number): void;
}

export interface ShardHostOptions<S extends HostedShard> {
  readonly log: CoordinatorLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly probe: CoordinatorProbe;
  readonly create: (log: ShardLog) => S;
}

interface Seat<S> {
  readonly log: ShardLog;
  readonly shard: S;
  isLoading: boolean;
}

export class ShardHost<S extends HostedShard> {
  readonly #options: ShardHostOptions<S>;
  readonly #pacer: LoadPacer;
  readonly #seats = new Map<number, Seat<S>>();
  #isStopped = false;

  constructor(options: ShardHostOptions<S>) {
    this.#options = options;
    this.#pacer = new LoadPacer(options.clock);
  }

  get isLoading(): boolean {
    return this.partitionCounts().loading > 0;
  }
  /** How many serve, and how many are being read. */
  partitionCounts(): { active: number; loading: number } {
    let loading = 0;
    for (const seat of this.#seats.values()) if (seat.isLoading) loading++;
    return { active: this.#seats.size - loading, loading };
  }

  partitionFor(key: string): number {
    return this.#options.log.partitionFor(key);
  }

  /** Resolves when the shard serves, or when a newer load or unload has made it unwanted. */
  async load(partition: number, epoch: number): Promise<void> {
    const present = this.#seats.get(partition);
    if (this.#isStopped || (present !== undefined && present.log.epoch >= epoch)) return;
    if (present !== undefined) this.#vacate(present);
    await this.#fill(this.#seat(partition, epoch));
  }

  unload(partition: number, epoch: number): void {
    const seat = this.#seats.get(partition);
    if (seat !== undefined && seat.log.epoch <= epoch) this.#vacate(seat);
  }

  stop(): void {
    this.#isStopped = true;
    for (const seat of [...this.#seats.values()]) this.#vacate(seat);
  }

  /** Those that serve. */
  active(): S[] {
    return [...this.#seats.values()].filter((seat) => !seat.isLoading).map(({ shard }) => shard);
  }

  /** The shard that holds the key, or an error code that says why there is none. */
  route(key: string): S | number {
    return this.at(this.partitionFor(key));
  }
  /** The same of a partition. */
  at(partition: number): S | number {
    if (this.#isStopped) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const seat = this.#seats.get(partition);
    if (seat === undefined) return ErrorCode.NOT_COORDINATOR;
    return seat.isLoading ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : seat.shard;
  }

  #seat(partition: number, epoch: number): Seat<S> {
    const { create, ...options } = this.#options;
    const onUncertain = (): void => this.#uncertain(seat);
    const log = new ShardLog({ ...options, partition, epoch, onUncertain });
    const seat: Seat<S> = { log, shard: create(log), isLoading: true };
    this.#seats.set(partition, seat);
    return seat;
  }

  #vacate(seat: Seat<S>): void {
    const { partition } = seat.log;
    if (this.#seats.get(partition) === seat) this.#seats.delete(partition);
    seat.log.close();
    seat.shard.close(ErrorCode.NOT_COORDINATOR);
  }

  /** Loads the shard, and where that fails another one, until there is no need for it. */
  async #fill(first: Seat<S>): Promise<void> {
    const { clock, probe } = this.#options;
    for (let seat = first; !seat.log.isClosed; ) {
      const startedAt = clock.monotonic();
      try {
        await seat.log.replay(seat.shard, this.#pacer);
        if (seat.log.isClosed) return;
        seat.shard.loaded();
        seat.isLoading = false;
        probe.loads++;
        probe.lastLoadMs = clock.monotonic() - startedAt;
        probe.loadMsTotal += probe.lastLoadMs;
        probe.longestLoadMs = Math.max(probe.longestLoadMs, probe.lastLoadMs);
        return;
      } catch (error) {
        if (error instanceof BugError) throw error;
        if (seat.log.isClosed) return;
        this.#loadFailed(seat, error);
        this.#vacate(seat);
        seat = this.#seat(seat.log.partition, seat.log.epoch);
        await sleep(clock, LOAD_RETRY_MS);
      }
    }
  }

  #loadFailed({ log }: Seat<S>, error: unknown): void {
    // The news that this broker leads it no more is on its way.
    const isNotOurs =
      error instanceof ProtocolError && error.code === ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (isNotOurs) return;
    this.#options.probe.failedLoads++;
    this.#options.logger.error('a partition of a coordinator could not be loaded', {
      'kafka.topic': this.#options.log.topic,
      'kafka.partition': log.partition,
      'error.message': reasonOf(error),
    });
  }

  #uncertain(seat: Seat<S>): void {
    this.#options.probe.uncertainAppends++;
    this.#vacate(seat);
    void this.#fill(this.#seat(seat.log.partition, seat.log.epoch));
  }
}
