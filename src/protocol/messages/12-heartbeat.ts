/**
 * Heartbeat (key 12): a member is alive; the answer tells it to rejoin.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 static members (KIP-345) · 4 flexible.
 */
import { int16, int32, message, string } from '../schema.ts';

export const heartbeatRequest = message(
  'HeartbeatRequest',
  { api: 12, min: 0, max: 4, flexible: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.since(3).nullable().default(null),
  },
);

export const heartbeatResponse = message(
  'HeartbeatResponse',
  { api: 12, min: 0, max: 4, flexible: 4 },
  {
    throttleTimeMs: int32.since(1),
    errorCode: int16,
  },
);
