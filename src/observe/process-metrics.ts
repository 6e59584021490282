/**
 * What prom-client knows about a Node process (CPU, memory, descriptors, event loop, collections of
 * garbage), under its usual names, and what Linux knows of its disks. Once a process, on the main
 * thread.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { collectDefaultMetrics, Registry } from 'prom-client';
import { metric } from './catalogue.ts';
import { MetricsRegistry } from './registry.ts';

const require = createRequire(import.meta.url);

/** Each tick of the event loop's measurement wakes the process up: finer than this costs idle CPU. */
const EVENT_LOOP_TICK_MS = 100;

export function processMetrics(): () => Promise<string> {
  // Not the index: see registry.ts.
  const PromRegistry = require('prom-client/lib/registry.js') as typeof Registry;
  const collect = require('prom-client/lib/defaultMetrics.js') as typeof collectDefaultMetrics;
  const register = new PromRegistry();
  collect({ register, eventLoopMonitoringPrecision: EVENT_LOOP_TICK_MS });
  const disks = diskMetrics();
  return async () => `${await register.metrics()}\n${await disks.text()}`;
}

/** Bytes that went to and came from devices, where there is a `/proc`; else no series. */
function diskMetrics(): MetricsRegistry {
  const registry = new MetricsRegistry();
  const counted = (field: 'read_bytes' | 'write_bytes', emit: (value: number) => void): void => {
    let text: string;
    try {
      text = readFileSync('/proc/self/io', 'utf8');
    } catch {
      return; // No Linux, or not allowed to.
    }
    const value = new RegExp(`^${field}: (\\d+)$`, 'm').exec(text)?.[1];
    if (value !== undefined) emit(Number(value));
  };
  registry.family(metric('kafka_server_kafkaserver_linux_disk_read_bytes'), (emit) =>
    counted('read_bytes', emit),
  );
  registry.family(metric('kafka_server_kafkaserver_linux_disk_write_bytes'), (emit) =>
    counted('write_bytes', emit),
  );
  return registry;
}
