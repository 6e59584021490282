/**
 * Where cleanings run. `SlicedEngine` does it on the thread of the broker, a slice at a time with
 * everything else between them; `cleaning-thread.ts` has one on a thread of its own.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { OperatingError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { CleanerPace, CleaningCancelled } from './cleaner-pace.ts';
import {
  type CleaningJob,
  CleaningPass,
  type GroupOutcome,
  type MapOutcome,
  type SourceSegment,
} from './cleaning-pass.ts';

/** Whoever cleaned is no more, and the pass with it; the next pass has another one. */
export class CleanerDied extends OperatingError {
  override name = 'CleanerDied';
  constructor(message: string) {
    super('ECLEANERDIED', message);
  }
}

/** One pass over one log; see `CleaningPass`. */
export interface Cleaning {
  map(): Promise<MapOutcome>;
  clean(group: readonly SourceSegment[]): Promise<GroupOutcome>;
  /** It is not used any more. */
  end(): void;
}

export interface CleaningEngine {
  begin(job: CleaningJob, bytesPerSecond: number): Cleaning;
  /** What is under way fails. */
  cancel(): void;
  isCancellation(error: unknown): boolean;
  close(): Promise<void>;
}

export interface SlicedEngineOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Longest time that nobody else has a turn. Milliseconds. */
  readonly sliceMs?: number;
}

const SLICE_MS = 1;

export class SlicedEngine implements CleaningEngine {
  readonly #options: SlicedEngineOptions;
  #pace: CleanerPace | null = null;
  #isCancelled = false;

  constructor(options: SlicedEngineOptions) {
    this.#options = options;
  }

  begin(job: CleaningJob, bytesPerSecond: number): Cleaning {
    const { disk, clock, random, logger, sliceMs = SLICE_MS } = this.#options;
    const pace = new CleanerPace({ clock, sliceMs, restRatio: 0, bytesPerSecond });
    if (this.#isCancelled) pace.cancel();
    this.#pace = pace;
    const pass = new CleaningPass(job, { disk, clock, random, logger, pace });
    return {
      map: () => pass.map(),
      clean: (group) => pass.clean(group),
      end: () => {
        this.#pace = null;
      },
    };
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#pace?.cancel();
  }
  isCancellation(error: unknown): boolean {
    return error instanceof CleaningCancelled;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
