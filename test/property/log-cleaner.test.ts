/**
 * Random logs, cleaned at random times, against what compaction promises; and with a disk that loses
 * power or fails at every single call of a cleaning.
 */
import { describe, expect, it } from 'vitest';
import { reasonOf } from '../../src/base/errors.ts';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { SlicedEngine } from '../../src/log/cleaning-engine.ts';
import { defaultCleanerSettings } from '../../src/log/log-cleaner.ts';
import type { LogManager } from '../../src/log/log-manager.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { CompressionType } from '../../src/protocol/compression.ts';
import { systemError } from '../support/faulty-disk.ts';
import { fuzzRounds } from '../support/fuzz.ts';
import { clean, close, type Pair, put, type StoredRecord, stored } from '../unit/log/compacted.ts';
import { makeRig, type Rig } from '../unit/log/support.ts';

const RUNS = fuzzRounds(25);
const STEPS = 60;
const KEYS = 12;
const RETENTION_MS = 100_000;

interface Sent extends StoredRecord {
  readonly committedAtMs: number;
}

/** Everything that was sent, by offset, and what a reader of a compacted log may rely on. */
class Model {
  readonly sent: Sent[] = [];
  /** By producer: what it wrote last. */
  readonly producers = new Map<number, { sequence: number; offset: number }>();

  check(log: PartitionLog, nowMs: number): void {
    const { records, batches } = stored(log);
    expect(log.logEndOffset, 'end').toBe(this.sent.length);
    let previous = -1;
    for (const { offset, key, value, timestamp } of records) {
      expect(offset, 'offsets rise').toBeGreaterThan(previous);
      previous = offset;
      const { committedAtMs: _, ...original } = this.sent[offset]!;
      expect({ offset, key, value, timestamp }).toEqual(original);
    }
    const segments = [...log.segments];
    segments.slice(1).forEach((next, i) => {
      expect(segments[i]!.loadEnd(), 'a segment ends where the next begins').toBe(next.baseOffset);
    });
    let end = -1;
    for (const { firstOffset, lastOffset } of batches) {
      expect(firstOffset, 'batches rise').toBeGreaterThan(end);
      end = lastOffset;
    }
    const kept = new Set(records.map(({ offset }) => offset));
    for (const [key, last] of this.#lastOfKeys()) {
      const isYoung = nowMs - last.committedAtMs < RETENTION_MS;
      if (last.value !== null || isYoung) expect(kept.has(last.offset), `${key}`).toBe(true);
    }
  }

  /** After everything was cleaned that there was: nothing but the last record of each key. */
  checkClean(log: PartitionLog, end: number): void {
    const last = this.#lastOfKeys(end);
    for (const { offset, key } of stored(log).records) {
      if (offset < end) expect(last.get(key!)?.offset, `${key} at ${offset}`).toBe(offset);
    }
  }

  #lastOfKeys(end = this.sent.length): Map<string, Sent> {
    const last = new Map<string, Sent>();
    for (const record of this.sent.slice(0, end)) last.set(record.key!, record);
    return last;
  }
}

class Run {
  readonly #random: Random;
  readonly #rig: Rig;
  readonly #model = new Model();
  #manager!: LogManager;
  #log!: PartitionLog;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#random = random;
    this.#rig = makeRig({
      cleanupPolicy: ['compact'],
      minCleanableDirtyRatio: random.next() < 0.5 ? 0 : 0.3,
      deleteRetentionMs: RETENTION_MS,
      segmentBytes: 500 + below(random, 4000),
      indexIntervalBytes: below(random, 300),
      segmentIndexBytes: 100 + below(random, 400),
      retentionMs: -1,
    });
  }

  async #open(): Promise<void> {
    const { disk, clock, random, logger } = this.#rig;
    const { manager, log } = await this.#rig.open({
      tailCacheBytes: 0,
      cleanerSettings: () => ({
        ...defaultCleanerSettings,
        dedupeBytes: 24 * (4 + below(this.#random, 40)),
        ioBytes: 200 + below(this.#random, 4000),
        enabled: true,
      }),
      // Others have their turn after every batch.
      cleaningEngine: new SlicedEngine({ disk, clock, random, logger, sliceMs: 0 }),
    });
    this.#manager = manager;
    this.#log = log;
  }

  #append(): void {
    const random = this.#random;
    const count = 1 + below(random, 8);
    const timestamp = this.#rig.clock.now() - below(random, 10_000);
    const pairs: Pair[] = [];
    for (let i = 0; i < count; i++) {
      const key = `key-${below(random, KEYS)}`;
      const value =
        random.next() < 0.2 ? null : `${this.#model.sent.length} ${'x'.repeat(below(random, 60))}`;
      pairs.push([key, value]);
      const offset = this.#model.sent.length;
      this.#model.sent.push({
        offset,
        key,
        value,
        timestamp,
        committedAtMs: this.#rig.clock.now(),
      });
    }
    const codecs = Object.values(CompressionType);
    const compression = codecs[below(random, codecs.length)]!;
    const id = below(random, 4);
    const known = this.#model.producers.get(id);
    const baseSequence = known === undefined ? 0 : known.sequence + 1;
    const producer = { id, epoch: 0, baseSequence };
    if (id === 0) put(this.#log, pairs, { timestamp, compression });
    else {
      put(this.#log, pairs, { timestamp, compression, producer });
      const last = { sequence: baseSequence + count - 1, offset: this.#model.sent.length - 1 };
      this.#model.producers.set(id, last);
    }
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.next();
    if (dice < 0.6) this.#append();
    else if (dice < 0.7) await close(this.#log);
    else if (dice < 0.75) this.#rig.clock.advance(below(random, RETENTION_MS));
    else if (dice < 0.95) {
      await close(this.#log);
      const done = clean(this.#rig, this.#manager);
      // Some of what comes, comes meanwhile.
      for (let n = below(random, 3); n > 0; n--) {
        await new Promise((resolve) => setImmediate(resolve));
        this.#append();
      }
      await done;
    } else await this.#restart();
  }

  async #restart(): Promise<void> {
    await this.#log.flush();
    await this.#manager.checkpoint();
    if (this.#random.next() < 0.5) await this.#manager.stop();
    else this.#manager.abandon();
    if (this.#random.next() < 0.5) {
      // Without snapshots, what is known of producers comes from the batches that stayed.
      for (const name of this.#rig.disk.list('/data/t-0')) {
        if (name.endsWith('.snapshot')) this.#rig.disk.remove(`/data/t-0/${name}`);
      }
    }
    this.#rig.disk.restart();
    await this.#open();
    this.#log.setHighWatermark(this.#log.logEndOffset);
    for (const [id, { sequence, offset }] of this.#model.producers) {
      const entry = [...this.#log.activeProducers()].find((p) => p.producerId === id);
      expect([entry?.lastSequence, entry?.lastBatch?.lastOffset], `producer ${id}`).toEqual([
        sequence,
        offset,
      ]);
    }
  }

  async steps(): Promise<void> {
    await this.#open();
    for (let i = 0; i < STEPS; i++) {
      await this.#step();
      this.#model.check(this.#log, this.#rig.clock.now());
    }
    this.#rig.config = { ...this.#rig.config, minCleanableDirtyRatio: 0 };
    this.#log.updateConfig(this.#rig.config);
    await close(this.#log);
    const end = this.#log.logEndOffset;
    await clean(this.#rig, this.#manager);
    expect(this.#manager.cleaner.uncleanable).toEqual([]);
    expect(this.#manager.cleaner.stats.failures).toBe(0);
    this.#model.checkClean(this.#log, end);
    await this.#restart();
    this.#model.check(this.#log, this.#rig.clock.now());
  }
}

describe('compaction of random logs', () => {
  it(`keeps its promises, ${RUNS} seeds`, async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        await new Run(seed).steps();
      } catch (error) {
        throw new Error(`seed ${seed}: ${reasonOf(error)}`, { cause: error });
      }
    }
  });
});

const PAIRS: readonly Pair[][] = [
  [
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
  ],
  [
    ['a', '2'],
    ['d', '1'],
  ],
  [
    ['b', null],
    ['a', '3'],
  ],
  [
    ['e', '1'],
    ['d', null],
  ],
  [['c', '2']],
];
const LAST = { a: '3', b: null, c: '2', d: null, e: '1' } as const;

async function dirtyLog(): Promise<{ rig: Rig; manager: LogManager; log: PartitionLog }> {
  const rig = makeRig({
    cleanupPolicy: ['compact'],
    minCleanableDirtyRatio: 0,
    segmentBytes: 180,
    indexIntervalBytes: 0,
    retentionMs: -1,
  });
  const opened = await rig.open({ tailCacheBytes: 0 });
  for (const pairs of PAIRS) put(opened.log, pairs, { producer: NEXT(opened.log) });
  await close(opened.log);
  await opened.manager.checkpoint();
  // Joined from here on.
  rig.config = { ...rig.config, segmentBytes: 500 };
  opened.log.updateConfig(rig.config);
  return { rig, ...opened };
}
const NEXT = (log: PartitionLog) => ({ id: 9, epoch: 0, baseSequence: log.logEndOffset });

function checkWhole(log: PartitionLog): void {
  const last = new Map(stored(log).records.map(({ key, value }) => [key, value]));
  expect(Object.fromEntries(last)).toEqual(LAST);
  expect(log.logEndOffset).toBe(10);
  expect([...log.activeProducers()].map((p) => p.lastSequence)).toEqual([9]);
}

describe('an interrupted compaction', () => {
  const endings = ['a power loss', 'an error of the disk', 'no room', 'a killed process'] as const;
  for (const ending of endings) {
    it(`loses nothing, whichever call ${ending} comes at`, async () => {
      let interrupted = 0;
      for (let n = 1; ; n++) {
        const { rig, manager } = await dirtyLog();
        const before = rig.disk.calls;
        let isHit = false;
        rig.disk.fault = ({ number }) => {
          if (number < before + n) return null;
          isHit = true;
          if (ending === 'no room') return number === before + n ? systemError('ENOSPC') : null;
          return systemError('EIO');
        };
        await clean(rig, manager);
        if (!isHit) break;
        interrupted++;
        manager.abandon();
        if (ending === 'a power loss') rig.disk.crash(seededRandom(n));
        rig.disk.restart();
        const again = await rig.open({ tailCacheBytes: 0 });
        again.log.setHighWatermark(10);
        try {
          checkWhole(again.log);
          expect(rig.disk.list('/data/t-0').filter((f) => /cleaned|swap/.test(f))).toEqual([]);
          await clean(rig, again.manager);
          checkWhole(again.log);
          expect(again.manager.cleaner.stats.failures).toBe(0);
        } catch (error) {
          throw new Error(`call ${n}: ${reasonOf(error)}`, { cause: error });
        }
        again.manager.abandon();
      }
      expect(interrupted).toBeGreaterThan(30);
    });
  }
});
