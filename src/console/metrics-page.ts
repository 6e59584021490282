/**
 * `/metrics`: the texts of all threads as one exposition. It is made at most once a second, however
 * many scrape; a role that is down or stuck is left out, and `weir_role_up` says so.
 *
 * The series of a broker's thread bear the label `broker` with its id. Who wants each broker to be a
 * target of its own scrapes `/metrics/broker/ID`, which fails while that broker is down, and the
 * rest under `/metrics/appliance`.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '../base/clock.ts';
import { type Exposition, type Label, mergeExpositions } from '../observe/merge-exposition.ts';

const FRESH_MS = 1_000;

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const zip = promisify(gzip);

/** Level 1: a scrape is often on the same machine, and half the size is had for a tenth of the time. */
const GZIP_LEVEL = 1;

/** Asks the threads. */
export type Sources = () => readonly Promise<string | Exposition>[];

export interface MetricsPageOptions {
  /** Put on every series. */
  readonly labels?: readonly Label[];
  /** Fails when a thread does not answer, instead of leaving it out. */
  readonly whole?: boolean;
}

export class MetricsPage {
  readonly #clock: Clock;
  readonly #sources: Sources;
  readonly #options: MetricsPageOptions;
  #made: Promise<string> | null = null;
  #zipped: Promise<Buffer> | null = null;
  #madeAtMs = Number.NEGATIVE_INFINITY;
  /** Series that two threads wrote, and sources that did not answer, since the start. */
  duplicates = 0;
  failures = 0;

  constructor(clock: Clock, sources: Sources, options: MetricsPageOptions = {}) {
    this.#clock = clock;
    this.#sources = sources;
    this.#options = options;
  }

  text(): Promise<string> {
    const now = this.#clock.monotonic();
    if (this.#made === null || now - this.#madeAtMs >= FRESH_MS) {
      this.#madeAtMs = now;
      this.#made = this.#make();
      this.#zipped = null;
    }
    return this.#made;
  }

  async zipped(): Promise<Buffer> {
    const text = await this.text();
    this.#zipped ??= zip(text, { level: GZIP_LEVEL });
    return this.#zipped;
  }

  async #make(): Promise<string> {
    const { labels = [], whole = false } = this.#options;
    const expositions: Exposition[] = [];
    for (const outcome of await Promise.allSettled(this.#sources())) {
      if (outcome.status === 'rejected') {
        this.failures += 1;
        if (whole) throw outcome.reason;
        continue;
      }
      const { value } = outcome;
      const own = typeof value === 'string' ? { text: value, labels: [] } : value;
      expositions.push({ text: own.text, labels: [...own.labels, ...labels] });
    }
    const { text, duplicates } = mergeExpositions(expositions);
    this.duplicates += duplicates;
    return text;
  }
}
