import { daysSinceEpoch, digitsAt } from '../ecs-time.ts';

/**
 * Reads `Mmm dd hh:mm:ss` (RFC 3164), with what devices add: a leading `*` or `.`, a year before or
 * behind the time, a fraction, a zone name, a colon. The year that is missing is the one that puts the time nearest
 * to now; the zone that is missing is the listener's.
 */

/** Minutes east of UTC, or `local`: the machine's zone with its summer time. */
export type Zone = number | 'local';

/** Reads `local`, `UTC`, `+hh:mm`. Anything else is `local`. */
export function zoneOf(text: string): Zone {
  if (/^(utc|gmt|z)$/i.test(text)) return 0;
  const match = /^([+-])(\d\d):?(\d\d)$/.exec(text);
  if (match === null) return 'local';
  return (Number(match[2]) * 60 + Number(match[3])) * (match[1] === '-' ? -1 : 1);
}

const packed = (a: number, b: number, c: number): number => (a << 16) | (b << 8) | c;
const MONTHS = new Map(
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map(
    (name, month) => [packed(name.charCodeAt(0), name.charCodeAt(1), name.charCodeAt(2)), month],
  ),
);

const UTC = packed(0x55, 0x54, 0x43);
const GMT = packed(0x47, 0x4d, 0x54);
/** Years behind the time, as devices that have been running may say them. */
const YEAR_MIN = 1990;
const YEAR_MAX = 2099;

const isUpper = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x41 && byte <= 0x5a;

/** ` 2026 `: no host is called that. */
function isYearNext(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 5 >= end || bytes[at] !== 0x20 || bytes[at + 5] !== 0x20) return false;
  const year = digitsAt(bytes, at + 1, 4);
  return year >= YEAR_MIN && year <= YEAR_MAX;
}

const isUtc = (bytes: Uint8Array, start: number, end: number): boolean => {
  if (end - start !== 3) return false;
  const name = packed(bytes[start]!, bytes[start + 1]!, bytes[start + 2]!);
  return name === UTC || name === GMT;
};

/** Where the name of a zone behind the stamp ends; `at` when none follows. */
function zoneNameEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== 0x20) return at;
  let stop = at + 1;
  while (stop < end && isUpper(bytes[stop])) stop++;
  if (stop - at < 3 || stop - at > 6 || stop >= end) return at;
  // A host name in capitals has no colon behind it; and none is called UTC.
  const isZone = bytes[stop] === 0x3a || (bytes[stop] === 0x20 && isUtc(bytes, at + 1, stop));
  return isZone ? stop : at;
}

export class BsdTimeReader {
  /** Result of the last `read`: milliseconds since 1970. */
  ms = 0;
  readonly #zone: Zone;
  /** The minute that was resolved last; lines come in the order of time. */
  #minute = -1;
  #minuteMs = 0;
  #minuteNow = 0;

  constructor(zone: Zone) {
    this.#zone = zone;
  }

  /** Returns where the stamp ends, or -1 when there is none at `start`. */
  read(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
    let at = start;
    if (bytes[at] === 0x2a || bytes[at] === 0x2e) at++; // Cisco: clock not set, or not in step.
    if (end - at < 15) return -1;
    const month = MONTHS.get(packed(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!));
    if (month === undefined || bytes[at + 3] !== 0x20) return -1;
    at += 4;
    let day = bytes[at] === 0x20 ? digitsAt(bytes, at + 1, 1) : digitsAt(bytes, at, 2);
    at += 2;
    if (day < 0 && bytes[at - 1] === 0x20) {
      day = digitsAt(bytes, at - 2, 1); // One digit, not padded.
      at--;
    }
    if (day < 1 || day > 31 || bytes[at] !== 0x20) return -1;
    at++;
    let year = -1;
    if (bytes[at + 4] === 0x20) {
      year = digitsAt(bytes, at, 4);
      if (year < 1970) return -1;
      at += 5;
    }
    return this.#clock(bytes, at, end, nowMs, year, month, day);
  }

  #clock(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
    year: number,
    month: number,
    day: number,
  ): number {
    if (end - start < 8 || bytes[start + 2] !== 0x3a || bytes[start + 5] !== 0x3a) return -1;
    const hour = digitsAt(bytes, start, 2);
    const minute = digitsAt(bytes, start + 3, 2);
    const second = digitsAt(bytes, start + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
    let at = start + 8;
    let millis = 0;
    if (at + 1 < end && bytes[at] === 0x2e) {
      let scale = 100;
      for (at++; at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++) {
        millis += (bytes[at]! - 48) * scale;
        scale /= 10;
      }
    }
    let writtenYear = year;
    if (year < 0 && isYearNext(bytes, at, end)) {
      writtenYear = digitsAt(bytes, at + 1, 4);
      at += 5;
    }
    const zoneEnd = zoneNameEnd(bytes, at, end);
    const zone = zoneEnd > at && isUtc(bytes, at + 1, zoneEnd) ? 0 : this.#zone;
    at = zoneEnd;
    if (at < end && bytes[at] === 0x3a) at++;
    this.ms =
      this.#minuteStart(nowMs, writtenYear, month, day, hour, minute, zone) +
      second * 1000 +
      Math.floor(millis);
    return at;
  }

  #minuteStart(
    nowMs: number,
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    zone: Zone,
  ): number {
    const zoneKey = zone === 0 ? 1 : 0;
    const key = ((((year + 1) * 12 + month) * 32 + day) * 24 + hour) * 120 + minute * 2 + zoneKey;
    // Within an hour the nearest year is the same.
    if (key === this.#minute && Math.abs(nowMs - this.#minuteNow) < 3_600_000)
      return this.#minuteMs;
    const at = (candidate: number): number =>
      zone === 'local'
        ? new Date(candidate, month, day, hour, minute).getTime()
        : daysSinceEpoch(candidate, month, day) * 86_400_000 + (hour * 60 + minute - zone) * 60_000;
    let best = at(year);
    if (year < 0) {
      const thisYear = new Date(nowMs).getUTCFullYear();
      best = at(thisYear);
      for (const candidate of [thisYear - 1, thisYear + 1]) {
        const ms = at(candidate);
        if (Math.abs(ms - nowMs) < Math.abs(best - nowMs)) best = ms;
      }
    }
    this.#minute = key;
    this.#minuteMs = best;
    this.#minuteNow = nowMs;
    return best;
  }
}
