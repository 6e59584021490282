/**
 * Gives memory back when a thread has nothing to do. V8 collects when it needs room, so a thread
 * that was busy once (at its start, in a burst) would keep what that took for as long as it idles.
 * Each thread looks now and then whether it idles, and then collects and shrinks its heap, once
 * until it was busy or grew again: some ten milliseconds, when nobody waits. A little later, when
 * the threads that were busy with it have collected, too, the holes are given back (`memory-trim.ts`).
 */
import { flushCompileCache } from 'node:module';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from './clock.ts';
import { memoryTrimmer } from './memory-trim.ts';

/** The first look comes soon, because a start is a burst. */
const FIRST_LOOK_MS = 2_000;
const LOOK_MS = 15_000;

/**
 * An idle thread whose heap grew by so much since the last time collects again, but not as often as
 * that grows: a few scrapes are enough, and each collection is the work of a hundred.
 */
const GROWTH_BYTES = 1_048_576;
const GROWTH_LOOKS = 4;

/** Share of its time that an idle thread is busy at most. */
const IDLE_UTILIZATION_MAX = 0.02;

const TRIM_AFTER_MS = 3_000;

/** Share of a processor that the process uses at most while holes are given back: it stops all threads. */
const TRIM_UTILIZATION_MAX = 0.1;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** What a thread can tell of itself. */
export interface Vitals {
  /** Which share of the time since the last call the thread was busy. */
  readonly utilization: () => number;
  /** Size of the heap, with what could be collected. */
  readonly heapBytes: () => number;
  /** Gives back what can be. */
  readonly collect: () => void;
  /** Gives holes of the process's memory back, unless another thread is busy since `collect`. */
  readonly trim: () => void;
}

/** Returns how to end it. */
export function collectWhenIdle(clock: Clock, vitals: Vitals = threadVitals()): () => void {
  let wasBusy = true;
  let heapBytes = 0;
  let looks = 0;
  let timer: Timer;
  let trimTimer: Timer | null = null;
  const look = (): void => {
    const idles = vitals.utilization() <= IDLE_UTILIZATION_MAX;
    looks += 1;
    const hasGrown = looks >= GROWTH_LOOKS && vitals.heapBytes() - heapBytes >= GROWTH_BYTES;
    if (!idles) wasBusy = true;
    else if (wasBusy || hasGrown) {
      wasBusy = false;
      looks = 0;
      vitals.collect();
      heapBytes = vitals.heapBytes();
      // The collection itself is no reason for another one.
      vitals.utilization();
      trimTimer?.cancel();
      trimTimer = clock.after(TRIM_AFTER_MS, vitals.trim);
    }
    timer = clock.after(LOOK_MS, look);
  };
  timer = clock.after(FIRST_LOOK_MS, look);
  return () => {
    timer.cancel();
    trimTimer?.cancel();
  };
}

export function threadVitals(): Vitals {
  const collect = collector();
  const trim = memoryTrimmer();
  let usage = process.cpuUsage();
  return {
    utilization: utilizationSince(),
    heapBytes: () => getHeapStatistics().total_heap_size,
    collect: () => {
      collect();
      usage = process.cpuUsage();
    },
    trim: () => {
      const { user, system } = process.cpuUsage(usage);
      if ((user + system) / 1_000 <= TRIM_AFTER_MS * TRIM_UTILIZATION_MAX) trim();
    },
  };
}

function utilizationSince(): () => number {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

function collector(): () => void {
  let collect: Collect | null = null;
  return () => {
    // By now all is loaded that a start loads: the next one need not compile it, however this
    // process ends.
    flushCompileCache();
    if (collect === null) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as Collect;
    }
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  };
}
