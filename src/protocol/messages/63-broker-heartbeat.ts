/** BrokerHeartbeat (KIP-631): a broker tells the active controller that it lives, and what it wants. */
import { array, bool, int16, int32, int64, message, uuid } from '../schema.ts';

const at = { api: 63, min: 0, max: 1, flexible: 0 } as const;

export const brokerHeartbeatRequest = message('BrokerHeartbeatRequest', at, {
  brokerId: int32,
  brokerEpoch: int64.default(-1),
  currentMetadataOffset: int64,
  wantFence: bool,
  wantShutDown: bool,
  offlineLogDirs: array(uuid).since(1).tag(0),
});

export const brokerHeartbeatResponse = message('BrokerHeartbeatResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  isCaughtUp: bool,
  isFenced: bool.default(true),
  shouldShutDown: bool,
  // Ours: the last step of the metadata that the controller had then; -1: not told.
  metadataOffset: int64.default(-1).tag(10_000),
});
