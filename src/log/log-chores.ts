/**
 * What a broker does for its logs by the clock: retention and the expiry of producers every
 * `log.retention.check.interval.ms`, checkpoints a while after something has changed. Beside
 * retention's no timer runs while there is nothing for it to do.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { LogDirectories } from './log-directories.ts';
import type { LogMover } from './log-mover.ts';
import { RetentionClock } from './retention-clock.ts';

export interface LogChoresOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly directories: LogDirectories;
  /** Its copies are subject to retention, as what they are copies of is. */
  readonly mover: LogMover;
  readonly retentionCheckMs?: number | undefined;
  readonly checkpointMs?: number | undefined;
  readonly producerIdExpirationMs?: (() => number) | undefined;
}

const RETENTION_CHECK_MS = 5 * 60_000;
/** Checkpoints lag behind by no more, whatever is configured. */
const CHECKPOINT_MS = 5_000;
const PRODUCER_EXPIRATION_MS = 24 * 3_600_000;

export class LogChores {
  readonly #options: LogChoresOptions;
  readonly #retentionClock: RetentionClock;
  #checkpointTimer: Timer | null = null;
  #retentionTimer: Timer | null = null;
  #isRunning = false;

  constructor(options: LogChoresOptions) {
    this.#options = options;
    this.#retentionClock = new RetentionClock(options.clock);
  }

  /** Logs may be written to. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  start(): void {
    this.#isRunning = true;
    this.#armRetention();
  }

  stop(): void {
    this.#isRunning = false;
    this.#checkpointTimer?.cancel();
    this.#retentionTimer?.cancel();
  }

  /** Something that a checkpoint tells has changed. */
  changed(): void {
    if (!this.#isRunning || this.#checkpointTimer !== null) return;
    const delayMs = Math.min(this.#options.checkpointMs ?? CHECKPOINT_MS, CHECKPOINT_MS);
    this.#checkpointTimer = this.#options.clock.after(delayMs, () => {
      this.#checkpointTimer = null;
      void this.checkpoint();
    });
  }

  /** Writes down recovery points, log starts, high watermarks and cleaned offsets that changed. */
  async checkpoint(): Promise<void> {
    const online = this.#options.directories.online;
    const areSaved = await Promise.all(online.map((managed) => managed.checkpoint()));
    if (areSaved.includes(false) && this.#options.directories.online.length > 0) this.changed();
  }

  #armRetention(): void {
    const delayMs = this.#options.retentionCheckMs ?? RETENTION_CHECK_MS;
    this.#retentionTimer = this.#options.clock.after(delayMs, () => {
      this.#armRetention();
      this.deleteOldSegments();
    });
  }

  /** Applies retention to every log; returns how many segments were deleted. */
  deleteOldSegments(): number {
    const { logger, directories, mover, producerIdExpirationMs } = this.#options;
    const now = this.#retentionClock.now();
    const expiration = producerIdExpirationMs?.() ?? PRODUCER_EXPIRATION_MS;
    let deleted = 0;
    const copies = [...mover.moves()].map(({ future }) => future);
    for (const log of [...directories.logs(), ...copies]) {
      if (log.logDirectory.failure !== null) continue;
      try {
        deleted += log.deleteOldSegments(now);
        log.removeExpiredProducers(now, expiration);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        logger.warn(`retention of ${log.path}: ${error.message}`);
      }
    }
    return deleted;
  }
}
