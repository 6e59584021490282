/**
 * kill -9 at random points under load: what was acknowledged at acks=1 is served, and nothing torn.
 * `WEIR_CRASH_ROUNDS` (20 unless set) processes are killed over the same directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/base/clock.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { below, seededRandom } from '../../src/base/random.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { MemoryLogger, readAll } from '../unit/log/support.ts';
import { crashConfig, crashValue, PARTITIONS, TOPIC_ID } from './log-kill-data.ts';

const ROUNDS = Number(process.env['WEIR_CRASH_ROUNDS'] ?? 20);
/** A process is killed this long, at most, after it has begun to append. */
const LIFE_MS_MAX = 250;
const ROUND_TIMEOUT_MS = 20_000;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-crash-'));
const random = seededRandom(Date.now() & 0xffff);

/** Offsets that were acknowledged so far and the seed of the process that was told so. */
const acknowledged = Array.from({ length: PARTITIONS }, () => new Map<number, number>());
const ends = Array.from({ length: PARTITIONS }, () => 0);

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

/** Starts a process, kills it a random while after it is ready, and notes what it acknowledged. */
async function runAndKill(seed: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'log-kill-child.ts'), directory, String(seed)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const output = collect(child);
  await output.ready;
  await sleep(systemClock, below(random, LIFE_MS_MAX));
  child.kill('SIGKILL');
  return note(await output.all);
}

interface Output {
  readonly ready: Promise<void>;
  readonly all: Promise<string>;
}

function collect(child: ChildProcess): Output {
  const chunks: Buffer[] = [];
  let failure = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    failure += chunk.toString();
  });
  const all = new Promise<string>((resolve) => {
    child.once('close', () => resolve(Buffer.concat(chunks).toString()));
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      resolve();
    });
    child.once('close', () => reject(new Error(`the process ended by itself: ${failure}`)));
  });
  return { ready, all };
}

function note(text: string): number {
  // The last line may be cut: its append may or may not be told of.
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  let count = 0;
  for (const line of lines) {
    if (line === 'ready' || line === '') continue;
    const [partition, first, last, seed] = line.split(' ').map(Number);
    for (let offset = first!; offset <= last!; offset++)
      acknowledged[partition!]!.set(offset, seed!);
    count++;
  }
  return count;
}

/** The directory as the next process finds it. */
async function open(): Promise<LogManager> {
  const manager = new LogManager({
    disk: nodeDisk,
    clock: systemClock,
    random,
    logger: new MemoryLogger(),
    dirs: [directory],
    brokerId: 1,
    clusterId: 'crash',
    configFor: () => crashConfig,
  });
  await manager.start();
  return manager;
}

/** Opens the directory, looks at every record that is new, and lets go of it. */
async function check(label: string): Promise<number> {
  const manager = await open();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = manager.create('crash', TOPIC_ID, partition);
    const from = Math.max(0, ends[partition]! - 500);
    const records = readAll(log, 256 * 1024, from);
    for (const [offset, seed] of acknowledged[partition]!) {
      if (offset < from) continue;
      const expected = crashValue(seed, partition, offset);
      expect(records.get(offset)?.startsWith(expected), `${label}: ${expected}`).toBe(true);
    }
    expect(records.size, label).toBe(log.logEndOffset - from);
    ends[partition] = log.logEndOffset;
    acknowledged[partition]!.clear();
  }
  const torn = manager.probe.truncatedTailBytes;
  // Every other time as a killed process would leave it, else in good order.
  if (random.next() < 0.5) await manager.stop();
  else manager.abandon();
  return torn;
}

/** Every offset once, from 0 to the end, each with the record that was sent for it. */
async function checkAll(): Promise<void> {
  const manager = await open();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = manager.create('crash', TOPIC_ID, partition);
    const records = readAll(log, 1024 * 1024);
    expect(records.size).toBe(ends[partition]);
    for (const [offset, value] of records) {
      expect(value.includes(`partition ${partition} offset ${offset} `)).toBe(true);
    }
  }
  await manager.stop();
}

describe('a process that appends under load and is killed', () => {
  it(`serves what it acknowledged, ${ROUNDS} times`, {
    timeout: ROUNDS * ROUND_TIMEOUT_MS,
  }, async () => {
    let batches = 0;
    let torn = 0;
    for (let round = 0; round < ROUNDS; round++) {
      batches += await runAndKill(1000 + round);
      torn += await check(`round ${round}`);
    }
    await checkAll();
    expect(batches).toBeGreaterThan(ROUNDS * 10);
    console.log(`killed ${ROUNDS} times, ${batches} batches acknowledged, ${torn} torn bytes cut`);
  });
});
