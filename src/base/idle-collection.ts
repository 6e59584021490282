/**
 * Gives memory back when a thread has nothing to do. V8 collects when it needs room, so a thread
 * that was busy once (at its start, in a burst) would keep what that took for as long as it idles.
 * Each thread looks now and then whether it idles, and then collects and shrinks its heap once
 * until it was busy again: some ten milliseconds, when nobody waits.
 */
import { flushCompileCache } from 'node:module';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from './clock.ts';

/** The first look comes soon, because a start is a burst. */
const FIRST_LOOK_MS = 2_000;
const LOOK_MS = 15_000;

/** Share of its time that an idle thread is busy at most. */
const IDLE_UTILIZATION_MAX = 0.02;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * `collect` gives memory back; `utilization` tells which share of the time since its last call the
 * thread was busy. Returns how to end it.
 */
export function collectWhenIdle(
  clock: Clock,
  collect: () => void = collector(),
  utilization: () => number = utilizationSince(),
): () => void {
  let wasBusy = true;
  let timer: Timer;
  const look = (): void => {
    if (utilization() > IDLE_UTILIZATION_MAX) wasBusy = true;
    else if (wasBusy) {
      wasBusy = false;
      collect();
      // The collection itself is no reason for another one.
      utilization();
    }
    timer = clock.after(LOOK_MS, look);
  };
  timer = clock.after(FIRST_LOOK_MS, look);
  return () => timer.cancel();
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
