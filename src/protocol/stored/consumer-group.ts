/**
 * Records of `__consumer_offsets` that hold a consumer group (KIP-848): one for the group's epoch, one
 * for that of the target assignment, one for each regular expression, and three for each member. A
 * null value forgets what its key names.
 *
 * The version of a key tells the type of the record; all of them have one version of the value.
 */
import {
  array,
  bits64,
  bytes,
  int8,
  int32,
  int64,
  message,
  string,
  struct,
  uuid,
} from '../schema.ts';

const key = (name: string, version: number) =>
  message(name, { api: -1, min: version, max: version }, { groupId: string });
const memberKey = (name: string, version: number) =>
  message(name, { api: -1, min: version, max: version }, { groupId: string, memberId: string });
const VALUE = { api: -1, min: 0, max: 0, flexible: 0 };

export const consumerGroupMetadataKey = key('ConsumerGroupMetadataKey', 3);
export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', VALUE, {
  epoch: int32,
  // Of the topics that the group reads: another one means that they have changed (KIP-1101).
  metadataHash: bits64.tag(0),
});

/** What stood for the hash of the topics before Kafka 4.1; written no more, and forgotten when seen. */
export const consumerGroupPartitionMetadataKey = key('ConsumerGroupPartitionMetadataKey', 4);

export const consumerGroupMemberMetadataKey = memberKey('ConsumerGroupMemberMetadataKey', 5);
export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', VALUE, {
  instanceId: string.nullable(),
  rackId: string.nullable(),
  clientId: string,
  clientHost: string,
  subscribedTopicNames: array(string),
  subscribedTopicRegex: string.nullable(),
  rebalanceTimeoutMs: int32.default(-1),
  serverAssignor: string.nullable(),
  // Members that speak the classic protocol. Others have null; nothing at all reads as no protocols.
  classicMemberMetadata: struct({
    sessionTimeoutMs: int32,
    supportedProtocols: array({ name: string, metadata: bytes }),
  })
    .nullable()
    .default({ sessionTimeoutMs: 0, supportedProtocols: [] })
    .tag(0),
});

export const consumerGroupTargetAssignmentMetadataKey = key(
  'ConsumerGroupTargetAssignmentMetadataKey',
  6,
);
export const consumerGroupTargetAssignmentMetadataValue = message(
  'ConsumerGroupTargetAssignmentMetadataValue',
  VALUE,
  // When it was made (KIP-1263).
  { assignmentEpoch: int32, assignmentTimestamp: int64.tag(0) },
);

export const consumerGroupTargetAssignmentMemberKey = memberKey(
  'ConsumerGroupTargetAssignmentMemberKey',
  7,
);
export const consumerGroupTargetAssignmentMemberValue = message(
  'ConsumerGroupTargetAssignmentMemberValue',
  VALUE,
  { topicPartitions: array({ topicId: uuid, partitions: array(int32) }) },
);

const heldPartitions = array({
  topicId: uuid,
  partitions: array(int32),
  // In which epoch the member was given each of them.
  assignmentEpochs: array(int32).nullable().tag(0),
});

export const consumerGroupCurrentMemberAssignmentKey = memberKey(
  'ConsumerGroupCurrentMemberAssignmentKey',
  8,
);
export const consumerGroupCurrentMemberAssignmentValue = message(
  'ConsumerGroupCurrentMemberAssignmentValue',
  VALUE,
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    assignedPartitions: heldPartitions,
    partitionsPendingRevocation: heldPartitions,
  },
);

export const consumerGroupRegularExpressionKey = message(
  'ConsumerGroupRegularExpressionKey',
  { api: -1, min: 16, max: 16 },
  { groupId: string, regularExpression: string },
);
export const consumerGroupRegularExpressionValue = message(
  'ConsumerGroupRegularExpressionValue',
  VALUE,
  // The version is that of the metadata that it was looked up in.
  { topics: array(string), version: int64, timestamp: int64 },
);
