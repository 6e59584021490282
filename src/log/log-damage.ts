/**
 * Where one log was met damaged: bytes that had been on the device, and are not what they were.
 *
 * One place is remembered, the first: once it is mended, or turns out to be whole, the next one is
 * when somebody meets it. Nothing of it outlives the process: whoever comes upon the place again finds
 * it again.
 */
import type { LogEnvironment } from './log-environment.ts';
import type { LogSegment } from './log-segment.ts';

export interface DamagedPlace {
  readonly segment: LogSegment;
  /** Where no whole batch lies, or somebody found none; the damage may begin before. */
  readonly position: number;
  /** A start met it, which has learnt nothing of the batches that lay there. */
  readonly isOfStart: boolean;
}

export class LogDamage {
  readonly #environment: LogEnvironment;
  #place: DamagedPlace | null = null;
  /** Ranges that were mended. */
  mended = 0;

  constructor(environment: LogEnvironment) {
    this.#environment = environment;
  }

  /** Null: none is known. */
  get place(): DamagedPlace | null {
    return this.#place;
  }

  /** Who comes upon it tells in `text` what is to be logged. */
  met(segment: LogSegment, position: number, text: string, isOfStart = false): void {
    const { probe, logger } = this.#environment;
    probe.corruptBatches++;
    logger.error(text);
    // It is not to be served because it was whole once.
    segment.noteDamaged(position);
    if (this.#place !== null) return;
    this.#place = { segment, position, isOfStart };
    this.#environment.onDamaged();
  }

  /** There is no damage at the place any more. */
  forget(place: DamagedPlace): void {
    if (this.#place === place) this.#place = null;
  }
}
