import { describe, expect, test } from 'vitest';
import { hostBytes, hostOfBytes, hostText } from '../../../src/protocol/address.ts';

describe('addresses', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['2001:DB8:0:0:1::', '2001:db8:0:0:1:0:0:0'],
    ['::', '0:0:0:0:0:0:0:0'],
  ])('%s is written as Java writes it, and is the same after the wire', (text, expected) => {
    expect(hostText(text)).toBe(expected);
    expect(hostOfBytes(hostBytes(text))).toBe(expected);
  });

  test.each([
    '*',
    'example.org',
    '1::2::3',
    '1:2:3',
    '1:2:3:4:5:6:7:8:9',
    '::g',
    '1:2:3:4:5:6:7::8',
  ])('%s is none and stays as it is', (text) => {
    expect(hostText(text)).toBe(text);
    expect(hostOfBytes(hostBytes(text))).toBe('0.0.0.0');
  });

  test('other numbers of bytes are none', () => {
    expect(() => hostOfBytes(Buffer.alloc(5))).toThrow(RangeError);
  });
});
