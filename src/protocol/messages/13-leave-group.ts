/**
 * LeaveGroup (key 13): members go.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 several members, static ones (KIP-345) ·
 * 4 flexible · 5 reason (KIP-800).
 */
import { array, int16, int32, message, string } from '../schema.ts';

export const leaveGroupRequest = message(
  'LeaveGroupRequest',
  { api: 13, min: 0, max: 5, flexible: 4 },
  {
    groupId: string,
    memberId: string.until(2),
    members: array({
      memberId: string,
      groupInstanceId: string.nullable().default(null),
      reason: string.since(5).nullable().default(null),
    }).since(3),
  },
);

export const leaveGroupResponse = message(
  'LeaveGroupResponse',
  { api: 13, min: 0, max: 5, flexible: 4 },
  {
    throttleTimeMs: int32.since(1),
    errorCode: int16,
    members: array({
      memberId: string,
      groupInstanceId: string.nullable(),
      errorCode: int16,
    }).since(3),
  },
);
