import { describe, expect, it } from 'vitest';
import { withRequestShare } from '../../../src/request-share.ts';

const MIB = 1024 * 1024;
const KEY = 'queued.max.request.bytes';

describe('the memory for requests', () => {
  it('is an eighth of a small machine, shared by its brokers', () => {
    expect(withRequestShare({}, 1, 256 * MIB)).toEqual({ [KEY]: 32 * MIB });
    expect(withRequestShare({ 'node.id': 2 }, 4, 256 * MIB)).toEqual({
      'node.id': 2,
      [KEY]: 8 * MIB,
    });
    expect(withRequestShare({}, 60, 256 * MIB)).toEqual({ [KEY]: MIB });
  });

  it('is the default where that is less', () => {
    const given = { 'node.id': 2 };
    expect(withRequestShare(given, 1, 2048 * MIB)).toBe(given);
    expect(withRequestShare(given, 8, 64 * 1024 * MIB)).toBe(given);
  });

  it('is what somebody said', () => {
    const given = { [KEY]: 200 * MIB };
    expect(withRequestShare(given, 1, 256 * MIB)).toBe(given);
  });
});
