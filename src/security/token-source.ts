/**
 * Bearer tokens for a client: from a file, or from a token endpoint by the client credentials grant
 * (RFC 6749, section 4.4). A token is used until most of its time is over.
 */
import type { Clock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
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

  /** Rejects with OperatingError. */
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
    const text = url.startsWith('file:') ? await this.#file() : await this.#endpoint();
    if (!/^[-_~+/.A-Za-z0-9]+=*$/.test(text)) {
      throw new OperatingError('no-token', `expected a bearer token at ${url}, saw something else`);
    }
    const now = this.#clock.now();
    const endsAtMs = expiryOf(text) ?? now;
    this.#token = { text, untilMs: now + (endsAtMs - now) * USED_PART };
    return text;
  }

  async #file(): Promise<string> {
    return (await readUrl(this.#settings.url, BYTES_MAX, TIMEOUT_MS)).toString('utf8').trim();
  }

  async #endpoint(): Promise<string> {
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
    try {
      const { access_token: token } = JSON.parse(answer.toString('utf8')) as Record<
        string,
        unknown
      >;
      if (typeof token === 'string') return token;
    } catch {
      // Said below.
    }
    throw new OperatingError('no-token', `expected JSON with access_token from ${url}`);
  }
}

/** When the token itself says that it ends, milliseconds since 1970; the broker checks it, we don't. */
function expiryOf(token: string): number | null {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { exp } = JSON.parse(payload) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : null;
  } catch {
    return null;
  }
}
