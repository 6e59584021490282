import { describe, expect, it } from 'vitest';
import { LogProbe } from '../../../src/log/probe.ts';
import { LogTail, TAIL_CACHE_BATCHES_MAX, TailCache } from '../../../src/log/tail-cache.ts';
import { setBaseOffset } from '../../../src/protocol/record-batch.ts';
import { batchOf } from './support.ts';

const at = (offset: number, value: string): Buffer => {
  const batch = batchOf([value]);
  setBaseOffset(batch, 0, offset);
  return batch;
};

describe('TailCache', () => {
  it('keeps the newest bytes of all logs together within its bound', () => {
    const probe = new LogProbe();
    const cache = new TailCache(probe, 10_000);
    const a = new LogTail(cache);
    const b = new LogTail(cache);
    for (let i = 0; i < 200; i++)
      cache.add(i % 2 === 0 ? a : b, at(i >> 1, 'x'.repeat(100)), false);
    expect(probe.tailCacheBytes).toBeLessThanOrEqual(10_000);
    expect(probe.tailCacheEvictions).toBeGreaterThan(100);
    expect(a.read(0, 1000, 1000, true)).toBeNull();
    expect(a.read(99, 1000, 1000, true)?.firstOffset).toBe(99);
    expect(b.read(98, 100_000, 1000, true)?.chunks.length).toBe(2);
  });

  it('leaves bytes that were read alone when they are evicted', () => {
    const cache = new TailCache(new LogProbe(), 2000);
    const tail = new LogTail(cache);
    cache.add(tail, at(0, 'first'), false);
    const read = tail.read(0, 1000, 10, true)!;
    const before = Buffer.concat(read.chunks);
    for (let i = 1; i < 5000; i++) cache.add(tail, at(i, `later ${i}`), false);
    expect(Buffer.concat(read.chunks)).toEqual(before);
  });

  it('takes its memory again when what lies there is neither kept nor being sent', () => {
    const cache = new TailCache(new LogProbe(), 200_000);
    const tail = new LogTail(cache);
    const memory = new Set<ArrayBufferLike>();
    const held: { read: ReturnType<LogTail['read']>; before: Buffer }[] = [];
    for (let i = 0; i < 20_000; i++) {
      cache.add(tail, at(i, `value ${i} ${'x'.repeat(900)}`), true);
      const read = tail.read(Math.max(i - 3, 0), 100_000, i + 1, true)!;
      for (const chunk of read.chunks) memory.add(chunk.buffer);
      // One in a thousand is sent slowly, and some are never given back.
      if (i % 1_000 === 0) held.push({ read, before: Buffer.concat(read.chunks) });
      else if (i % 5_000 !== 1) read.release?.();
    }
    expect(memory.size).toBeLessThan(60);
    for (const { read, before } of held) {
      expect(Buffer.concat(read!.chunks)).toEqual(before);
      read!.release?.();
      read!.release?.();
    }
    expect(tail.read(19_999, 100_000, 20_000, true)?.firstOffset).toBe(19_999);
  });

  it('copies what its owner will write to again', () => {
    const cache = new TailCache(new LogProbe());
    const tail = new LogTail(cache);
    const records = at(0, 'x'.repeat(6000));
    const before = Buffer.from(records);
    cache.add(tail, records, true);
    records.fill(0);
    expect(Buffer.concat(tail.read(0, 100_000, 10, true)!.chunks)).toEqual(before);
  });

  it('does not grow with batches that were forgotten', () => {
    const probe = new LogProbe();
    const cache = new TailCache(probe);
    const idle = new LogTail(cache);
    cache.add(idle, at(0, 'stays'), false);
    const busy = new LogTail(cache);
    for (let i = 0; i < TAIL_CACHE_BATCHES_MAX + 10; i++) {
      cache.add(busy, at(i, 'x'), false);
      busy.clear();
    }
    expect(idle.read(0, 1000, 10, true)).toBeNull();
    expect(probe.tailCacheBytes).toBe(0);
  });

  it('does not keep a batch that would push everything else out', () => {
    const cache = new TailCache(new LogProbe(), 10_000);
    const tail = new LogTail(cache);
    cache.add(tail, at(0, 'small'), false);
    cache.add(tail, at(1, 'x'.repeat(5000)), false);
    expect(tail.read(0, 1000, 10, true)).toBeNull();
    cache.add(tail, at(2, 'small'), false);
    expect(tail.read(2, 1000, 10, true)?.firstOffset).toBe(2);
    expect(tail.read(1, 1000, 10, true)).toBeNull();
  });
});
