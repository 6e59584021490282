/**
 * kill -9 at random points of compactions: whatever was acknowledged last under a key is there, and
 * the log ends where it did. `WEIR_CRASH_ROUNDS` (12 unless set) processes are killed over the same
 * directory.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/base/clock.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { below, seededRandom } from '../../src/base/random.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { stored } from '../unit/log/compacted.ts';
import { MemoryLogger } from '../unit/log/support.ts';
import { compactedConfig } from './compaction-kill-data.ts';
import { TOPIC_ID } from './log-kill-data.ts';

const ROUNDS = Number(process.env['WEIR_CRASH_ROUNDS'] ?? 12);
const LIFE_MS_MAX = 400;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-compaction-crash-'));
const random = seededRandom(Date.now() & 0xffff);
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

/** Lines of a process that is killed a random while after it is ready. */
async function runAndKill(seed: number): Promise<string[]> {
  const file = path.join(import.meta.dirname, 'compaction-kill-child.ts');
  const child = spawn(process.execPath, [file, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      resolve();
    });
    child.once('close', () => resolve());
  });
  await sleep(systemClock, below(random, LIFE_MS_MAX));
  expect(child.exitCode, 'it ended by itself').toBeNull();
  child.kill('SIGKILL');
  await ended;
  const text = Buffer.concat(chunks).toString();
  return text.slice(0, text.lastIndexOf('\n')).split('\n').slice(1);
}

it(`a compaction that is killed loses nothing, ${ROUNDS} times`, {
  timeout: ROUNDS * 20_000,
}, async () => {
  const last = new Map<string, number>();
  let appended = 0;
  let interrupted = 0;
  let segments = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const line of await runAndKill(round + 1)) {
      const [key, offset] = line.split(' ') as [string, string];
      last.set(key, Number(offset));
      appended++;
    }
    const partition = path.join(directory, 'crash-0');
    const isOpen = fs.readdirSync(partition).some((name) => /\.(cleaned|swap)$/.test(name));
    if (isOpen) interrupted++;
    const manager = new LogManager({
      disk: nodeDisk,
      clock: systemClock,
      random,
      logger: new MemoryLogger(),
      dirs: [directory],
      brokerId: 1,
      clusterId: 'crash',
      configFor: () => compactedConfig,
    });
    await manager.start();
    const log = manager.create('crash', TOPIC_ID, 0);
    expect(log.logEndOffset).toBeGreaterThan(Math.max(...last.values()));
    const found = new Map<string, number>();
    for (const { key, value, offset } of stored(log).records) {
      expect(value?.startsWith(`${key} at ${offset} `)).toBe(true);
      found.set(key!, offset);
    }
    // What was appended and not told of any more may be there, too.
    for (const [key, offset] of last) {
      expect(found.get(key), `round ${round} ${key}`).toBeGreaterThanOrEqual(offset);
    }
    segments = log.segmentCount;
    // As a killed process leaves it.
    manager.abandon();
  }
  // Something was compacted, and some of it interrupted, or nothing was tried.
  expect(appended).toBeGreaterThan(ROUNDS * 10);
  expect(interrupted).toBeGreaterThan(0);
  console.log(
    `${appended} records appended, ${segments} segments left, ${interrupted} interrupted`,
  );
});
