/**
 * SaslAuthenticate (key 36): one token of a SASL exchange (KIP-152).
 *
 * Versions: 1 lifetime of the session (KIP-368) · 2 flexible.
 */
import { bytes, int16, int64, message, string } from '../schema.ts';

export const saslAuthenticateRequest = message(
  'SaslAuthenticateRequest',
  { api: 36, min: 0, max: 2, flexible: 2 },
  {
    authBytes: bytes,
  },
);

export const saslAuthenticateResponse = message(
  'SaslAuthenticateResponse',
  { api: 36, min: 0, max: 2, flexible: 2 },
  {
    errorCode: int16,
    errorMessage: string.nullable(),
    authBytes: bytes,
    sessionLifetimeMs: int64.since(1),
  },
);
