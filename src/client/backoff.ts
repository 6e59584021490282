import type { Random } from '../base/random.ts';

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Part of the delay by which it varies, so that many clients do not come back at once. */
const JITTER = 0.2;

/** Milliseconds to wait after `failures` failures in a row: doubling, bounded, with jitter. */
export function backoffMs(options: BackoffOptions, failures: number, random: Random): number {
  if (failures <= 0) return 0;
  const delay = Math.min(options.maxMs, options.minMs * 2 ** Math.min(failures - 1, 30));
  return delay * (1 - JITTER + 2 * JITTER * random.next());
}
