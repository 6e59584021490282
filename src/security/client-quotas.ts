/**
 * What clients may use of a broker: bytes produced and fetched, time of its thread, changes of
 * topics. Quotas stand in the metadata log, by user, client id, both, and the defaults of these; the
 * most particular one that fits is in force, in Kafka's order. Clients that share a quota share its
 * meter.
 *
 * Where no quota of a kind is set, `meterOf` is two comparisons; where there is, a connection keeps
 * the meters it has found until quotas change. Meters are bounded: when there are too many, those
 * that were silent for longest are forgotten, which forgives their clients what they have used.
 */
import type { TokenBucket } from './token-bucket.ts';
import { WindowedSum } from './windowed-rate.ts';

/** Kafka's keys of quotas of users and client ids. */
export const QuotaKind = {
  produce: 'producer_byte_rate',
  fetch: 'consumer_byte_rate',
  request: 'request_percentage',
  mutation: 'controller_mutation_rate',
} as const;
export type QuotaKind = (typeof QuotaKind)[keyof typeof QuotaKind];

const kinds: readonly QuotaKind[] = Object.values(QuotaKind);

export interface QuotaEntity {
  readonly entityType: string;
  /** Null: the default of the type. */
  readonly entityName: string | null;
}

export interface Quota {
  readonly entity: readonly QuotaEntity[];
  readonly values: ReadonlyMap<string, number>;
}

/** The quotas, and a number that changes with them. */
export interface QuotaSource {
  readonly quotas: Iterable<Quota>;
  readonly version: number;
}

export interface QuotaSettings {
  /** `quota.window.num`, `quota.window.size.seconds`. */
  readonly windows: number;
  readonly windowMs: number;
}

/** A connection, as far as quotas go. */
export interface QuotaSession {
  readonly principal: { readonly name: string };
  /** Meters as they were found last; null: never. */
  meters: ClientMeters | null;
}

/** Meters of one kind. */
const METERS_MAX = 10_000;
/** Meters that are told in metrics. */
export const METERS_SHOWN_MAX = 200;

/** One quota in force, and what its clients have used. */
export class Meter {
  readonly user: string;
  readonly clientId: string;
  /** A second. */
  limit: number;
  lastUsedMs = 0;
  /** Where what is not used is saved up; null: it never was. */
  bucket: TokenBucket | null = null;
  readonly #settings: QuotaSettings;
  readonly #longestMs: number;
  readonly #used: WindowedSum;
  readonly #throttledMs: WindowedSum;
  readonly #throttles: WindowedSum;

  constructor(
    user: string,
    clientId: string,
    limit: number,
    settings: QuotaSettings,
    longestMs: number,
  ) {
    this.user = user;
    this.clientId = clientId;
    this.limit = limit;
    this.#settings = settings;
    this.#longestMs = longestMs;
    const { windows, windowMs } = settings;
    this.#used = new WindowedSum(windows, windowMs);
    this.#throttledMs = new WindowedSum(windows, windowMs);
    this.#throttles = new WindowedSum(windows, windowMs);
  }

  record(value: number, nowMs: number): void {
    this.lastUsedMs = nowMs;
    this.#used.record(value, nowMs);
  }

  /** Milliseconds after which the rate is the limit again; 0: it is not exceeded. */
  throttleMs(nowMs: number): number {
    const rate = this.#used.perSecond(nowMs);
    if (rate <= this.limit) return 0;
    const ms = ((rate - this.limit) / this.limit) * this.#used.spanMs(nowMs);
    return Math.min(Math.round(ms), this.#longestMs);
  }

  /** Somebody is held back. */
  countThrottle(ms: number, nowMs: number): void {
    this.#throttledMs.record(ms, nowMs);
    this.#throttles.record(1, nowMs);
  }

  /** What may be used at once without being more than the time of the windows allows. */
  get mostAtOnce(): number {
    const { windows, windowMs } = this.#settings;
    return (this.limit * (windows - 1) * windowMs) / 1000;
  }

  /** Metrics: what is used a second, and milliseconds of a throttle on average. */
  rate(nowMs: number): number {
    return this.#used.perSecond(nowMs);
  }
  averageThrottleMs(nowMs: number): number {
    const count = this.#throttles.sum(nowMs);
    return count === 0 ? 0 : this.#throttledMs.sum(nowMs) / count;
  }
}

/** Those of one connection's user and one client id. */
export interface ClientMeters {
  readonly version: number;
  readonly user: string;
  readonly clientId: string;
  readonly byKind: ReadonlyMap<QuotaKind, Meter>;
}

/** An entity as a key: undefined where it says nothing of the type. */
const keyOf = (user: string | null | undefined, clientId: string | null | undefined): string =>
  JSON.stringify([user === undefined ? 0 : user, clientId === undefined ? 0 : clientId]);

/** Which types of entities have quotas of a kind. */
const USER = 1;
const CLIENT = 2;
const BOTH = 4;

class KindOfQuota {
  readonly kind: QuotaKind;
  readonly #limits = new Map<string, number>();
  #types = 0;
  readonly meters = new Map<string, Meter>();

  constructor(kind: QuotaKind) {
    this.kind = kind;
  }

  get isOn(): boolean {
    return this.#types !== 0;
  }

  clear(): void {
    this.#limits.clear();
    this.#types = 0;
  }

  set(user: string | null | undefined, clientId: string | null | undefined, limit: number): void {
    this.#limits.set(keyOf(user, clientId), limit);
    this.#types |= user === undefined ? CLIENT : clientId === undefined ? USER : BOTH;
  }

  /** Whom the client shares its quota with (Kafka's DefaultQuotaCallback): '' for all of a type. */
  sharers(user: string, clientId: string): { user: string; clientId: string } {
    if (this.#types === CLIENT) return { user: '', clientId };
    if (this.#types === USER) return { user, clientId: '' };
    const has = (u: string | null | undefined, c: string | null | undefined): boolean =>
      this.#limits.has(keyOf(u, c));
    const isOfBoth = this.#types === BOTH || has(user, clientId) || has(user, null);
    if (isOfBoth) return { user, clientId };
    if (has(user, undefined)) return { user, clientId: '' };
    if (has(null, clientId) || has(null, null)) return { user, clientId };
    if (has(null, undefined)) return { user, clientId: '' };
    return { user: '', clientId };
  }

  limitOf(user: string, clientId: string): number | undefined {
    const limit = (u: string | null | undefined, c: string | null | undefined) =>
      this.#limits.get(keyOf(u, c));
    if (user !== '' && clientId !== '') {
      return (
        limit(user, clientId) ?? limit(user, null) ?? limit(null, clientId) ?? limit(null, null)
      );
    }
    if (user !== '') return limit(user, undefined) ?? limit(null, undefined);
    if (clientId !== '') return limit(undefined, clientId) ?? limit(undefined, null);
    return undefined;
  }
}

export class ClientQuotas {
  readonly #source: QuotaSource;
  readonly #settings: QuotaSettings;
  readonly #kinds = new Map<QuotaKind, KindOfQuota>(
    kinds.map((kind) => [kind, new KindOfQuota(kind)]),
  );
  #version = -1;
  #isOn = false;

  constructor(source: QuotaSource, settings: QuotaSettings) {
    this.#source = source;
    this.#settings = settings;
  }

  /** Whether there is any quota of a user or a client id. */
  get isOn(): boolean {
    if (this.#version !== this.#source.version) this.#read();
    return this.#isOn;
  }

  /** Null: nothing limits the client. */
  meterOf(kind: QuotaKind, session: QuotaSession, clientId: string): Meter | null {
    if (!this.isOn) return null;
    const { meters, principal } = session;
    const isHeld =
      meters !== null &&
      meters.version === this.#version &&
      meters.clientId === clientId &&
      meters.user === principal.name;
    const found = isHeld ? meters : this.#find(principal.name, clientId);
    session.meters = found;
    return found.byKind.get(kind) ?? null;
  }

  /** For metrics: the meters of a kind, the first `METERS_SHOWN_MAX` of them. */
  *metersOf(kind: QuotaKind): Generator<Meter> {
    let left = METERS_SHOWN_MAX;
    for (const meter of this.#kinds.get(kind)!.meters.values()) {
      if (left-- <= 0) return;
      yield meter;
    }
  }

  #read(): void {
    this.#version = this.#source.version;
    for (const quota of this.#kinds.values()) quota.clear();
    for (const { entity, values } of this.#source.quotas) {
      const nameOf = (type: string) => entity.find((e) => e.entityType === type)?.entityName;
      const user = nameOf('user');
      const clientId = nameOf('client-id');
      if (user === undefined && clientId === undefined) continue;
      for (const [kind, quota] of this.#kinds) {
        const limit = values.get(kind);
        if (limit !== undefined) quota.set(user, clientId, limit);
      }
    }
    this.#isOn = false;
    for (const quota of this.#kinds.values()) {
      this.#isOn ||= quota.isOn;
      for (const [key, meter] of quota.meters) {
        const limit = quota.limitOf(meter.user, meter.clientId);
        if (limit === undefined) quota.meters.delete(key);
        else meter.limit = limit;
      }
    }
  }

  #find(user: string, clientId: string): ClientMeters {
    const byKind = new Map<QuotaKind, Meter>();
    for (const [kind, quota] of this.#kinds) {
      if (!quota.isOn) continue;
      const sharers = quota.sharers(user, clientId);
      const limit = quota.limitOf(sharers.user, sharers.clientId);
      if (limit === undefined) continue;
      byKind.set(kind, this.#meter(quota, sharers.user, sharers.clientId, limit));
    }
    return { version: this.#version, user, clientId, byKind };
  }

  #meter(quota: KindOfQuota, user: string, clientId: string, limit: number): Meter {
    const key = keyOf(user, clientId);
    let meter = quota.meters.get(key);
    if (meter === undefined) {
      if (quota.meters.size >= METERS_MAX) forgetSilent(quota.meters);
      // Kafka bounds the time for which a client is held back for its use of threads alone.
      const longestMs =
        quota.kind === QuotaKind.request ? this.#settings.windowMs : Number.POSITIVE_INFINITY;
      meter = new Meter(user, clientId, limit, this.#settings, longestMs);
      quota.meters.set(key, meter);
    }
    return meter;
  }
}

/** The tenth that was silent for longest. */
function forgetSilent(meters: Map<string, Meter>): void {
  const byAge = [...meters].sort(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs);
  for (const [key] of byAge.slice(0, METERS_MAX / 10)) meters.delete(key);
}
