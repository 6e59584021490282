/**
 * Random operations against a model: an array of values. Many seeds are tried; a failure names its
 * seed.
 */
import { describe, expect, it } from 'vitest';
import { reasonOf } from '../../../src/base/errors.ts';
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { fuzzRounds } from '../../support/fuzz.ts';
import { appendValues, makeRig, type Rig, readAll, START_MS } from './support.ts';

const RUNS = fuzzRounds(60);
const STEPS = 120;

/** What the log should hold. */
interface Model {
  values: { value: string; timestamp: number }[];
  start: number;
  flushed: number;
  made: number;
}

class Run {
  readonly #random: Random;
  readonly #rig: Rig;
  readonly #model: Model = { values: [], start: 0, flushed: 0, made: 0 };
  #manager!: LogManager;
  #log!: PartitionLog;
  readonly #trace: string[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#rig = makeRig({
      segmentBytes: 800 + below(this.#random, 3000),
      indexIntervalBytes: below(this.#random, 400),
      segmentIndexBytes: 60 + below(this.#random, 400),
      retentionMs: -1,
    });
  }

  async steps(): Promise<void> {
    await this.#reopen();
    for (let i = 0; i < STEPS; i++) {
      try {
        await this.#step();
        this.#compare();
      } catch (error) {
        const last = this.#trace.slice(-12).join(', ');
        throw new Error(`after ${last}: ${reasonOf(error)}`, { cause: error });
      }
    }
    await this.#manager.stop();
    await this.#reopen();
    this.#compare();
  }

  async #reopen(): Promise<void> {
    const { manager, log } = await this.#rig.open({
      tailCacheBytes: this.#random.next() < 0.5 ? 0 : 2000,
    });
    this.#manager = manager;
    this.#log = log;
    this.#log.setHighWatermark(this.#log.logEndOffset);
  }

  async #step(): Promise<void> {
    const dice = this.#random.next();
    if (dice < 0.6) this.#append();
    else if (dice < 0.68) await this.#flush();
    else if (dice < 0.73) this.#truncate();
    else if (dice < 0.76) await this.#advanceStart();
    else if (dice < 0.8) this.#deleteOld();
    else if (dice < 0.84) this.#log.roll();
    else if (dice < 0.88) await this.#manager.checkpoint();
    else if (dice < 0.92) await this.#restart(true);
    else if (dice < 0.96) await this.#restart(false);
    else await this.#losePower();
    this.#log.setHighWatermark(this.#log.logEndOffset);
  }

  #append(): void {
    this.#trace.push('append');
    const { values } = this.#model;
    const timestamp = START_MS + values.length * 10 - below(this.#random, 100);
    const batch = Array.from(
      { length: 1 + below(this.#random, 5) },
      () => `v${this.#model.made++}${'.'.repeat(below(this.#random, 80))}`,
    );
    const codecs = Object.values(CompressionType);
    const compression = codecs[below(this.#random, codecs.length)]!;
    expect(appendValues(this.#log, batch, { timestamp, compression })).toBe(values.length);
    for (const value of batch) values.push({ value, timestamp });
  }

  async #flush(): Promise<void> {
    this.#trace.push('flush');
    await this.#log.flush();
    this.#model.flushed = this.#model.values.length;
  }

  #truncate(): void {
    const offset = this.#model.start + below(this.#random, this.#count() + 1);
    this.#trace.push(`truncate to ${offset} of ${this.#model.values.length}`);
    this.#log.truncateTo(offset);
    this.#cutTo(this.#log.logEndOffset, offset);
  }

  #count(): number {
    return this.#model.values.length - this.#model.start;
  }

  /** The log may end before `most`, but not before what a batch's start explains. */
  #cutTo(end: number, most: number): void {
    expect(end).toBeLessThanOrEqual(Math.max(most, this.#model.start));
    expect(end).toBeGreaterThanOrEqual(most - 5);
    this.#model.values.length = end;
    this.#model.flushed = Math.min(this.#model.flushed, end);
    // Where the batch at the start had to go too, the log begins anew.
    if (this.#log.logStartOffset === end) this.#model.start = end;
  }

  async #advanceStart(): Promise<void> {
    this.#trace.push('advanceStart');
    const offset = this.#model.start + below(this.#random, Math.floor(this.#count() / 4) + 1);
    this.#log.advanceLogStartOffset(offset);
    await this.#log.saveLogStart();
    this.#model.start = offset;
  }

  #deleteOld(): void {
    this.#trace.push(`deleted ${this.#manager.deleteOldSegments()}`);
  }

  async #restart(clean: boolean): Promise<void> {
    this.#trace.push(clean ? 'restart' : 'kill');
    if (clean) {
      await this.#manager.stop();
      this.#model.flushed = this.#model.values.length;
    } else this.#manager.abandon();
    await this.#reopen();
  }

  async #losePower(): Promise<void> {
    this.#trace.push('losePower');
    await Promise.resolve();
    this.#manager.abandon();
    this.#rig.disk.crash(this.#random);
    await this.#reopen();
    const end = this.#log.logEndOffset;
    expect(end).toBeGreaterThanOrEqual(this.#model.flushed);
    expect(end).toBeLessThanOrEqual(this.#model.values.length);
    this.#model.values.length = end;
    // The start may fall back to that of a segment whose removal was not durable.
    this.#model.start = Math.min(this.#model.start, this.#log.logStartOffset);
  }

  #compare(): void {
    const { values, start } = this.#model;
    expect(this.#log.logEndOffset).toBe(values.length);
    expect(this.#log.logStartOffset).toBe(start);
    const read = readAll(this.#log, 100 + below(this.#random, 2000));
    expect(read.size).toBe(values.length - start);
    for (let offset = start; offset < values.length; offset++) {
      expect(read.get(offset)).toBe(values[offset]!.value);
    }
    const wanted = START_MS + below(this.#random, values.length * 10 + 50);
    const index = values.findIndex((v, offset) => offset >= start && v.timestamp >= wanted);
    expect(this.#log.offsetForTimestamp(wanted)?.offset ?? -1).toBe(index);
  }
}

describe('random operations', () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    it(`leave the log as the model says, seed ${seed}`, () => new Run(seed).steps());
  }
});
