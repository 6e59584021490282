import { randomFillSync } from 'node:crypto';

/** Chance, injected: a simulation replays a run from its seed. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** Fills `into` with random bytes. */
  fill(into: Uint8Array): void;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  fill: (into) => {
    randomFillSync(into);
  },
};

/** A whole number in [0, below). */
export const below = (random: Random, limit: number): number => Math.floor(random.next() * limit);

/** xoshiro128**: the same seed gives the same run on every machine. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0;
  const split = (): number => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [split(), split(), split(), split()];
  const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const word = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  return {
    next: () => word() / 2 ** 32,
    fill: (into) => {
      for (let i = 0; i < into.length; i++) into[i] = word() & 0xff;
    },
  };
}
