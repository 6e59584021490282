/**
 * A latency histogram that costs one increment a recording: log-linear buckets of microseconds in
 * a typed array (16 a doubling, so a value is known to 6 %), counted since the thread started.
 *
 * Quantiles are those of the last `WINDOW_MS` to twice that: a snapshot of the counts is kept at
 * each turn of the window and subtracted. Kafka's own decay over about five minutes; ours
 * forgets at once instead of slowly.
 */
const LINEAR = 32;
const SUB_BITS = 4;
const SUBS = 2 ** SUB_BITS;
const EXPONENT_MIN = 5;
/** 2^27 microseconds, 134 s: what takes longer counts as this. */
const EXPONENT_MAX = 26;
const MICROS_MAX = 2 ** (EXPONENT_MAX + 1) - 1;
const BUCKETS = LINEAR + (EXPONENT_MAX - EXPONENT_MIN + 1) * SUBS;

const WINDOW_MS = 150_000;

/** The label values are Kafka's, character by character: dashboards select on them. */
export const quantiles = [
  ['0.50', 0.5],
  ['0.75', 0.75],
  ['0.95', 0.95],
  ['0.98', 0.98],
  ['0.99', 0.99],
  ['0.999', 0.999],
] as const;

/** Upper bounds, in seconds, of the classic histogram. */
export const secondsBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30,
] as const;

/** Of a histogram that has recorded nothing; nobody writes to it. */
const NO_COUNTS = new Float64Array(BUCKETS);

export class LatencyHistogram {
  /** Its own from the first recording on: most of the histograms of a broker never have one. */
  #counts = NO_COUNTS;
  /** Counts at the last turn of the window, and at the one before; allocated at the first turn. */
  #turned: Float64Array | null = null;
  #turnedBefore: Float64Array | null = null;
  #turnedAtMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #sumMs = 0;

  /** Negative or not a number (a clock that went back) counts as zero. */
  record(ms: number): void {
    const known = ms > 0 ? ms : 0;
    if (this.#count === 0) this.#counts = new Float64Array(BUCKETS);
    this.#counts[bucketOf(known * 1_000)]! += 1;
    this.#count += 1;
    this.#sumMs += known;
  }

  get count(): number {
    return this.#count;
  }

  get sumSeconds(): number {
    return this.#sumMs / 1_000;
  }

  /** How many were at most so long, for each of `secondsBounds` (a bucket across a bound is above it). */
  cumulative(): number[] {
    const result: number[] = [];
    let bucket = 0;
    let sum = 0;
    for (const bound of secondsBounds) {
      const micros = bound * 1_000_000;
      while (bucket < BUCKETS && upperMicros(bucket) <= micros) sum += this.#counts[bucket++]!;
      result.push(sum);
    }
    return result;
  }

  /** Milliseconds at each of `quantiles`, of what the current window has seen; zeros when nothing. */
  windowMs(nowMs: number): number[] {
    if (this.#count === 0) return quantiles.map(() => 0);
    this.#turn(nowMs);
    const base = this.#turnedBefore;
    const seen = new Float64Array(BUCKETS);
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen[i] = this.#counts[i]! - (base?.[i] ?? 0);
      total += seen[i]!;
    }
    return quantiles.map(([, q]) => (total === 0 ? 0 : valueAt(seen, Math.ceil(q * total))));
  }

  #turn(nowMs: number): void {
    if (this.#turnedAtMs === Number.NEGATIVE_INFINITY) this.#turnedAtMs = nowMs;
    const elapsed = nowMs - this.#turnedAtMs;
    if (elapsed < WINDOW_MS) return;
    // Nobody asked for two windows: what was counted before is older than any of them.
    this.#turnedBefore =
      elapsed >= 2 * WINDOW_MS ? this.#counts.slice() : (this.#turned ?? new Float64Array(BUCKETS));
    this.#turned = this.#counts.slice();
    this.#turnedAtMs = nowMs;
  }
}

function bucketOf(micros: number): number {
  const value = micros >= MICROS_MAX ? MICROS_MAX : Math.floor(micros);
  if (value < LINEAR) return value;
  const exponent = 31 - Math.clz32(value);
  const sub = (value >>> (exponent - SUB_BITS)) & (SUBS - 1);
  return LINEAR + (exponent - EXPONENT_MIN) * SUBS + sub;
}

/** First value above the bucket. */
function upperMicros(bucket: number): number {
  if (bucket < LINEAR) return bucket + 1;
  const exponent = EXPONENT_MIN + Math.floor((bucket - LINEAR) / SUBS);
  const sub = (bucket - LINEAR) % SUBS;
  return 2 ** exponent + (sub + 1) * 2 ** (exponent - SUB_BITS);
}

function lowerMicros(bucket: number): number {
  return bucket === 0 ? 0 : upperMicros(bucket - 1);
}

function valueAt(counts: Float64Array, rank: number): number {
  let seen = 0;
  for (let i = 0; i < BUCKETS; i++) {
    seen += counts[i]!;
    if (seen >= rank) return (lowerMicros(i) + upperMicros(i)) / 2_000;
  }
  return MICROS_MAX / 1_000;
}
