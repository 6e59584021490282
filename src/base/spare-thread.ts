/**
 * A thread for a role whose settings nobody knows yet: it loads the role's modules, which is most of
 * a start, while the configuration is read.
 *
 * It belongs to who made it until somebody takes it, once. What goes wrong in it before that is not
 * told: the thread is no use then, the role gets another one, and that one tells.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { trimArguments } from './memory-trim.ts';

/** Bounds of a thread's heap. */
export type HeapLimits = NonNullable<WorkerOptions['resourceLimits']>;

/** Starts a thread that serves a role (`serveRole`) once it is told which. `name` is the thread's. */
export const newThread = (entry: URL, name: string, limits: HeapLimits | undefined): Worker =>
  new Worker(entry, {
    name,
    workerData: { name },
    ...(trimArguments.length === 0 ? {} : { execArgv: [...trimArguments] }),
    ...(limits === undefined ? {} : { resourceLimits: limits }),
  });

export class SpareThread {
  #worker: Worker | null;
  readonly #drop = (): void => {
    this.#worker = null;
  };

  constructor(entry: URL, name: string, limits: HeapLimits | undefined) {
    this.#worker = newThread(entry, name, limits);
    this.#worker.on('error', this.#drop).on('exit', this.#drop);
  }

  /** The thread, now the caller's; null when it was taken or discarded, or could not load. */
  take(): Worker | null {
    const worker = this.#worker;
    worker?.off('error', this.#drop).off('exit', this.#drop);
    this.#worker = null;
    return worker;
  }

  /** Nobody needs it. */
  discard(): void {
    const worker = this.#worker;
    this.#worker = null;
    void worker?.terminate();
  }
}
