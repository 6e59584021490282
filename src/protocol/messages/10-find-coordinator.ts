/**
 * FindCoordinator (key 10): which broker coordinates a group or a transactional id.
 *
 * Versions: 1 transactional ids, error texts · 2 throttled after the answer · 3 flexible · 4 several keys in one
 * request (KIP-699) · 5 abortable transactions (KIP-890) · 6 share groups (KIP-932).
 */
import { array, int8, int16, int32, message, string } from '../schema.ts';

export const findCoordinatorRequest = message(
  'FindCoordinatorRequest',
  { api: 10, min: 0, max: 6, flexible: 3 },
  {
    key: string.until(3),
    keyType: int8.since(1), // 0 group, 1 transactional id, 2 share group.
    coordinatorKeys: array(string).since(4),
  },
);

export const findCoordinatorResponse = message(
  'FindCoordinatorResponse',
  { api: 10, min: 0, max: 6, flexible: 3 },
  {
    throttleTimeMs: int32.since(1),
    errorCode: int16.until(3),
    errorMessage: string.since(1).until(3).nullable(),
    nodeId: int32.until(3),
    host: string.until(3),
    port: int32.until(3),
    coordinators: array({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: string.nullable(),
    }).since(4),
  },
);
