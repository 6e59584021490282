/**
 * DeleteGroups (key 42) (KIP-229).
 *
 * Versions: 1 throttled after the answer · 2 flexible.
 */
import { array, int16, int32, message, string } from '../schema.ts';

export const deleteGroupsRequest = message(
  'DeleteGroupsRequest',
  { api: 42, min: 0, max: 2, flexible: 2 },
  {
    groupsNames: array(string),
  },
);

export const deleteGroupsResponse = message(
  'DeleteGroupsResponse',
  { api: 42, min: 0, max: 2, flexible: 2 },
  {
    throttleTimeMs: int32,
    results: array({ groupId: string, errorCode: int16 }),
  },
);
