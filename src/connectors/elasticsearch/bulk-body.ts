/**
 * A `_bulk` request body that is built by copying bytes: an action line with a deterministic id,
 * then the record's value as it stands in the log. Nothing is parsed on the way.
 *
 *   {"create":{"_id":"<topic id>-<partition>-<leader epoch>-<offset>"}}\n
 *   {"@timestamp":"…",…}\n
 *
 * The id makes a repetition harmless: the server answers 409 to a `create` of what it has in the
 * backing index that it writes to. Of the others see `data-stream.ts`: the body knows which of its
 * items may have been handed over before, and since when.
 *
 * A value must be one JSON object on one line. What looks different is looked at closely: line
 * breaks between tokens become spaces, a missing `@timestamp` (data streams demand one) is spliced
 * in from the record's time, and what is no JSON object at all is refused.
 *
 * For every item the body keeps where it starts, its range and its offset, so that the items which
 * a destination did not take can be sent again alone, halved, or looked up in the log.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { RecordView } from '../../protocol/record-batch.ts';
import type { Added, Refusal, Settlement, Window } from '../connector.ts';
import type { OffsetRange } from '../offset-window.ts';
import { ActionLine } from './action-line.ts';
import { LineBreaks } from './line-breaks.ts';

/** Bounds of a body; `bytes` shrinks when the server says that requests are too large. */
export interface BulkLimits {
  bytes: number;
  readonly records: number;
}

/** What became of an item in a request. */
export const Outcome = { again: 0, done: 1, duplicate: 2, refused: 3 } as const;

/** A body without work keeps no more than this. */
const IDLE_BYTES = 64 * 1024;
const ITEMS_INITIAL = 256;

const TIMESTAMP_KEY = Buffer.from('"@timestamp"');
const TIMESTAMP_START = Buffer.from('{"@timestamp":"');
/** `{"@timestamp":"2026-11-22T15:57:49.000Z",` – years beyond 9999 have three characters more. */
const SPLICE_BYTES_MAX = 48;
const TIME_MS_MAX = 8.64e15;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const isSpace = (byte: number): boolean =>
  byte === SPACE || byte === NEWLINE || byte === 0x0d || byte === 0x09;

const NULL_VALUE: Refusal = { type: 'null_value', reason: 'the record has no value', status: 0 };
const NOT_AN_OBJECT: Refusal = {
  type: 'not_an_object',
  reason: 'the value is not a JSON object',
  status: 0,
};
const NO_TIME: Refusal = {
  type: 'timestamp',
  reason: 'the record has no @timestamp, and its own time is none that a date can hold',
  status: 0,
};

export class BulkBody implements Window {
  readonly #limits: BulkLimits;
  readonly #clock: Clock;
  #buffer = Buffer.allocUnsafeSlow(IDLE_BYTES);
  #pos = 0;
  #count = 0;
  /** Answers that judged its items one by one, since it was filled. */
  answers = 0;
  /** Items may have been handed over before: by another life, or without an answer to go by. */
  mayRepeat = false;
  /** Where each item starts. */
  #starts = new Uint32Array(ITEMS_INITIAL);
  #offsets = new Float64Array(ITEMS_INITIAL);
  /** Index into `#ranges`, for each item; never decreases from item to item. */
  #rangeOf = new Uint32Array(ITEMS_INITIAL);
  #outcomes = new Uint8Array(ITEMS_INITIAL);
  #ranges: OffsetRange[] = [];
  /** By item; only those that are refused. */
  readonly #refusals = new Map<number, Refusal>();
  readonly #action = new ActionLine();
  readonly #lines = new LineBreaks();

  constructor(limits: BulkLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#pos;
  }

  add(range: OffsetRange, record: RecordView): Added {
    if (record.valueEnd < 0) return NULL_VALUE;
    const source = record.buffer;
    let start = record.valueStart;
    let end = record.valueEnd;
    while (start < end && isSpace(source[start]!)) start++;
    while (end > start && isSpace(source[end - 1]!)) end--;
    if (end - start < 2 || source[start] !== OPEN_BRACE || source[end - 1] !== CLOSE_BRACE) {
      return NOT_AN_OBJECT;
    }
    this.#action.set(range, record.offset);
    const most = this.#action.length + SPLICE_BYTES_MAX + (end - start) + 1;
    if (this.#count > 0) {
      if (this.#count >= this.#limits.records || this.#pos + most > this.#limits.bytes) {
        return 'full';
      }
    }
    if (this.#pos + most > this.#buffer.length) this.#growBytes(this.#pos + most);
    const at = this.#pos;
    const refusal = this.#encode(record, start, end);
    if (refusal !== null) {
      this.#pos = at;
      return refusal;
    }
    this.#remember(range, record.offset, at);
    return 'added';
  }

  /** Writes the item at `#pos`, which there is room for. */
  #encode(record: RecordView, start: number, end: number): Refusal | null {
    const buffer = this.#buffer;
    let at = this.#pos + this.#action.copy(buffer, this.#pos);
    const valueAt = at;
    let from = start;
    if (!startsWithTimestamp(record.buffer, start) && !hasTimestamp(record.buffer, start, end)) {
      const time = record.timestamp < 0 ? this.#clock.now() : record.timestamp;
      if (time > TIME_MS_MAX) return NO_TIME;
      from = start + 1;
      while (isSpace(record.buffer[from]!)) from++;
      at += TIMESTAMP_START.copy(buffer, at);
      at += buffer.write(new Date(time).toISOString(), at, 'latin1');
      buffer[at++] = 0x22; // "
      if (record.buffer[from] !== CLOSE_BRACE) buffer[at++] = 0x2c; // ,
    }
    at += record.buffer.copy(buffer, at, from, end);
    buffer[at] = NEWLINE;
    if (this.#lines.nextFrom(record.buffer, from) < end) {
      const refusal = joinLines(buffer, valueAt, at);
      if (refusal !== null) return refusal;
    }
    this.#pos = at + 1;
    return null;
  }

  #remember(range: OffsetRange, offset: number, at: number): void {
    const index = this.#count;
    if (index === this.#starts.length) this.#growItems();
    if (this.#ranges[this.#ranges.length - 1] !== range) this.#ranges.push(range);
    this.mayRepeat ||= range.mayRepeat;
    this.#starts[index] = at;
    this.#offsets[index] = offset;
    this.#rangeOf[index] = this.#ranges.length - 1;
    this.#outcomes[index] = Outcome.again;
    this.#count = index + 1;
    range.hold();
  }

  /** The request body of the items `[from, to)`; a view, valid until the body changes. */
  slice(from: number, to: number): Buffer {
    return this.#buffer.subarray(
      this.#starts[from],
      to < this.#count ? this.#starts[to] : this.#pos,
    );
  }

  /** The first generations of the data stream that items can have been handed over to. */
  generations(): Set<string> {
    return new Set(this.#ranges.map(({ generation }) => generation));
  }

  /** Items of that generation of which nothing is known. */
  openItemsOf(generation: string): number[] {
    const items: number[] = [];
    for (let item = 0; item < this.#count; item++) {
      const range = this.#ranges[this.#rangeOf[item]!]!;
      const isOpen = this.#outcomes[item] === Outcome.again;
      if (isOpen && range.generation === generation) items.push(item);
    }
    return items;
  }

  /** The `_id` in the item's action line. */
  idOf(item: number): string {
    return ActionLine.idAt(this.#buffer, this.#starts[item]!);
  }

  setOutcome(item: number, outcome: number, refusal?: Refusal): void {
    this.#outcomes[item] = outcome;
    if (refusal !== undefined) this.#refusals.set(item, refusal);
  }

  /**
   * Reports the items that have an outcome and drops them; the rest moves to the front, in order.
   * Returns how many were dropped.
   */
  settle(to: Settlement): number {
    const before = this.#count;
    let item = 0;
    while (item < before) {
      const index = this.#rangeOf[item]!;
      let resolved = 0;
      let duplicates = 0;
      let refused: Map<number, Refusal> | null = null;
      for (; item < before && this.#rangeOf[item] === index; item++) {
        const outcome = this.#outcomes[item]!;
        if (outcome === Outcome.done) resolved++;
        else if (outcome === Outcome.duplicate) duplicates++;
        else if (outcome === Outcome.refused) {
          const refusal = this.#refusals.get(item);
          assert(refusal !== undefined, 'a refused item has a reason');
          refused ??= new Map();
          refused.set(this.#offsets[item]!, refusal);
        }
      }
      if (refused !== null) to.refused(this.#ranges[index]!, refused);
      if (resolved + duplicates > 0) {
        to.resolved(this.#ranges[index]!, resolved + duplicates, duplicates);
      }
    }
    this.#keepUnsettled();
    return before - this.#count;
  }

  #keepUnsettled(): void {
    const ranges: OffsetRange[] = [];
    let kept = 0;
    let pos = 0;
    for (let item = 0; item < this.#count; item++) {
      if (this.#outcomes[item] !== Outcome.again) continue;
      const start = this.#starts[item]!;
      const end = item + 1 < this.#count ? this.#starts[item + 1]! : this.#pos;
      const range = this.#ranges[this.#rangeOf[item]!]!;
      if (ranges[ranges.length - 1] !== range) ranges.push(range);
      if (pos !== start) this.#buffer.copyWithin(pos, start, end);
      this.#starts[kept] = pos;
      this.#offsets[kept] = this.#offsets[item]!;
      this.#rangeOf[kept] = ranges.length - 1;
      this.#outcomes[kept] = Outcome.again;
      kept++;
      pos += end - start;
    }
    if (kept === 0) {
      this.answers = 0;
      this.mayRepeat = false;
    }
    this.#count = kept;
    this.#pos = pos;
    this.#ranges = ranges;
    this.#refusals.clear();
    this.#lines.forget();
  }

  shrink(): void {
    assert(this.#count === 0, 'only an empty body is shrunk');
    if (this.#buffer.length > IDLE_BYTES) this.#buffer = Buffer.allocUnsafeSlow(IDLE_BYTES);
    if (this.#starts.length > ITEMS_INITIAL) {
      this.#starts = new Uint32Array(ITEMS_INITIAL);
      this.#offsets = new Float64Array(ITEMS_INITIAL);
      this.#rangeOf = new Uint32Array(ITEMS_INITIAL);
      this.#outcomes = new Uint8Array(ITEMS_INITIAL);
    }
  }

  #growBytes(needed: number): void {
    const doubled = Math.min(this.#buffer.length * 2, this.#limits.bytes);
    const larger = Buffer.allocUnsafeSlow(Math.max(doubled, needed));
    this.#buffer.copy(larger, 0, 0, this.#pos);
    this.#buffer = larger;
  }

  #growItems(): void {
    const size = this.#starts.length * 2;
    const starts = new Uint32Array(size);
    const offsets = new Float64Array(size);
    const rangeOf = new Uint32Array(size);
    const outcomes = new Uint8Array(size);
    starts.set(this.#starts);
    offsets.set(this.#offsets);
    rangeOf.set(this.#rangeOf);
    outcomes.set(this.#outcomes);
    this.#starts = starts;
    this.#offsets = offsets;
    this.#rangeOf = rangeOf;
    this.#outcomes = outcomes;
  }
}

/** What our own collectors write: `{"@timestamp"` at once. */
function startsWithTimestamp(source: Buffer, start: number): boolean {
  for (let i = 0; i < TIMESTAMP_KEY.length; i++) {
    if (source[start + 1 + i] !== TIMESTAMP_KEY[i]) return false;
  }
  return true;
}

/** Whether the object has a field `@timestamp` of its own. Parses only when one is in sight. */
function hasTimestamp(source: Buffer, start: number, end: number): boolean {
  const value = source.subarray(start, end);
  if (value.indexOf(TIMESTAMP_KEY) < 0) return false;
  try {
    return Object.hasOwn(JSON.parse(value.toString()) as object, '@timestamp');
  } catch {
    return true; // Broken JSON: left as it is, and the server refuses it by name.
  }
}

/**
 * Turns line breaks in `[start, end)` into spaces. In valid JSON they stand between tokens only; a
 * value that is not valid is refused, because a part of it could be taken for an action line.
 */
function joinLines(buffer: Buffer, start: number, end: number): Refusal | null {
  try {
    JSON.parse(buffer.toString('utf8', start, end));
  } catch (error) {
    return { type: 'malformed_json', reason: (error as Error).message, status: 0 };
  }
  for (let at = start; at < end; at++) if (buffer[at] === NEWLINE) buffer[at] = SPACE;
  return null;
}
