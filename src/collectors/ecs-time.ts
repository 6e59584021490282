/**
 * Timestamps on bytes. `parseIsoTime` reads RFC 3339 and its usual relatives without making a
 * string; the result also says whether the text may be copied as it is into `@timestamp`
 * (Elasticsearch's strict_date_optional_time, RFC 3339).
 */
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_OF_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The years that `@timestamp` can hold: 0000 to 9999. */
export const TIME_MS_MIN = -62_167_219_200_000;
export const TIME_MS_MAX = 253_402_300_799_999;

/** Days from 1970-01-01 to the date of the proleptic Gregorian calendar; month 0-11. */
export function daysSinceEpoch(year: number, month: number, day: number): number {
  const before = year - 1;
  const leapDays =
    Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - 477;
  const leapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const leap = leapYear && month > 1 ? 1 : 0;
  return (year - 1970) * 365 + leapDays + DAYS_BEFORE_MONTH[month]! + leap + day - 1;
}

/** Value of `count` decimal digits at `at`, or -1. */
export function digitsAt(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i]! - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The last result of `parseIsoTime`; one object, because the callers are single-threaded loops. */
export interface IsoTime {
  /** Milliseconds since 1970; NaN when the text is no timestamp. */
  ms: number;
  /** The text is canonical: may be copied into `@timestamp` as it is. */
  canonical: boolean;
  /** Where the timestamp ended. */
  end: number;
}

const result: IsoTime = { ms: Number.NaN, canonical: false, end: 0 };

const MINUTE_BYTES = 16;
/** The last minute that was read, and its time: most stamps are of the same one as the stamp before. */
const lastMinute = new Uint8Array(MINUTE_BYTES);
let lastMinuteMs = Number.NaN;

/** Milliseconds since 1970 of `YYYY-MM-DD[T ]hh:mm` as UTC, or NaN. */
function minuteAt(bytes: Uint8Array, start: number): number {
  let same = 0;
  while (same < MINUTE_BYTES && bytes[start + same] === lastMinute[same]) same++;
  if (same === MINUTE_BYTES) return lastMinuteMs;
  const ms = readMinute(bytes, start);
  if (!Number.isNaN(ms)) {
    for (let i = 0; i < MINUTE_BYTES; i++) lastMinute[i] = bytes[start + i]!;
    lastMinuteMs = ms;
  }
  return ms;
}

function readMinute(bytes: Uint8Array, start: number): number {
  const year = digitsAt(bytes, start, 4);
  const month = digitsAt(bytes, start + 5, 2) - 1;
  const day = digitsAt(bytes, start + 8, 2);
  const hour = digitsAt(bytes, start + 11, 2);
  const minute = digitsAt(bytes, start + 14, 2);
  if (year < 0 || month < 0 || month > 11 || day < 1 || day > DAYS_OF_MONTH[month]!) {
    return Number.NaN;
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return Number.NaN;
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d || bytes[start + 13] !== 0x3a) {
    return Number.NaN;
  }
  const separator = bytes[start + 10]!;
  if (separator !== 0x54 && separator !== 0x74 && separator !== 0x20) return Number.NaN;
  const leapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 1 && day === 29 && !leapYear) return Number.NaN;
  return daysSinceEpoch(year, month, day) * DAY_MS + (hour * 60 + minute) * MINUTE_MS;
}

/**
 * Reads `YYYY-MM-DD[T ]hh:mm[:ss[.,fff…]][Z|±hh[:]mm]`; without a zone it is UTC shifted by
 * `zoneMinutes`. Leaves trailing bytes alone: compare `end`.
 */
export function parseIsoTime(
  bytes: Uint8Array,
  start: number,
  end: number,
  zoneMinutes = 0,
): IsoTime {
  result.ms = Number.NaN;
  result.canonical = false;
  result.end = start;
  if (end - start < MINUTE_BYTES) return result;
  const minuteMs = minuteAt(bytes, start);
  if (Number.isNaN(minuteMs)) return result;
  let canonical = bytes[start + 10] === 0x54;

  let at = start + MINUTE_BYTES;
  let seconds = 0;
  let fraction = 0;
  if (at < end && bytes[at] === 0x3a) {
    seconds = at + 3 <= end ? digitsAt(bytes, at + 1, 2) : -1;
    if (seconds < 0 || seconds > 60) return result;
    if (seconds === 60) canonical = false;
    at += 3;
    if (at < end && (bytes[at] === 0x2e || bytes[at] === 0x2c)) {
      if (bytes[at] === 0x2c) canonical = false;
      const first = ++at;
      let scale = 100;
      for (; at < end; at++) {
        const digit = bytes[at]! - 48;
        if (!(digit >= 0 && digit <= 9)) break;
        fraction += digit * scale;
        scale /= 10;
      }
      if (at === first || at - first > 9) canonical = false;
    }
  } else canonical = false;

  let offset = zoneMinutes;
  if (at < end && (bytes[at] === 0x5a || bytes[at] === 0x7a)) {
    if (bytes[at] === 0x7a) canonical = false;
    offset = 0;
    at++;
  } else if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) {
    const colon = bytes[at + 3] === 0x3a ? 1 : 0;
    const zoneHour = at + 5 + colon <= end ? digitsAt(bytes, at + 1, 2) : -1;
    const zoneMinute = zoneHour < 0 ? -1 : digitsAt(bytes, at + 3 + colon, 2);
    if (zoneHour < 0 || zoneHour > 18 || zoneMinute < 0 || zoneMinute > 59) return result;
    offset = (zoneHour * 60 + zoneMinute) * (bytes[at] === 0x2d ? -1 : 1);
    if (colon === 0) canonical = false;
    at += 5 + colon;
  } else canonical = false;

  result.ms = minuteMs - offset * MINUTE_MS + seconds * 1000 + Math.floor(fraction);
  result.canonical = canonical && result.ms >= TIME_MS_MIN && result.ms <= TIME_MS_MAX;
  result.end = at;
  return result;
}

/** Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by magnitude; 0 and less: NaN. */
export function epochToMs(value: number): number {
  if (!(value > 0)) return Number.NaN;
  if (value < 1e11) return Math.floor(value * 1e3);
  if (value < 1e14) return Math.floor(value);
  if (value < 1e17) return Math.floor(value / 1e3);
  return Math.floor(value / 1e6);
}
