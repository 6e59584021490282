import type { RejectReason } from './balance.ts';
import { type EcsObject, ecsObjectAt, ecsObjects } from './ecs-objects.ts';
import { epochToMs, parseIsoTime, TIME_MS_MAX } from './ecs-time.ts';
import {
  type EcsWriter,
  fragment,
  TAG_INVALID_UTF8,
  TAG_PARSE_ERROR,
  TAG_TIME_ERROR,
} from './ecs-writer.ts';
import { JsonScanner } from './json-scanner.ts';

/**
 * Turns a JSON object that a user sent into the final record, by copying byte ranges.
 *
 * - `@timestamp`: from the time field (`@timestamp`, `timestamp`, `time`, `ts`, or the one the
 *   sender names): RFC 3339 is kept as it is; Unix s, ms, µs and ns are told apart by magnitude;
 *   absent or 0 is the time of receipt. What can't be read is tagged `time_error` and kept, whole,
 *   in `event.original`.
 * - `message`: from `message`, `msg`, `log`, `_msg` (strings), or the field the sender names.
 * - `log.level`: from `level` or `severity`; pino's numbers become names.
 * - A bare value where ECS has an object (`"error":"boom"`) goes into that object: `ecs-objects.ts`.
 * - All other members stay as they are, in order. Numbers keep all digits.
 *
 * An object that has all this already is not copied at all: the record is the source range.
 */

/** The record that was made is in `buffer[start, end)`. */
export interface Made {
  buffer: Buffer;
  start: number;
  end: number;
}

export interface JsonFields {
  /** Key of the member that holds the message; null: the usual ones. */
  readonly message: string | null;
  /** Key of the member that holds the time; null: the usual ones. */
  readonly time: string | null;
}

export const USUAL_FIELDS: JsonFields = { message: null, time: null };

const MESSAGE_OPEN = fragment(',"message":');
const MESSAGE_TEXT_OPEN = fragment(',"message":"');
const LEVEL_OPEN = fragment(',"log":{"level":');
const ORIGINAL_LOG_OPEN = fragment(',"log":{"original":');
const MORE_ORIGINAL_LOG_OPEN = fragment(',"original":');
const ORIGINAL_OPEN = fragment(',"event":{"original":"');
const TEXT_CLOSE_OBJECT = fragment('"}');
const TAGS_OPEN = fragment(',"tags":[');

/** pino's and bunyan's numbers. */
const NUMBERED_LEVELS = new Map([
  [10, fragment('"trace"')],
  [20, fragment('"debug"')],
  [30, fragment('"info"')],
  [40, fragment('"warn"')],
  [50, fragment('"error"')],
  [60, fragment('"fatal"')],
]);

const TIMES = ['@timestamp', 'timestamp', 'time', 'ts'].map((key) => Buffer.from(key));
const MESSAGES = ['message', 'msg', 'log', '_msg'].map((key) => Buffer.from(key));
const LEVELS = ['level', 'severity'].map((key) => Buffer.from(key));
const LOG_LEVEL = Buffer.from('log.level');
const TAGS = Buffer.from('tags');

const NONE = -1;

/** The canonical key stays first: an object that has it keeps it. */
const withKey = (keys: readonly Buffer[], key: string | null): readonly Buffer[] =>
  key === null ? keys : [keys[0]!, Buffer.from(key), ...keys.slice(1)];

export class JsonRecordMaker {
  readonly made: Made;
  /** Why the last `make` refused. */
  reject: RejectReason = 'malformed';
  reason = '';
  readonly scanner = new JsonScanner();
  readonly #writer: EcsWriter;
  readonly #times: readonly Buffer[];
  readonly #messages: readonly Buffer[];
  #source: Buffer;
  #time = NONE;
  #message = NONE;
  #level = NONE;
  #levelRank = LEVELS.length;
  /** A bare `log` that is not the message. */
  #originalLog = NONE;
  /** Other bare values in the place of objects: the members, and the objects. */
  readonly #bareMembers = new Int32Array(ecsObjects.length);
  readonly #bareObjects: EcsObject[] = [];
  #tagsMember = NONE;
  #hasLog = false;
  #hasLogLevel = false;
  #hasEvent = false;

  constructor(writer: EcsWriter, fields: JsonFields = USUAL_FIELDS) {
    this.#writer = writer;
    this.#source = writer.buffer;
    this.made = { buffer: writer.buffer, start: 0, end: 0 };
    this.#times = withKey(TIMES, fields.time);
    this.#messages = withKey(MESSAGES, fields.message);
  }

  /**
   * Reads the value at `start`; returns where it ends, or -1 when it is not JSON. Call `write`
   * next, while the bytes are unchanged.
   */
  scan(source: Buffer, start: number, end: number): number {
    this.#source = source;
    const stop = this.scanner.scan(source, start, end);
    if (stop < 0) {
      this.reject = this.scanner.reason === 'nested too deeply' ? 'too_deep' : 'malformed';
      this.reason = this.scanner.reason;
    }
    return stop;
  }

  /** Makes the record of the value that was scanned last; false when it is refused. */
  write(start: number, end: number, receivedMs: number): boolean {
    const first = this.#source[start];
    if (first === 0x22) return this.#writeString(start, end, receivedMs);
    if (first !== 0x7b) {
      this.reject = 'not_an_object';
      this.reason = 'expected an object or a string';
      return false;
    }
    if (this.scanner.invalidUtf8) return this.#repair(start, end, receivedMs);
    this.#find();
    if (this.#isFinal()) {
      this.made.buffer = this.#source;
      this.made.start = start;
      this.made.end = end;
      return end - start <= this.#writer.recordBytesMax || this.#refuseLong(end - start);
    }
    return this.#compose(start, end, receivedMs, 0);
  }

  /** For a record that is longer than may be: its source, or what would have been made of it. */
  #refuseLong(sourceBytes: number): false {
    this.reject = 'too_large';
    this.reason = `${sourceBytes} bytes of JSON make a record that is longer than the ${this.#writer.recordBytesMax} bytes that fit`;
    return false;
  }

  #writeString(start: number, end: number, receivedMs: number): boolean {
    const writer = this.#writer;
    writer.begin(receivedMs);
    writer.raw(MESSAGE_OPEN);
    if (this.scanner.invalidUtf8) {
      const repaired = Buffer.from(this.#source.toString('utf8', start, end));
      if (!writer.json(repaired, 0, repaired.length)) return this.#refuseLong(end - start);
      writer.tags |= TAG_INVALID_UTF8;
    } else if (!writer.json(this.#source, start, end)) return this.#refuseLong(end - start);
    writer.end();
    return this.#fromWriter();
  }

  #fromWriter(): true {
    this.made.buffer = this.#writer.buffer;
    this.made.start = 0;
    this.made.end = this.#writer.pos;
    return true;
  }

  /** Bytes that are not UTF-8 become U+FFFD; rare, so it may cost a copy. */
  #repair(start: number, end: number, receivedMs: number): boolean {
    const repaired = Buffer.from(this.#source.toString('utf8', start, end));
    if (this.scan(repaired, 0, repaired.length) < 0) return false;
    this.#find();
    return this.#compose(0, repaired.length, receivedMs, TAG_INVALID_UTF8);
  }

  #keyIs(n: number, key: Buffer): boolean {
    const start = this.scanner.keyStart(n);
    if (this.scanner.keyEnd(n) - start !== key.length) return false;
    const source = this.#source;
    for (let i = 0; i < key.length; i++) if (source[start + i] !== key[i]) return false;
    return true;
  }

  /** Rank of member `n`'s key among `keys`, or NONE. */
  #rank(n: number, keys: readonly Buffer[]): number {
    for (let i = 0; i < keys.length; i++) if (this.#keyIs(n, keys[i]!)) return i;
    return NONE;
  }

  #isText(n: number): boolean {
    return this.#source[this.scanner.valueStart(n)] === 0x22;
  }

  /** Finds the members with a meaning: of several candidates the one that stands first in its list. */
  #find(): void {
    let time = this.#times.length;
    let message = this.#messages.length;
    this.#levelRank = LEVELS.length;
    this.#time = this.#message = this.#level = this.#originalLog = this.#tagsMember = NONE;
    this.#bareObjects.length = 0;
    this.#hasLog = this.#hasLogLevel = this.#hasEvent = false;
    for (let n = 0; n < this.scanner.members; n++) {
      const timeRank = this.#rank(n, this.#times);
      if (timeRank !== NONE) {
        if (timeRank < time) {
          time = timeRank;
          this.#time = n;
        }
        continue;
      }
      const messageRank = this.#rank(n, this.#messages);
      const isObvious = messageRank === 0 || this.#keyIs(n, MESSAGES[0]!);
      const isMessage = messageRank !== NONE && (this.#isText(n) || isObvious);
      if (isMessage && messageRank < message) {
        message = messageRank;
        if (this.#message !== NONE) this.#findOther(this.#message);
        this.#message = n;
      } else this.#findOther(n);
    }
    if (this.#hasLog || this.#hasLogLevel) this.#level = NONE;
  }

  /** Notes what a member means that is neither time nor message. */
  #findOther(n: number): void {
    const levelRank = this.#rank(n, LEVELS);
    if (levelRank !== NONE && levelRank < this.#levelRank && this.#isLevel(n)) {
      this.#levelRank = levelRank;
      this.#level = n;
    } else if (this.#keyIs(n, LOG_LEVEL)) this.#hasLogLevel = true;
    else if (this.#keyIs(n, TAGS)) this.#tagsMember = n;
    else {
      const object = ecsObjectAt(this.#source, this.scanner.keyStart(n), this.scanner.keyEnd(n));
      if (object !== null) this.#findObject(n, object);
    }
  }

  #findObject(n: number, object: EcsObject): void {
    if (object.name === 'event') this.#hasEvent = true;
    const isBare = this.#isBare(n);
    if (object.name === 'log') {
      if (isBare) this.#originalLog = n;
      else this.#hasLog = true;
    } else if (isBare && this.#bareObjects.length < this.#bareMembers.length) {
      this.#bareMembers[this.#bareObjects.length] = n;
      this.#bareObjects.push(object);
    }
  }

  /** Neither an object, or several, nor null, which an index takes for absent. */
  #isBare(n: number): boolean {
    let at = this.scanner.valueStart(n);
    const first = this.#source[at];
    if (first !== 0x5b) return first !== 0x7b && first !== 0x6e;
    do at++;
    while (this.#source[at]! <= 0x20);
    return this.#source[at] !== 0x7b && this.#source[at] !== 0x5d;
  }

  #isLevel(n: number): boolean {
    return this.#isText(n) || NUMBERED_LEVELS.has(this.#number(n));
  }

  #number(n: number): number {
    const start = this.scanner.valueStart(n);
    const end = this.scanner.valueEnd(n);
    return end - start > 32 ? Number.NaN : Number(this.#source.toString('latin1', start, end));
  }

  /** The source is the record: nothing to rename, to add or to repair. */
  #isFinal(): boolean {
    if (this.#level !== NONE || this.#time === NONE || this.scanner.multiLine) return false;
    if (this.#originalLog !== NONE || this.#bareObjects.length > 0) return false;
    if (!this.#keyIs(this.#time, TIMES[0]!) || !this.#isText(this.#time)) return false;
    const message = this.#message;
    if (message !== NONE && !(this.#keyIs(message, MESSAGES[0]!) && this.#isText(message)))
      return false;
    return this.#stampIsCanonical();
  }

  #stampIsCanonical(): boolean {
    const start = this.scanner.valueStart(this.#time) + 1;
    const end = this.scanner.valueEnd(this.#time) - 1;
    const iso = parseIsoTime(this.#source, start, end);
    return iso.canonical && iso.end === end;
  }

  #compose(start: number, end: number, receivedMs: number, tags: number): boolean {
    const writer = this.#writer;
    const timeOk = this.#begin(receivedMs);
    writer.tags = tags | (timeOk ? 0 : TAG_TIME_ERROR);
    const keepOriginal = !timeOk && !this.#hasEvent;
    if (
      !this.#writeMessage() ||
      !this.#writeLog() ||
      !this.#writeBare() ||
      !this.#writeRest(end) ||
      (keepOriginal && !this.#writeOriginal(start, end))
    ) {
      return this.#refuseLong(end - start);
    }
    if (this.#tagsMember === NONE) writer.tagList();
    writer.byte(0x7d);
    if (this.scanner.multiLine) this.#flatten();
    return this.#fromWriter();
  }

  /** Writes `@timestamp`; false when the sender's time can't be read. */
  #begin(receivedMs: number): boolean {
    const writer = this.#writer;
    if (this.#time === NONE) {
      writer.begin(receivedMs);
      return true;
    }
    const start = this.scanner.valueStart(this.#time);
    const end = this.scanner.valueEnd(this.#time);
    let ms = Number.NaN;
    if (this.#isText(this.#time)) {
      const iso = parseIsoTime(this.#source, start + 1, end - 1);
      if (iso.end === end - 1) {
        if (iso.canonical) {
          writer.beginVerbatim(this.#source, start + 1, end - 1);
          return true;
        }
        ms = iso.ms;
      } else if (end - start < 34) ms = this.#epoch(start + 1, end - 1, receivedMs);
    } else ms = this.#epoch(start, end, receivedMs);
    const ok = ms <= TIME_MS_MAX;
    writer.begin(ok ? ms : receivedMs);
    return ok;
  }

  /** Unix time as text; 0 (as some agents send it) and null mean now. */
  #epoch(start: number, end: number, receivedMs: number): number {
    if (end === start || end - start > 32) return Number.NaN;
    const text = this.#source.toString('latin1', start, end);
    if (text === 'null') return receivedMs;
    const value = Number(text);
    return value === 0 ? receivedMs : epochToMs(value);
  }

  #writeMessage(): boolean {
    const n = this.#message;
    if (n === NONE) return true;
    const writer = this.#writer;
    const start = this.scanner.valueStart(n);
    const end = this.scanner.valueEnd(n);
    if (this.#isText(n)) {
      writer.raw(MESSAGE_OPEN);
      return writer.json(this.#source, start, end);
    }
    // An object where a text is expected would be refused by every index that has seen a text.
    writer.raw(MESSAGE_TEXT_OPEN);
    const whole = writer.text(this.#source, start, end) === end;
    writer.byte(0x22);
    return whole;
  }

  /** `log` with the level and the bare `log`, as far as there are any. */
  #writeLog(): boolean {
    const level = this.#level;
    const original = this.#originalLog;
    if (level === NONE && original === NONE) return true;
    const writer = this.#writer;
    if (level !== NONE) {
      writer.raw(LEVEL_OPEN);
      if (!this.#isText(level)) writer.raw(NUMBERED_LEVELS.get(this.#number(level))!);
      else if (!this.#writeValue(level)) return false;
    }
    if (original !== NONE) {
      writer.raw(level === NONE ? ORIGINAL_LOG_OPEN : MORE_ORIGINAL_LOG_OPEN);
      if (!this.#writeValue(original)) return false;
    }
    writer.byte(0x7d);
    return true;
  }

  #writeBare(): boolean {
    for (let i = 0; i < this.#bareObjects.length; i++) {
      this.#writer.raw(this.#bareObjects[i]!.open);
      if (!this.#writeValue(this.#bareMembers[i]!)) return false;
      this.#writer.byte(0x7d);
    }
    return true;
  }

  #writeValue(n: number): boolean {
    const { scanner } = this;
    return this.#writer.json(this.#source, scanner.valueStart(n), scanner.valueEnd(n));
  }

  /** All members without a meaning, in runs. */
  #writeRest(end: number): boolean {
    const { scanner } = this;
    let n = 0;
    while (n < scanner.members) {
      if (this.#isWritten(n)) {
        n++;
        continue;
      }
      if (n === this.#tagsMember && this.#writer.tags !== 0) {
        if (!this.#writeTags(n)) return false;
        n++;
        continue;
      }
      const first = n;
      while (n < scanner.members && !this.#stopsRun(n)) n++;
      this.#writer.byte(0x2c);
      if (!this.#writer.json(this.#source, scanner.keyStart(first) - 1, scanner.valueEnd(n - 1)))
        return false;
    }
    if (!scanner.moreMembers) return true;
    // From behind the last remembered value, comma included, to the closing brace.
    return this.#writer.json(this.#source, scanner.valueEnd(scanner.members - 1), end - 1);
  }

  #isWritten(n: number): boolean {
    if (n === this.#time || n === this.#message || n === this.#level || n === this.#originalLog)
      return true;
    for (let i = 0; i < this.#bareObjects.length; i++) if (n === this.#bareMembers[i]) return true;
    return false;
  }

  #stopsRun(n: number): boolean {
    return this.#isWritten(n) || (n === this.#tagsMember && this.#writer.tags !== 0);
  }

  /** The sender's own tags behind ours. */
  #writeTags(n: number): boolean {
    const writer = this.#writer;
    const source = this.#source;
    let start = this.scanner.valueStart(n);
    let end = this.scanner.valueEnd(n);
    writer.raw(TAGS_OPEN);
    writer.tagNames();
    if (source[start] === 0x5b) {
      start++;
      end--;
      while (start < end && source[start]! <= 0x20) start++;
    }
    if (end > start) {
      writer.byte(0x2c);
      if (!writer.json(source, start, end)) return false;
    }
    writer.byte(0x5d);
    return true;
  }

  #writeOriginal(start: number, end: number): boolean {
    const writer = this.#writer;
    writer.raw(ORIGINAL_OPEN);
    const whole = writer.text(this.#source, start, end) === end;
    writer.raw(TEXT_CLOSE_OBJECT);
    return whole;
  }

  /** Newlines can stand between tokens only; a record is one line. */
  #flatten(): void {
    const { buffer, pos } = this.#writer;
    for (let i = 0; i < pos; i++) if (buffer[i] === 0x0a || buffer[i] === 0x0d) buffer[i] = 0x20;
  }

  /** Makes a record of bytes that are no JSON: the text is the message, tagged. */
  writeText(
    source: Buffer,
    start: number,
    end: number,
    receivedMs: number,
    tags = TAG_PARSE_ERROR,
  ): void {
    const writer = this.#writer;
    writer.begin(receivedMs);
    writer.raw(MESSAGE_TEXT_OPEN);
    writer.text(source, start, end);
    writer.byte(0x22);
    writer.tags |= tags;
    writer.end();
    this.#fromWriter();
  }
}
