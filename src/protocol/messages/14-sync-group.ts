/**
 * SyncGroup (key 14): the leader hands in the assignments, every member gets its own.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 static members (KIP-345) · 4 flexible ·
 * 5 protocol type and name (KIP-559).
 */
import { array, bytes, int16, int32, message, string } from '../schema.ts';

export const syncGroupRequest = message(
  'SyncGroupRequest',
  { api: 14, min: 0, max: 5, flexible: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.since(3).nullable().default(null),
    protocolType: string.since(5).nullable().default(null),
    protocolName: string.since(5).nullable().default(null),
    // From the leader only.
    assignments: array({ memberId: string, assignment: bytes }),
  },
);

export const syncGroupResponse = message(
  'SyncGroupResponse',
  { api: 14, min: 0, max: 5, flexible: 4 },
  {
    throttleTimeMs: int32.since(1),
    errorCode: int16,
    protocolType: string.since(5).nullable().default(null),
    protocolName: string.since(5).nullable().default(null),
    assignment: bytes,
  },
);
