import { parseIsoTime, TIME_MS_MAX } from '../ecs-time.ts';
import {
  type EcsWriter,
  fragment,
  TAG_PARSE_ERROR,
  TAG_TIME_ERROR,
  TAG_TRUNCATED,
} from '../ecs-writer.ts';
import { BsdTimeReader, type Zone } from './bsd-time.ts';
import { HeaderCache } from './header-cache.ts';
import { PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_PARTS } from './priority.ts';
import { StructuredData } from './structured-data.ts';

/**
 * One syslog message to one record, in one pass over its bytes.
 *
 * `<PRI>1 ` is RFC 5424, any other `<PRI>` RFC 3164 as it is met in practice: ISO stamps, stamps of
 * Cisco devices, no host, `TAG[pid]:`. A word behind the host is the tag only when `[` or `:`
 * follows: otherwise it stays in the message. No `<`: the whole line is the message, user.notice.
 * What can't be read is never lost: the text is the message and, tagged `parse_error`, `event.original`.
 *
 * Fields: `log.level`, `log.syslog.{facility,severity,priority,msgid,procid,structured_data}`,
 * `host.name` (the sender's address when the message has none), `service.name` and `process.name`
 * (APP-NAME or TAG), `process.pid`.
 */
const MESSAGE_OPEN = fragment(',"message":"');
const QUOTE = 0x22;
const MSGID_OPEN = fragment(',"msgid":"');
const PROCID_OPEN = fragment(',"procid":"');
const DATA_OPEN = fragment(',"structured_data":');
const LOG_CLOSE = fragment('}}');
const HOST_OPEN = fragment(',"host":{"name":"');
const SERVICE_OPEN = fragment(',"service":{"name":"');
const PROCESS_OPEN = fragment(',"process":{"name":"');
const PROCESS_PID_OPEN = fragment(',"process":{"pid":');
const PID_OPEN = fragment(',"pid":');
const TEXT_CLOSE = fragment('"}');
const ORIGINAL_OPEN = fragment(',"event":{"original":"');

/** Longest header field; RFC 5424 allows a host 255 bytes and everything else less. */
const FIELD_BYTES_MAX = 255;
/** Longest TAG of RFC 3164; its own limit of 32 is not kept by anybody. */
const TAG_BYTES_MAX = 128;
/** Process ids of all systems have fewer digits. */
const PID_DIGITS_MAX = 10;

const SPACE = 0x20;
const NO_PRIORITY = -1;
const NO_PART = new Uint8Array(0);

const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39;
/** What a TAG is made of: no spaces, brackets, colons, controls. */
const isTagByte = (byte: number): boolean =>
  byte > SPACE &&
  byte < 0x7f &&
  byte !== 0x5b &&
  byte !== 0x5d &&
  byte !== 0x3a &&
  byte !== 0x22 &&
  byte !== 0x3c;

export class SyslogParser {
  readonly #writer: EcsWriter;
  readonly #bsdTime: BsdTimeReader;
  readonly #data = new StructuredData();
  readonly #cache = new HeaderCache();
  #isModern = false;
  /** Header fields as ranges; an empty range is an absent field. */
  #host = 0;
  #hostEnd = 0;
  #app = 0;
  #appEnd = 0;
  #pid = 0;
  #pidEnd = 0;
  #msgid = 0;
  #msgidEnd = 0;
  #message = 0;
  /** The message's time: canonical range, or milliseconds, or NaN for the time of receipt. */
  #stamp = 0;
  #stampEnd = 0;
  #stampMs = Number.NaN;
  #tags = 0;

  constructor(writer: EcsWriter, zone: Zone) {
    this.#writer = writer;
    this.#bsdTime = new BsdTimeReader(zone);
  }

  /** Writes the record of the message `[start, end)`; `peer` names the host when the message does not. */
  write(bytes: Buffer, start: number, end: number, nowMs: number, peer: Buffer, tags = 0): void {
    this.#reset(start, tags);
    let priority = PRIORITY_DEFAULT;
    let isWhole = true;
    if (start < end && bytes[start] === 0x3c) {
      const at = this.#priority(bytes, start, end);
      if (at < 0) isWhole = false;
      else {
        priority = this.#value;
        this.#message = at;
        isWhole =
          at + 1 < end && bytes[at] === 0x31 && bytes[at + 1] === SPACE
            ? this.#modern(bytes, at + 2, end)
            : this.#classic(bytes, at, end, nowMs);
        if (!isWhole) this.#reset(at, tags);
      }
    }
    if (!isWhole) this.#tags |= TAG_PARSE_ERROR;
    this.#compose(bytes, start, end, nowMs, priority, peer);
  }

  /**
   * The same for a line of a log file that syslog wrote: `Mmm dd hh:mm:ss host tag:`, or rsyslog's
   * ISO stamp with microseconds and offset instead. False, and nothing to be used written, when the
   * line does not look like that. `part` is a constant part of the record.
   */
  writeFileLine(
    bytes: Buffer,
    start: number,
    end: number,
    nowMs: number,
    host: Buffer,
    part: Uint8Array,
  ): boolean {
    const first = bytes[start]!;
    const isDigitFirst = first >= 0x30 && first <= 0x39;
    if (isDigitFirst ? !isSyslogIso(bytes, start, end) : first < 0x41 || first > 0x53) return false;
    this.#reset(start, 0);
    this.#classic(bytes, start, end, nowMs);
    if (!this.#hasStamp || this.#appEnd === this.#app) return false;
    this.#filePart = part;
    this.#compose(bytes, start, end, nowMs, NO_PRIORITY, host);
    this.#filePart = NO_PART;
    return true;
  }

  #filePart: Uint8Array = NO_PART;

  /** Number that the last helper read. */
  #value = 0;

  get #hasStamp(): boolean {
    return this.#stampEnd > this.#stamp || !Number.isNaN(this.#stampMs);
  }

  #reset(message: number, tags: number): void {
    this.#host = this.#hostEnd = this.#app = this.#appEnd = this.#pid = this.#pidEnd = 0;
    this.#msgid = this.#msgidEnd = this.#stamp = this.#stampEnd = 0;
    this.#stampMs = Number.NaN;
    this.#message = message;
    this.#tags = tags;
    this.#isModern = false;
    this.#data.clear();
  }

  /** `<0>` to `<191>`; returns what follows, or -1. */
  #priority(bytes: Buffer, start: number, end: number): number {
    let at = start + 1;
    let value = 0;
    while (at < end && at < start + 4 && isDigit(bytes[at])) value = value * 10 + bytes[at++]! - 48;
    if (at === start + 1 || at >= end || bytes[at] !== 0x3e || value > PRIORITY_MAX) return -1;
    this.#value = value;
    return at + 1;
  }

  /** End of the field at `start`, or -1 when it does not end in a space or is too long. */
  #field(bytes: Buffer, start: number, end: number): number {
    const limit = Math.min(end, start + FIELD_BYTES_MAX + 1);
    let at = start;
    while (at < limit && bytes[at]! > SPACE) at++;
    return at === start || at >= limit || bytes[at] !== SPACE ? -1 : at;
  }

  /** RFC 5424 behind `VERSION SP`. */
  #modern(bytes: Buffer, start: number, end: number): boolean {
    const stampEnd = this.#field(bytes, start, end);
    const host = stampEnd + 1;
    const hostEnd = stampEnd < 0 ? -1 : this.#field(bytes, host, end);
    const app = hostEnd + 1;
    const appEnd = hostEnd < 0 ? -1 : this.#field(bytes, app, end);
    const pid = appEnd + 1;
    const pidEnd = appEnd < 0 ? -1 : this.#field(bytes, pid, end);
    const msgid = pidEnd + 1;
    const msgidEnd = pidEnd < 0 ? -1 : this.#field(bytes, msgid, end);
    if (msgidEnd < 0) return false;
    let dataEnd = this.#data.find(bytes, msgidEnd + 1, end);
    if (dataEnd < 0 || (dataEnd < end && bytes[dataEnd] !== SPACE)) {
      // Broken, or left out: the header is good all the same, and all behind it is the message.
      this.#data.clear();
      this.#tags |= TAG_PARSE_ERROR;
      dataEnd = msgidEnd;
    }

    this.#isModern = true;
    this.#isoStamp(bytes, start, stampEnd);
    if (!this.#hasStamp && !isNil(bytes, start, stampEnd)) this.#tags |= TAG_TIME_ERROR;
    if (!isNil(bytes, host, hostEnd)) [this.#host, this.#hostEnd] = [host, hostEnd];
    if (!isNil(bytes, app, appEnd)) [this.#app, this.#appEnd] = [app, appEnd];
    if (!isNil(bytes, pid, pidEnd)) [this.#pid, this.#pidEnd] = [pid, pidEnd];
    if (!isNil(bytes, msgid, msgidEnd)) [this.#msgid, this.#msgidEnd] = [msgid, msgidEnd];
    let message = Math.min(dataEnd + 1, end);
    if (
      message + 2 < end &&
      bytes[message] === 0xef &&
      bytes[message + 1] === 0xbb &&
      bytes[message + 2] === 0xbf
    )
      message += 3;
    this.#message = Math.min(message, end);
    return true;
  }

  #isoStamp(bytes: Buffer, start: number, end: number): void {
    const iso = parseIsoTime(bytes, start, end);
    if (iso.end !== end || !(iso.ms <= TIME_MS_MAX)) return;
    if (iso.canonical) [this.#stamp, this.#stampEnd] = [start, end];
    else this.#stampMs = iso.ms;
  }

  /** RFC 3164 behind the priority. Never fails: what is not a header is the message. */
  #classic(bytes: Buffer, start: number, end: number, nowMs: number): boolean {
    const at = this.#classicStamp(bytes, skipSequence(bytes, start, end), end, nowMs);
    if (at < 0) return true;
    this.#message = at;
    // The first word is the host, unless it is a tag.
    const word = this.#tag(bytes, at, end);
    if (word) return true;
    const hostEnd = this.#field(bytes, at, end);
    if (hostEnd < 0) return true;
    let host = at;
    let hostStop = hostEnd;
    if (bytes[host] === 0x5b && bytes[hostStop - 1] === 0x5d) {
      host++;
      hostStop--;
    }
    if (hostStop <= host) return true;
    [this.#host, this.#hostEnd] = [host, hostStop];
    this.#message = hostEnd + 1;
    this.#tag(bytes, hostEnd + 1, end);
    return true;
  }

  /** Returns where the message's next word starts, or -1 when there is no stamp. */
  #classicStamp(bytes: Buffer, start: number, end: number, nowMs: number): number {
    let at = this.#bsdTime.read(bytes, start, end, nowMs);
    if (at >= 0) this.#stampMs = this.#bsdTime.ms;
    else {
      if (start >= end || !isDigit(bytes[start])) return -1;
      const iso = parseIsoTime(bytes, start, end);
      if (Number.isNaN(iso.ms)) return -1;
      at = iso.end;
      if (iso.canonical) [this.#stamp, this.#stampEnd] = [start, at];
      else this.#stampMs = iso.ms;
    }
    if (at >= end) return at;
    if (bytes[at] !== SPACE) {
      this.#stamp = this.#stampEnd = 0;
      this.#stampMs = Number.NaN;
      return -1;
    }
    while (at < end && bytes[at] === SPACE) at++;
    return at;
  }

  /** `TAG:`, `TAG[pid]:` or `TAG[pid]` at `start`; true when it was there. */
  #tag(bytes: Buffer, start: number, end: number): boolean {
    const limit = Math.min(end, start + TAG_BYTES_MAX);
    let at = start;
    while (at < limit && isTagByte(bytes[at]!)) at++;
    if (at === start || at >= limit) return false;
    const app = start;
    const appEnd = at;
    let pid = 0;
    let pidEnd = 0;
    if (bytes[at] === 0x5b) {
      pid = ++at;
      while (at < limit && isTagByte(bytes[at]!)) at++;
      if (at >= limit || bytes[at] !== 0x5d) return false;
      pidEnd = at++;
      if (at < end && bytes[at] === 0x3a) at++;
    } else if (bytes[at] === 0x3a && (at + 1 === end || bytes[at + 1] === SPACE)) at++;
    else return false;
    [this.#app, this.#appEnd, this.#pid, this.#pidEnd] = [app, appEnd, pid, pidEnd];
    if (at < end && bytes[at] === SPACE) at++;
    this.#message = at;
    return true;
  }

  #compose(
    bytes: Buffer,
    start: number,
    end: number,
    nowMs: number,
    priority: number,
    peer: Buffer,
  ): void {
    const writer = this.#writer;
    if (this.#stampEnd > this.#stamp) writer.beginVerbatim(bytes, this.#stamp, this.#stampEnd);
    else writer.begin(Number.isNaN(this.#stampMs) ? nowMs : this.#stampMs);
    writer.tags = this.#tags;
    // Header fields are short and bounded; they go first, the message takes the room that is left.
    this.#composeHeader(bytes, priority, peer);
    writer.raw(this.#filePart);
    writer.raw(MESSAGE_OPEN);
    if (writer.text(bytes, this.#message, end) < end) writer.tags |= TAG_TRUNCATED;
    writer.byte(QUOTE);
    if ((this.#tags & (TAG_PARSE_ERROR | TAG_TIME_ERROR)) !== 0)
      this.#text(ORIGINAL_OPEN, bytes, start, end, TEXT_CLOSE);
    writer.end();
  }

  #composeHeader(bytes: Buffer, priority: number, peer: Buffer): void {
    const writer = this.#writer;
    const hasHost = this.#hostEnd > this.#host;
    // What the header says depends on its text from the host on, and on this.
    const kind = priority * 2 + (this.#isModern ? 1 : 0);
    const isBracketed = hasHost && this.#host > 0 && bytes[this.#host - 1] === 0x5b;
    const canCache = hasHost && !isBracketed && priority !== NO_PRIORITY;
    if (canCache && this.#cache.write(writer, kind, bytes, this.#host, this.#message)) return;
    const from = writer.pos;
    if (priority !== NO_PRIORITY) this.#composeLog(bytes, priority);
    if (hasHost) this.#text(HOST_OPEN, bytes, this.#host, this.#hostEnd, TEXT_CLOSE);
    else if (peer.length > 0) this.#text(HOST_OPEN, peer, 0, peer.length, TEXT_CLOSE);
    this.#composeProcess(bytes);
    if (canCache && writer.tags === 0) {
      this.#cache.keep(writer, from, kind, bytes, this.#host, this.#message);
    }
  }

  #text(open: Uint8Array, bytes: Buffer, start: number, end: number, close: Uint8Array): void {
    const writer = this.#writer;
    writer.raw(open);
    if (writer.text(bytes, start, end) < end) writer.tags |= TAG_TRUNCATED;
    writer.raw(close);
  }

  #composeLog(bytes: Buffer, priority: number): void {
    const writer = this.#writer;
    writer.raw(PRIORITY_PARTS[priority]!);
    if (this.#msgidEnd > this.#msgid) {
      writer.raw(MSGID_OPEN);
      writer.text(bytes, this.#msgid, this.#msgidEnd);
      writer.byte(QUOTE);
    }
    if (this.#pidEnd > this.#pid && !this.#isPid(bytes)) {
      writer.raw(PROCID_OPEN);
      writer.text(bytes, this.#pid, this.#pidEnd);
      writer.byte(QUOTE);
    }
    if (!this.#data.isEmpty) {
      writer.raw(DATA_OPEN);
      if (!this.#data.write(writer, bytes)) writer.tags |= TAG_TRUNCATED;
    }
    writer.raw(LOG_CLOSE);
  }

  /** PROCID is a process id: only digits, no leading zero. */
  #isPid(bytes: Buffer): boolean {
    if (this.#pidEnd - this.#pid > PID_DIGITS_MAX || bytes[this.#pid] === 0x30) return false;
    for (let i = this.#pid; i < this.#pidEnd; i++) if (!isDigit(bytes[i])) return false;
    return true;
  }

  #composeProcess(bytes: Buffer): void {
    const writer = this.#writer;
    const hasPid = this.#pidEnd > this.#pid && this.#isPid(bytes);
    if (this.#appEnd > this.#app) {
      this.#text(SERVICE_OPEN, bytes, this.#app, this.#appEnd, TEXT_CLOSE);
      writer.raw(PROCESS_OPEN);
      writer.text(bytes, this.#app, this.#appEnd);
      writer.byte(QUOTE);
      if (hasPid) writer.raw(PID_OPEN);
    } else if (hasPid) writer.raw(PROCESS_PID_OPEN);
    else return;
    if (hasPid) writer.text(bytes, this.#pid, this.#pidEnd);
    writer.byte(0x7d);
  }
}

const isNil = (bytes: Buffer, start: number, end: number): boolean =>
  end === start + 1 && bytes[start] === 0x2d;

/** Cisco's `29: ` in front of the stamp. */
function skipSequence(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && at < start + 11 && isDigit(bytes[at])) at++;
  if (at === start || at + 1 >= end || bytes[at] !== 0x3a || bytes[at + 1] !== SPACE) return start;
  return at + 2;
}

/** `2026-11-22T10:00:00.123456+01:00 `: what rsyslog writes into files. */
function isSyslogIso(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 34 || bytes[start + 10] !== 0x54 || bytes[start + 19] !== 0x2e) return false;
  const sign = bytes[start + 26];
  return (sign === 0x2b || sign === 0x2d) && bytes[start + 32] === SPACE;
}
