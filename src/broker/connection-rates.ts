/**
 * How many new connections a second are taken: over all (`max.connection.creation.rate`), and from
 * one address (quotas of type `ip`). As in Kafka, what is too much over all waits for its turn, and
 * what is too much from one address is closed after that wait, so that it does not come again at once.
 */
import type { Clock } from '../base/clock.ts';
import type { Configs } from '../cluster/configs.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { quotaKey } from '../cluster/quota-images.ts';
import { Meter, type QuotaSettings } from '../security/client-quotas.ts';

const KEY = 'connection_creation_rate';
/** Addresses that are told apart; when there are more, all are forgotten. */
const ADDRESSES_MAX = 10_000;
/** A rate that nobody reaches. */
const NO_LIMIT = 2 ** 31 - 1;

/** What is to be done about a new connection. */
export interface Admission {
  /** Until it is served, or closed. */
  readonly waitMs: number;
  readonly isRefused: boolean;
}

const WELCOME: Admission = { waitMs: 0, isRefused: false };

export class ConnectionRates {
  readonly #configs: Configs;
  readonly #image: MetadataImage;
  readonly #clock: Clock;
  readonly #settings: QuotaSettings;
  readonly #byAddress = new Map<string, Meter>();
  readonly #all: Meter;
  #version = -1;
  #hasLimits = false;

  constructor(configs: Configs, image: MetadataImage, clock: Clock) {
    this.#configs = configs;
    this.#image = image;
    this.#clock = clock;
    const windowMs = configs.number('quota.window.size.seconds') * 1000;
    this.#settings = { windows: configs.number('quota.window.num'), windowMs };
    this.#all = this.#meter('', NO_LIMIT);
  }

  /** Counts a new connection. */
  admit(ip: string): Admission {
    const now = this.#clock.monotonic();
    const rate = this.#configs.number('max.connection.creation.rate');
    let waitMs = 0;
    if (rate < NO_LIMIT) {
      this.#all.limit = Math.max(rate, 1e-9);
      this.#all.record(1, now);
      waitMs = this.#all.throttleMs(now);
    }
    const meter = this.#meterOf(ip);
    if (meter === null) return waitMs === 0 ? WELCOME : { waitMs, isRefused: false };
    meter.record(1, now);
    const ipWaitMs = meter.throttleMs(now);
    if (ipWaitMs === 0) return waitMs === 0 ? WELCOME : { waitMs, isRefused: false };
    // It does not come in, and so does not count against the others.
    if (rate < NO_LIMIT) this.#all.record(-1, now);
    return { waitMs: ipWaitMs, isRefused: true };
  }

  #meterOf(ip: string): Meter | null {
    if (this.#version !== this.#image.quotasVersion) {
      this.#version = this.#image.quotasVersion;
      this.#hasLimits = [...this.#image.quotas.values()].some(({ values }) => values.has(KEY));
      for (const [address, meter] of this.#byAddress) {
        const limit = this.#limitOf(address);
        if (limit === undefined) this.#byAddress.delete(address);
        else meter.limit = limit;
      }
    }
    if (!this.#hasLimits) return null;
    let meter = this.#byAddress.get(ip);
    if (meter !== undefined) return meter;
    const limit = this.#limitOf(ip);
    if (limit === undefined) return null;
    if (this.#byAddress.size >= ADDRESSES_MAX) this.#byAddress.clear();
    meter = this.#meter(ip, limit);
    this.#byAddress.set(ip, meter);
    return meter;
  }

  /** Its own, or that of all addresses. */
  #limitOf(ip: string): number | undefined {
    const of = (entityName: string | null): number | undefined =>
      this.#image.quotas.get(quotaKey([{ entityType: 'ip', entityName }]))?.values.get(KEY);
    return of(ip) ?? of(null);
  }

  #meter(ip: string, limit: number): Meter {
    return new Meter('', ip, limit, this.#settings, this.#settings.windowMs);
  }
}
