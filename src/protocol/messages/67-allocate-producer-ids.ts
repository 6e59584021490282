/** AllocateProducerIds (key 67): a broker asks for a block of producer ids (KIP-730). */
import { int16, int32, int64, message } from '../schema.ts';

const at = { api: 67, min: 0, max: 0, flexible: 0 } as const;

export const allocateProducerIdsRequest = message('AllocateProducerIdsRequest', at, {
  brokerId: int32,
  brokerEpoch: int64.default(-1),
});

export const allocateProducerIdsResponse = message('AllocateProducerIdsResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  producerIdStart: int64,
  producerIdLen: int32,
});
