/** Runs seeds in processes of their own, as many at a time as there are processors. */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { cpuSeconds } from '../bench/measure.ts';
import type { Violation } from '../check/history.ts';
import type { SeedOptions } from './options.ts';

/** A run's result without its history. */
export interface SeedReport {
  readonly options: SeedOptions;
  readonly brokers: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly tail: readonly string[];
  readonly simulatedMs: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Time of the processor that it took, in seconds. */
  readonly cpuSeconds: number;
}

/** A run that has used more time of the processor is stuck, and one that uses none. */
const STUCK_CPU_SECONDS = 120;
const LOOK_MS = 60_000;
const IDLE_CPU_SECONDS = 0.05;
/** Runs after which a process is replaced, so that no run depends on what others left behind. */
const RUNS_A_PROCESS = 200;
/** Where Node keeps what it has compiled: a process then needs half a second less to begin. */
const COMPILE_CACHE = new URL('../../node_modules/.cache/simulation', import.meta.url);

/** Where the system does not tell what a process has used, all of the time that passes counts. */
const secondsOf = (pid: number): number =>
  process.platform === 'linux' ? cpuSeconds(pid) : performance.now() / 1000;

export interface PoolOptions {
  readonly jobs?: number;
  /** No run is begun when this many milliseconds are over and `least` are done. */
  readonly budgetMs?: number;
  readonly least?: number;
  /** False: begin no more. */
  readonly onReport: (report: SeedReport) => boolean;
}

class Worker {
  #child: ChildProcess | null = null;
  #runs = 0;

  run(options: SeedOptions): Promise<SeedReport> {
    const child = this.#childFor();
    return new Promise((resolve) => {
      const done = (report: SeedReport): void => {
        clearInterval(watch);
        child.removeAllListeners();
        resolve(report);
      };
      const fail = (why: string): void => {
        this.stop();
        done(brokenReport(options, why));
      };
      // By its own time, not by everybody's: a busy machine may leave it next to nothing.
      const begin = secondsOf(child.pid!);
      let used = 0;
      const watch = setInterval(() => {
        const now = secondsOf(child.pid!) - begin;
        if (now > STUCK_CPU_SECONDS) fail(`no end after ${now.toFixed(0)} seconds`);
        else if (now - used < IDLE_CPU_SECONDS) fail('no end, and nothing to do');
        used = now;
      }, LOOK_MS);
      child.once('message', (report) => done(report as SeedReport));
      child.once('exit', (code, signal) => fail(`the process ended: ${signal ?? code}`));
      child.once('error', (error) => fail(error.message));
      child.send(options);
    });
  }

  #childFor(): ChildProcess {
    if (this.#runs >= RUNS_A_PROCESS) this.stop();
    if (this.#child === null) {
      this.#runs = 0;
      const file = new URL('./seed-worker.ts', import.meta.url);
      this.#child = fork(file, {
        serialization: 'advanced',
        execArgv: [],
        env: { ...process.env, NODE_COMPILE_CACHE: fileURLToPath(COMPILE_CACHE) },
      });
    }
    this.#runs += 1;
    return this.#child;
  }

  stop(): void {
    this.#child?.removeAllListeners();
    this.#child?.kill('SIGKILL');
    this.#child = null;
  }
}

const brokenReport = (options: SeedOptions, message: string): SeedReport => ({
  options,
  brokers: options.brokers ?? 0,
  violations: [{ checker: 'harness', message }],
  hash: '',
  tail: [],
  simulatedMs: 0,
  counts: {},
  cpuSeconds: 0,
});

/** Processes that runs take turns in. */
export class SeedPool {
  readonly #workers: readonly Worker[];
  readonly #free: Worker[];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(jobs = os.availableParallelism()) {
    this.#workers = Array.from({ length: jobs }, () => new Worker());
    this.#free = [...this.#workers];
  }

  get jobs(): number {
    return this.#workers.length;
  }

  /** Runs a seed as soon as one of the processes is free. */
  async run(options: SeedOptions): Promise<SeedReport> {
    const worker =
      this.#free.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    try {
      return await worker.run(options);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(worker);
      else next(worker);
    }
  }

  close(): void {
    for (const worker of this.#workers) worker.stop();
  }
}

/** Resolves when every seed has run, or the time is over. */
export async function runSeeds(seeds: Iterable<SeedOptions>, options: PoolOptions): Promise<void> {
  const { jobs, budgetMs = Infinity, least = 0, onReport } = options;
  const iterator = seeds[Symbol.iterator]();
  const endAt = Date.now() + budgetMs;
  const pool = new SeedPool(jobs);
  let begun = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    while (!stopped && (Date.now() < endAt || begun < least)) {
      const next = iterator.next();
      if (next.done === true) break;
      begun += 1;
      if (!onReport(await pool.run(next.value))) stopped = true;
    }
  };
  try {
    await Promise.all(Array.from({ length: pool.jobs }, work));
  } finally {
    pool.close();
  }
}
