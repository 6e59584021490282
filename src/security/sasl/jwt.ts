/**
 * Bearer tokens: JWTs (RFC 7519) signed with a key of a JWKS (RFC 7517). The library `jose` checks
 * signatures and times; here is what Kafka asks of a token besides.
 */
import { createLocalJWKSet, type JSONWebKeySet, errors as joseErrors, jwtVerify } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import type { TokenValidator } from './oauthbearer-server.ts';
import { type Authenticated, SaslFailure } from './sasl-server.ts';

/** Longest part of a token that is told in the log; the rest is the user's secret. */
const REASON_CHARACTERS_MAX = 300;

export interface JwtSettings {
  /** `sasl.oauthbearer.expected.audience`; empty: any, or none. */
  readonly audience: readonly string[];
  /** `sasl.oauthbearer.expected.issuer`; null: any, or none. */
  readonly issuer: string | null;
  /** Signatures by a public key alone: with a shared secret, whoever checks could also forge. */
  readonly algorithms: readonly string[];
  readonly clockSkewSeconds: number;
  readonly scopeClaim: string;
  readonly subClaim: string;
}

/** The keys that tokens are signed with; see `JwksSource`. */
export interface Keys {
  current(): Promise<JSONWebKeySet>;
  /** After a token named a key that is not among them; null: they were asked for just now. */
  refreshed(): Promise<JSONWebKeySet | null>;
}

export function jwtValidator(settings: JwtSettings, keys: Keys, clock: Clock): TokenValidator {
  const { audience, issuer } = settings;
  const prepared = new WeakMap<JSONWebKeySet, ReturnType<typeof createLocalJWKSet>>();
  const keysOf = (set: JSONWebKeySet): ReturnType<typeof createLocalJWKSet> => {
    const known = prepared.get(set) ?? createLocalJWKSet(set);
    prepared.set(set, known);
    return known;
  };
  const verify = async (token: string, set: JSONWebKeySet) =>
    jwtVerify(token, keysOf(set), {
      algorithms: [...settings.algorithms],
      clockTolerance: settings.clockSkewSeconds,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp', 'iat'],
      ...(audience.length > 0 ? { audience: [...audience] } : {}),
      ...(issuer === null ? {} : { issuer }),
    });
  return async (token) => {
    try {
      let verified: Awaited<ReturnType<typeof verify>>;
      try {
        verified = await verify(token, await keys.current());
      } catch (error) {
        if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw error;
        const newer = await keys.refreshed();
        if (newer === null) throw error;
        verified = await verify(token, newer);
      }
      return authenticatedBy(verified.payload, settings);
    } catch (error) {
      if (error instanceof SaslFailure) throw error;
      if (error instanceof joseErrors.JOSEError || error instanceof OperatingError) {
        throw new SaslFailure(`bearer token: ${error.message.slice(0, REASON_CHARACTERS_MAX)}`);
      }
      // A key of the set that is none, or a kind that this machine's crypto lacks.
      if (error instanceof TypeError || error instanceof DOMException) {
        throw new SaslFailure(`bearer token: ${error.message.slice(0, REASON_CHARACTERS_MAX)}`);
      }
      throw error;
    }
  };
}

function authenticatedBy(
  claims: Readonly<Record<string, unknown>>,
  { scopeClaim, subClaim }: JwtSettings,
): Authenticated {
  const subject = claims[subClaim];
  const name = typeof subject === 'string' ? subject.trim() : '';
  if (name === '') throw new SaslFailure(`bearer token: no text in claim '${subClaim}'`);
  const scope = claims[scopeClaim];
  const scopes: readonly unknown[] = Array.isArray(scope)
    ? scope
    : scope === undefined
      ? []
      : [scope];
  const isText = scopes.every((item) => typeof item === 'string' && item.trim() !== '');
  if (!isText || new Set(scopes).size !== scopes.length) {
    throw new SaslFailure(`bearer token: expected texts, each once, in claim '${scopeClaim}'`);
  }
  return { name, expiresAtMs: Number(claims['exp']) * 1000 };
}
