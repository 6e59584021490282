/**
 * What classic consumers put into JoinGroup and SyncGroup: opaque to the coordinator, but shown by
 * DescribeGroups, and read by our own group member.
 *
 * Versions: 1 owned partitions (KIP-429) · 2 generation (KIP-792) · 3 rack (KIP-881). Assignments never changed.
 */
import { array, bytes, int32, message, string } from '../schema.ts';

const topicPartitions = { topic: string, partitions: array(int32) };

export const consumerProtocolSubscription = message(
  'ConsumerProtocolSubscription',
  { api: -1, min: 0, max: 3 },
  {
    topics: array(string),
    userData: bytes.nullable().default(null),
    ownedPartitions: array(topicPartitions).since(1),
    generationId: int32.since(2).default(-1),
    rackId: string.since(3).nullable().default(null),
  },
);

export const consumerProtocolAssignment = message(
  'ConsumerProtocolAssignment',
  { api: -1, min: 0, max: 3 },
  {
    assignedPartitions: array(topicPartitions),
    userData: bytes.nullable().default(null),
  },
);
