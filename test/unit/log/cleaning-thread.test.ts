import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import threads from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { ThreadEngine } from '../../../src/log/cleaning-thread.ts';
import { defaultCleanerSettings } from '../../../src/log/log-cleaner.ts';
import { defaultLogConfig } from '../../../src/log/log-config.ts';
import { LogManager, type LogManagerOptions } from '../../../src/log/log-manager.ts';
import { systemError } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { close, pairsOf, put } from './compacted.ts';
import { MemoryLogger, TOPIC_ID } from './support.ts';

const config = {
  ...defaultLogConfig,
  cleanupPolicy: ['compact'] as const,
  minCleanableDirtyRatio: 0,
  segmentBytes: 1000,
};

/** Node's answer at the system's limit of threads; returns what makes it start them again. */
function withoutThreads(): () => void {
  const { Worker } = threads;
  const put = (worker: typeof Worker): void => {
    threads.Worker = worker;
    syncBuiltinESMExports();
  };
  const refuse = function (): never {
    throw systemError('ERR_WORKER_INIT_FAILED');
  };
  put(refuse as unknown as typeof Worker);
  return () => put(Worker);
}

describe('a cleaning on a thread of its own', () => {
  let folder = '';
  const logger = new MemoryLogger();
  const managers: LogManager[] = [];

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-cleaning-'));
  });
  afterEach(async () => {
    for (const manager of managers.splice(0)) await manager.stop();
    fs.rmSync(folder, { recursive: true });
  });

  async function opened(
    engine: ThreadEngine,
    options: Partial<LogManagerOptions> = {},
  ): Promise<{ manager: LogManager; log: ReturnType<LogManager['create']> }> {
    const manager = new LogManager({
      ...{ disk: nodeDisk, clock: systemClock, random: systemRandom, logger },
      ...{ dirs: [folder], brokerId: 1, clusterId: 'cluster', configFor: () => config },
      cleaningEngine: engine,
      ...options,
    });
    managers.push(manager);
    await manager.start();
    return { manager, log: manager.create('t', TOPIC_ID, 0) };
  }

  it('leaves what one on the thread of the broker leaves', async () => {
    const engine = new ThreadEngine({ clock: systemClock, logger });
    const { manager, log } = await opened(engine);
    for (let i = 0; i < 200; i++) put(log, [[`k${i % 7}`, `v${i}`]]);
    await close(log);
    await manager.cleaner.run();
    const kept = Array.from({ length: 7 }, (_, i) => `${193 + i} k${(193 + i) % 7}=v${193 + i}`);
    expect(pairsOf(log)).toEqual(kept);
    expect(manager.cleaner.stats).toMatchObject({ passes: 1, failures: 0, recordsKept: 7 });
    expect(log.cleanedTo).toBe(200);
  });

  it('tells of damage, of which the log is left as it is', async () => {
    const engine = new ThreadEngine({ clock: systemClock, logger });
    const { manager, log } = await opened(engine);
    for (const value of ['1', '2']) put(log, [['a', value]]);
    await close(log);
    const file = `${log.path}/00000000000000000000.log`;
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    fs.writeFileSync(file, bytes);
    await manager.cleaner.run();
    expect(manager.cleaner.uncleanable).toEqual([log]);
    expect(logger.lines.at(-1)).toMatch(/can't be cleaned.*CRC/);
    expect(log.damagedRange()).toMatchObject({ firstOffset: 1, epochBefore: 0 });
    expect(log.logDirectory.failure).toBeNull();
  });

  it('ends in the middle when the broker stops', async () => {
    const engine = new ThreadEngine({ clock: systemClock, logger });
    const { manager, log } = await opened(engine, {
      cleanerSettings: () => ({ ...defaultCleanerSettings, bytesPerSecond: 100 }),
    });
    for (let i = 0; i < 50; i++) put(log, [['a', `v${i}`]]);
    await close(log);
    const run = manager.cleaner.run();
    expect(engine.isRunning).toBe(true);
    await manager.stop();
    await run;
    expect(engine.isRunning).toBe(false);
    expect(manager.cleaner.stats).toMatchObject({ passes: 0, failures: 0 });
    const again = await opened(new ThreadEngine({ clock: systemClock, logger }));
    expect(pairsOf(again.log)).toHaveLength(50);
  });

  it('has another thread for the next log when one dies, and for its log after a rest', async () => {
    const clock = new ManualClock(0);
    const engine = new ThreadEngine({ clock: systemClock, logger });
    // No thread lives with buffers of that size.
    let ioBytes = Number.NaN;
    const { manager, log } = await opened(engine, {
      clock,
      cleanerSettings: () => ({ ...defaultCleanerSettings, ioBytes }),
    });
    const { cleaner } = manager;
    for (const value of ['1', '2']) put(log, [['a', value]], { timestamp: 0 });
    await close(log);
    await cleaner.run();
    expect(cleaner.stats).toMatchObject({ failures: 1, passes: 0, hasDied: true });
    expect(logger.lines.at(-1)).toMatch(/cleaned again in 60 s.* has died/);
    expect([cleaner.uncleanable, log.logDirectory.failure]).toEqual([[], null]);
    const runAfter = async (ms: number): Promise<void> => {
      clock.advance(ms);
      // What the timer has begun meanwhile is not what is asked for.
      await turn();
      await cleaner.run();
    };
    await runAfter(60_000);
    expect(logger.lines.at(-1)).toMatch(/cleaned again in 120 s/);
    ({ ioBytes } = defaultCleanerSettings);
    const other = manager.create('t', TOPIC_ID, 1);
    for (const value of ['1', '2']) put(other, [['a', value]], { timestamp: 0 });
    await close(other);
    await cleaner.run();
    expect([pairsOf(other), pairsOf(log)]).toEqual([['1 a=2'], ['0 a=1', '1 a=2']]);
    expect(cleaner.stats.hasDied).toBe(false);
    await runAfter(120_000);
    expect(pairsOf(log)).toEqual(['1 a=2']);
  });

  it('waits for a thread where the system has none left', async () => {
    const clock = new ManualClock(0);
    const engine = new ThreadEngine({ clock, logger });
    const { manager, log } = await opened(engine, { clock });
    const { cleaner } = manager;
    for (const value of ['1', '2']) put(log, [['a', value]], { timestamp: 0 });
    await close(log);
    const restore = withoutThreads();
    try {
      await cleaner.run();
    } finally {
      restore();
    }
    expect([cleaner.uncleanable, log.logDirectory.failure]).toEqual([[], null]);
    expect(logger.lines.at(-1)).toMatch(/cleaned again in 60 s.*ERR_WORKER_INIT_FAILED/);
    clock.advance(60_000);
    // What the timer has begun meanwhile is not what is asked for.
    await turn();
    await cleaner.run();
    expect(pairsOf(log)).toEqual(['1 a=2']);
  });

  it('gives its thread back when nothing was cleaned for a while', async () => {
    const clock = new ManualClock(0);
    const engine = new ThreadEngine({ clock, logger });
    const { manager, log } = await opened(engine);
    for (const value of ['1', '2']) {
      put(log, [['a', value]]);
      await close(log);
      await manager.cleaner.run();
      expect(engine.isRunning).toBe(true);
      clock.advance(10_000);
      expect(engine.isRunning).toBe(false);
    }
    expect(pairsOf(log)).toEqual(['1 a=2']);
  });
});
