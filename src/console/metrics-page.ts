/**
 * `/metrics`: the texts of all threads as one exposition. It is made at most once a second, however
 * many scrape; a role that is down or stuck is left out, and `weir_role_up` says so.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '../base/clock.ts';
import { mergeExpositions } from '../observe/merge-exposition.ts';

const FRESH_MS = 1_000;

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const zip = promisify(gzip);

/** Level 1: a scrape is often on the same machine, and half the size is had for a tenth of the time. */
const GZIP_LEVEL = 1;

export class MetricsPage {
  readonly #clock: Clock;
  readonly #sources: () => readonly Promise<string>[];
  #made: Promise<string> | null = null;
  #zipped: Promise<Buffer> | null = null;
  #madeAtMs = Number.NEGATIVE_INFINITY;
  /** Series that two threads wrote, and sources that did not answer, since the start. */
  duplicates = 0;
  failures = 0;

  constructor(clock: Clock, sources: () => readonly Promise<string>[]) {
    this.#clock = clock;
    this.#sources = sources;
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
    const texts: string[] = [];
    for (const outcome of await Promise.allSettled(this.#sources())) {
      if (outcome.status === 'fulfilled') texts.push(outcome.value);
      else this.failures += 1;
    }
    const { text, duplicates } = mergeExpositions(texts);
    this.duplicates += duplicates;
    return text;
  }
}
