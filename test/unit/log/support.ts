import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from '../../../src/base/logger.ts';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { defaultLogConfig, type LogConfig } from '../../../src/log/log-config.ts';
import { LogManager, type LogManagerOptions } from '../../../src/log/log-manager.ts';
import type { LogRead } from '../../../src/log/log-reader.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { ProtocolError } from '../../../src/protocol/error-codes.ts';
import {
  baseOffset,
  batchSize,
  forEachRecord,
  lastOffset,
  validateBatch,
  valueOf,
} from '../../../src/protocol/record-batch.ts';
import {
  type BatchOptions,
  type BatchProducer,
  RecordBatchBuilder,
} from '../../../src/protocol/record-batch-builder.ts';
import { FaultyDisk } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const TOPIC_ID = 'c29tZS10b3BpYy1pZC0xMg';
export const NO_BOUND = { upTo: Number.MAX_SAFE_INTEGER, minOneMessage: true };
export const START_MS = 1_700_000_000_000;

/** Collects what is logged at warn and error. */
export class MemoryLogger implements Logger {
  readonly lines: string[] = [];
  debug(): void {}
  info(): void {}
  warn(message: string): void {
    this.lines.push(message);
  }
  error(message: string): void {
    this.lines.push(message);
  }
}

export interface Rig {
  readonly disk: FaultyDisk;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly logger: MemoryLogger;
  config: LogConfig;
  /** Lets the time pass, and what begins with it come to its end. */
  pass(ms: number): Promise<void>;
  /** A manager that has not been started, over the rig's disk. */
  manager(options?: Partial<LogManagerOptions>): LogManager;
  /** A started one with the log `t-0`. */
  open(options?: Partial<LogManagerOptions>): Promise<{ manager: LogManager; log: PartitionLog }>;
}

export function makeRig(config: Partial<LogConfig> = {}, disk?: FaultyDisk): Rig {
  const clock = new ManualClock(START_MS);
  const rig: Rig = {
    disk: disk ?? new FaultyDisk(clock),
    clock,
    random: seededRandom(1),
    logger: new MemoryLogger(),
    config: { ...defaultLogConfig, ...config },
    pass: async (ms) => {
      clock.advance(ms);
      await turn();
    },
    manager: (options) =>
      new LogManager({
        disk: rig.disk,
        clock: rig.clock,
        random: rig.random,
        logger: rig.logger,
        dirs: ['/data'],
        brokerId: 1,
        clusterId: 'cluster',
        configFor: () => rig.config,
        ...options,
      }),
    open: async (options) => {
      const manager = rig.manager(options);
      await manager.start();
      return { manager, log: manager.create('t', TOPIC_ID, 0) };
    },
  };
  return rig;
}

export interface BatchSpec extends BatchOptions {
  readonly producer?: BatchProducer;
  readonly timestamp?: number;
  readonly key?: string;
}

/** A batch with the given values. */
export function batchOf(values: readonly string[], spec: BatchSpec = {}): Buffer {
  const builder = new RecordBatchBuilder(spec);
  const key = spec.key === undefined ? null : Buffer.from(spec.key);
  for (const value of values) builder.append(spec.timestamp ?? START_MS, key, Buffer.from(value));
  return builder.build(spec.producer);
}

export const appendValues = (
  log: PartitionLog,
  values: readonly string[],
  spec?: BatchSpec,
): number => log.append(batchOf(values, spec), { leaderEpoch: 0, origin: 'client' }).firstOffset;

export const bytesOf = (read: LogRead): Buffer =>
  read.records instanceof Uint8Array
    ? Buffer.from(read.records)
    : Buffer.concat(read.records as Uint8Array[]);

/** Every record by offset, read in steps of `maxBytes`; each batch must be whole. */
export function readAll(
  log: PartitionLog,
  maxBytes = 1000,
  from = log.logStartOffset,
): Map<number, string> {
  const found = new Map<number, string>();
  let offset = from;
  while (offset < log.logEndOffset) {
    const read = log.read(offset, maxBytes, NO_BOUND);
    const bytes = bytesOf(read);
    read.release?.();
    if (bytes.length === 0) throw new Error(`nothing at ${offset} of ${log.logEndOffset}`);
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      const fault = validateBatch(bytes, at, bytes.length);
      if (fault !== null) throw new Error(`batch at ${baseOffset(bytes, at)}: ${fault.reason}`);
      forEachRecord(bytes, at, (record) => {
        if (record.offset >= offset) found.set(record.offset, valueOf(record)?.toString() ?? '');
      });
      offset = lastOffset(bytes, at) + 1;
    }
  }
  return found;
}

/** The protocol's error code that `action` throws; 0 when it throws nothing. */
export function codeThrown(action: () => unknown): number {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 0;
}

/** `v0`, `v1`, … */
export const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `value-${from + i}`);
