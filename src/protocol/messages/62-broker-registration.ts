/** BrokerRegistration (KIP-631): a broker asks the active controller for its epoch. */
import { array, bool, int16, int32, int64, message, string, uint16, uuid } from '../schema.ts';

const at = { api: 62, min: 0, max: 4, flexible: 0 } as const;

export const brokerRegistrationRequest = message('BrokerRegistrationRequest', at, {
  brokerId: int32,
  clusterId: string,
  incarnationId: uuid,
  listeners: array({ name: string, host: string, port: uint16, securityProtocol: int16 }),
  features: array({ name: string, minSupportedVersion: int16, maxSupportedVersion: int16 }),
  rack: string.nullable(),
  isMigratingZkBroker: bool.since(1),
  logDirs: array(uuid).since(2),
  previousBrokerEpoch: int64.since(3).default(-1),
});

export const brokerRegistrationResponse = message('BrokerRegistrationResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  brokerEpoch: int64.default(-1),
});
