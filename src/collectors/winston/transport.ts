import os from 'node:os';
import Transport from 'winston-transport';
import { type Answer, Poster } from './post.ts';
import { recordLine } from './record.ts';

/**
 * A transport for winston that sends an application's log to Weir: over HTTP to `/ingest`, in
 * batches, in order, one request at a time.
 *
 * It never throws into the application and never blocks it: what waits is bounded by records and
 * bytes, and what does not fit is dropped and counted (`stats()`, event `warn`). What gets no
 * answer, or 408, 429 or 5xx, is sent again with a growing pause, so a record may arrive twice and
 * is not lost while the process lives. `logger.end()` flushes; event `finish` says when it is done.
 *
 * Runs in applications on Node 20 and later: only Node's own modules and winston-transport.
 */
export interface WeirTransportOptions extends Transport.TransportStreamOptions {
  /** Weir's address, such as `http://127.0.0.1:8080`; without a path it is `/ingest`. */
  readonly url?: string;
  /** `service.name` of each record. */
  readonly service?: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** Records that may wait. */
  readonly queueRecordsMax?: number;
  /** Bytes that may wait. */
  readonly queueBytesMax?: number;
  /** Records of one request. */
  readonly batchRecordsMax?: number;
  /** Bytes of one request. */
  readonly batchBytesMax?: number;
  /** How long a record waits for others, in milliseconds. */
  readonly lingerMs?: number;
  /** Longest pause between two attempts, in milliseconds. */
  readonly retryMsMax?: number;
  /** How long an answer may take, in milliseconds. */
  readonly requestTimeoutMs?: number;
  /** How long `end` waits for what is queued, in milliseconds; the rest is dropped and counted. */
  readonly closeTimeoutMs?: number;
}

export interface WeirTransportStats {
  /** Records handed in by the application. */
  readonly received: number;
  /** Records that Weir has taken. */
  readonly delivered: number;
  /** Records that were sent again, counted each time. */
  readonly retried: number;
  /** Records that are lost, all reasons together. */
  readonly dropped: number;
  readonly droppedByReason: Readonly<Record<DropReason, number>>;
  /** Records that wait or are on their way. */
  readonly queued: number;
  readonly requests: number;
  /** Why the last attempt failed; '' after a success. */
  readonly lastError: string;
}

/** queue_full: no room; refused: Weir said no; closed: the time of `end` was over. */
type DropReason = 'queue_full' | 'refused' | 'closed';

const RETRY_MS_MIN = 100;

export class WeirTransport extends Transport {
  readonly #poster: Poster;
  readonly #origin: { readonly service: string | undefined; readonly host: string };
  readonly #limits: Required<
    Pick<
      WeirTransportOptions,
      | 'queueRecordsMax'
      | 'queueBytesMax'
      | 'batchRecordsMax'
      | 'batchBytesMax'
      | 'lingerMs'
      | 'retryMsMax'
      | 'closeTimeoutMs'
    >
  >;
  readonly #dropped: Record<DropReason, number> = { queue_full: 0, refused: 0, closed: 0 };
  /** Oldest first; the head is on its way while `#sending` is above 0. */
  #queue: string[] = [];
  #queueBytes = 0;
  #sending = 0;
  /** Halved when a body was too large. */
  #batchRecordsMax: number;
  #received = 0;
  #delivered = 0;
  #retried = 0;
  #requests = 0;
  #failures = 0;
  #lastError = '';
  #timer: NodeJS.Timeout | null = null;
  #isWaiting = false;
  #finish: (() => void) | null = null;
  #isClosed = false;

  constructor(options: WeirTransportOptions = {}) {
    super(options);
    const url = new URL(options.url ?? 'http://127.0.0.1:8080');
    if (url.pathname === '/') url.pathname = '/ingest';
    this.#poster = new Poster(url, options.token, options.requestTimeoutMs ?? 30_000);
    this.#origin = { service: options.service, host: os.hostname() };
    this.#limits = {
      queueRecordsMax: options.queueRecordsMax ?? 10_000,
      queueBytesMax: options.queueBytesMax ?? 16_777_216,
      batchRecordsMax: options.batchRecordsMax ?? 1000,
      batchBytesMax: options.batchBytesMax ?? 1_048_576,
      lingerMs: options.lingerMs ?? 100,
      retryMsMax: options.retryMsMax ?? 10_000,
      closeTimeoutMs: options.closeTimeoutMs ?? 30_000,
    };
    this.#batchRecordsMax = this.#limits.batchRecordsMax;
  }

  override log(info: unknown, next: () => void): void {
    this.#received++;
    const line = recordLine(info, Date.now(), this.#origin);
    const bytes = Buffer.byteLength(line);
    const { queueRecordsMax, queueBytesMax } = this.#limits;
    if (this.#isClosed) this.#drop('closed', 1);
    else if (this.#queue.length >= queueRecordsMax || this.#queueBytes + bytes > queueBytesMax) {
      this.#drop('queue_full', 1);
    } else {
      this.#queue.push(line);
      this.#queueBytes += bytes;
      this.#schedule();
    }
    next();
  }

  stats(): WeirTransportStats {
    const { queue_full, refused, closed } = this.#dropped;
    return {
      received: this.#received,
      delivered: this.#delivered,
      retried: this.#retried,
      dropped: queue_full + refused + closed,
      droppedByReason: { ...this.#dropped },
      queued: this.#queue.length,
      requests: this.#requests,
      lastError: this.#lastError,
    };
  }

  /** winston calls it when the transport is removed; queued records are still sent. */
  override close(): void {
    if (!this.writableEnded) this.end();
  }

  override _final(callback: (error?: Error | null) => void): void {
    const deadline = setTimeout(() => this.#finish?.(), this.#limits.closeTimeoutMs);
    this.#finish = () => {
      clearTimeout(deadline);
      this.#finish = null;
      this.#isClosed = true;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#drop('closed', this.#queue.length);
      this.#queue = [];
      this.#queueBytes = 0;
      this.#poster.close();
      callback();
    };
    if (this.#timer !== null && !this.#isWaiting) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#timer?.ref();
    if (this.#queue.length === 0) this.#finish();
    else if (this.#timer === null) this.#send();
  }

  #drop(reason: DropReason, count: number): void {
    if (count === 0) return;
    const first = this.#dropped[reason] === 0;
    this.#dropped[reason] += count;
    if (first) this.emit('warn', new Error(`log records are dropped: ${reason}`));
  }

  #schedule(): void {
    if (this.#sending > 0 || this.#isWaiting) return;
    if (
      this.#queue.length >= this.#batchRecordsMax ||
      this.#queueBytes >= this.#limits.batchBytesMax
    ) {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      this.#send();
    } else this.#timer ??= setTimeout(() => this.#lingered(), this.#limits.lingerMs);
  }

  #lingered(): void {
    this.#timer = null;
    this.#send();
  }

  #send(): void {
    if (this.#sending > 0 || this.#queue.length === 0 || this.#isClosed) return;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < this.#batchRecordsMax) {
      bytes += this.#queue[count]!.length + 1;
      if (count > 0 && bytes > this.#limits.batchBytesMax) break;
      count++;
    }
    this.#sending = count;
    this.#requests++;
    if (this.#failures > 0) this.#retried += count;
    this.#poster.post(this.#queue.slice(0, count).join('\n')).then(
      (answer) => this.#answered(answer),
      (error: unknown) => this.#failed(error instanceof Error ? error.message : String(error), 0),
    );
  }

  #answered({ status, retryAfterMs, rejected }: Answer): void {
    const count = this.#sending;
    if (status >= 200 && status < 300) {
      this.#delivered += count - rejected;
      this.#drop('refused', rejected);
      this.#resolved(count);
    } else if (status === 408 || status === 429 || status >= 500) {
      this.#failed(`Weir answered ${status}`, retryAfterMs);
    } else if (status === 413 && count > 1) {
      this.#batchRecordsMax = Math.ceil(count / 2);
      this.#sending = 0;
      this.#next();
    } else {
      this.#lastError = `Weir answered ${status}`;
      this.#drop('refused', count);
      this.#resolved(count);
    }
  }

  /** The head of the queue is done with. */
  #resolved(count: number): void {
    if (this.#isClosed) return;
    for (const line of this.#queue.splice(0, count)) this.#queueBytes -= Buffer.byteLength(line);
    if (this.#failures > 0) this.#lastError = '';
    this.#failures = 0;
    this.#sending = 0;
    this.#next();
  }

  #next(): void {
    if (this.#queue.length === 0) this.#finish?.();
    else if (this.#finish !== null) this.#send();
    else this.#schedule();
  }

  #failed(reason: string, retryAfterMs: number): void {
    this.#sending = 0;
    if (this.#isClosed) return;
    this.#lastError = reason;
    if (this.#failures === 0)
      this.emit('warn', new Error(`Weir does not take log records: ${reason}`));
    const backoff = Math.min(RETRY_MS_MIN * 2 ** this.#failures, this.#limits.retryMsMax);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#isWaiting = true;
    // Jitter: a fleet must not come back all at once.
    const pause = Math.max(retryAfterMs, backoff * (0.5 + Math.random() / 2));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#isWaiting = false;
      this.#send();
    }, pause);
    // An application that has nothing else to do may end, unless it said `end` and waits for us.
    if (this.#finish === null) this.#timer.unref();
  }
}
