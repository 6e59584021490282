/**
 * DescribeGroups (key 15): state, protocol and members of groups.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 authorized operations (KIP-430) ·
 * 4 static members (KIP-345) · 5 flexible · 6 GROUP_ID_NOT_FOUND with a text (KIP-1043).
 */
import { array, bool, bytes, int16, int32, message, string } from '../schema.ts';

export const describeGroupsRequest = message(
  'DescribeGroupsRequest',
  { api: 15, min: 0, max: 6, flexible: 5 },
  {
    groups: array(string),
    includeAuthorizedOperations: bool.since(3),
  },
);

export const describeGroupsResponse = message(
  'DescribeGroupsResponse',
  { api: 15, min: 0, max: 6, flexible: 5 },
  {
    throttleTimeMs: int32.since(1),
    groups: array({
      errorCode: int16,
      errorMessage: string.since(6).nullable().default(null),
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array({
        memberId: string,
        groupInstanceId: string.since(4).nullable().default(null),
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: int32.since(3).default(-0x8000_0000),
    }),
  },
);
