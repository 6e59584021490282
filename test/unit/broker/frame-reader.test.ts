import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../../../src/base/random.ts';
import { FrameReader } from '../../../src/broker/frame-reader.ts';
import { RequestMemory } from '../../../src/broker/request-memory.ts';
import { BufferPool } from '../../../src/log/buffer-pool.ts';

const MIB = 1024 * 1024;

function setUp(maxBytes = 50 * MIB, limitBytes = 100 * MIB) {
  const frames: Buffer[] = [];
  const memory = new RequestMemory(limitBytes);
  const reader = new FrameReader({
    maxBytes: () => maxBytes,
    pool: new BufferPool(),
    memory,
    onFrame: (bytes, start, end) => {
      frames.push(Buffer.from(bytes.subarray(start, end)));
      return false;
    },
  });
  return { frames, memory, reader };
}

const framed = (body: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
};

/** Hands the bytes on as a socket would: into the reader's target, or into a buffer of its own. */
function pour(reader: FrameReader, bytes: Buffer, chunkMax: () => number): void {
  for (let at = 0; at < bytes.length; ) {
    const target = reader.target();
    const room = target?.length ?? 128 * 1024;
    const size = Math.min(room, Math.max(chunkMax(), 1), bytes.length - at);
    const into = (target ?? Buffer.alloc(size)).subarray(0, size);
    bytes.copy(into, 0, at, at + size);
    reader.push(into);
    at += size;
  }
}

describe('frames', () => {
  it.each([1, 2, 3, 4, 5, 7])('come out whole when %i bytes come at a time', (chunk) => {
    const { frames, reader, memory } = setUp();
    const bodies = [0, 1, 3, 4, 5, 100, 1000].map((n) => Buffer.alloc(n, n));
    pour(reader, Buffer.concat(bodies.map(framed)), () => chunk);
    expect(frames).toEqual(bodies);
    expect(reader.isPartial).toBe(false);
    expect(memory.bytes).toBe(0);
  });

  it('come out whole whatever their sizes and the sizes of reads', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const { frames, reader, memory } = setUp();
      const bodies = Array.from({ length: 20 }, () => {
        const body = Buffer.alloc(
          below(random, 2) === 0 ? below(random, 100) : below(random, 3 * MIB),
        );
        random.fill(body.subarray(0, 64));
        random.fill(body.subarray(Math.max(body.length - 64, 0)));
        return body;
      });
      const bound = [10, 1000, 100_000, 10 * MIB][seed % 4]!;
      pour(reader, Buffer.concat(bodies.map(framed)), () =>
        Math.max(below(random, bound), bound / 10),
      );
      expect(frames.length).toBe(bodies.length);
      frames.forEach((frame, i) => expect(frame.equals(bodies[i]!)).toBe(true));
      expect(memory.bytes).toBe(0);
    }
  });

  it('are read into their place once they have begun', () => {
    const { reader } = setUp();
    reader.push(framed(Buffer.alloc(500_000)).subarray(0, 1000));
    expect(reader.target()!.length).toBe(500_000 - 996);
  });

  it('are read little of where they may be long, and as it comes behind a short one', () => {
    const { reader, memory } = setUp(50 * MIB, MIB);
    const long = framed(Buffer.alloc(500_000));
    expect(reader.target()!.length).toBeLessThan(20_000);
    reader.push(framed(Buffer.alloc(10)));
    expect(reader.target()).toBeNull();
    pour(reader, long, () => MIB);
    expect(reader.target()!.length).toBeLessThan(20_000);
    reader.push(framed(Buffer.alloc(10)));
    memory.add(2 * MIB);
    expect(reader.target()!.length).toBeLessThan(20_000);
  });

  it('that begin when the memory is full cost what has come, until they are admitted', () => {
    const { frames, reader, memory } = setUp(50 * MIB, MIB);
    memory.add(2 * MIB);
    const long = framed(Buffer.alloc(500_000, 1));
    reader.push(long.subarray(0, 1000));
    expect(reader.begunWhenFull).toBe(true);
    expect(memory.bytes).toBeLessThan(2 * MIB + 1_000);
    memory.remove(2 * MIB);
    reader.admit();
    expect(memory.bytes).toBeGreaterThanOrEqual(500_000);
    pour(reader, long.subarray(1000), () => MIB);
    expect(frames).toEqual([long.subarray(4)]);
    expect(memory.bytes).toBe(0);
  });
});

describe('a claim', () => {
  it('of many bytes costs a megabyte until they come', () => {
    const { reader, memory } = setUp();
    reader.push(framed(Buffer.alloc(40 * MIB)).subarray(0, 100));
    expect(memory.bytes).toBe(MIB);
    reader.close();
    expect(memory.bytes).toBe(0);
  });

  it('is believed of a connection that has sent such frames', () => {
    const { reader, memory, frames } = setUp();
    const long = framed(Buffer.alloc(8 * MIB, 1));
    pour(reader, long, () => MIB);
    expect(frames).toHaveLength(1);
    reader.push(long.subarray(0, 100));
    expect(memory.bytes).toBe(8 * MIB);
  });

  it('above the limit, or below nothing, is refused before anything is kept', () => {
    for (const size of [51 * MIB, -1, 0x7fff_ffff, -0x8000_0000]) {
      const { reader, memory } = setUp();
      const bytes = Buffer.alloc(100);
      bytes.writeInt32BE(size);
      expect(() => reader.push(bytes)).toThrow(/frame of/);
      expect(memory.bytes).toBe(0);
    }
  });

  it.each([
    ['GET / HTTP/1.1\r\n', 'HTTP (GET)'],
    ['POST /bulk HTTP/1.1\r\n', 'HTTP (POST)'],
    ['\x16\x03\x01\x02\x00\x01\x00', 'TLS'],
  ])('that is another protocol is called so: %j', (text, protocol) => {
    const { reader } = setUp();
    expect(() => reader.push(Buffer.from(text, 'latin1'))).toThrow(`this looks like ${protocol}`);
  });

  it('waits when the memory is full, and is told when it is not', () => {
    const { reader, memory } = setUp(50 * MIB, MIB);
    memory.add(2 * MIB);
    reader.push(framed(Buffer.alloc(500_000)).subarray(0, 100));
    expect(reader.begunWhenFull).toBe(true);
    let told = 0;
    memory.wait(0, () => (told += 1));
    const take = memory.wait(0, () => (told += 100));
    take();
    memory.remove(MIB);
    expect(told).toBe(0);
    memory.remove(MIB);
    expect(told).toBe(1);
  });
});
