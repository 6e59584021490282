/**
 * Records of `__consumer_offsets` that hold a committed offset; a null value forgets it.
 *
 * Key versions 0 and 1 are the same bytes; Kafka writes 1. Value versions: 1 expiry (version 1 only) ·
 * 2 the broker's retention · 3 leader epoch · 4 flexible, topic id.
 */
import { int32, int64, message, string, uuid } from '../schema.ts';

export const offsetCommitKey = message(
  'OffsetCommitKey',
  { api: -1, min: 0, max: 1 },
  { group: string, topic: string, partition: int32 },
);

export const offsetCommitValue = message(
  'OffsetCommitValue',
  { api: -1, min: 0, max: 4, flexible: 4 },
  {
    offset: int64,
    leaderEpoch: int32.since(3).default(-1),
    metadata: string,
    commitTimestamp: int64,
    expireTimestamp: int64.since(1).until(1).default(-1),
    topicId: uuid.since(4).tag(0),
  },
);
