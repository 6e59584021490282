/**
 * Records of `__consumer_offsets` that hold a classic group between two rebalances; a null value
 * forgets the group.
 *
 * The key is version 2 alone. Value versions: 1 rebalance timeouts · 2 time of the last change ·
 * 3 static members · 4 flexible.
 */
import { array, bytes, int32, int64, message, string } from '../schema.ts';

export const groupMetadataKey = message(
  'GroupMetadataKey',
  { api: -1, min: 2, max: 2 },
  { group: string },
);

export const groupMetadataValue = message(
  'GroupMetadataValue',
  { api: -1, min: 0, max: 4, flexible: 4 },
  {
    protocolType: string,
    generation: int32,
    protocol: string.nullable(),
    leader: string.nullable(),
    currentStateTimestamp: int64.since(2).default(-1),
    members: array({
      memberId: string,
      groupInstanceId: string.since(3).nullable().default(null),
      clientId: string,
      clientHost: string,
      rebalanceTimeout: int32.since(1).default(-1),
      sessionTimeout: int32,
      subscription: bytes,
      assignment: bytes,
    }),
  },
);
