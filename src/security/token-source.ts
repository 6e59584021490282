/**
 * Bearer tokens for a client: from a file, or from a token endpoint by the client credentials grant
 * (RFC 6749, section 4.4). A token is used until most of its time is over, as it says itself (`exp`
 * of a JWT) or as the endpoint says (`expires_in`); one of which neither is known is used once.
 */
import type { Clock } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { readUrl } from './read-url.ts';

export interface TokenSettings {
  /** `sasl.oauthbearer.token.endpoint.url`. */
  readonly url: string;
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  readonly scope: string | null;
}

const BYTES_MAX = 64 * 1024;
const TIMEOUT_MS = 10_000;
/** Part of its time for which a token is used. */
const USED_PART = 0.8;

export class TokenSource {
  readonly #settings: TokenSettings;
  readonly #clock: Clock;
  #token: { readonly text: string; readonly untilMs: number } | null = null;
  #asking: Promise<string> | null = null;

  constructor(settings: TokenSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Rejects with OperatingError `not-authenticated`, which names the endpoint. */
  token(): Promise<string> {
    if (this.#token !== null && this.#clock.now() < this.#token.untilMs) {
      return Promise.resolve(this.#token.text);
    }
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(): Promise<string> {
    const { url } = this.#settings;
    let given: Given;
    try {
      given = await (url.startsWith('file:') ? this.#file() : this.#endpoint());
    } catch (error) {
      throw refusal(`${url}: ${reasonOf(error)}`, error);
    }
    const { text, lifetimeMs } = given;
    if (!/^[-_~+/.A-Za-z0-9]+=*$/.test(text)) {
      throw refusal(`expected a bearer token at ${url}, saw something else`);
    }
    const now = this.#clock.now();
    const leftMs = lifetimeOf(text, now) ?? lifetimeMs ?? 0;
    this.#token = { text, untilMs: now + leftMs * USED_PART };
    return text;
  }

  async #file(): Promise<Given> {
    const bytes = await readUrl(this.#settings.url, BYTES_MAX, TIMEOUT_MS);
    return { text: bytes.toString('utf8').trim(), lifetimeMs: null };
  }

  async #endpoint(): Promise<Given> {
    const { url, clientId, clientSecret, scope } = this.#settings;
    if (clientId === null || clientSecret === null) {
      throw new OperatingError(
        'no-token',
        'a token endpoint needs sasl.oauthbearer.client.credentials.client.id and ….client.secret',
      );
    }
    const body = new URLSearchParams({ grant_type: 'client_credentials' });
    if (scope !== null) body.set('scope', scope);
    const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    const answer = await readUrl(url, BYTES_MAX, TIMEOUT_MS, {
      method: 'POST',
      headers: {
        authorization: `Basic ${basic}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: body.toString(),
    });
    return answerOf(answer);
  }
}

/** A token, and for how long it is good as far as who gave it says. */
interface Given {
  readonly text: string;
  readonly lifetimeMs: number | null;
}

const refusal = (reason: string, cause?: unknown): OperatingError =>
  new OperatingError('not-authenticated', `no bearer token to log in with: ${reason}`, { cause });

/** RFC 6749, section 5.1. */
function answerOf(bytes: Buffer): Given {
  let answer: unknown = null;
  try {
    answer = JSON.parse(bytes.toString('utf8'));
  } catch {
    // Said below.
  }
  const { access_token: text, expires_in: seconds } = (answer ?? {}) as Record<string, unknown>;
  if (typeof text !== 'string') {
    throw new OperatingError('no-token', 'expected JSON with access_token');
  }
  return { text, lifetimeMs: typeof seconds === 'number' ? seconds * 1000 : null };
}

/** Milliseconds until the end that the token itself names; the broker checks it, we don't. */
function lifetimeOf(token: string, now: number): number | null {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { exp } = JSON.parse(payload) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 - now : null;
  } catch {
    return null;
  }
}
