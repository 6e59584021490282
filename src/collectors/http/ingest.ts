import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import { type Balance, isTooLarge, type RejectReason } from '../balance.ts';
import { EcsWriter, fragment, TAG_SPLIT } from '../ecs-writer.ts';
import { type JsonFields, JsonRecordMaker, USUAL_FIELDS } from '../json-record.ts';
import {
  type AppendOptions,
  type DeliveryReport,
  type RecordSink,
  recordHeaders,
} from '../record-sink.ts';
import { DEAD_LETTERS_TOPIC } from '../settings.ts';

/**
 * From a decoded body to records in the log, and back to an answer.
 *
 * Good records of a body are taken, bad ones are counted, told to the sender and kept in topic
 * `dead-letters` (value: the source text; header `weir.error`: the reason). A request is resolved
 * when the log has reported every record of it.
 */

/** Errors that an answer lists; the rest is only counted. */
const ERRORS_LISTED_MAX = 10;
/** Source bytes that a dead letter keeps. */
const DEAD_LETTER_BYTES_MAX = 65_536;
/** Records between two looks at the event loop, so that one big body does not hold up the others. */
const RECORDS_PER_TURN = 4096;
/** How long a request waits for room in the producer's memory. */
const ROOM_TIMEOUT_MS = 5000;

export type BodyMode = 'lines' | 'values' | 'text';

export interface IngestResult {
  accepted: number;
  rejected: number;
  /** Lines count from 1; 0: it is not known which. */
  readonly errors: { readonly line: number; readonly reason: string }[];
}

/** Tag of a request's records. */
class Pending {
  #outstanding = 0;
  #sealed = false;
  #error: Error | null = null;
  /** Records that the log will never take. */
  tooLarge = 0;
  #resolve!: (error: Error | null) => void;
  readonly done = new Promise<Error | null>((resolve) => {
    this.#resolve = resolve;
  });

  appended(): void {
    this.#outstanding++;
  }
  reported(error: Error | null): void {
    this.#outstanding--;
    if (isTooLarge(error)) this.tooLarge++;
    else this.#error ??= error;
    this.#check();
  }
  /** No more records will be appended. */
  seal(): void {
    this.#sealed = true;
    this.#check();
  }
  #check(): void {
    if (this.#sealed && this.#outstanding === 0) this.#resolve(this.#error);
  }
}

export interface IngestOptions {
  readonly sink: RecordSink;
  readonly topic: string;
  readonly balance: Balance;
  readonly clock: Clock;
  readonly answerTimeoutMs: number;
}

export interface IngestRequest {
  readonly body: Buffer;
  readonly mode: BodyMode;
  readonly peer: string;
  readonly fields: JsonFields;
}

const MESSAGE_OPEN = fragment(',"message":"');

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Ingest {
  readonly #options: IngestOptions;
  readonly #writer = new EcsWriter();
  readonly #usual = new JsonRecordMaker(this.#writer, USUAL_FIELDS);
  deadLettersDropped = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** The sink's delivery report. */
  delivered(report: DeliveryReport): void {
    const { balance } = this.#options;
    const isLetter = report.topic === DEAD_LETTERS_TOPIC;
    let { error } = report;
    if (isLetter && isTooLarge(error)) {
      this.deadLettersDropped += report.count;
      error = null;
    } else if (!isLetter) {
      if (error === null) balance.stored += report.count;
      else balance.reject(isTooLarge(error) ? 'too_large' : 'log_unavailable', report.count);
    }
    for (const tag of report.tags) if (tag instanceof Pending) tag.reported(error);
  }

  /**
   * Takes the body's records and waits for the log. Throws OperatingError `overload` (nothing or
   * only a part was taken, the sender has to send all again) or `log-unavailable`.
   */
  async take(request: IngestRequest): Promise<IngestResult> {
    const pending = new Pending();
    const body = new BodyIngest(
      this.#options,
      this.#writer,
      this.#makerFor(request.fields),
      request,
      pending,
    );
    try {
      await body.run();
    } finally {
      pending.seal();
      this.deadLettersDropped += body.deadLettersDropped;
    }
    await this.#settled(pending);
    // To send all of it again would change nothing for these.
    if (pending.tooLarge > 0) body.rejectStored(pending.tooLarge);
    return body.result;
  }

  #makerFor(fields: JsonFields): JsonRecordMaker {
    if (fields.message === null && fields.time === null) return this.#usual;
    return new JsonRecordMaker(this.#writer, fields);
  }

  async #settled(pending: Pending): Promise<void> {
    const { clock, answerTimeoutMs } = this.#options;
    let expire: (() => void) | undefined;
    const late = new Promise<Error>((resolve) => {
      const timer = clock.after(answerTimeoutMs, () =>
        resolve(new Error(`the log has not answered within ${answerTimeoutMs} ms`)),
      );
      expire = () => timer.cancel();
    });
    const error = await Promise.race([pending.done, late]);
    expire?.();
    if (error !== null) throw new OperatingError('log-unavailable', error.message);
  }
}

/** The records of one body. */
class BodyIngest {
  readonly result: IngestResult = { accepted: 0, rejected: 0, errors: [] };
  deadLettersDropped = 0;
  readonly #options: IngestOptions;
  readonly #writer: EcsWriter;
  readonly #maker: JsonRecordMaker;
  readonly #request: IngestRequest;
  readonly #pending: Pending;
  readonly #receivedMs: number;
  readonly #append: AppendOptions;
  #sinceTurn = 0;

  constructor(
    options: IngestOptions,
    writer: EcsWriter,
    maker: JsonRecordMaker,
    request: IngestRequest,
    pending: Pending,
  ) {
    this.#options = options;
    this.#writer = writer;
    this.#maker = maker;
    this.#request = request;
    this.#pending = pending;
    this.#receivedMs = options.clock.now();
    const headers = recordHeaders('http', request.peer);
    this.#append = { timestamp: this.#receivedMs, headers, tag: pending };
  }

  /** So many of those that were accepted are too large for the log, as it says. */
  rejectStored(count: number): void {
    const { result } = this;
    result.accepted -= count;
    result.rejected += count;
    const reason = `${count === 1 ? 'a record is' : `${count} records are`} too large for the topic`;
    if (result.errors.length < ERRORS_LISTED_MAX) result.errors.push({ line: 0, reason });
  }

  run(): Promise<void> {
    return this.#request.mode === 'text' ? this.#lines() : this.#values();
  }

  async #lines(): Promise<void> {
    const { body } = this.#request;
    let at = 0;
    while (at < body.length) {
      const found = body.indexOf(0x0a, at);
      const end = found < 0 ? body.length : found;
      if (!isBlank(body, at, end)) await this.#line(at, end);
      at = end + 1;
      if (++this.#sinceTurn >= RECORDS_PER_TURN) await this.#turn();
    }
  }

  /** One line of text; a very long one becomes several records. */
  async #line(start: number, end: number): Promise<void> {
    let at = start;
    for (let split = 0; ; split = TAG_SPLIT) {
      let next = this.#textRecord(at, end, split);
      this.#received(next - at);
      if (!this.#put(this.#writer.buffer, 0, this.#writer.pos)) {
        await this.#room();
        next = this.#textRecord(at, end, split);
        this.#putOrRefuse(this.#writer.buffer, 0, this.#writer.pos);
      }
      if (next >= end) return;
      at = next;
    }
  }

  #textRecord(start: number, end: number, split: number): number {
    const writer = this.#writer;
    writer.begin(this.#receivedMs);
    writer.raw(MESSAGE_OPEN);
    const lineEnd = end > start + 1 && this.#request.body[end - 1] === 0x0d ? end - 1 : end;
    const stop = writer.text(this.#request.body, start, lineEnd);
    writer.byte(0x22);
    writer.tags |= stop < lineEnd ? TAG_SPLIT : split;
    writer.end();
    return stop < lineEnd ? stop : end;
  }

  /** A sequence of JSON values: one after another, one a line, or in an array. */
  async #values(): Promise<void> {
    const { body, mode } = this.#request;
    let at = 0;
    let inArray = false;
    let lineEnd = mode === 'lines' ? 0 : body.length;
    while (at < body.length) {
      const byte = body[at]!;
      if (byte <= 0x20 || (byte === 0x2c && inArray)) {
        at++;
        continue;
      }
      if (mode === 'lines' && at >= lineEnd) {
        const found = body.indexOf(0x0a, at);
        lineEnd = found < 0 ? body.length : found;
        inArray = false;
      }
      if (byte === 0x5b && !inArray) {
        inArray = true;
        at++;
      } else if (byte === 0x5d && inArray) {
        inArray = false;
        at++;
      } else {
        const next = await this.#value(at, lineEnd, inArray);
        if (next < 0) return;
        at = next;
      }
      if (++this.#sinceTurn >= RECORDS_PER_TURN) await this.#turn();
    }
    if (inArray && mode === 'values')
      this.#refuse('malformed', 'the array does not end', body.length, body.length);
  }

  /** Takes the value at `start`; returns where to go on, or -1 when nothing behind it can be told apart. */
  async #value(start: number, end: number, inArray: boolean): Promise<number> {
    const { body } = this.#request;
    const maker = this.#maker;
    const stop = maker.scan(body, start, end);
    if (stop < 0) return this.#resume(start, end, inArray);
    if (!maker.write(start, stop, this.#receivedMs)) {
      this.#refuse(maker.reject, maker.reason, start, stop);
      return stop;
    }
    this.#received(stop - start);
    const { made } = maker;
    if (!this.#put(made.buffer, made.start, made.end)) {
      await this.#room();
      // Another request may have used the writer meanwhile.
      maker.scan(body, start, end);
      maker.write(start, stop, this.#receivedMs);
      this.#putOrRefuse(made.buffer, made.start, made.end);
    }
    return stop;
  }

  /** Refuses what is not JSON, and finds where the next value starts, if that is certain. */
  #resume(start: number, end: number, inArray: boolean): number {
    const { body, mode } = this.#request;
    const { reject, reason } = this.#maker;
    if (mode === 'lines') {
      this.#refuse(reject, reason, start, end);
      return end;
    }
    const newline = inArray ? -1 : body.indexOf(0x0a, start);
    const next = newline >= 0 && body[newline + 1] === 0x7b ? newline : -1;
    this.#refuse(reject, reason, start, next < 0 ? end : next);
    return next;
  }

  #received(bytes: number): void {
    this.#options.balance.received++;
    this.#options.balance.receivedBytes += bytes;
  }

  #put(buffer: Buffer, start: number, end: number): boolean {
    const { sink, topic } = this.#options;
    // Counted first: a report may come before the call returns.
    this.#pending.appended();
    if (sink.appendRange(topic, buffer, start, end, this.#append)) {
      this.result.accepted++;
      return true;
    }
    this.#pending.reported(null);
    return false;
  }

  #putOrRefuse(buffer: Buffer, start: number, end: number): void {
    if (this.#put(buffer, start, end)) return;
    this.#options.balance.reject('overload');
    throw new OperatingError('overload', 'the buffer in front of the log is full');
  }

  /** Waits until the sink has room, but not for ever. */
  async #room(): Promise<void> {
    const { clock, sink } = this.#options;
    let expire: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      const timer = clock.after(ROOM_TIMEOUT_MS, resolve);
      expire = () => timer.cancel();
    });
    await Promise.race([sink.drained(), late]);
    expire?.();
  }

  async #turn(): Promise<void> {
    this.#sinceTurn = 0;
    await turn();
  }

  #refuse(reject: RejectReason, reason: string, start: number, end: number): void {
    const { balance } = this.#options;
    balance.received++;
    balance.receivedBytes += end - start;
    balance.reject(reject);
    this.result.rejected++;
    if (this.result.errors.length < ERRORS_LISTED_MAX) {
      this.result.errors.push({ line: lineOf(this.#request.body, start), reason });
    }
    this.#deadLetter(reason, start, end);
  }

  #deadLetter(reason: string, start: number, end: number): void {
    if (end === start) return;
    const { sink } = this.#options;
    const { body } = this.#request;
    const headers = recordHeaders('http', this.#request.peer, reason);
    const stop = Math.min(end, start + DEAD_LETTER_BYTES_MAX);
    this.#pending.appended();
    if (sink.appendRange(DEAD_LETTERS_TOPIC, body, start, stop, { ...this.#append, headers }))
      return;
    this.#pending.reported(null);
    this.deadLettersDropped++;
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 0x20) return false;
  return true;
}

/** Line number, from 1, of a position. */
function lineOf(body: Buffer, position: number): number {
  let line = 1;
  for (let at = body.indexOf(0x0a); at >= 0 && at < position; at = body.indexOf(0x0a, at + 1))
    line++;
  return line;
}
