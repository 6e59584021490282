import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { memoryTrimmer } from '../../../src/base/memory-trim.ts';

const module = new URL('../../../src/base/memory-trim.ts', import.meta.url).href;

/** Makes holes, trims, and tells its process's memory before and after, in bytes. */
const script = `
const { parentPort } = require('node:worker_threads');
import(${JSON.stringify(module)}).then(({ memoryTrimmer }) => {
  const trim = memoryTrimmer();
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

/** Tells how much of the program is mapped, in KiB, before and after; and that it still runs. */
const programScript = `
const { readFileSync } = require('node:fs');
const { parentPort } = require('node:worker_threads');
const mapped = () => {
  const kib = { code: 0, rest: 0 };
  let kind = null;
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\\n')) {
    if (/^[0-9a-f]+-/.test(line)) {
      kind = line.endsWith(process.execPath) ? (line.includes(' r-xp ') ? 'code' : 'rest') : null;
    } else if (kind !== null && line.startsWith('Rss:')) kib[kind] += Number(line.split(/ +/)[1]);
  }
  return kib;
};
import(${JSON.stringify(module)}).then(async ({ memoryTrimmer }) => {
  const before = mapped();
  memoryTrimmer()();
  const after = mapped();
  const { gzipSync, gunzipSync } = require('node:zlib');
  const text = gunzipSync(gzipSync('it runs')).toString();
  parentPort.postMessage([before, after, text]);
});`;

interface Mapped {
  readonly code: number;
  readonly rest: number;
}

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

  it.runIf(isGlibc)('go, and so do pages of the program that a start alone needs', async () => {
    const execArgv = ['--experimental-ffi', '--disable-warning=ExperimentalWarning'];
    const worker = new Worker(programScript, { eval: true, execArgv });
    const [message] = await once(worker, 'message');
    const [before, after, text] = message as [Mapped, Mapped, string];
    await worker.terminate();
    // What other threads run at the same time comes back at once.
    expect(before.code - after.code).toBeGreaterThan(2 * 1024);
    expect(before.rest - after.rest).toBeGreaterThan(8 * 1024);
    expect(text).toBe('it runs');
  });

  it('stay in any other, without an error', () => {
    const trim = memoryTrimmer();
    expect(() => {
      trim();
      trim();
    }).not.toThrow();
  });
});
