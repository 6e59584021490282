/**
 * ListGroups (key 16): the groups that this broker coordinates.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 flexible · 4 states (KIP-518) ·
 * 5 types (KIP-848).
 */
import { array, int16, int32, message, string } from '../schema.ts';

export const listGroupsRequest = message(
  'ListGroupsRequest',
  { api: 16, min: 0, max: 5, flexible: 3 },
  {
    statesFilter: array(string).since(4),
    typesFilter: array(string).since(5),
  },
);

export const listGroupsResponse = message(
  'ListGroupsResponse',
  { api: 16, min: 0, max: 5, flexible: 3 },
  {
    throttleTimeMs: int32.since(1),
    errorCode: int16,
    groups: array({
      groupId: string,
      protocolType: string,
      groupState: string.since(4),
      groupType: string.since(5),
    }),
  },
);
