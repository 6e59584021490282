import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { heapTrimmer } from '../../../src/base/heap-trim.ts';

const module = new URL('../../../src/base/heap-trim.ts', import.meta.url).href;

/** Makes holes, trims, and tells its process's memory before and after, in bytes. */
const script = `
const { parentPort } = require('node:worker_threads');
import(${JSON.stringify(module)}).then(({ heapTrimmer }) => {
  const trim = heapTrimmer();
  trim();
  // Blocks too small to be mapped by themselves, of which every second one goes.
  const holes = [];
  const kept = [];
  for (let i = 0; i < 2_000; i++) {
    holes.push(new Uint8Array(64 * 1024 - 64).fill(1));
    kept.push(new Uint8Array(512).fill(1));
  }
  for (const { buffer } of holes) buffer.transfer(0);
  const before = process.memoryUsage.rss();
  trim();
  parentPort.postMessage([before, process.memoryUsage.rss(), kept.length]);
});`;

const header = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
const isGlibc = header.header.glibcVersionRuntime !== undefined;

describe('holes in the heap of the C library', () => {
  it.runIf(isGlibc)('are given back by a thread that was started for it', async () => {
    const execArgv = ['--experimental-ffi', '--disable-warning=ExperimentalWarning'];
    const worker = new Worker(script, { eval: true, execArgv });
    const [[before, after]] = (await once(worker, 'message')) as [[number, number, number]];
    await worker.terminate();
    expect(before - after).toBeGreaterThan(50 * 1024 * 1024);
  });

  it('stay in any other, without an error', () => {
    const trim = heapTrimmer();
    expect(() => {
      trim();
      trim();
    }).not.toThrow();
  });
});
