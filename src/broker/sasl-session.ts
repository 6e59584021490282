/**
 * Who a connection's client is, as far as SASL has found out (KIP-43, KIP-152, KIP-368).
 *
 * Until it is known, only ApiVersions, SaslHandshake and SaslAuthenticate pass, in this order and
 * each but once, or, after SaslHandshake v0, bare tokens. A failure is answered after a while and
 * ends the connection. A session with an end is over with the first request behind it that does not
 * begin a new authentication, by the same mechanism and as the same user.
 */
import { type Clock, sleep } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Api } from '../protocol/apis.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Principal } from '../security/principal.ts';
import { type Authenticated, SaslFailure, type SaslServer } from '../security/sasl/sasl-server.ts';
import type { ConnectionStats } from './connection-stats.ts';
import { CloseConnection, type ConnectionInfo } from './handler.ts';

/** What a listener asks of its clients. */
export interface SaslRules {
  /** Whether nothing is served before; else only internal mechanisms are taken, from who wants to. */
  readonly isRequired: boolean;
  /** What clients are told of. */
  readonly mechanisms: readonly string[];
  /** Null: it is not enabled. */
  server(mechanism: string): SaslServer | null;
  principalOf(mechanism: string, authenticated: Authenticated): Principal;
  /** `connections.max.reauth.ms`; 0: none. */
  reauthMs(mechanism: string): number;
  readonly failureDelayMs: number;
}

export interface SaslSessionOptions {
  readonly rules: SaslRules;
  readonly info: ConnectionInfo;
  readonly stats: ConnectionStats;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Step = 'versions' | 'handshake' | 'tokens' | 'raw-tokens' | 'open' | 'failed';

export interface TokenAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly token: Buffer;
  readonly sessionLifetimeMs: number;
}

const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

/** A client that authenticates again sooner is out of its mind. */
const REAUTHENTICATION_MS_MIN = 1_000;

const NOTHING = Buffer.alloc(0);

export class SaslSession {
  readonly #options: SaslSessionOptions;
  #step: Step;
  #mechanism = '';
  #server: SaslServer | null = null;
  /** Of the authentication before this one; null: this is the first. */
  #before: { readonly mechanism: string; readonly principal: Principal } | null = null;
  #openedAtMs = Number.NEGATIVE_INFINITY;
  #endsAtMs = Number.POSITIVE_INFINITY;

  constructor(options: SaslSessionOptions) {
    this.#options = options;
    this.#step = options.rules.isRequired ? 'versions' : 'open';
  }

  /** Whether requests pass. */
  get isOpen(): boolean {
    return this.#step === 'open';
  }
  get hasFailed(): boolean {
    return this.#step === 'failed';
  }
  /** The next frame is a token, and no request (SaslHandshake v0). */
  get takesRawTokens(): boolean {
    return this.#step === 'raw-tokens';
  }
  /** Whether the client has not yet proved for the first time who it is. */
  get isUnknown(): boolean {
    return this.#before === null && this.#step !== 'open';
  }
  /** Clock time (monotonic) from which on only a new authentication passes; Infinity: there is none. */
  get endsAtMs(): number {
    return this.#endsAtMs;
  }

  /** Throws CloseConnection, or returns whether the request is answered ILLEGAL_SASL_STATE. */
  admit({ key, name }: Api): boolean {
    const begins = this.#step === 'versions' || this.#step === 'handshake';
    if (begins && key === SASL_HANDSHAKE) return true;
    if (this.#step === 'versions' && key === API_VERSIONS) return true;
    if (this.#step === 'tokens') return key === SASL_AUTHENTICATE;
    throw new CloseConnection(
      'not-authenticated',
      `${name} before the client has said who it is; perhaps it is not configured for SASL`,
    );
  }

  /** ApiVersions was answered; it comes once. */
  versionsTold(): void {
    if (this.#step === 'versions') this.#step = 'handshake';
  }

  /** SaslHandshake: the client chooses how. */
  async handshake(
    version: number,
    mechanism: string,
    now: number,
  ): Promise<{ readonly errorCode: number; readonly mechanisms: readonly string[] }> {
    const { rules, info } = this.#options;
    const isAgain = this.#step === 'open';
    const isFirstOfAll = isAgain && !rules.isRequired && this.#mechanism === '';
    if (isAgain && !isFirstOfAll && !this.#mayReauthenticate(now)) {
      return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
    }
    const server = rules.server(mechanism);
    if (server === null) {
      if (isFirstOfAll) return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
      await this.#failed(`mechanism '${mechanism}' is not enabled on listener ${info.listener}`);
      return {
        errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        mechanisms: rules.mechanisms,
      };
    }
    this.#before =
      isAgain && !isFirstOfAll ? { mechanism: this.#mechanism, principal: info.principal } : null;
    this.#mechanism = mechanism;
    this.#server = server;
    this.#step = version === 0 ? 'raw-tokens' : 'tokens';
    return { errorCode: ErrorCode.NONE, mechanisms: rules.mechanisms };
  }

  /** SaslAuthenticate: the client's next token. */
  async authenticate(token: Buffer): Promise<TokenAnswer> {
    if (this.#step !== 'tokens') {
      const message = 'SaslAuthenticate request received after successful authentication';
      return refusal(ErrorCode.ILLEGAL_SASL_STATE, message);
    }
    try {
      return await this.#evaluate(token);
    } catch (error) {
      if (!(error instanceof SaslFailure)) throw error;
      await this.#failed(error.message);
      return refusal(ErrorCode.SASL_AUTHENTICATION_FAILED, error.told ?? this.#untold());
    }
  }

  /** A bare token; resolves to the bare answer. Rejects with CloseConnection: there is no other way to refuse. */
  async rawToken(token: Buffer): Promise<Buffer> {
    try {
      return (await this.#evaluate(token)).token;
    } catch (error) {
      if (!(error instanceof SaslFailure)) throw error;
      await this.#failed(error.message);
      throw new CloseConnection('authentication-failed', error.message);
    }
  }

  /** A request of another kind came in the middle; it is answered so, and then the connection ends. */
  async interrupted(name: string): Promise<void> {
    await this.#failed(`${name} in the middle of a SASL exchange`);
  }

  #mayReauthenticate(now: number): boolean {
    if (this.#endsAtMs === Number.POSITIVE_INFINITY) return false;
    return now - this.#openedAtMs >= REAUTHENTICATION_MS_MIN;
  }

  async #evaluate(token: Buffer): Promise<TokenAnswer> {
    const before = this.#before;
    if (before !== null && before.mechanism !== this.#mechanism) {
      const text = `SASL mechanism '${this.#mechanism}' requested by client is not supported for re-authentication of mechanism '${before.mechanism}'`;
      throw new SaslFailure(text, text);
    }
    const server = this.#server!;
    const answer = await server.evaluate(token);
    const { authenticated } = server;
    const told = { errorCode: ErrorCode.NONE, errorMessage: '', token: answer };
    if (authenticated === null) return { ...told, sessionLifetimeMs: 0 };
    return { ...told, sessionLifetimeMs: this.#open(authenticated) };
  }

  /** Lets the client in; returns for how long, in milliseconds, 0: for good. */
  #open(authenticated: Authenticated): number {
    const { rules, info, stats, clock } = this.#options;
    const principal = rules.principalOf(this.#mechanism, authenticated);
    const before = this.#before?.principal;
    if (before !== undefined && before.text !== principal.text) {
      const text = `Cannot change principals during re-authentication from ${before.type}.${before.name}: ${principal.type}.${principal.name}`;
      throw new SaslFailure(text, text);
    }
    const limits: number[] = [];
    const reauthMs = rules.reauthMs(this.#mechanism);
    if (reauthMs > 0) limits.push(reauthMs);
    if (authenticated.expiresAtMs !== null) {
      limits.push(Math.max(0, Math.floor(authenticated.expiresAtMs - clock.now())));
    }
    const lifetimeMs = limits.length === 0 ? 0 : Math.min(...limits);
    if (before === undefined) stats.authentications += 1;
    else stats.reauthentications += 1;
    info.principal = principal;
    this.#server = null;
    this.#openedAtMs = clock.monotonic();
    this.#endsAtMs = limits.length === 0 ? Number.POSITIVE_INFINITY : this.#openedAtMs + lifetimeMs;
    this.#step = 'open';
    return lifetimeMs;
  }

  /** Holds the answer back, so that guessing takes time. */
  async #failed(reason: string): Promise<void> {
    const { rules, info, stats, clock, logger } = this.#options;
    this.#step = 'failed';
    this.#server = null;
    if (this.#before === null) stats.failedAuthentications += 1;
    else stats.failedReauthentications += 1;
    logger.warn('authentication failed', {
      'error.message': reason,
      'client.address': info.remote,
      'weir.listener': info.listener,
      'weir.sasl.mechanism': this.#mechanism,
    });
    await sleep(clock, rules.failureDelayMs);
  }

  /** The same words whatever it was. */
  #untold(): string {
    const what = this.#before === null ? 'authentication' : 're-authentication';
    return `Authentication failed during ${what} due to invalid credentials with SASL mechanism ${this.#mechanism}`;
  }
}

const refusal = (errorCode: number, errorMessage: string): TokenAnswer => ({
  errorCode,
  errorMessage,
  token: NOTHING,
  sessionLifetimeMs: 0,
});
