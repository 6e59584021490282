import { parseIsoTime } from '../ecs-time.ts';
import { EcsWriter, fragment, TAG_SPLIT } from '../ecs-writer.ts';
import { JsonRecordMaker } from '../json-record.ts';
import type { FilesSettings } from '../settings.ts';
import { SyslogParser } from '../syslog/syslog-parser.ts';
import type { Joiner } from './multiline.ts';

/**
 * Lines of a file's bytes to records, one chunk after another.
 *
 * Formats: `text`: the line is the message. `json`: an object is taken like one sent over HTTP,
 * anything else as text. `syslog`: stamp, host and tag in front are read. `auto`: each line as it
 * looks; a time stamp with a zone in front of other text becomes `@timestamp` and stays in the message.
 */
const MESSAGE_OPEN = fragment(',"message":"');
const QUOTE = 0x22;

/** What is said about the file a line is of. */
export interface FileParts {
  /** `,"log":{"file":{"path":…}}`, and host, for records that have no `log` of their own. */
  readonly text: Uint8Array;
  /** `,"log":{…}` alone, for records that name a host. */
  readonly log: Uint8Array;
  /** `,"log.file.path":…`, for records with fields of the application. */
  readonly flat: Uint8Array;
}

export function fileParts(path: string, host: string): FileParts {
  const name = JSON.stringify(path);
  const log = `,"log":{"file":{"path":${name}}}`;
  return {
    log: fragment(log),
    text: fragment(`${log},"host":{"name":${JSON.stringify(host)}}`),
    flat: fragment(`,"log.file.path":${name}`),
  };
}

/** Takes the record in `writer.buffer[0, writer.pos)`; false: no room, offer it again later. */
export type TakeRecord = (sourceBytes: number) => boolean;

export interface ChunkOptions {
  readonly parts: FileParts;
  readonly nowMs: number;
  /** The bytes end where the file does for good: a last line without newline is a line. */
  readonly isFinal: boolean;
  readonly take: TakeRecord;
}

export class LineRecords {
  readonly writer = new EcsWriter();
  /** `take` said no: go on from where `read` stopped. */
  isRefused = false;
  readonly #json = new JsonRecordMaker(this.writer);
  readonly #syslog: SyslogParser;
  readonly #format: FilesSettings['format'];
  readonly #lineBytesMax: number;
  readonly #joiner: Joiner | null;
  readonly #host: Buffer;

  constructor(
    format: FilesSettings['format'],
    lineBytesMax: number,
    joiner: Joiner | null,
    host: string,
  ) {
    this.#format = format;
    this.#lineBytesMax = lineBytesMax;
    this.#joiner = joiner;
    this.#host = Buffer.from(host);
    this.#syslog = new SyslogParser(this.writer, 'local');
  }

  /**
   * Makes records of the lines in `bytes[0, end)`; returns how many bytes are done with. The bytes
   * start where a record starts.
   */
  read(bytes: Buffer, end: number, options: ChunkOptions): number {
    this.isRefused = false;
    return this.#joiner === null
      ? this.#lines(bytes, end, options)
      : this.#joined(bytes, end, options, this.#joiner);
  }

  #lines(bytes: Buffer, end: number, options: ChunkOptions): number {
    let at = 0;
    while (at < end) {
      const first = bytes[at]!;
      if (first === 0x0a) {
        at++;
        continue;
      }
      const next = this.#isPlain(first)
        ? this.#plainLine(bytes, at, end, options)
        : this.#richLine(bytes, at, end, options);
      if (next < 0) return at;
      at = next;
    }
    return at;
  }

  /** Whether a line that starts with that byte is text for certain. */
  #isPlain(first: number): boolean {
    switch (this.#format) {
      case 'text':
        return true;
      case 'json':
        return first !== 0x7b;
      case 'syslog':
        return false;
      case 'auto': {
        const isDigit = first >= 0x30 && first <= 0x39;
        // J, F, M, A, S, O, N, D: months.
        const isMonth = first >= 0x41 && first <= 0x53;
        return !(isDigit || isMonth || first === 0x7b);
      }
    }
  }

  /** Text in one pass; returns where to go on, or -1: the line is not whole yet, or was refused. */
  #plainLine(bytes: Buffer, start: number, end: number, options: ChunkOptions): number {
    const limit = Math.min(end, start + this.#lineBytesMax);
    const { writer } = this;
    writer.begin(options.nowMs);
    writer.raw(MESSAGE_OPEN);
    const stop = writer.line(bytes, start, limit);
    if (stop < end && bytes[stop] === 0x0a) return this.#finish(start, stop, stop + 1, options);
    return this.#unended(bytes, start, stop, end, limit, options);
  }

  /** The line's newline was not found in the room there is. */
  #unended(
    bytes: Buffer,
    start: number,
    stop: number,
    end: number,
    limit: number,
    options: ChunkOptions,
  ): number {
    if (stop === end && end - start < this.#lineBytesMax) {
      return options.isFinal ? this.#finish(start, stop, stop, options) : -1;
    }
    let cut = stop;
    if (cut === limit) {
      cut = characterStart(bytes, start, cut);
      if (cut < stop) {
        this.writer.begin(options.nowMs);
        this.writer.raw(MESSAGE_OPEN);
        this.writer.text(bytes, start, cut);
      }
    }
    this.writer.tags |= TAG_SPLIT;
    return this.#finish(start, cut, cut, options);
  }

  #finish(start: number, stop: number, next: number, options: ChunkOptions): number {
    const { writer } = this;
    writer.byte(QUOTE);
    writer.raw(options.parts.text);
    writer.end();
    return this.#take(stop - start, options) ? next : -1;
  }

  #take(sourceBytes: number, options: ChunkOptions): boolean {
    if (options.take(sourceBytes)) return true;
    this.isRefused = true;
    return false;
  }

  #richLine(bytes: Buffer, start: number, end: number, options: ChunkOptions): number {
    const newline = bytes.indexOf(0x0a, start);
    const isWhole = newline >= 0 && newline < end;
    const stop = isWhole ? newline : end;
    if (!isWhole && !options.isFinal) {
      if (end - start < this.#lineBytesMax) return -1;
      return this.#plainLine(bytes, start, end, options);
    }
    if (stop - start > this.#lineBytesMax) return this.#plainLine(bytes, start, end, options);
    const next = isWhole ? stop + 1 : stop;
    return this.#event(bytes, start, stop, options) ? next : -1;
  }

  /** Lines that are joined; a record is only done with when the next one starts, or at the end. */
  #joined(bytes: Buffer, end: number, options: ChunkOptions, joiner: Joiner): number {
    joiner.reset();
    let event = 0;
    let at = 0;
    while (at < end) {
      const newline = bytes.indexOf(0x0a, at);
      const isWhole = newline >= 0 && newline < end;
      if (!isWhole && !options.isFinal && end - event < this.#lineBytesMax) return event;
      const stop = isWhole ? newline : end;
      const next = isWhole ? stop + 1 : stop;
      const continues = joiner.continues(bytes, at, withoutReturn(bytes, at, stop));
      if (at > event && (!continues || next - event > this.#lineBytesMax)) {
        if (!this.#joinedEvent(bytes, event, at, options)) return event;
        event = at;
      }
      if (next - event > this.#lineBytesMax) {
        const done = this.#plainLine(bytes, event, end, options);
        if (done < 0) return event;
        event = done;
        joiner.reset();
        at = done;
        continue;
      }
      at = next;
    }
    if (event < end && options.isFinal)
      return this.#joinedEvent(bytes, event, end, options) ? end : event;
    return event;
  }

  #joinedEvent(bytes: Buffer, start: number, next: number, options: ChunkOptions): boolean {
    let stop = next;
    while (stop > start && (bytes[stop - 1] === 0x0a || bytes[stop - 1] === 0x0d)) stop--;
    return stop === start || this.#event(bytes, start, stop, options);
  }

  /** One whole record's bytes, by format; false when refused. */
  #event(bytes: Buffer, start: number, end: number, options: ChunkOptions): boolean {
    const stop = withoutReturn(bytes, start, end);
    const first = bytes[start]!;
    if (this.#format !== 'syslog' && this.#format !== 'text' && first === 0x7b) {
      if (this.#jsonEvent(bytes, start, stop, options)) return this.#take(end - start, options);
    } else if (this.#format === 'syslog' || this.#format === 'auto') {
      if (
        this.#syslog.writeFileLine(bytes, start, stop, options.nowMs, this.#host, options.parts.log)
      ) {
        return this.#take(end - start, options);
      }
    }
    for (let at = start; ; ) {
      const next = this.#textEvent(bytes, at, stop, options, at > start);
      if (!this.#take(next - at, options)) return false;
      if (next >= stop) return true;
      at = next;
    }
  }

  /** Returns where it stopped: `end`, or earlier when the record is full. */
  #textEvent(
    bytes: Buffer,
    start: number,
    end: number,
    options: ChunkOptions,
    isRest: boolean,
  ): number {
    const { writer } = this;
    const iso = parseIsoTime(bytes, start, end);
    if (this.#format === 'auto' && iso.canonical) writer.beginVerbatim(bytes, start, iso.end);
    else writer.begin(options.nowMs);
    writer.raw(MESSAGE_OPEN);
    const stop = writer.text(bytes, start, end);
    if (isRest || stop < end) writer.tags |= TAG_SPLIT;
    writer.byte(QUOTE);
    writer.raw(options.parts.text);
    writer.end();
    return stop;
  }

  /** False when the bytes are no JSON object, or do not fit. */
  #jsonEvent(bytes: Buffer, start: number, end: number, options: ChunkOptions): boolean {
    const stop = this.#json.scan(bytes, start, end);
    if (stop < 0 || !isBlank(bytes, stop, end) || !this.#json.write(start, stop, options.nowMs))
      return false;
    const { writer } = this;
    const { made } = this.#json;
    if (made.buffer !== writer.buffer) {
      writer.verbatim(made.buffer, made.start, made.end);
    }
    // Behind the last member, in the place of the closing brace.
    writer.pos--;
    writer.raw(options.parts.flat);
    writer.byte(0x7d);
    return true;
  }
}

const withoutReturn = (bytes: Buffer, start: number, end: number): number =>
  end > start && bytes[end - 1] === 0x0d ? end - 1 : end;

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 0x20) return false;
  return true;
}

/** A cut must not go through a character: where the one that contains `at` starts, if it is near. */
function characterStart(bytes: Buffer, start: number, at: number): number {
  let cut = at;
  while (cut > start && at - cut < 4 && (bytes[cut]! & 0xc0) === 0x80) cut--;
  return cut > start && (bytes[cut]! & 0xc0) !== 0x80 ? cut : at;
}
