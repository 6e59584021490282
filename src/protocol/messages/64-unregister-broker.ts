/** UnregisterBroker (key 64): forgets a broker that does not come back (KIP-631). */
import { int16, int32, message, string } from '../schema.ts';

const at = { api: 64, min: 0, max: 0, flexible: 0 } as const;

export const unregisterBrokerRequest = message('UnregisterBrokerRequest', at, { brokerId: int32 });

export const unregisterBrokerResponse = message('UnregisterBrokerResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: string.nullable(),
});
