/**
 * Random values of a schema, from a seed: every live field filled, with a liking for the edges;
 * a field that the version lacks has its absent value, so that what is decoded equals what was encoded.
 */
import { ZERO_BITS64, ZERO_UUID } from '../../src/base/bytes.ts';
import { below, type Random } from '../../src/base/random.ts';
import { apis } from '../../src/protocol/apis.ts';
import type { Message, Spec } from '../../src/protocol/schema.ts';
import * as consumerGroup from '../../src/protocol/stored/consumer-group.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../src/protocol/stored/consumer-protocol.ts';
import { groupMetadataKey, groupMetadataValue } from '../../src/protocol/stored/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../src/protocol/stored/offset-commit.ts';
import { principalData } from '../../src/protocol/stored/principal-data.ts';
import {
  transactionLogKey,
  transactionLogValue,
} from '../../src/protocol/stored/transaction-log.ts';
import { absentValue, isLive } from './schema-oracle.ts';

export const storedMessages: readonly Message<any>[] = [
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
  ...Object.values(consumerGroup),
  principalData,
  transactionLogKey,
  transactionLogValue,
];

export const sentMessages: readonly Message<any>[] = [...apis.values()].flatMap((api) => [
  api.request,
  api.response,
]);

export const versionsOf = (message: Message<any>): number[] =>
  Array.from({ length: message.max - message.min + 1 }, (_, i) => message.min + i);

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)]!;
}

const integer = (random: Random, low: number, high: number): number =>
  pick(random, [
    low,
    high,
    Math.max(low, -1),
    0,
    1,
    low + Math.floor(random.next() * (high - low + 1)),
    Math.min(high, below(random, 1000)),
  ]);

export function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  random.fill(bytes);
  return bytes;
}

// Lengths around the steps of a varint, and one that the writer keeps by reference.
const LENGTHS = [0, 1, 2, 5, 126, 127, 128, 200];
const LONG_LENGTHS = [...LENGTHS, 4095, 4096, 20_000];
const LETTERS = ['a', 'Z', '0', '-', '_', '\u0000', 'é', '€', '𝄞', '\u{10ffff}'];

const text = (random: Random, length: number): string =>
  Array.from({ length }, () => pick(random, LETTERS)).join('');

export function randomValue(spec: Spec, version: number, random: Random): unknown {
  if (version >= spec.nullFrom && random.next() < 0.2) return null;
  switch (spec.kind) {
    case 'struct':
      return Object.fromEntries(
        spec.fields.map(([name, f]) => {
          const usual = f.tag >= 0 && random.next() < 0.3;
          const present = isLive(f, version) && !usual;
          return [name, present ? randomValue(f, version, random) : absentValue(f)];
        }),
      );
    case 'array':
      return Array.from({ length: below(random, 4) }, () =>
        randomValue(spec.item!, version, random),
      );
    case 'string':
      return text(random, pick(random, LENGTHS));
    case 'bytes':
    case 'records':
      return randomBytes(random, pick(random, LONG_LENGTHS));
    case 'bool':
      return random.next() < 0.5;
    case 'uuid':
      return random.next() < 0.2 ? ZERO_UUID : randomBytes(random, 16).toString('base64url');
    case 'bits64':
      return random.next() < 0.2 ? ZERO_BITS64 : randomBytes(random, 8).toString('base64url');
    case 'float64':
      return pick(random, [0, -0, Infinity, 5e-324, random.next() * 1e6]);
    case 'int64':
      return pick(random, [
        integer(random, -(2 ** 31), 2 ** 31),
        integer(random, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
        2 ** 32,
        -(2 ** 32) - 1,
      ]);
    case 'int8':
      return integer(random, -0x80, 0x7f);
    case 'int16':
      return integer(random, -0x8000, 0x7fff);
    case 'uint16':
      return integer(random, 0, 0xffff);
    case 'int32':
      return integer(random, -0x8000_0000, 0x7fff_ffff);
    case 'uint32':
      return integer(random, 0, 0xffff_ffff);
  }
}

export const randomMessage = (message: Message<any>, version: number, random: Random): any =>
  randomValue({ ...message.body.spec, nullFrom: Infinity }, version, random);

/** Some bytes of `bytes` changed, cut off, doubled or put in between. */
export function mutated(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let n = below(random, 3); n >= 0 && copy.length > 0; n--) {
    copy[below(random, copy.length)] = pick(random, [
      0,
      1,
      2,
      0x7f,
      0x80,
      0xff,
      below(random, 256),
    ]);
  }
  const cut = below(random, copy.length + 1);
  switch (below(random, 4)) {
    case 0:
      return copy.subarray(0, cut);
    case 1:
      return Buffer.concat([
        copy.subarray(0, cut),
        randomBytes(random, 1 + below(random, 4)),
        copy.subarray(cut),
      ]);
    default:
      return copy;
  }
}
