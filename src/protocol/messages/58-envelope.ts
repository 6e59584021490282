/** Envelope (KIP-590): a client's request that a broker passes on to the active controller. */
import { bytes, int16, message } from '../schema.ts';

const at = { api: 58, min: 0, max: 0, flexible: 0 } as const;

export const envelopeRequest = message('EnvelopeRequest', at, {
  /** Header and body of the request, without its size. */
  requestData: bytes,
  requestPrincipal: bytes.nullable(),
  /** 4 or 16 bytes. */
  clientHostAddress: bytes,
});

export const envelopeResponse = message('EnvelopeResponse', at, {
  /** Header and body of the answer, without its size. */
  responseData: bytes.nullable(),
  errorCode: int16,
});
