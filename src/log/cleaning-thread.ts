/**
 * Cleanings on a thread of their own: `ThreadEngine` is the broker's side, `worker.ts` the thread's.
 *
 * A batch is what a cleaning deals with at once, and a large one takes several milliseconds to
 * decompress, look through and pack again: on the broker's thread every request would wait for it.
 * So only what touches the log itself, the swap of finished segments, is left to that.
 *
 * The thread has one pass at a time and answers one question at a time. It is started by the first
 * pass and ends when there was none for a while, since the map of a large log is worth giving back.
 * One that dies (it has a heap of its own, which may be too small) takes nothing with it but its pass; the files that it was making are named
 * `.cleaned`, which the next pass makes anew and a start removes.
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../base/clock.ts';
import { BugError, OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import { CleaningCancelled } from './cleaner-pace.ts';
import { CleanerDied, type Cleaning, type CleaningEngine } from './cleaning-engine.ts';
import {
  type CleaningJob,
  type GroupOutcome,
  type MapOutcome,
  type SourceSegment,
  UncleanableError,
  type UncleanablePlace,
} from './cleaning-pass.ts';

/** What the thread is told; `map` and `clean` are answered. */
export type Order =
  | { readonly kind: 'begin'; readonly job: CleaningJob; readonly bytesPerSecond: number }
  | { readonly kind: 'map' }
  | { readonly kind: 'clean'; readonly group: readonly SourceSegment[] }
  | { readonly kind: 'end' };

export type Answer =
  | { readonly kind: 'done'; readonly value: MapOutcome | GroupOutcome }
  /** `code`: the system's, or '' of an error that is none of its. `place`: of what can't be cleaned. */
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly reason: string;
      readonly place: UncleanablePlace | null;
    }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>> | undefined;
    };

/** A thread without a pass is ended after this. */
const IDLE_MS = 10_000;

/** Bounds of its heap in MiB; buffers and the map do not count. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 };

const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const entry = new URL(`./worker${suffix}`, import.meta.url);

export interface ThreadEngineOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Waiting {
  resolve(value: MapOutcome | GroupOutcome): void;
  reject(error: Error): void;
}

export class ThreadEngine implements CleaningEngine {
  readonly #options: ThreadEngineOptions;
  #worker: Worker | null = null;
  #waiting: Waiting | null = null;
  #idle: Timer | null = null;
  #isCancelled = false;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: ThreadEngineOptions) {
    this.#options = options;
  }

  /** There is a thread, at work or waiting for it. */
  get isRunning(): boolean {
    return this.#worker !== null;
  }

  begin(job: CleaningJob, bytesPerSecond: number): Cleaning {
    this.#idle?.cancel();
    this.#idle = null;
    if (!this.#isCancelled) {
      this.#worker ??= this.#start();
      this.#tell({ kind: 'begin', job, bytesPerSecond });
    }
    return {
      map: () => this.#ask<MapOutcome>({ kind: 'map' }),
      clean: (group) => this.#ask<GroupOutcome>({ kind: 'clean', group }),
      end: () => this.#end(),
    };
  }

  #tell(order: Order): void {
    this.#worker?.postMessage(order);
  }

  #ask<T extends MapOutcome | GroupOutcome>(order: Order): Promise<T> {
    return new Promise<MapOutcome | GroupOutcome>((resolve, reject) => {
      if (this.#isCancelled) return reject(cancelled());
      if (this.#worker === null) {
        return reject(new CleanerDied('the thread of the cleaning has died between two questions'));
      }
      this.#waiting = { resolve, reject };
      this.#tell(order);
    }) as Promise<T>;
  }

  #end(): void {
    this.#tell({ kind: 'end' });
    if (this.#worker === null) return;
    this.#idle = this.#options.clock.after(IDLE_MS, () => this.#terminate());
  }

  #start(): Worker {
    const worker = newWorker();
    let reason = 'it has ended by itself';
    worker.on('message', (answer: Answer) => this.#answered(answer));
    worker.on('error', (error: unknown) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#settle()?.reject(new CleanerDied(`the thread of the cleaning has died: ${reason}`));
    });
    return worker;
  }

  #settle(): Waiting | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting;
  }

  #answered(answer: Answer): void {
    const { logger } = this.#options;
    if (answer.kind === 'log') logger[answer.level](answer.message, answer.fields);
    else if (answer.kind === 'done') this.#settle()?.resolve(answer.value);
    else {
      this.#settle()?.reject(errorOf(answer));
    }
  }

  #terminate(): void {
    const worker = this.#worker;
    this.#worker = null;
    this.#idle?.cancel();
    this.#idle = null;
    if (worker !== null) this.#ended = worker.terminate();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#terminate();
    this.#settle()?.reject(cancelled());
  }
  isCancellation(error: unknown): boolean {
    return error instanceof CleaningCancelled;
  }
  /** Resolves when the thread is no more: nothing writes into the logs' folders then. */
  async close(): Promise<void> {
    this.#terminate();
    await this.#ended;
  }
}

/** The system has only so many threads: that there is none now says nothing of the log or its disk. */
function newWorker(): Worker {
  try {
    return new Worker(entry, { name: 'cleaner', resourceLimits: HEAP_LIMITS });
  } catch (error) {
    throw new CleanerDied(`the thread of the cleaning can't be started: ${reasonOf(error)}`);
  }
}

function errorOf({ code, reason, place }: Answer & { readonly kind: 'failed' }): Error {
  if (place !== null) return new UncleanableError(reason, place);
  return code === '' ? new BugError(reason) : new OperatingError(code, reason);
}

const cancelled = (): CleaningCancelled => new CleaningCancelled('the cleaning was cancelled');
