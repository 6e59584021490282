import { crc32c } from '../../src/base/crc32c.ts';
import { below, type Random, seededRandom } from '../../src/base/random.ts';

/**
 * Independent chance for each part of a run: a draw more in one of them (a new fault) leaves the
 * others (the network, the records) as they were.
 */
export const chanceFor = (seed: number, part: string): Random =>
  seededRandom(crc32c(Buffer.from(`${seed}/${part}`)));

export const chance = (random: Random, probability: number): boolean => random.next() < probability;

/** A number in [low, high). */
export const between = (random: Random, low: number, high: number): number =>
  low + random.next() * (high - low);

/** A waiting time of this mean, at most ten times as long. */
export const waitOf = (random: Random, mean: number): number =>
  Math.min(10, -Math.log(1 - random.next())) * mean;

/** One of these. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random.next() * items.length)]!;
}

/** In another order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}

/** By weight; at least one weight is above 0. */
export function pickWeighted<K extends string>(
  random: Random,
  weights: Readonly<Record<K, number>>,
): K {
  const entries = Object.entries<number>(weights) as [K, number][];
  let left = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [key, weight] of entries) {
    left -= weight;
    if (left < 0) return key;
  }
  return entries.find(([, weight]) => weight > 0)![0];
}
