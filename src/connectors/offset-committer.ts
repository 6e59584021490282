import type { Clock, Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { OffsetWindow } from './offset-window.ts';
import type { Source } from './source.ts';

/** What is resolved of a partition, as it was when the commit began. */
interface Moved {
  readonly offsets: OffsetWindow;
  readonly to: number;
  readonly epoch: number;
  readonly generation: string;
}

/**
 * Commits what is resolved, every so often and only what moved. A commit that fails is counted and
 * repeated with the next one: it costs a repetition after a crash, not a record.
 */
export class OffsetCommitter {
  readonly #source: Source;
  readonly #offsets: () => Iterable<OffsetWindow>;
  readonly #generation: () => string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  #underWay: Promise<void> | null = null;
  #stopped = false;
  commits = 0;
  failures = 0;
  /** Milliseconds that commits have taken, all together. */
  totalMs = 0;

  /** `generation`: that of the destination. */
  constructor(
    source: Source,
    offsets: () => Iterable<OffsetWindow>,
    generation: () => string,
    seams: { clock: Clock; logger: Logger },
    intervalMs: number,
  ) {
    this.#source = source;
    this.#offsets = offsets;
    this.#generation = generation;
    this.#clock = seams.clock;
    this.#logger = seams.logger;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#timer = this.#clock.after(this.#intervalMs, () => {
      void this.commit().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  /** Commits a last time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.commit();
  }

  /** Never rejects. */
  async commit(): Promise<void> {
    while (this.#underWay !== null) await this.#underWay;
    const moved: Moved[] = [];
    const present = this.#generation();
    for (const offsets of this.#offsets()) {
      const { committable: to, committableEpoch: epoch } = offsets;
      const generation = offsets.committableGeneration(present);
      if (to !== offsets.committed) moved.push({ offsets, to, epoch, generation });
    }
    if (moved.length === 0) return;
    this.#underWay = this.#commitAll(moved);
    await this.#underWay;
    this.#underWay = null;
  }

  async #commitAll(moved: readonly Moved[]): Promise<void> {
    const started = this.#clock.monotonic();
    try {
      await this.#source.commit(
        moved.map(({ offsets, to, epoch, generation }) => ({
          topic: offsets.topic,
          partition: offsets.partition,
          offset: to,
          leaderEpoch: epoch,
          metadata: generation,
        })),
      );
      this.commits++;
      for (const { offsets, to } of moved) offsets.committed = to;
    } catch (error) {
      this.failures++;
      this.#logger.warn('offsets were not committed; it is tried again', {
        'error.message': reasonOf(error),
      });
    }
    this.totalMs += this.#clock.monotonic() - started;
  }
}
