import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../../src/log/buffer-pool.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { LogSegment } from '../../../src/log/log-segment.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { LogProbe } from '../../../src/log/probe.ts';
import { ReadAhead } from '../../../src/log/read-ahead.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { systemError } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { appendValues, bytesOf, codeThrown, makeRig, NO_BOUND, type Rig } from './support.ts';

const KIB = 1024;
const PIECE = 128 * KIB;
const BATCHES = 40;
const valueOf = (i: number, mark = 'a'): string => `${i}`.padEnd(20 * KIB, mark);

/** A log of batches of 20 KiB, of which memory holds none. */
async function filled(rig: Rig): Promise<{ manager: LogManager; log: PartitionLog }> {
  const { manager, log } = await rig.open({ tailCacheBytes: 0 });
  for (let i = 0; i < BATCHES; i++) appendValues(log, [valueOf(i)]);
  return { manager, log };
}

/** Reads a piece; what is read ahead of the next one has arrived when it returns. */
async function step(log: PartitionLog, offset: number): Promise<{ next: number; bytes: Buffer }> {
  const read = log.read(offset, PIECE, NO_BOUND);
  const bytes = bytesOf(read);
  read.release?.();
  await turn();
  return { next: read.nextOffset, bytes };
}

async function readToEnd(log: PartitionLog, from = 0): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let offset = from; offset < log.logEndOffset; ) {
    const { next, bytes } = await step(log, offset);
    expect(next).toBeGreaterThan(offset);
    pieces.push(bytes);
    offset = next;
  }
  return Buffer.concat(pieces);
}

describe('a log that is read from front to back', () => {
  it('is read ahead of the reader, and gives the same bytes', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const whole = bytesOf(log.read(0, 100 * PIECE, NO_BOUND));
    const before = manager.probe.readAheadHits;
    expect(await readToEnd(log)).toEqual(whole);
    expect(manager.probe.readAheadHits - before).toBeGreaterThanOrEqual(3);
    await manager.stop();
  });

  it('crosses segments', async () => {
    const rig = makeRig({ segmentBytes: 600 * KIB });
    const { manager, log } = await filled(rig);
    const bytes = await readToEnd(log);
    for (let i = 0; i < BATCHES; i++) expect(bytes.includes(valueOf(i))).toBe(true);
    expect(manager.probe.readAheadHits).toBeGreaterThan(0);
    await manager.stop();
  });

  it('never shows what was cut off while it was on its way', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const first = await step(log, 0);
    // This one begins to read the piece behind it.
    const second = log.read(first.next, PIECE, NO_BOUND);
    log.truncateTo(second.nextOffset);
    for (let i = second.nextOffset; i < BATCHES; i++) appendValues(log, [valueOf(i, 'b')]);
    await turn();
    const rest = await readToEnd(log, second.nextOffset);
    expect(rest.includes(valueOf(second.nextOffset, 'b'))).toBe(true);
    expect(rest.includes(valueOf(second.nextOffset, 'a'))).toBe(false);
    await manager.stop();
  });

  it('gives a reader all that it may have, whoever the piece was read for', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const first = await step(log, 0);
    const second = await step(log, first.next);
    const hits = manager.probe.readAheadHits;
    for (const limit of [PIECE + 30 * KIB, 100 * PIECE]) {
      const offset = second.next;
      const wanted = bytesOf(log.read(offset, limit, NO_BOUND));
      // The readers before come here again, and another one with a higher limit comes after them.
      await step(log, first.next);
      expect(bytesOf(log.read(offset, limit, NO_BOUND)).length).toBe(wanted.length);
    }
    expect(manager.probe.readAheadHits).toBeGreaterThan(hits);
    await manager.stop();
  });

  it('holds no memory for a log that is closed', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const first = await step(log, 0);
    await step(log, first.next);
    expect(manager.probe.readAheadBytes).toBeGreaterThan(0);
    manager.delete('t', 0);
    expect(manager.probe.readAheadBytes).toBe(0);
    await manager.stop();
  });

  it('shows what is in a piece up to the bound only', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const first = await step(log, 0);
    const second = await step(log, first.next);
    const upTo = second.next + 2;
    const third = log.read(second.next, PIECE, { upTo, minOneMessage: true });
    expect(third.nextOffset).toBe(upTo);
    expect((await step(log, upTo)).next).toBeGreaterThan(upTo);
    await manager.stop();
  });

  it('may be closed while a piece is on its way', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const { next } = await step(log, 0);
    log.read(next, PIECE, NO_BOUND);
    await manager.stop();
    await turn();
    expect(manager.probe.readAheadBytes).toBe(0);
    expect(rig.logger.lines).toEqual([]);
  });

  it('tells of a disk that fails only to who needs the bytes', async () => {
    const rig = makeRig();
    const { manager, log } = await filled(rig);
    const { next } = await step(log, 0);
    const second = log.read(next, PIECE, NO_BOUND);
    rig.disk.fault = ({ operation }) => (operation === 'read' ? systemError('EIO') : null);
    await turn();
    expect(rig.logger.lines).toEqual([]);
    expect(codeThrown(() => log.read(second.nextOffset, PIECE, NO_BOUND))).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    await manager.stop();
  });
});

/** A segment whose reads end when the test says so. */
class SlowSegment {
  readonly ends: (() => void)[] = [];
  readLater(_into: Uint8Array, length: number): Promise<number> {
    return new Promise((resolve) => {
      this.ends.push(() => resolve(length));
    });
  }
  get asSegment(): LogSegment {
    return this as unknown as LogSegment;
  }
}

describe('pieces read ahead', () => {
  const make = (bytesMax: number) => {
    const clock = new ManualClock(0);
    const probe = new LogProbe();
    const buffers = new BufferPool();
    return { clock, probe, buffers, ahead: new ReadAhead({ buffers, probe, clock, bytesMax }) };
  };

  it('hold no more memory than they may: the oldest goes', async () => {
    const { ahead, probe } = make(4 * PIECE);
    const segment = new SlowSegment();
    const pieces = [0, 1, 2, 3].map((i) => ahead.begin(segment.asSegment, i * PIECE, PIECE)!);
    for (const end of segment.ends) end();
    await turn();
    const fifth = ahead.begin(segment.asSegment, 4 * PIECE, PIECE);
    expect(fifth).not.toBeNull();
    expect(probe.readAheadBytes).toBe(4 * PIECE);
    expect(ahead.take(pieces[0]!)).toBeNull();
    expect(ahead.take(pieces[1]!)?.read).toBe(PIECE);
    expect(ahead.take(pieces[1]!), 'a buffer has one owner').toBeNull();
  });

  it('are not begun while those that were dropped are still being read into', () => {
    const { ahead, probe, buffers } = make(4 * PIECE);
    const segment = new SlowSegment();
    for (let i = 0; i < 4; i++) ahead.begin(segment.asSegment, 0, PIECE);
    expect(ahead.begin(segment.asSegment, 0, PIECE)).toBeNull();
    expect(probe.readAheadBytes).toBe(4 * PIECE);
    expect(buffers.idleBytes, 'only the one that was not used').toBe(PIECE);
  });

  it('are read as usual when they are late', async () => {
    const { ahead, probe } = make(4 * PIECE);
    const segment = new SlowSegment();
    const piece = ahead.begin(segment.asSegment, 0, PIECE)!;
    expect(ahead.take(piece)).toBeNull();
    expect(probe.readAheadMisses).toBe(1);
    segment.ends[0]!();
    await turn();
    expect(probe.readAheadBytes).toBe(0);
    expect(ahead.take(piece)).toBeNull();
  });

  it('are dropped when nobody asks for them', async () => {
    const { ahead, probe, clock } = make(4 * PIECE);
    const segment = new SlowSegment();
    ahead.begin(segment.asSegment, 0, PIECE);
    segment.ends[0]!();
    await turn();
    clock.advance(4_000);
    expect(probe.readAheadBytes).toBe(PIECE);
    clock.advance(7_000);
    expect(probe.readAheadBytes).toBe(0);
  });
});
