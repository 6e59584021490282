/** Points in time and durations as people type them. */
import { usageError } from './arguments.ts';

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * `250ms`, `30s`, `15m`, `2h`, `7d` in milliseconds. `takes` begins what is said of another text:
 * `--by-duration takes`.
 */
export function parseDuration(text: string, takes: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    throw usageError(`${takes} a duration like 30s, 15m, 2h or 7d; saw '${text}'`);
  }
  return Number(match[1]) * UNITS_MS[match[2]!]!;
}

/** An ISO date and time; without a zone it is local. Milliseconds since 1970. */
export function parseTime(text: string, takes: string): number {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw usageError(`${takes} a time like 2026-11-22T15:00:00Z; saw '${text}'`);
  }
  return time;
}
