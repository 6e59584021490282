/**
 * The digest by which compaction knows a key: 128 bits of a keyed pseudo-random function.
 *
 * Two keys with one digest would cost the older one its record, so it must not happen, neither by
 * chance nor because somebody wants it. By chance: among n keys with probability n² / 2^129, which is
 * 4e-26 for five million. On purpose: the function is HalfSipHash-1-3 (Aumasson and Bernstein;
 * SipHash for words of 32 bits), twice, under two secret keys that are drawn anew for every pass over a
 * log; who does not know them cannot choose keys that collide. Kafka takes MD5, also of 128 bits:
 * a call into the library for every record costs ten times as much as this.
 */
import type { Random } from '../base/random.ts';

/** Words of 32 bits in a digest. */
export const DIGEST_WORDS = 4;

const V2 = 0x6c796765;
const V3 = 0x74656462;

export class KeyHash {
  /** Of the last call of `hash`. */
  readonly digest = new Int32Array(DIGEST_WORDS);
  readonly #secret = new Int32Array(DIGEST_WORDS);

  constructor(random: Random) {
    const bytes = new Uint8Array(this.#secret.buffer);
    random.fill(bytes);
  }

  /** Puts the digest of `bytes[start, end)` into `digest`. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    this.#half(bytes, start, end, 0);
    this.#half(bytes, start, end, 2);
  }

  /** The 64 bits of words `at` and `at + 1`, under the key in the same places. */
  #half(bytes: Uint8Array, start: number, end: number, at: number): void {
    const k0 = this.#secret[at]!;
    const k1 = this.#secret[at + 1]!;
    let v0 = k0;
    let v1 = k1 ^ 0xee;
    let v2 = V2 ^ k0;
    let v3 = V3 ^ k1;
    const whole = start + ((end - start) & ~3);
    let i = start;
    for (;;) {
      let word: number;
      if (i < whole) {
        word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
      } else {
        // The bytes that are left, and the length above them.
        word = (end - start) << 24;
        for (let n = end - 1; n >= whole; n--) word |= bytes[n]! << ((n - whole) * 8);
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      if (i >= whole) break;
      i += 4;
    }
    v2 ^= 0xee;
    for (let round = 0; round < 6; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      if (round !== 2) continue;
      this.digest[at] = v1 ^ v3;
      v1 ^= 0xdd;
    }
    this.digest[at + 1] = v1 ^ v3;
  }
}
