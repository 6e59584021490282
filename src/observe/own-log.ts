/**
 * Puts the appliance's own log into the topic of logs, and makes sure that it can't feed itself:
 *
 * - lines about the delivery itself come from `printOnly` and never get here;
 * - one and the same message goes in at most `SAME_MAX` times in a window, whatever logs it: a
 *   broker that complained about each of our batches would otherwise answer itself for ever;
 * - all lines together are bounded in a window, and what waits for the log is bounded in bytes.
 *
 * What is left out is counted by reason, and never logged. Nothing is kept over a restart.
 */
import Transport from 'winston-transport';
import type { Clock } from '../base/clock.ts';
import { ecsLine } from './log-line.ts';
import { logInfo } from './logger.ts';

const WINDOW_MS = 10_000;
const SAME_MAX = 10;
const LINES_MAX = 500;
const WAITING_BYTES_MAX = 1_048_576;

/** Different messages told apart in a window; the ones after that share one count. */
const MESSAGES_MAX = 1_000;

export type DropReason = 'repeated' | 'rate' | 'buffer' | 'delivery';

/** Takes a record; false when it has no room: it will be offered again on the next line. */
export type OfferRecord = (value: Uint8Array, timestampMs: number) => boolean;

interface Waiting {
  readonly value: Uint8Array;
  readonly timestampMs: number;
}

export class OwnLog extends Transport {
  readonly #clock: Clock;
  #offer: OfferRecord | null = null;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #draining = false;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #windowLines = 0;
  readonly #seen = new Map<string, number>();
  /** Lines handed over, and lines that were not, since the start. */
  sent = 0;
  readonly dropped: Record<DropReason, number> = { repeated: 0, rate: 0, buffer: 0, delivery: 0 };

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** From now on there is somebody who takes records; what waits goes first. */
  connect(offer: OfferRecord): void {
    this.#offer = offer;
    this.#drain();
  }

  /** A batch with so many of our lines was lost. */
  lost(count: number): void {
    this.dropped.delivery += count;
  }

  override log(info: Readonly<Record<string | symbol, unknown>>, next: () => void): void {
    next();
    const { entry, printOnly } = logInfo(info);
    if (printOnly || entry.level === 'debug') return;
    const reason = this.#refuse(`${entry.level} ${entry.message}`);
    if (reason !== null) {
      this.dropped[reason] += 1;
      return;
    }
    const value = Buffer.from(ecsLine(entry));
    if (this.#waitingBytes + value.length > WAITING_BYTES_MAX) {
      this.dropped.buffer += 1;
      return;
    }
    this.#waiting.push({ value, timestampMs: entry.timeMs });
    this.#waitingBytes += value.length;
    this.#drain();
  }

  #refuse(message: string): DropReason | null {
    const now = this.#clock.monotonic();
    if (now - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = now;
      this.#windowLines = 0;
      this.#seen.clear();
    }
    const key = this.#seen.has(message) || this.#seen.size < MESSAGES_MAX ? message : '';
    const times = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, times);
    if (times > SAME_MAX) return 'repeated';
    if (this.#windowLines >= LINES_MAX) return 'rate';
    this.#windowLines += 1;
    return null;
  }

  #drain(): void {
    const offer = this.#offer;
    // Whoever takes a line may log one: that one waits its turn.
    if (offer === null || this.#draining) return;
    this.#draining = true;
    try {
      for (;;) {
        const first = this.#waiting[0];
        if (first === undefined || !offer(first.value, first.timestampMs)) return;
        this.#waiting.shift();
        this.#waitingBytes -= first.value.length;
        this.sent += 1;
      }
    } finally {
      this.#draining = false;
    }
  }
}
