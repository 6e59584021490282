/**
 * One client's connection: frames in, answers out, in order.
 *
 * A request is handled as soon as it is complete, unless an earlier one of the connection still
 * waits for its answer; only requests whose handler says so (`pipelined`) may overtake the wait of
 * their own kind, and even then answers leave in the order of the requests.
 * Reading stops while answers or requests pile up, and while the broker's request memory is full.
 * Whatever makes no sense closes this connection, is logged and counted, and touches no other.
 */
import { ByteReader } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { BugError, codeOf, OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { TimerWheel, WheelEntry } from '../base/timer-wheel.ts';
import { type Stream, TLS_FAILED } from '../base/transport.ts';
import type { BufferPool } from '../log/buffer-pool.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { refusedBody } from '../protocol/refused-body.ts';
import { type ConnectionLimits, deadlineOf } from './connection-limits.ts';
import type { ConnectionStats } from './connection-stats.ts';
import type { Answer, Dispatcher, Parsed } from './dispatch.ts';
import { FrameReader } from './frame-reader.ts';
import { CloseConnection, type ConnectionInfo, type Handler } from './handler.ts';
import type { RequestMemory } from './request-memory.ts';
import type { SaslSession } from './sasl-session.ts';

export interface ConnectionOptions {
  readonly stream: Stream;
  readonly info: ConnectionInfo;
  readonly limits: ConnectionLimits;
  readonly dispatcher: Dispatcher;
  readonly stats: ConnectionStats;
  readonly pool: BufferPool;
  readonly memory: RequestMemory;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly logger: Logger;
  /** Called with the first bytes of a connection, when TLS is agreed on. Throws CloseConnection. */
  readonly onSecured: ((info: ConnectionInfo, stream: Stream) => void) | null;
  readonly onClosed: (connection: Connection) => void;
}

/** Frames that may wait while a client that is not known yet is being answered. */
const HELD_FRAMES_MAX = 8;

/** Time that a client whose authentication has failed gets to read so, milliseconds. */
const FAREWELL_MS = 1_000;

/** Answers that go out together are made one piece up to this size. */
const COPIED_BYTES_MAX = 4096;

const SASL_HANDSHAKE = 17;
const SIZE_BYTES = 4;

/** A request whose answer is not sent yet. */
interface Slot {
  readonly parsed: Parsed;
  answer: Answer | null;
  done: boolean;
  readyAtMs: number;
}

/** A request and its answer, which is to be sent. */
interface Ready {
  readonly parsed: Parsed;
  readonly answer: Answer;
}

/** A complete frame that waits for its turn. */
interface Waiting {
  readonly parsed: Parsed;
  /** To be given back to the reader's pool; null: nobody's, and it is counted as memory here. */
  readonly pooled: Buffer | null;
}

export class Connection {
  readonly info: ConnectionInfo;
  readonly #options: ConnectionOptions;
  readonly #stream: Stream;
  readonly #reader: FrameReader;
  readonly #slots: Slot[] = [];
  readonly #waiting: Waiting[] = [];
  /**
   * Requests that have come together and may be handled in one call. What follows them on the
   * connection, its end included, waits for that; none is left when `onData` returns.
   */
  #gathered: Waiting[] = [];
  #isReceiving = false;
  /** Frames that came before it was known whether they may pass, counted as request memory. */
  readonly #held: Buffer[] = [];
  /** A bare token is being looked at. */
  #isToken = false;
  #isSecured = false;
  readonly #openedAtMs: number;
  /** Since when its first request is waited for; -1: it has come. */
  #firstSinceMs: number;
  #lastRequestAtMs: number;
  #partialSinceMs = -1;
  #queuedBytes = 0;
  #stalledSinceMs = -1;
  #paused = false;
  #closed = false;
  /** No more requests are taken; the rest is answered. */
  #draining = false;
  /** Until then nothing is read and nothing begun (KIP-219); -1: it is not held back. */
  #mutedUntilMs = -1;
  #unmute: WheelEntry | null = null;
  #stopWaiting: (() => void) | null = null;
  #timer: WheelEntry | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.info = options.info;
    this.#stream = options.stream;
    const { pool, memory, limits, clock } = options;
    this.#isSecured = options.onSecured === null;
    this.#reader = new FrameReader({
      maxBytes: () => (this.#isHolding ? limits.unknownBytesMax : limits.requestBytesMax),
      pool,
      memory,
      onFrame: (bytes, start, end, owned) => this.#onFrame(bytes, start, end, owned),
    });
    this.#openedAtMs = clock.monotonic();
    this.#firstSinceMs = this.#openedAtMs;
    this.#lastRequestAtMs = this.#openedAtMs;
    const { stream } = options;
    stream.readTarget = () => this.#reader.target();
    stream.onData = (bytes) => this.#onData(bytes);
    stream.onDrain = () => this.#update();
    stream.onClose = (error) => this.#onClose(error);
    this.#watch();
  }

  /** Whether a request is under way. */
  get isBusy(): boolean {
    return this.#isAnswering || this.#queuedBytes > 0 || this.#isToken || this.#held.length > 0;
  }
  get #isAnswering(): boolean {
    return this.#slots.length > 0 || this.#waiting.length > 0;
  }

  /** Clock time (monotonic) of the last request; of the beginning when there was none. */
  get lastRequestAtMs(): number {
    return this.#lastRequestAtMs;
  }

  /** Takes no further request, answers those that are here, then closes. */
  drain(): void {
    this.#draining = true;
    this.#pauseOrResume();
    if (!this.isBusy) this.#stream.end();
  }

  /** Closes at once; a connection that owes no answer is only closed, not cut off. */
  stop(): void {
    if (this.isBusy) return this.close('shutdown', 'the broker stops');
    this.#stream.destroy();
    this.#release();
  }

  /** Closes at once. `code` is counted, `reason` logged. */
  close(code: string, reason: string): void {
    if (this.#closed) return;
    const { stats, logger } = this.#options;
    stats.countClose(code);
    const fields = {
      'event.reason': code,
      'error.message': reason,
      'client.address': this.info.remote,
      'weir.listener': this.info.listener,
    };
    // A stop closes every connection, and is nobody's fault.
    if (code === 'shutdown') logger.debug('connection closed', fields);
    else logger.warn('connection closed', fields);
    this.#stream.destroy();
    this.#release();
  }

  #onClose(error: Error | null): void {
    if (error !== null && !this.#closed) this.#lost(error);
    this.#release();
  }

  #lost(error: Error): void {
    const { stats, logger } = this.#options;
    if (codeOf(error) !== TLS_FAILED) return stats.countClose('peer-error');
    stats.countClose('tls-failed');
    stats.failedAuthentications += 1;
    logger.warn('no TLS handshake', {
      'error.message': error.message,
      'client.address': this.info.remote,
      'weir.listener': this.info.listener,
    });
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { stats, timers, onClosed } = this.#options;
    stats.queuedResponseBytes -= this.#queuedBytes;
    stats.queuedRequests -= this.#slots.length + this.#waiting.length;
    this.#queuedBytes = 0;
    this.#stopWaiting?.();
    if (this.#timer !== null) timers.cancel(this.#timer);
    if (this.#unmute !== null) timers.cancel(this.#unmute);
    this.#endMute();
    this.#reader.close();
    for (const waiting of this.#waiting.splice(0)) this.#giveBack(waiting, false);
    this.#dropHeld();
    for (const slot of this.#slots) {
      slot.parsed.context.cancelled = true;
      slot.parsed.context.onCancelled?.();
      slot.answer?.release?.();
    }
    this.#slots.length = 0;
    for (const tell of this.info.onClosed.values()) tell();
    onClosed(this);
  }

  #onData(bytes: Buffer): void {
    this.#options.stats.receivedBytes += bytes.length;
    this.#isReceiving = true;
    try {
      this.#take(bytes);
    } catch (error) {
      if (error instanceof CloseConnection) return this.close(error.code, error.message);
      if (!(error instanceof OperatingError)) throw error;
      this.close(error.code, error.message);
      return;
    } finally {
      this.#isReceiving = false;
    }
    if (this.#closed) return;
    if (this.#reader.begunWhenFull) this.#awaitMemory();
    if (!this.#reader.isPartial) this.#partialSinceMs = -1;
    else if (this.#partialSinceMs < 0) this.#partialSinceMs = this.#options.clock.monotonic();
    this.#update();
  }

  /** Frames before one that ends the connection are answered. */
  #take(bytes: Buffer): void {
    try {
      if (!this.#isSecured) this.#secured();
      this.#reader.push(bytes);
    } finally {
      this.#beginGathered();
    }
  }

  /** Reads no more until there is room for what has begun. */
  #awaitMemory(): void {
    const { memory } = this.#options;
    const held = this.#reader.heldBytes;
    // Some may have been given back since.
    if (this.#stopWaiting === null && !memory.isFullBeside(held)) return this.#reader.admit();
    this.#reader.begunWhenFull = false;
    this.#stopWaiting ??= memory.wait(held, () => {
      this.#stopWaiting = null;
      this.#reader.admit();
      this.#update();
    });
  }

  #secured(): void {
    this.#isSecured = true;
    this.#options.onSecured?.(this.info, this.#stream);
  }

  /** See `FrameReader`: returns whether the frame is kept. */
  #onFrame(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    if (this.#closed || this.#draining) return false;
    const { clock } = this.#options;
    this.#firstSinceMs = -1;
    this.#partialSinceMs = -1;
    const now = clock.monotonic();
    this.#lastRequestAtMs = now;
    if (this.#isHolding) {
      this.#hold(bytes, start, end);
      return false;
    }
    return this.#onRequest(bytes, start, end, owned, now);
  }

  /** Whether the next frame has to wait until it is known what it is. */
  get #isHolding(): boolean {
    return this.info.sasl?.isOpen === false || this.#held.length > 0;
  }

  /** One after another: what a frame is depends on how the one before it went. */
  #hold(bytes: Buffer, start: number, end: number): void {
    if (this.#held.length >= HELD_FRAMES_MAX) {
      return this.close(
        'not-authenticated',
        `${HELD_FRAMES_MAX} requests before the client is known`,
      );
    }
    const frame = Buffer.from(bytes.subarray(start, end));
    this.#options.memory.add(frame.length);
    this.#held.push(frame);
    this.#nextHeld();
  }

  /** Frames that are held come when nothing before them is under way. */
  #nextHeld(): void {
    while (!this.#closed) {
      this.#beginGathered();
      if (this.#isToken || this.#isAnswering || !this.#isTaking) return;
      const frame = this.#held.shift();
      if (frame === undefined) return;
      this.#options.memory.remove(frame.length);
      const sasl = this.info.sasl!;
      if (this.#draining || sasl.hasFailed) continue;
      if (sasl.isOpen) this.#onRequest(frame, 0, frame.length, false, this.#now());
      else if (sasl.takesRawTokens) this.#token(frame, sasl);
      else this.#authenticate(frame, sasl);
    }
  }

  #dropHeld(): void {
    for (const { length } of this.#held.splice(0)) this.#options.memory.remove(length);
  }

  #authenticate(frame: Buffer, sasl: SaslSession): void {
    const { dispatcher } = this.#options;
    try {
      const header = dispatcher.header(new ByteReader(frame, 0, frame.length));
      const passes = sasl.admit(header.handler.api);
      const parsed = dispatcher.parse(header, this.info, this.#now(), frame.length);
      this.#begin(passes ? parsed : { ...parsed, handler: outOfPlace(parsed.handler, sasl) });
    } catch (error) {
      this.#refuse(error);
    }
  }

  #token(frame: Buffer, sasl: SaslSession): void {
    this.#isToken = true;
    sasl.rawToken(frame).then(
      (token) => {
        this.#isToken = false;
        if (this.#closed) return;
        const size = Buffer.alloc(SIZE_BYTES);
        size.writeInt32BE(token.length);
        this.#options.stats.sentBytes += size.length + token.length;
        this.#stream.write([size, token]);
        this.#nextHeld();
        this.#update();
      },
      (error: unknown) => {
        this.#isToken = false;
        if (!this.#closed) this.#refuse(error);
      },
    );
  }

  /** Lets the client read why, then closes. */
  #farewell(): void {
    this.#options.stats.countClose('authentication-failed');
    this.#draining = true;
    this.#dropHeld();
    this.#update();
    this.#options.clock.after(FAREWELL_MS, () => {
      if (this.#closed) return;
      this.#stream.destroy();
      this.#release();
    });
  }

  /** A session that is over begins anew or ends. */
  #checkSession(apiKey: number, now: number): void {
    const { sasl } = this.info;
    if (sasl === null || now < sasl.endsAtMs || apiKey === SASL_HANDSHAKE) return;
    this.#options.stats.expiredSessions += 1;
    throw new CloseConnection('session-expired', 'the session is over, and was not renewed');
  }

  #onRequest(bytes: Buffer, start: number, end: number, owned: boolean, now: number): boolean {
    const { dispatcher, stats, memory } = this.#options;
    try {
      const header = dispatcher.header(new ByteReader(bytes, start, end));
      const { handler } = header;
      if (this.info.sasl !== null) this.#checkSession(handler.api.key, now);
      if (this.#gathered[0] !== undefined && this.#gathered[0].parsed.handler !== handler) {
        this.#beginGathered();
      }
      const mayBegin = this.#mayBegin(handler);
      if (!mayBegin && handler.api.key === SASL_HANDSHAKE && this.info.sasl !== null) {
        this.#hold(bytes, start, end);
        return false;
      }
      if (mayBegin && !handler.keepsRequest) {
        const parsed = dispatcher.parse(header, this.info, now, end - start);
        if (this.#isReceiving && handler.together?.takes(parsed.body) === true) {
          this.#gathered.push({ parsed, pooled: owned ? bytes : null });
          return owned;
        }
        this.#beginGathered();
        this.#begin(parsed);
        return false;
      }
      // The bytes must outlive this call.
      const reader = owned ? header.reader : moved(header.reader);
      const parsed = dispatcher.parse({ ...header, reader }, this.info, now, end - start);
      const pooled = owned ? bytes : null;
      if (mayBegin) {
        this.#begin(parsed);
        if (owned) this.#reader.abandon(bytes);
        return owned;
      }
      this.#waiting.push({ parsed, pooled });
      stats.queuedRequests += 1;
      if (!owned) memory.add(parsed.bytes);
      if (memory.isFull) this.#awaitMemory();
      return owned;
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  #beginGathered(): void {
    const gathered = this.#gathered;
    if (gathered.length === 0) return;
    this.#gathered = [];
    const { dispatcher } = this.#options;
    try {
      const all = gathered.map(({ parsed }) => parsed);
      if (all.length === 1) this.#begin(all[0]!);
      else this.#begunTogether(all, dispatcher.handleTogether(all));
    } catch (error) {
      this.#refuse(error);
    }
    for (const { pooled } of gathered) if (pooled !== null) this.#reader.release(pooled);
  }

  /** Answers that are there leave in one piece. */
  #begunTogether(all: readonly Parsed[], results: readonly unknown[]): void {
    const ready: Ready[] = [];
    all.forEach((parsed, i) => {
      const result = results[i];
      if (result instanceof Promise || this.#slots.length > 0) return this.#begun(parsed, result);
      ready.push({ parsed, answer: this.#options.dispatcher.encode(parsed, result) });
    });
    this.#send(ready);
  }

  #refuse(error: unknown): void {
    this.#beginGathered();
    // An invariant is broken: nobody knows what else is, so the role ends and begins anew.
    if (error instanceof BugError) throw error;
    if (error instanceof CloseConnection) return this.close(error.code, error.message);
    if (error instanceof RangeError) return this.close('request-malformed', error.message);
    this.#options.logger.error('a request failed for no reason of its own', {
      'error.message': reasonOf(error),
      'error.stack_trace': error instanceof Error ? error.stack : undefined,
    });
    this.close('internal-error', reasonOf(error));
  }

  #mayBegin(handler: Parsed['handler']): boolean {
    return this.#waiting.length === 0 && this.#isTurnOf(handler);
  }

  /** Whether nothing that was begun before stands in its way. */
  #isTurnOf(handler: Parsed['handler']): boolean {
    const last = this.#slots.at(-1);
    if (last === undefined) return this.#isTaking;
    return this.#isTaking && handler.pipelined && last.parsed.handler === handler;
  }

  /** Whether requests are begun at all: its answers do not pile up, and no quota holds it back. */
  get #isTaking(): boolean {
    const { queuedResponseBytesMax } = this.#options.limits;
    return this.#queuedBytes <= queuedResponseBytesMax && this.#mutedUntilMs < 0;
  }

  /** Runs the handler. Unless it keeps its request, it needs the frame's bytes no more. */
  #begin(parsed: Parsed): void {
    this.#begun(parsed, this.#options.dispatcher.handle(parsed));
  }

  #begun(parsed: Parsed, result: unknown): void {
    const { dispatcher, stats } = this.#options;
    if (!(result instanceof Promise)) {
      const answer = dispatcher.encode(parsed, result);
      if (this.#slots.length === 0) this.#send([{ parsed, answer }]);
      else {
        this.#slots.push({ parsed, answer, done: true, readyAtMs: this.#now() });
        stats.queuedRequests += 1;
      }
      return;
    }
    const slot: Slot = { parsed, answer: null, done: false, readyAtMs: 0 };
    this.#slots.push(slot);
    stats.queuedRequests += 1;
    result.then(
      (value) => this.#finish(slot, value),
      (error: unknown) => {
        if (!this.#closed) this.#refuse(error);
      },
    );
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #finish(slot: Slot, value: unknown): void {
    if (this.#closed) {
      this.#options.dispatcher.discard(value);
      return;
    }
    try {
      slot.answer = this.#options.dispatcher.encode(slot.parsed, value);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    slot.done = true;
    slot.readyAtMs = this.#now();
    this.#flush();
  }

  /** Sends what is ready, in order, then begins what waited for it. */
  #flush(): void {
    let sent = 0;
    for (let slot = this.#slots[0]; slot?.done === true; slot = this.#slots[sent]) {
      sent += 1;
      slot.parsed.stats.responseQueueTime.record(this.#now() - slot.readyAtMs);
      if (slot.answer !== null) this.#send([{ parsed: slot.parsed, answer: slot.answer }]);
      if (this.#closed) return;
    }
    this.#slots.splice(0, sent);
    this.#options.stats.queuedRequests -= sent;
    if (this.info.sasl?.hasFailed === true) return this.#farewell();
    this.#next();
    this.#update();
  }

  #next(): void {
    while (!this.#closed) {
      const first = this.#waiting[0];
      if (first === undefined) return this.#nextHeld();
      const { handler } = first.parsed;
      if (!this.#isTurnOf(handler)) return;
      this.#waiting.shift();
      this.#options.stats.queuedRequests -= 1;
      try {
        this.#begin(first.parsed);
      } catch (error) {
        this.#refuse(error);
      }
      this.#giveBack(first, handler.keepsRequest);
    }
  }

  /** The memory of a request that waits no more; `isKept`: something still refers to it. */
  #giveBack({ parsed, pooled }: Waiting, isKept: boolean): void {
    if (pooled === null) this.#options.memory.remove(parsed.bytes);
    else if (isKept) this.#reader.abandon(pooled);
    else this.#reader.release(pooled);
  }

  #send(ready: readonly Ready[]): void {
    const { stats } = this.#options;
    let bytes = 0;
    const gaveAtMs = this.#now();
    for (const { parsed, answer } of ready) {
      if (answer.throttleMs > 0) this.#mute(answer.throttleMs);
      parsed.stats.totalTime.record(gaveAtMs - parsed.context.receivedAtMs);
      if (answer.bytes === 0) continue;
      parsed.stats.countResponse(answer.bytes);
      bytes += answer.bytes;
    }
    if (bytes === 0) return;
    stats.sentBytes += bytes;
    stats.queuedResponseBytes += bytes;
    this.#queuedBytes += bytes;
    let chunks =
      ready.length === 1 ? ready[0]!.answer.chunks : ready.flatMap(({ answer }) => answer.chunks);
    // The socket's own work for a chunk is more than copying a short one.
    if (chunks.length > 1 && bytes <= COPIED_BYTES_MAX) chunks = [Buffer.concat(chunks, bytes)];
    this.#stream.write(chunks, () => {
      const sentAtMs = this.#now();
      for (const { parsed, answer } of ready) {
        answer.release?.();
        if (answer.bytes > 0) parsed.stats.responseSendTime.record(sentAtMs - gaveAtMs);
      }
      if (this.#closed) return;
      stats.queuedResponseBytes -= bytes;
      this.#queuedBytes -= bytes;
      this.#stalledSinceMs = -1;
      this.#next();
      this.#update();
    });
  }

  /** The answer goes out; what comes after it waits. */
  #mute(ms: number): void {
    const { timers, stats } = this.#options;
    const until = this.#now() + ms;
    if (until <= this.#mutedUntilMs) return;
    if (this.#unmute !== null) timers.cancel(this.#unmute);
    else stats.throttled += 1;
    this.#mutedUntilMs = until;
    this.#unmute = timers.add(ms, () => {
      this.#endMute();
      this.#next();
      this.#update();
    });
    this.#update();
  }

  #endMute(): void {
    if (this.#unmute === null) return;
    this.#unmute = null;
    this.#mutedUntilMs = -1;
    this.#options.stats.throttled -= 1;
  }

  /** Reads or not, ends or not, as things now stand. */
  #update(): void {
    if (this.#closed) return;
    this.#pauseOrResume();
    if (this.#draining && !this.isBusy) this.#stream.end();
  }

  #pauseOrResume(): void {
    const { limits, stats } = this.#options;
    const answers = this.#queuedBytes > limits.queuedResponseBytesMax;
    if (answers && this.#stalledSinceMs < 0) this.#stalledSinceMs = this.#now();
    const requests = this.#slots.length + this.#waiting.length >= limits.queuedRequestsMax;
    const isMuted = this.#mutedUntilMs >= 0;
    const isFull = requests || this.#held.length > 0 || this.#stopWaiting !== null;
    const pause = this.#draining || answers || isFull || isMuted;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) {
      if (!isMuted) stats.backpressurePauses += 1;
      this.#stream.pause();
      return;
    }
    // The time that we did not read is not the client's.
    const now = this.#now();
    if (this.#partialSinceMs >= 0) this.#partialSinceMs = now;
    if (this.#firstSinceMs >= 0) this.#firstSinceMs = now;
    this.#stream.resume();
  }

  /** One timer a connection, which finds out at its own pace whether a deadline has passed. */
  #watch(): void {
    const { timers, limits } = this.#options;
    const now = this.#now();
    const times = {
      openedAtMs: this.#openedAtMs,
      lastRequestAtMs: this.#lastRequestAtMs,
      partialSinceMs: this.#paused ? -1 : this.#partialSinceMs,
      stalledSinceMs: this.#stalledSinceMs,
      firstSinceMs: this.#paused ? -1 : this.#firstSinceMs,
      isUnknown: this.info.sasl?.isUnknown === true,
      isBusy: this.#isAnswering,
    };
    const { dueMs, passed } = deadlineOf(times, limits, now);
    this.#timer = null;
    if (passed !== null) return this.#expire(passed.code, passed.reason);
    this.#timer = timers.add(dueMs - now, () => {
      if (!this.#closed) this.#watch();
    });
  }

  /** An idle connection is closed without a fuss: it is what the client expects. */
  #expire(code: string, reason: string): void {
    if (code !== 'idle') return this.close(code, reason);
    this.#options.stats.countClose(code);
    this.#stream.end();
    this.#stream.destroy();
    this.#release();
  }
}

/** Answers a request that came in the middle of a SASL exchange, and ends it. */
const outOfPlace = (handler: Handler, sasl: SaslSession): Handler => ({
  ...handler,
  handle: async () => {
    await sasl.interrupted(handler.api.name);
    return refusedBody(handler.api, ErrorCode.ILLEGAL_SASL_STATE);
  },
});

/** The rest of the reader's bytes in memory of their own. */
function moved(reader: ByteReader): ByteReader {
  const copy = Buffer.allocUnsafeSlow(reader.remaining);
  reader.buffer.copy(copy, 0, reader.pos, reader.end);
  return new ByteReader(copy);
}
