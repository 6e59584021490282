/**
 * JoinGroup (key 11): a member enters a group, or stays in it through a rebalance.
 *
 * Versions: 1 rebalance timeout · 2 throttle time · 3 throttled after the answer · 4 MEMBER_ID_REQUIRED
 * (KIP-394) · 5 static members (KIP-345) · 6 flexible · 7 protocol type (KIP-559) · 8 reason (KIP-800) ·
 * 9 skipped assignment (KIP-814).
 */
import { array, bool, bytes, int16, int32, message, string } from '../schema.ts';

export const joinGroupRequest = message(
  'JoinGroupRequest',
  { api: 11, min: 0, max: 9, flexible: 6 },
  {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.since(1).default(-1),
    memberId: string,
    groupInstanceId: string.since(5).nullable().default(null),
    protocolType: string,
    protocols: array({ name: string, metadata: bytes }),
    reason: string.since(8).nullable().default(null),
  },
);

export const joinGroupResponse = message(
  'JoinGroupResponse',
  { api: 11, min: 0, max: 9, flexible: 6 },
  {
    throttleTimeMs: int32.since(2),
    errorCode: int16,
    generationId: int32.default(-1),
    protocolType: string.since(7).nullable().default(null),
    protocolName: string.nullable(7),
    leader: string,
    // The leader must not assign: it is a static one that came back (KIP-814).
    skipAssignment: bool.since(9),
    memberId: string,
    // Filled for the leader only.
    members: array({
      memberId: string,
      groupInstanceId: string.since(5).nullable().default(null),
      metadata: bytes,
    }),
  },
);
