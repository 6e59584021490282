import { describe, expect, it } from 'vitest';
import { isPlain, PlainRun } from '../../../src/collectors/plain-run.ts';

describe('PlainRun', () => {
  it('takes as plain what JSON takes as it is, within ASCII', () => {
    for (let byte = 0; byte < 256; byte++) {
      const text = String.fromCharCode(byte);
      const isAsItIs = byte < 0x7f && JSON.stringify(text) === `"${text}"`;
      expect(isPlain(byte), `byte ${byte}`).toBe(isAsItIs);
    }
  });

  it('stops at each special byte, wherever it stands in a word and whatever its neighbours are', () => {
    const run = new PlainRun();
    const memory = new ArrayBuffer(64);
    const wrong: object[] = [];
    for (const neighbour of [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7e]) {
      for (let byte = 0; byte < 256; byte++) {
        for (let offset = 0; offset < 4; offset++) {
          for (let at = 0; at < 12; at++) {
            const source = Buffer.from(memory, offset, 24).fill(neighbour);
            source[at] = byte;
            const isRight =
              run.end(source, 0, 24) === (isPlain(byte) ? 24 : at) &&
              run.end(source, at + 1, 24) === 24 &&
              run.end(source, 0, at) === at;
            if (!isRight) wrong.push({ neighbour, byte, offset, at });
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('looks at no byte beyond its range, up to the end of memory that is no whole number of words', () => {
    const run = new PlainRun();
    for (let size = 0; size < 12; size++) {
      const source = Buffer.from(new ArrayBuffer(size)).fill('x');
      expect(run.end(source, 0, size)).toBe(size);
      const within = Buffer.from(new ArrayBuffer(size + 2), 1, size).fill('x');
      expect(run.end(within, 0, size)).toBe(size);
    }
  });

  it('sees other memory when it is given other memory', () => {
    const run = new PlainRun();
    const plain = Buffer.from(new ArrayBuffer(16)).fill('x');
    const special = Buffer.from(new ArrayBuffer(16)).fill('x');
    special[9] = 0x22;
    expect(run.end(plain, 0, 16)).toBe(16);
    expect(run.end(special, 0, 16)).toBe(9);
    expect(run.end(plain, 0, 16)).toBe(16);
  });
});
