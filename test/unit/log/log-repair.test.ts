import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { LogConfig } from '../../../src/log/log-config.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { encodeMarkerBatch } from '../../../src/protocol/end-transaction-marker.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  BatchAttribute,
  baseOffset,
  batchSize,
  forEachRecord,
  lastOffset,
  setBaseOffset,
  setPartitionLeaderEpoch,
  valueOf,
} from '../../../src/protocol/record-batch.ts';
import type { FaultyDisk } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  bytesOf,
  codeThrown,
  makeRig,
  NO_BOUND,
  numbered,
  readAll,
} from './support.ts';

/** Three batches of two records a segment. */
const CONFIG: Partial<LogConfig> = { segmentBytes: 300, indexIntervalBytes: 80 };
const BATCHES = 12;

const segmentOf = (base: number): string => `/data/t-0/${String(base).padStart(20, '0')}.log`;

/** A log as it lies on the disk of a replica, and what it holds by its segments. */
interface Stored {
  readonly disk: FaultyDisk;
  readonly bases: readonly number[];
  /** Of each batch its segment, place and offsets. */
  readonly batches: readonly {
    readonly base: number;
    readonly position: number;
    readonly first: number;
    readonly bytes: Buffer;
  }[];
}

async function stored(how: 'stopped' | 'killed', config = CONFIG): Promise<Stored> {
  const rig = makeRig(config);
  const { manager, log } = await rig.open();
  for (let i = 0; i < BATCHES; i++) {
    log.append(batchOf(numbered(2, i * 2), { timestamp: 1_000 + i }), {
      leaderEpoch: i < 5 ? 2 : 4,
      origin: 'client',
    });
  }
  const bases = [...log.segments].map(({ baseOffset: base }) => base);
  await log.flush();
  if (how === 'stopped') await manager.stop();
  else {
    await manager.checkpoint();
    manager.abandon();
    // So old a checkpoint that a start reads all of it again.
    rig.disk.setContent('/data/recovery-point-offset-checkpoint', Buffer.from('0\n1\nt 0 24\n'));
  }
  return { disk: rig.disk, bases, batches: bases.flatMap((base) => batchesIn(rig.disk, base)) };
}

function batchesIn(disk: FaultyDisk, base: number): Stored['batches'] {
  const bytes = disk.content(segmentOf(base));
  const found = [];
  for (let position = 0; position < bytes.length; position += batchSize(bytes, position)) {
    const batch = Buffer.from(bytes.subarray(position, position + batchSize(bytes, position)));
    found.push({ base, position, first: baseOffset(bytes, position), bytes: batch });
  }
  return found;
}

/** What another replica answers from `offset` on. */
function fetched({ batches }: Stored, offset: number, count = Infinity): Buffer {
  const from = batches.filter(({ first }) => first >= offset).slice(0, count);
  return Buffer.concat(from.map(({ bytes }) => bytes));
}

function flip(disk: FaultyDisk, base: number, position: number, bit = 2): void {
  const bytes = disk.content(segmentOf(base));
  bytes[position]! ^= 1 << bit;
  disk.setContent(segmentOf(base), bytes);
}

async function opened(
  disk: FaultyDisk,
  config = CONFIG,
): Promise<{ manager: LogManager; log: PartitionLog }> {
  return makeRig(config, disk).open();
}

/** Reads on from `from`, as far as can be, as a consumer that wants little at a time. */
function readInto(log: PartitionLog, found: Map<number, string>, from: number): void {
  for (let offset = from; offset < log.logEndOffset; ) {
    const read = log.read(offset, 150, NO_BOUND);
    const bytes = bytesOf(read);
    if (bytes.length === 0) throw new Error(`nothing at ${offset}`);
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      forEachRecord(bytes, at, (record) => {
        if (record.offset >= offset) found.set(record.offset, valueOf(record)!.toString());
      });
      offset = lastOffset(bytes, at) + 1;
    }
    read.release?.();
  }
}

/** Reads from the start as a consumer that gives up at the first error. */
const readToError = (log: PartitionLog): number => codeThrown(() => readAll(log, 100));

/** Mends all that is known of, and then all that reading everything meets. */
async function mendAll(log: PartitionLog, from: Stored): Promise<number> {
  let mended = 0;
  for (let i = 0; i < 10; i++) {
    readToError(log);
    const range = log.damagedRange();
    if (range === null) return mended;
    const outcome = await log.mend(range, fetched(from, range.firstOffset));
    expect(outcome.kind).toBe('mended');
    mended++;
  }
  throw new Error('it has no end');
}

const bytesOn = (disk: FaultyDisk, bases: readonly number[]): string[] =>
  bases.map((base) => disk.content(segmentOf(base)).toString('hex'));

/** Fields of a batch by the byte that is damaged. */
const FIELDS = [
  ['length', 10],
  ['length, its lowest byte', 11],
  ['magic', 16],
  ['CRC', 18],
  ['attributes', 22],
  ['last offset delta', 26],
  ['payload', 70],
] as const;

describe('a damaged range of a log', () => {
  it.each(FIELDS)('is mended with another replica’s batches: %s', async (_, field) => {
    const pristine = await stored('stopped');
    const { bases, batches } = pristine;
    expect(bases.length).toBeGreaterThan(3);
    // The last segment's end is read by every start.
    for (const batch of batches.filter(({ base }) => base !== bases.at(-1))) {
      const disk = pristine.disk.clone();
      flip(disk, batch.base, batch.position + field);
      const { manager, log } = await opened(disk);
      const label = `batch ${batch.first}`;
      expect(readToError(log), label).toBe(ErrorCode.CORRUPT_MESSAGE);
      expect(log.isDamaged, label).toBe(true);
      expect(await mendAll(log, pristine), label).toBe(1);
      expect([log.isDamaged, log.mended], label).toEqual([false, 1]);
      expect([...readAll(log, 100).values()], label).toEqual(numbered(BATCHES * 2));
      expect(bytesOn(disk, bases), label).toEqual(bytesOn(pristine.disk, bases));
      expect([log.logStartOffset, log.logEndOffset], label).toEqual([0, 24]);
      expect(log.logDirectory.failure).toBeNull();
      manager.abandon();
    }
  });

  it.each(FIELDS)('is mended when a start has met it: %s', async (_, field) => {
    const pristine = await stored('killed');
    const { bases } = pristine;
    // A start reads the segment that the recovery point lies in, and no other one.
    for (const batch of pristine.batches.filter(({ base }) => base === bases.at(-1))) {
      const disk = pristine.disk.clone();
      flip(disk, batch.base, batch.position + field);
      const { manager, log } = await opened(disk);
      const label = `batch ${batch.first}`;
      expect([log.isDamaged, log.logEndOffset], label).toEqual([true, 24]);
      expect(await mendAll(log, pristine), label).toBe(1);
      expect([...readAll(log, 100).values()], label).toEqual(numbered(BATCHES * 2));
      expect(bytesOn(disk, bases), label).toEqual(bytesOn(pristine.disk, bases));
      expect(appendValues(log, ['new']), label).toBe(24);
      expect(readAll(log).get(24), label).toBe('new');
      manager.abandon();
    }
  });

  it('is met and mended where the offsets of a batch are damaged, which no checksum covers', async () => {
    const pristine = await stored('stopped');
    const { bases } = pristine;
    const values = numbered(BATCHES * 2);
    for (const batch of pristine.batches) {
      for (let bit = 0; bit < 64; bit++) {
        const disk = pristine.disk.clone();
        flip(disk, batch.base, batch.position + 7 - (bit >> 3), bit & 7);
        const { manager, log } = await opened(disk);
        const label = `bit ${bit} of the base offset ${batch.first}`;
        expect(log.logEndOffset, label).toBe(24);
        // Wherever somebody begins, there is nothing wrong and nothing left out before the damage.
        for (let from = 0; from < 24; from++) {
          const read = new Map<number, string>();
          const code = codeThrown(() => readInto(log, read, from));
          const upTo = [...read.keys()].at(-1) ?? from - 1;
          expect([...read], label).toEqual(
            values.map((value, i) => [i, value] as const).slice(from, upTo + 1),
          );
          if (from > batch.first + 1) expect(code, label).toBe(0);
          else
            expect([code, read.has(batch.first), read.has(batch.first + 1)], label).toEqual([
              ErrorCode.CORRUPT_MESSAGE,
              false,
              false,
            ]);
        }
        expect(await mendAll(log, pristine), label).toBe(1);
        expect([...readAll(log, 100).values()], label).toEqual(values);
        expect(bytesOn(disk, bases), label).toEqual(bytesOn(pristine.disk, bases));
        manager.abandon();
      }
    }
  });

  it('is mended when a start has met it in the offsets of a batch', async () => {
    const pristine = await stored('killed');
    const { bases } = pristine;
    for (const batch of pristine.batches.filter(({ base }) => base === bases.at(-1))) {
      for (let bit = 0; bit < 64; bit++) {
        const disk = pristine.disk.clone();
        flip(disk, batch.base, batch.position + 7 - (bit >> 3), bit & 7);
        const { manager, log } = await opened(disk);
        const label = `bit ${bit} of the base offset ${batch.first}`;
        expect([log.isDamaged, log.logEndOffset], label).toEqual([true, 24]);
        expect(await mendAll(log, pristine), label).toBe(1);
        expect([...readAll(log, 100).values()], label).toEqual(numbered(BATCHES * 2));
        expect(bytesOn(disk, bases), label).toEqual(bytesOn(pristine.disk, bases));
        expect(appendValues(log, ['new']), label).toBe(24);
        manager.abandon();
      }
    }
  });

  it.each(['stopped', 'killed'] as const)(
    'stops no log that goes on behind it (%s)',
    async (how) => {
      const pristine = await stored(how);
      const { bases } = pristine;
      const values = [...numbered(BATCHES * 2), 'new', 'newer', 'newest'];
      for (const batch of pristine.batches.filter(({ base }) => base === bases.at(-1))) {
        for (let field = 0; field < 62; field++) {
          // The term is covered by nothing.
          if (field >= 12 && field < 16) continue;
          for (const bit of [0, 4, 7]) {
            const disk = pristine.disk.clone();
            flip(disk, batch.base, batch.position + field, bit);
            const { manager, log } = await opened(disk);
            const label = `bit ${bit} of byte ${field} of batch ${batch.first}`;
            for (const value of values.slice(24)) {
              const batch = batchOf([value], { timestamp: 2_000 });
              log.append(batch, { leaderEpoch: 4, origin: 'client' });
              log.roll();
            }
            expect(await mendAll(log, pristine), label).toBe(1);
            expect([...readAll(log, 100).values()], label).toEqual(values);
            expect(log.offsetForTimestamp(1_009)?.offset, label).toBe(18);
            expect(log.offsetForTimestamp(1_012)?.offset, label).toBe(24);
            expect(log.maxTimestampOffset()?.timestamp, label).toBe(2_000);
            await manager.stop();
            const again = await opened(disk);
            expect([...readAll(again.log, 100).values()], label).toEqual(values);
            again.manager.abandon();
          }
        }
      }
    },
  );

  it('is mended where the terms were lost, too, and one began in it', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 10)!;
    const disk = pristine.disk.clone();
    const path = '/data/t-0/leader-epoch-checkpoint';
    expect(disk.content(path).toString()).toBe('0\n2\n2 0\n4 10\n');
    disk.setContent(path, Buffer.from('damaged'));
    flip(disk, target.base, target.position + 16);
    const { log } = await opened(disk);
    expect([log.epochForOffset(9), log.epochForOffset(12)]).toEqual([2, 4]);
    readToError(log);
    const range = log.damagedRange()!;
    const later = Buffer.from(target.bytes);
    setPartitionLeaderEpoch(later, 0, 5);
    expect((await log.mend(range, later)).kind).toBe('misfit');
    expect((await log.mend(range, target.bytes)).kind).toBe('mended');
    expect(log.endOffsetForEpoch(2)).toEqual({ epoch: 2, endOffset: 10 });
    expect(disk.content(path)).toEqual(pristine.disk.content(path));
    expect(bytesOn(disk, pristine.bases)).toEqual(bytesOn(pristine.disk, pristine.bases));
  });

  it('is known once the terms were looked for in it, and mended though another start came between', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches[0]!;
    const disk = pristine.disk.clone();
    const path = '/data/t-0/leader-epoch-checkpoint';
    disk.setContent(path, Buffer.from('damaged'));
    flip(disk, target.base, target.position + 24);
    const first = await opened(disk);
    expect([first.log.isDamaged, first.log.epochForOffset(0)]).toEqual([true, -1]);
    await first.manager.stop();
    const { log } = await opened(disk);
    readToError(log);
    expect((await log.mend(log.damagedRange()!, target.bytes)).kind).toBe('mended');
    expect(log.epochForOffset(0)).toBe(2);
    expect(disk.content(path)).toEqual(pristine.disk.content(path));
  });

  it('is mended where a term began in it that an earlier start did not find', async () => {
    for (const behindStart of [false, true]) {
      const pristine = await stored('stopped');
      const target = pristine.batches.find(({ first }) => first === 10)!;
      const disk = pristine.disk.clone();
      const path = '/data/t-0/leader-epoch-checkpoint';
      disk.setContent(path, Buffer.from('damaged'));
      flip(disk, target.base, target.position + 1);
      const first = await opened(disk);
      expect(first.log.epochForOffset(11)).toBe(2);
      first.log.setHighWatermark(24);
      if (behindStart) first.log.advanceLogStartOffset(10);
      await first.manager.stop();
      const begin = behindStart ? 10 : 0;
      expect(disk.content(path).toString()).toBe(`0\n2\n2 ${begin}\n4 12\n`);
      const { log } = await opened(disk);
      readToError(log);
      const range = log.damagedRange()!;
      for (const term of [1, 5]) {
        const other = Buffer.from(target.bytes);
        setPartitionLeaderEpoch(other, 0, term);
        expect((await log.mend(range, other)).kind).toBe('misfit');
      }
      expect((await log.mend(range, target.bytes)).kind).toBe('mended');
      const terms = behindStart ? '1\n4 10\n' : '2\n2 0\n4 10\n';
      expect(disk.content(path).toString()).toBe(`0\n${terms}`);
    }
  });

  it('is mended over several batches, and one range after the other', async () => {
    const pristine = await stored('stopped');
    const [first, second, third] = pristine.batches;
    const later = pristine.batches.at(-4)!;
    const disk = pristine.disk.clone();
    for (const { base, position } of [first!, second!, third!, later]) {
      flip(disk, base, position + 70);
    }
    const { log } = await opened(disk);
    readToError(log);
    const range = log.damagedRange()!;
    expect(range.firstOffset).toBe(0);
    // The first batch alone is not all that is missing.
    expect(await log.mend(range, fetched(pristine, 0, 1))).toEqual({ kind: 'more', nextOffset: 2 });
    expect(bytesOn(disk, [0])).not.toEqual(bytesOn(pristine.disk, [0]));
    expect(await mendAll(log, pristine)).toBe(2);
    expect(bytesOn(disk, pristine.bases)).toEqual(bytesOn(pristine.disk, pristine.bases));
  });

  it('is found by time and by index again, and by those who read ahead', async () => {
    const pristine = await stored('killed');
    const target = pristine.batches.at(-1)!;
    const disk = pristine.disk.clone();
    flip(disk, target.base, target.position + 10);
    const { log } = await opened(disk);
    expect(log.offsetForTimestamp(1_011)).toBeNull();
    await mendAll(log, pristine);
    expect(log.offsetForTimestamp(1_011)?.offset).toBe(22);
    expect(log.maxTimestampOffset()?.offset).toBe(22);
  });

  it('is not mended with what does not belong there, and nothing changes', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 6)!;
    const disk = pristine.disk.clone();
    flip(disk, target.base, target.position + 70);
    const damaged = bytesOn(disk, pristine.bases);
    const { log } = await opened(disk);
    readToError(log);
    const range = log.damagedRange()!;
    expect(range.firstOffset).toBe(6);
    const changed = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(target.bytes);
      change(bytes);
      return bytes;
    };
    const shorter = batchOf(['x', 'y']);
    setBaseOffset(shorter, 0, 6);
    setPartitionLeaderEpoch(shorter, 0, 2);
    const offers: [string, Buffer][] = [
      ['an offset too high', changed((bytes) => setBaseOffset(bytes, 0, 7))],
      ['an offset too low', changed((bytes) => setBaseOffset(bytes, 0, 5))],
      ['a wrong checksum', changed((bytes) => (bytes[75]! ^= 1))],
      ['half a batch', target.bytes.subarray(0, 70)],
      ['another term', changed((bytes) => setPartitionLeaderEpoch(bytes, 0, 4))],
      ['a shorter batch', shorter],
      ['the batch behind', fetched(pristine, 8)],
    ];
    for (const [label, records] of offers) {
      const { kind } = await log.mend(range, records);
      expect(kind === 'misfit' || (label === 'a shorter batch' && kind === 'more'), label).toBe(
        true,
      );
      expect(bytesOn(disk, pristine.bases), label).toEqual(damaged);
      expect(log.isDamaged, label).toBe(true);
      expect(
        codeThrown(() => log.read(6, 100, NO_BOUND)),
        label,
      ).toBe(ErrorCode.CORRUPT_MESSAGE);
    }
    const long = Buffer.concat([shorter, fetched(pristine, 8)]);
    expect((await log.mend(range, long)).kind).toBe('misfit');
    expect((await log.mend(range, Buffer.alloc(0))).kind).toBe('more');
    expect((await log.mend(range, target.bytes)).kind).toBe('mended');
    expect([...readAll(log).values()]).toEqual(numbered(24));
  });

  it('is not mended with less offsets than its segment has, however long they are', async () => {
    const pristine = await stored('stopped');
    const [, second] = pristine.bases;
    const target = pristine.batches.findLast(({ base }) => base === 0)!;
    const disk = pristine.disk.clone();
    flip(disk, 0, target.position + 70);
    const { log } = await opened(disk);
    readToError(log);
    const one = batchOf(['x'.repeat(target.bytes.length - batchOf(['']).length)]);
    setBaseOffset(one, 0, target.first);
    setPartitionLeaderEpoch(one, 0, 2);
    expect([one.length, second]).toEqual([target.bytes.length, target.first + 2]);
    const range = log.damagedRange()!;
    expect((await log.mend(range, one)).kind).toBe('more');
    const two = Buffer.concat([one, fetched(pristine, second!)]);
    expect((await log.mend(range, two)).kind).toBe('misfit');
    expect((await log.mend(range, target.bytes)).kind).toBe('mended');
  });

  it('is left alone when the log has changed since it was asked for', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 8)!;
    const meet = async () => {
      const disk = pristine.disk.clone();
      flip(disk, target.base, target.position + 70);
      const { log } = await opened(disk);
      readToError(log);
      return { disk, log, range: log.damagedRange()! };
    };
    const cut = await meet();
    cut.log.truncateTo(8);
    appendValues(cut.log, ['other', 'values']);
    expect((await cut.log.mend(cut.range, target.bytes)).kind).toBe('changed');
    expect([...readAll(cut.log).values()]).toEqual([...numbered(8), 'other', 'values']);
    const begun = await meet();
    begun.log.truncateFullyAndStartAt(8);
    expect((await begun.log.mend(begun.range, target.bytes)).kind).toBe('changed');
    expect(begun.log.isDamaged).toBe(false);
    const deleted = await meet();
    deleted.log.setHighWatermark(24);
    deleted.log.advanceLogStartOffset(14);
    deleted.log.deleteOldSegments(0);
    expect((await deleted.log.mend(deleted.range, target.bytes)).kind).toBe('changed');
    const closed = await meet();
    await closed.log.close();
    await expect(closed.log.mend(closed.range, target.bytes)).rejects.toMatchObject({
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    });
    expect(closed.disk.content(segmentOf(target.base))).not.toEqual(
      pristine.disk.content(segmentOf(target.base)),
    );
  });

  it('is damaged still after a crash in the middle, and mended then', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 8)!;
    const outcomes = new Set<boolean>();
    for (let seed = 0; seed < 40; seed++) {
      const disk = pristine.disk.clone();
      flip(disk, target.base, target.position + 70);
      flip(disk, target.base, target.position + 30);
      const first = await opened(disk);
      readToError(first.log);
      const range = first.log.damagedRange()!;
      // The device never answers.
      disk.fault = ({ operation, path }) =>
        operation === 'sync' && path.endsWith('.log') ? crash() : null;
      await first.log.mend(range, target.bytes).catch(() => {});
      expect(first.log.isDamaged).toBe(true);
      first.manager.abandon();
      disk.crash(seededRandom(seed));
      disk.restart();
      const { manager, log } = await opened(disk);
      expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 24]);
      outcomes.add(readToError(log) === 0);
      await mendAll(log, pristine);
      expect([...readAll(log).values()]).toEqual(numbered(24));
      expect(bytesOn(disk, pristine.bases)).toEqual(bytesOn(pristine.disk, pristine.bases));
      manager.abandon();
    }
    expect(outcomes.size).toBe(2);
  });

  it('is not called mended before the device has it, and a device that fails ends its service', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 8)!;
    const disk = pristine.disk.clone();
    flip(disk, target.base, target.position + 70);
    const { log } = await opened(disk);
    readToError(log);
    const mending = log.mend(log.damagedRange()!, target.bytes);
    expect(log.isDamaged).toBe(true);
    expect((await mending).kind).toBe('mended');
    const lost = disk.clone();
    lost.crash(seededRandom(3));
    expect(lost.content(segmentOf(target.base))).toEqual(
      pristine.disk.content(segmentOf(target.base)),
    );
    const other = pristine.disk.clone();
    flip(other, target.base, target.position + 70);
    const failing = await opened(other);
    readToError(failing.log);
    other.fault = ({ operation }) => (operation === 'write' ? crash() : null);
    const range = failing.log.damagedRange()!;
    await expect(failing.log.mend(range, target.bytes)).rejects.toMatchObject({
      code: ErrorCode.KAFKA_STORAGE_ERROR,
    });
    expect(failing.log.logDirectory.failure).not.toBeNull();
  });

  it('is mended once there is room, where there was none', async () => {
    const pristine = await stored('stopped');
    const target = pristine.batches.find(({ first }) => first === 8)!;
    const disk = pristine.disk.clone();
    flip(disk, target.base, target.position + 70);
    const { log } = await opened(disk);
    readToError(log);
    const range = log.damagedRange()!;
    disk.fault = ({ operation, path }) =>
      operation === 'write' && path.endsWith('.log') ? 'short' : null;
    await expect(log.mend(range, target.bytes)).rejects.toMatchObject({
      code: ErrorCode.KAFKA_STORAGE_ERROR,
    });
    expect([log.isDamaged, log.logDirectory.failure]).toEqual([true, null]);
    disk.fault = () => null;
    expect((await log.mend(log.damagedRange()!, target.bytes)).kind).toBe('mended');
    expect([...readAll(log).values()]).toEqual(numbered(24));
  });

  it('is told once, and forgotten where all is whole after all', async () => {
    const pristine = await stored('stopped');
    let told = 0;
    const { log } = await makeRig(CONFIG, pristine.disk.clone()).open({ onDamaged: () => told++ });
    log.noteDamage(pristine.bases[1]!, 0, 'it is said to be damaged');
    log.noteDamage(pristine.bases[2]!, 0, 'this one, too');
    expect([told, log.isDamaged]).toEqual([1, true]);
    expect(log.damagedRange()).toBeNull();
    expect(log.isDamaged).toBe(false);
  });

  it('is not served by one who has read ahead', async () => {
    const config: Partial<LogConfig> = { segmentBytes: 1 << 22 };
    const rig = makeRig(config);
    const first = await rig.open();
    const value = 'x'.repeat(40_000);
    for (let i = 0; i < 12; i++) appendValues(first.log, [value]);
    first.log.roll();
    appendValues(first.log, ['end']);
    await first.manager.stop();
    const whole = rig.disk.content(segmentOf(0));
    const size = batchSize(whole, 0);
    flip(rig.disk, 0, 5 * size + 500);
    const { log } = await makeRig(config, rig.disk).open();
    // Two of them: one meets the damage, and the other one has it in memory.
    for (const offset of [0, 0, 2, 2, 4, 4]) {
      const read = log.read(offset, 2 * size, NO_BOUND);
      expect(read.nextOffset).toBe(offset === 4 ? 5 : offset + 2);
      read.release?.();
      await turn();
    }
    expect(codeThrown(() => log.read(5, 2 * size, NO_BOUND))).toBe(ErrorCode.CORRUPT_MESSAGE);
    const outcome = await log.mend(log.damagedRange()!, whole.subarray(5 * size, 6 * size));
    expect(outcome.kind).toBe('mended');
    expect([...readAll(log, 2 * size, 5).keys()]).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    expect(lastOffset(rig.disk.content(segmentOf(0)), 5 * size)).toBe(5);
  });
});

describe('what a start could not learn of damaged batches', () => {
  const producer = (baseSequence: number) => ({ id: 7, epoch: 0, baseSequence });

  it('is learnt once they are mended: what a producer has sent', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    for (let i = 0; i < 3; i++) appendValues(log, [`v${i}`], { producer: producer(i) });
    await log.flush();
    await manager.checkpoint();
    manager.abandon();
    const whole = rig.disk.content(segmentOf(0));
    const size = batchSize(whole, 0);
    flip(rig.disk, 0, 2 * size + 10);
    const { log: again } = await makeRig({}, rig.disk).open();
    expect(again.logEndOffset).toBe(3);
    const range = again.damagedRange()!;
    expect((await again.mend(range, whole.subarray(2 * size))).kind).toBe('mended');
    const repeated = again.append(batchOf(['v2'], { producer: producer(2) }), {
      leaderEpoch: 0,
      origin: 'client',
    });
    expect(repeated).toMatchObject({ duplicate: true, firstOffset: 2 });
    expect(appendValues(again, ['v3'], { producer: producer(3) })).toBe(3);
  });

  // The first batch of a transaction, a marker that aborts, and one that commits; in the life that met the
  // damage, and in a later one; in one segment, and in one each, of which all, or only those behind, had their
  // index lost and made anew.
  const transactional = [0, 1, 3, 5].flatMap((target) =>
    [10, 66].flatMap((field) =>
      [false, true].flatMap((later) =>
        ([null, 'all', 'behind'] as const).map((lost) => ({ target, field, later, lost })),
      ),
    ),
  );
  it.each(transactional)(
    'is learnt once they are mended: transactions ($target, $field, $later, $lost)',
    async (given) => {
      const { target, field, later, lost } = given;
      const apart = lost !== null;
      const rig = makeRig();
      const { manager, log } = await rig.open();
      const sent = (to: PartitionLog, sequence: number): number => {
        const verification = to.startVerification(7, sequence, 0, false);
        const batch = batchOf(['x'], {
          attributes: BatchAttribute.transactional,
          producer: producer(sequence),
        });
        const { lastOffset: last } = to.append(batch, {
          leaderEpoch: 0,
          origin: 'client',
          verification,
        });
        if (apart && to === log) to.roll();
        return last;
      };
      const ended = (committed: boolean): void => {
        const marker = { producerId: 7, producerEpoch: 0, committed, coordinatorEpoch: 1 };
        log.append(encodeMarkerBatch({ ...marker, timestamp: 1 }), {
          leaderEpoch: 0,
          origin: 'coordinator',
        });
        if (apart) log.roll();
      };
      sent(log, 0);
      ended(false);
      sent(log, 1);
      ended(true);
      for (const sequence of [2, 3]) {
        sent(log, sequence);
        ended(false);
      }
      log.setHighWatermark(8);
      const before = log.abortedTransactions(0, 8);
      expect(before.map(({ firstOffset }) => firstOffset)).toEqual([0, 4, 6]);
      await log.flush();
      await manager.checkpoint();
      manager.abandon();
      const base = apart ? target : 0;
      const whole = rig.disk.content(segmentOf(base));
      let position = 0;
      for (let i = base; i < target; i++) position += batchSize(whole, position);
      flip(rig.disk, base, position + field);
      if (apart) {
        // Then a start reads batches for these alone.
        for (const name of rig.disk.list('/data/t-0')) {
          const path = `/data/t-0/${name}`;
          if (name.endsWith('.snapshot')) rig.disk.remove(path);
          if (!name.endsWith('.txnindex') || (lost === 'behind' && path < segmentOf(base + 1)))
            continue;
          rig.disk.setContent(path, Buffer.from('damaged'));
        }
      }
      let { manager: life, log: again } = await makeRig({}, rig.disk).open();
      const found = again.abortedTransactions(0, 8);
      if (lost === 'all') expect(found).not.toEqual(before);
      if (later) {
        await life.stop();
        ({ manager: life, log: again } = await makeRig({}, rig.disk).open());
      }
      readToError(again);
      const range = again.damagedRange()!;
      expect(range.firstOffset).toBe(target);
      expect((await again.mend(range, whole.subarray(position))).kind).toBe('mended');
      again.setHighWatermark(8);
      expect(again.lastStableOffset).toBe(8);
      expect(again.abortedTransactions(0, 8)).toEqual(before);
      // What a start after this one goes by.
      await again.flush();
      again.abandon();
      const { log: last } = await makeRig({}, rig.disk).open();
      expect(last.abortedTransactions(0, 8)).toEqual(before);
      expect(sent(last, 4)).toBe(8);
    },
  );

  // The end of a transaction, and what is none of it: length, last offset delta, value.
  it.each(
    ['commit', 'other'].flatMap((what) => [10, 24, 66].map((field) => [what, field] as const)),
  )(
    'keeps readers before it waiting where that was under way (%s, byte %i)',
    async (what, field) => {
      const rig = makeRig();
      const { manager, log } = await rig.open();
      const sent = (sequence: number): void => {
        const verification = log.startVerification(7, sequence, 0, false);
        const options = { leaderEpoch: 0, origin: 'client', verification } as const;
        const attributes = BatchAttribute.transactional;
        log.append(batchOf(['x'], { attributes, producer: producer(sequence) }), options);
      };
      const ended = (committed: boolean): void => {
        const marker = { producerId: 7, producerEpoch: 0, committed, coordinatorEpoch: 1 };
        const bytes = encodeMarkerBatch({ ...marker, timestamp: 1 });
        log.append(bytes, { leaderEpoch: 0, origin: 'coordinator' });
      };
      appendValues(log, ['before']);
      sent(0);
      if (what === 'commit') ended(true);
      else appendValues(log, ['other']);
      sent(1);
      ended(false);
      await log.flush();
      await manager.checkpoint();
      manager.abandon();
      const whole = rig.disk.content(segmentOf(0));
      const second = batchSize(whole, 0);
      const position = second + batchSize(whole, second);
      flip(rig.disk, 0, position + field, 6);
      const { log: again } = await makeRig({}, rig.disk).open();
      again.setHighWatermark(5);
      // Of a transaction that was aborted, or not: nobody can say before it is mended. A header that says that
      // it is of none is believed.
      const isKnown = what === 'other' && field === 66;
      const stable = [0, 1, 2, 3, 4].map((offset) => again.lastStableFrom(offset));
      expect(stable).toEqual(isKnown ? [5, 5, 5, 5, 5] : [1, 1, 5, 5, 5]);
      const range = again.damagedRange()!;
      expect((await again.mend(range, whole.subarray(position))).kind).toBe('mended');
      again.setHighWatermark(5);
      expect(again.lastStableFrom(0)).toBe(5);
    },
  );

  // Length, last offset delta, value.
  it.each([10, 24, 66])(
    'keeps nobody from learning of transactions behind them (byte %i)',
    async (field) => {
      const rig = makeRig();
      const { manager, log } = await rig.open();
      appendValues(log, ['before']);
      appendValues(log, ['damaged']);
      const verification = log.startVerification(7, 0, 0, false);
      const attributes = BatchAttribute.transactional;
      log.append(batchOf(['x'], { attributes, producer: producer(0) }), {
        leaderEpoch: 0,
        origin: 'client',
        verification,
      });
      await log.flush();
      await manager.checkpoint();
      manager.abandon();
      flip(rig.disk, 0, batchSize(rig.disk.content(segmentOf(0)), 0) + field, 6);
      const { log: again } = await makeRig({}, rig.disk).open();
      again.setHighWatermark(3);
      expect([again.logEndOffset, again.lastStableOffset]).toEqual([3, 2]);
    },
  );

  // A transaction that is under way, and one that its marker, offset 1, has ended.
  it.each([
    [0, 0],
    [1, 2],
  ])(
    'is learnt behind another start, too: what is under way (batch %i)',
    async (target, stable) => {
      const rig = makeRig();
      const { manager, log } = await rig.open();
      const verification = log.startVerification(7, 0, 0, false);
      const options = { leaderEpoch: 0, origin: 'client', verification } as const;
      const attributes = BatchAttribute.transactional;
      log.append(batchOf(['x'], { attributes, producer: producer(0) }), options);
      const marker = { producerId: 7, producerEpoch: 0, committed: true, coordinatorEpoch: 1 };
      if (target === 1) {
        const bytes = encodeMarkerBatch({ ...marker, timestamp: 1 });
        log.append(bytes, { leaderEpoch: 0, origin: 'coordinator' });
      } else appendValues(log, ['other']);
      await log.flush();
      await manager.checkpoint();
      manager.abandon();
      const whole = rig.disk.content(segmentOf(0));
      const position = target === 0 ? 0 : batchSize(whole, 0);
      flip(rig.disk, 0, position + 66);
      const life = await makeRig({}, rig.disk).open();
      await life.manager.stop();
      const { log: again } = await makeRig({}, rig.disk).open();
      again.setHighWatermark(2);
      expect(again.lastStableOffset).not.toBe(stable);
      readToError(again);
      expect((await again.mend(again.damagedRange()!, whole.subarray(position))).kind).toBe(
        'mended',
      );
      again.setHighWatermark(2);
      expect(again.lastStableOffset).toBe(stable);
      again.abandon();
      const { log: last } = await makeRig({}, rig.disk).open();
      last.setHighWatermark(2);
      expect(last.lastStableOffset).toBe(stable);
    },
  );
});

const crash = (): Error => Object.assign(new Error('EIO: injected'), { code: 'EIO' });
