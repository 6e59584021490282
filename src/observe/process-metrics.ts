/**
 * What prom-client knows about a Node process (CPU, memory, descriptors, event loop, collections of
 * garbage), under its usual names. Once a process, on the main thread.
 */
import { createRequire } from 'node:module';
import type { collectDefaultMetrics, Registry } from 'prom-client';

const require = createRequire(import.meta.url);

/** Each tick of the event loop's measurement wakes the process up: finer than this costs idle CPU. */
const EVENT_LOOP_TICK_MS = 100;

export function processMetrics(): () => Promise<string> {
  // Not the index: see registry.ts.
  const PromRegistry = require('prom-client/lib/registry.js') as typeof Registry;
  const collect = require('prom-client/lib/defaultMetrics.js') as typeof collectDefaultMetrics;
  const register = new PromRegistry();
  collect({ register, eventLoopMonitoringPrecision: EVENT_LOOP_TICK_MS });
  return () => register.metrics();
}
