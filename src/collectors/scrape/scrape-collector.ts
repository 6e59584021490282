import type { Clock, Timer } from '../../base/clock.ts';
import { OperatingError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { RoleStatus } from '../../base/role.ts';
import { Balance, dropReasonOf } from '../balance.ts';
import type { Collector, Tally } from '../collector.ts';
import { EcsWriter, fragment } from '../ecs-writer.ts';
import {
  type AppendOptions,
  type DeliveryReport,
  type RecordSink,
  recordHeaders,
  type SinkFactory,
} from '../record-sink.ts';
import type { ScrapeSettings } from '../settings.ts';
import { ExpositionReader } from './exposition.ts';
import type { Get } from './http-get.ts';

/**
 * Scrapes Prometheus targets into topic `metrics`. Each scrape adds `up`, `scrape_duration_seconds`
 * and `scrape_samples_scraped`, as Prometheus does. A target that is down, or answers something else
 * (a page), is `up` 0 and a yellow light. Of an answer with some malformed lines the others are taken;
 * samples that find no room are dropped and counted, the next scrape brings newer ones.
 */
export interface ScrapeCollectorOptions {
  readonly settings: ScrapeSettings;
  readonly sinks: SinkFactory;
  readonly get: Get;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The first scrape comes within so long. */
const FIRST_MS_MAX = 3000;
/** An interval varies by this part of it, so that targets are not asked all at once for ever. */
const JITTER_PART = 0.02;
const STOP_TIMEOUT_MS = 2000;

class Target {
  readonly url: string;
  readonly labels: Uint8Array;
  readonly headers: Uint8Array;
  failure: string | null = null;
  timer: Timer | null = null;

  constructor(url: string) {
    this.url = url;
    const instance = URL.canParse(url) ? new URL(url).host : url;
    this.labels = fragment(`"instance":${JSON.stringify(instance)}`);
    this.headers = recordHeaders('scrape', instance);
  }
}

export class ScrapeCollector implements Collector {
  readonly name = 'scrape';
  readonly balance = new Balance();
  readonly #options: ScrapeCollectorOptions;
  readonly #writer = new EcsWriter();
  readonly #reader = new ExpositionReader(this.#writer);
  readonly #targets: readonly Target[];
  readonly #append: AppendOptions = {};
  readonly #underWay = new Set<Promise<void>>();
  #sink: RecordSink | null = null;
  #isStopping = false;
  #scrapes = 0;
  #failures = 0;

  constructor(options: ScrapeCollectorOptions) {
    this.#options = options;
    this.#targets = options.settings.targets.map((url) => new Target(url));
  }

  start(): Promise<void> {
    const { settings, sinks, random } = this.#options;
    this.#sink = sinks({
      name: this.name,
      acks: settings.acks,
      delivery: (report) => this.#delivered(report),
    });
    for (const target of this.#targets) {
      this.#schedule(target, random.next() * Math.min(FIRST_MS_MAX, settings.intervalMs));
    }
    return Promise.resolve();
  }

  #schedule(target: Target, delayMs: number): void {
    if (this.#isStopping) return;
    target.timer = this.#options.clock.after(delayMs, () => {
      const scrape = this.#scrape(target).finally(() => this.#underWay.delete(scrape));
      this.#underWay.add(scrape);
    });
  }

  /** Never rejects. */
  async #scrape(target: Target): Promise<void> {
    const { settings, get, clock, random, logger } = this.#options;
    const startedMs = clock.monotonic();
    const nowMs = clock.now();
    let samples = 0;
    let failure: string | null = null;
    try {
      const body = await get(target.url, {
        timeoutMs: settings.timeoutMs,
        bytesMax: settings.bodyBytesMax,
      });
      const malformed = this.balance.rejectedTotal;
      samples = this.#samples(target, body, nowMs);
      if (samples === 0 && this.balance.rejectedTotal > malformed) {
        throw new OperatingError('target-malformed', 'no line of the answer is a sample');
      }
    } catch (error) {
      failure = reasonOf(error);
      this.#failures++;
      if (target.failure === null)
        logger.warn('a target can not be scraped', {
          'url.full': target.url,
          'error.message': failure,
        });
    }
    if (failure === null && target.failure !== null)
      logger.info('a target can be scraped again', { 'url.full': target.url });
    target.failure = failure;
    this.#scrapes++;
    const tookMs = clock.monotonic() - startedMs;
    const own =
      `# TYPE up gauge\nup ${failure === null ? 1 : 0}\n` +
      `# TYPE scrape_duration_seconds gauge\nscrape_duration_seconds ${tookMs / 1000}\n` +
      `# TYPE scrape_samples_scraped gauge\nscrape_samples_scraped ${samples}\n`;
    this.#samples(target, Buffer.from(own), nowMs);
    const intervalMs = settings.intervalMs * (1 + (random.next() - 0.5) * JITTER_PART);
    this.#schedule(target, Math.max(0, intervalMs - tookMs));
  }

  #samples(target: Target, body: Buffer, nowMs: number): number {
    const append = this.#append;
    append.timestamp = nowMs;
    append.headers = target.headers;
    return this.#reader.read(body, {
      targetLabels: target.labels,
      nowMs,
      take: (bytes) => this.#take(bytes),
      malformed: (start, end) => {
        this.balance.received++;
        this.balance.receivedBytes += end - start;
        this.balance.reject('malformed');
      },
    });
  }

  #take(sourceBytes: number): boolean {
    const { buffer, pos } = this.#writer;
    this.balance.received++;
    this.balance.receivedBytes += sourceBytes;
    if (this.#sink!.appendRange(this.#options.settings.topic, buffer, 0, pos, this.#append))
      return true;
    this.balance.drop('buffer_full');
    return false;
  }

  #delivered(report: DeliveryReport): void {
    if (report.error === null) this.balance.stored += report.count;
    else this.balance.drop(dropReasonOf(report.error, this.#isStopping), report.count);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const target of this.#targets) target.timer?.cancel();
    await Promise.all(this.#underWay);
    await this.#sink?.close(STOP_TIMEOUT_MS);
  }

  status(): RoleStatus {
    const down = this.#targets.filter(({ failure }) => failure !== null);
    return {
      light: down.length === 0 ? 'green' : 'yellow',
      reason: down.map(({ url, failure }) => `${url}: ${failure}`).join('; '),
      details: { targets: this.#targets.length, down: down.length },
    };
  }

  *tallies(): Iterable<Tally> {
    yield ['scrapes', this.#scrapes];
    yield ['scrapes_failed', this.#failures];
  }

  *gauges(): Iterable<Tally> {
    yield ['targets', this.#targets.length];
    yield ['targets_down', this.#targets.filter(({ failure }) => failure !== null).length];
    yield ['buffered_bytes', this.#sink?.bufferedBytes ?? 0];
  }
}
