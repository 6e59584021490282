/**
 * The keys of `sasl.oauthbearer.jwks.endpoint.url`, from a file or over HTTP: read when they are
 * first needed, again when they are old, and again, but seldom, when a token names a key that is
 * not among them. While the endpoint does not answer, the keys that are known go on.
 */
import type { JSONWebKeySet } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { OperatingError, reasonOf } from '../../base/errors.ts';
import type { Keys } from './jwt.ts';

export interface JwksSettings {
  readonly url: string;
  readonly refreshMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

/** Resolves to what stands at the URL, of at most `maxBytes`. Rejects with OperatingError. */
export type ReadUrl = (url: string, maxBytes: number, timeoutMs: number) => Promise<Buffer>;

const BYTES_MAX = 1024 * 1024;
const KEYS_MAX = 1000;
const TIMEOUT_MS = 10_000;

/** Tokens that name unknown keys make us ask again at most this often. */
const UNKNOWN_KEY_MS = 10_000;

export class JwksSource implements Keys {
  readonly #settings: JwksSettings;
  readonly #read: ReadUrl;
  readonly #clock: Clock;
  #keys: JSONWebKeySet | null = null;
  #reading: Promise<JSONWebKeySet> | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #failure: OperatingError | null = null;

  constructor(settings: JwksSettings, read: ReadUrl, clock: Clock) {
    this.#settings = settings;
    this.#read = read;
    this.#clock = clock;
  }

  async current(): Promise<JSONWebKeySet> {
    const now = this.#clock.monotonic();
    if (this.#keys === null) return this.#again(now);
    if (now - this.#readAtMs >= this.#settings.refreshMs && now >= this.#retryAtMs) {
      // What is known is good enough meanwhile.
      this.#again(now).catch(() => {});
    }
    return this.#keys;
  }

  async refreshed(): Promise<JSONWebKeySet | null> {
    const now = this.#clock.monotonic();
    if (this.#reading === null && now - this.#readAtMs < UNKNOWN_KEY_MS) return null;
    try {
      return await this.#again(now);
    } catch (error) {
      if (error instanceof OperatingError) return null;
      throw error;
    }
  }

  #again(now: number): Promise<JSONWebKeySet> {
    if (this.#reading !== null) return this.#reading;
    if (now < this.#retryAtMs && this.#failure !== null) return Promise.reject(this.#failure);
    const { url, retryBackoffMs, retryBackoffMaxMs } = this.#settings;
    this.#reading = this.#read(url, BYTES_MAX, TIMEOUT_MS)
      .then((bytes) => {
        this.#keys = parse(bytes, url);
        this.#readAtMs = this.#clock.monotonic();
        this.#failures = 0;
        this.#failure = null;
        return this.#keys;
      })
      .catch((error: unknown) => {
        const wait = Math.min(retryBackoffMs * 2 ** this.#failures, retryBackoffMaxMs);
        this.#failures += 1;
        this.#retryAtMs = this.#clock.monotonic() + wait;
        this.#failure = new OperatingError('no-keys', `no keys from ${url}: ${reasonOf(error)}`);
        throw this.#failure;
      })
      .finally(() => {
        this.#reading = null;
      });
    return this.#reading;
  }
}

function parse(bytes: Buffer, url: string): JSONWebKeySet {
  const refuse = (seen: string): never => {
    throw new OperatingError('no-keys', `expected a JWK set at ${url}, saw ${seen}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return refuse('something that is no JSON');
  }
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return refuse('JSON without `keys`');
  if (keys.length > KEYS_MAX) return refuse(`${keys.length} keys, at most ${KEYS_MAX} are taken`);
  return { keys } as JSONWebKeySet;
}
