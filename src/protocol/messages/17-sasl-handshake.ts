/**
 * SaslHandshake (key 17): chooses the SASL mechanism; the answer lists those that are enabled.
 *
 * Versions: 0 raw tokens follow · 1 tokens follow in SaslAuthenticate (KIP-152). Never flexible.
 */
import { array, int16, message, string } from '../schema.ts';

export const saslHandshakeRequest = message(
  'SaslHandshakeRequest',
  { api: 17, min: 0, max: 1 },
  {
    mechanism: string,
  },
);

export const saslHandshakeResponse = message(
  'SaslHandshakeResponse',
  { api: 17, min: 0, max: 1 },
  {
    errorCode: int16,
    mechanisms: array(string),
  },
);
