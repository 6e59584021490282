/** What each API tells a client without any right, in every version. */
import { apiByName } from '../../src/protocol/apis.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { batchOf, type Loose } from '../unit/broker/fixture.ts';

export const STANDARD_AUTHORIZER = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer';

const TOPIC = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const GROUP = ErrorCode.GROUP_AUTHORIZATION_FAILED;
const CLUSTER = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
const TRANSACTION = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

export interface Asked {
  /** A topic that exists, and its id. */
  readonly topic: string;
  readonly id: string;
}

interface Row {
  readonly body: (version: number, asked: Asked) => Loose;
  /** What the answer must match. */
  readonly answer: (version: number, asked: Asked) => object;
}

const wholly =
  (errorCode: number): Row['answer'] =>
  () => ({ errorCode });
/** Of APIs that brokers use among each other, whatever they say. */
export const forPeers: Row = { body: () => ({}), answer: wholly(CLUSTER) };

/** By API; null: everybody may. */
export const refusals: Readonly<Record<string, Row | null>> = {
  ApiVersions: null,
  SaslHandshake: null,
  SaslAuthenticate: null,
  GetTelemetrySubscriptions: null,
  PushTelemetry: null,
  Produce: {
    body: (version, { topic, id }) => ({
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        {
          ...(version >= 13 ? { topicId: id } : { name: topic }),
          partitionData: [{ index: 0, records: batchOf(['no']) }],
        },
      ],
    }),
    answer: () => ({ responses: [{ partitionResponses: [{ errorCode: TOPIC, baseOffset: -1 }] }] }),
  },
  Fetch: {
    body: (version, { topic, id }) => ({
      maxBytes: 1000,
      topics: [
        {
          ...(version >= 13 ? { topicId: id } : { topic }),
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
        },
      ],
    }),
    answer: () => ({
      errorCode: 0,
      responses: [{ partitions: [{ errorCode: TOPIC, highWatermark: -1 }] }],
    }),
  },
  ListOffsets: {
    body: (_, { topic }) => ({
      replicaId: -1,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: TOPIC }] }] }),
  },
  Metadata: {
    body: (_, { topic }) => ({ topics: [{ name: topic }, { name: 'none' }] }),
    answer: (_, { topic }) => ({
      topics: [topic, 'none'].map((name) => ({ name, errorCode: TOPIC, partitions: [] })),
    }),
  },
  OffsetCommit: {
    body: (_, { topic, id }) => ({
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      topics: [{ name: topic, topicId: id, partitions: [{ partitionIndex: 0 }] }],
    }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: GROUP }] }] }),
  },
  OffsetFetch: {
    body: (version, { topic, id }) =>
      version >= 8
        ? {
            groups: [
              { groupId: 'g', topics: [{ name: topic, topicId: id, partitionIndexes: [0] }] },
            ],
          }
        : { groupId: 'g', topics: [{ name: topic, partitionIndexes: [0] }] },
    answer: (version) => {
      if (version >= 8) return { groups: [{ groupId: 'g', errorCode: GROUP, topics: [] }] };
      if (version >= 2) return { errorCode: GROUP, topics: [] };
      return { topics: [{ partitions: [{ errorCode: GROUP, committedOffset: -1 }] }] };
    },
  },
  FindCoordinator: {
    body: (version) => (version >= 4 ? { coordinatorKeys: ['g'] } : { key: 'g' }),
    answer: (version) =>
      version >= 4
        ? { coordinators: [{ key: 'g', errorCode: GROUP, nodeId: -1 }] }
        : { errorCode: GROUP, nodeId: -1 },
  },
  JoinGroup: {
    body: () => ({ groupId: 'g', sessionTimeoutMs: 6000, protocolType: 'consumer' }),
    answer: (version) => ({
      errorCode: GROUP,
      memberId: '',
      protocolName: version >= 7 ? null : '',
    }),
  },
  Heartbeat: { body: () => ({ groupId: 'g' }), answer: wholly(GROUP) },
  LeaveGroup: { body: () => ({ groupId: 'g' }), answer: wholly(GROUP) },
  SyncGroup: {
    body: () => ({ groupId: 'g', protocolType: 'consumer', protocolName: 'range' }),
    answer: wholly(GROUP),
  },
  DescribeGroups: {
    body: () => ({ groups: ['g'] }),
    answer: () => ({ groups: [{ groupId: 'g', errorCode: GROUP, members: [] }] }),
  },
  ListGroups: { body: () => ({}), answer: () => ({ errorCode: 0, groups: [] }) },
  CreateTopics: {
    body: () => ({ topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }] }),
    answer: () => ({ topics: [{ name: 'new', errorCode: TOPIC }] }),
  },
  DeleteTopics: {
    body: (version, { topic }) =>
      version >= 6 ? { topics: [{ name: topic }] } : { topicNames: [topic] },
    answer: (_, { topic }) => ({ responses: [{ name: topic, errorCode: TOPIC }] }),
  },
  DeleteRecords: {
    body: (_, { topic }) => ({
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: -1 }] }],
    }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: TOPIC, lowWatermark: -1 }] }] }),
  },
  InitProducerId: {
    body: (version) => ({
      transactionalId: version % 2 === 0 ? null : 'tx',
      transactionTimeoutMs: 1,
    }),
    answer: (version) => ({
      errorCode: version % 2 === 0 ? CLUSTER : TRANSACTION,
      producerId: -1,
    }),
  },
  AddPartitionsToTxn: {
    body: (version, { topic }) => {
      const topics = [{ name: topic, partitions: [0] }];
      return version >= 4
        ? { transactions: [{ transactionalId: 'tx', topics }] }
        : { v3AndBelowTransactionalId: 'tx', v3AndBelowTopics: topics };
    },
    answer: (version) => {
      if (version >= 4) return { errorCode: CLUSTER };
      const result = { partitionIndex: 0, partitionErrorCode: TRANSACTION };
      return { resultsByTopicV3AndBelow: [{ resultsByPartition: [result] }] };
    },
  },
  AddOffsetsToTxn: {
    body: () => ({ transactionalId: 'tx', groupId: 'g' }),
    answer: wholly(TRANSACTION),
  },
  EndTxn: { body: () => ({ transactionalId: 'tx' }), answer: wholly(TRANSACTION) },
  WriteTxnMarkers: {
    body: (_, { topic }) => ({
      markers: [{ producerId: 5, topics: [{ name: topic, partitionIndexes: [0] }] }],
    }),
    answer: () => ({ markers: [{ topics: [{ partitions: [{ errorCode: CLUSTER }] }] }] }),
  },
  TxnOffsetCommit: {
    body: (_, { topic }) => ({
      ...{ transactionalId: 'tx', groupId: 'g' },
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedMetadata: null }] }],
    }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: TRANSACTION }] }] }),
  },
  DescribeProducers: {
    body: (_, { topic }) => ({ topics: [{ name: topic, partitionIndexes: [0] }] }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: TOPIC, activeProducers: [] }] }] }),
  },
  DescribeTransactions: {
    body: () => ({ transactionalIds: ['tx'] }),
    answer: () => ({ transactionStates: [{ transactionalId: 'tx', errorCode: TRANSACTION }] }),
  },
  ListTransactions: {
    body: () => ({}),
    answer: () => ({ errorCode: 0, transactionStates: [] }),
  },
  OffsetForLeaderEpoch: {
    body: (_, { topic }) => ({
      replicaId: -1,
      topics: [{ topic, partitions: [{ partition: 0 }] }],
    }),
    answer: () => ({ topics: [{ partitions: [{ errorCode: TOPIC, endOffset: -1 }] }] }),
  },
  DescribeAcls: {
    body: () => ({ resourceTypeFilter: 1, operation: 1, permissionType: 1 }),
    answer: () => ({ errorCode: CLUSTER, resources: [] }),
  },
  CreateAcls: {
    body: () => ({
      creations: [
        {
          ...{ resourceType: 2, resourceName: 't', principal: 'User:*', host: '*' },
          ...{ operation: 2, permissionType: 3 },
        },
      ],
    }),
    answer: () => ({ results: [{ errorCode: CLUSTER }] }),
  },
  DeleteAcls: {
    body: () => ({ filters: [{ resourceTypeFilter: 1, operation: 1, permissionType: 1 }] }),
    answer: () => ({ filterResults: [{ errorCode: CLUSTER, matchingAcls: [] }] }),
  },
  DescribeConfigs: {
    body: (_, { topic }) => ({
      resources: [
        { resourceType: 2, resourceName: topic },
        { resourceType: 4, resourceName: '0' },
      ],
    }),
    answer: () => ({
      results: [
        { errorCode: TOPIC, configs: [] },
        { errorCode: CLUSTER, configs: [] },
      ],
    }),
  },
  AlterConfigs: {
    body: (_, { topic }) => ({
      resources: [
        { resourceType: 2, resourceName: topic },
        { resourceType: 4, resourceName: '' },
      ],
    }),
    answer: () => ({ responses: [{ errorCode: TOPIC }, { errorCode: CLUSTER }] }),
  },
  IncrementalAlterConfigs: {
    body: (_, { topic }) => ({
      resources: [
        {
          ...{ resourceType: 2, resourceName: topic },
          configs: [{ name: 'retention.ms', configOperation: 0, value: '1' }],
        },
        { resourceType: 4, resourceName: '' },
      ],
    }),
    answer: () => ({ responses: [{ errorCode: TOPIC }, { errorCode: CLUSTER }] }),
  },
  AlterReplicaLogDirs: {
    body: (_, { topic }) => ({
      dirs: [{ path: '/d', topics: [{ name: topic, partitions: [0] }] }],
    }),
    answer: () => ({ results: [{ partitions: [{ partitionIndex: 0, errorCode: CLUSTER }] }] }),
  },
  DescribeLogDirs: {
    body: () => ({ topics: null }),
    answer: (version) => ({ ...(version >= 3 && { errorCode: CLUSTER }), results: [] }),
  },
  CreatePartitions: {
    body: (_, { topic }) => ({ topics: [{ name: topic, count: 9, assignments: null }] }),
    answer: () => ({ results: [{ errorCode: TOPIC }] }),
  },
  DeleteGroups: {
    body: () => ({ groupsNames: ['g'] }),
    answer: () => ({ results: [{ groupId: 'g', errorCode: GROUP }] }),
  },
  ElectLeaders: {
    body: (_, { topic }) => ({ topicPartitions: [{ topic, partitions: [0] }] }),
    answer: (version) => ({
      ...(version >= 1 && { errorCode: CLUSTER }),
      replicaElectionResults: [{ partitionResult: [{ errorCode: CLUSTER }] }],
    }),
  },
  AlterPartitionReassignments: {
    body: (_, { topic }) => ({
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, replicas: [1] }] }],
    }),
    answer: () => ({
      errorCode: CLUSTER,
      responses: [{ partitions: [{ errorCode: CLUSTER }] }],
    }),
  },
  ListPartitionReassignments: { body: () => ({ topics: null }), answer: wholly(CLUSTER) },
  OffsetDelete: {
    body: (_, { topic }) => ({
      groupId: 'g',
      topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }],
    }),
    answer: wholly(GROUP),
  },
  DescribeClientQuotas: { body: () => ({}), answer: wholly(CLUSTER) },
  AlterClientQuotas: {
    body: () => ({ entries: [{ entity: [{ entityType: 'user', entityName: 'a' }], ops: [] }] }),
    answer: () => ({ entries: [{ errorCode: CLUSTER }] }),
  },
  DescribeUserScramCredentials: {
    body: () => ({ users: [{ name: 'u' }] }),
    answer: wholly(CLUSTER),
  },
  AlterUserScramCredentials: {
    body: () => ({ deletions: [{ name: 'u', mechanism: 1 }] }),
    answer: () => ({ results: [{ user: 'u', errorCode: CLUSTER }] }),
  },
  DescribeQuorum: { body: () => ({ topics: [] }), answer: wholly(CLUSTER) },
  UpdateFeatures: { body: () => ({}), answer: wholly(CLUSTER) },
  DescribeCluster: {
    body: () => ({ endpointType: 1, includeClusterAuthorizedOperations: true }),
    answer: () => ({ errorCode: 0, clusterAuthorizedOperations: 0 }),
  },
  ConsumerGroupHeartbeat: { body: () => ({ groupId: 'g' }), answer: wholly(GROUP) },
  ConsumerGroupDescribe: {
    body: () => ({ groupIds: ['g'] }),
    answer: () => ({ groups: [{ groupId: 'g', errorCode: GROUP, members: [] }] }),
  },
  UnregisterBroker: { body: () => ({ brokerId: 1 }), answer: wholly(CLUSTER) },
  ListConfigResources: { body: () => ({}), answer: wholly(CLUSTER) },
  DescribeTopicPartitions: {
    body: (_, { topic }) => ({
      topics: [{ name: topic }, { name: 'none' }],
      responsePartitionLimit: 10,
      cursor: null,
    }),
    answer: (_, { topic }) => ({
      topics: [topic, 'none']
        .sort((a, b) => (a < b ? -1 : 1))
        .map((name) => ({ name, errorCode: TOPIC, partitions: [] })),
    }),
  },
  Vote: forPeers,
  BeginQuorumEpoch: forPeers,
  EndQuorumEpoch: forPeers,
  AlterPartition: forPeers,
  Envelope: { ...forPeers, body: () => ({ requestPrincipal: null }) },
  FetchSnapshot: forPeers,
  BrokerRegistration: forPeers,
  BrokerHeartbeat: forPeers,
  AllocateProducerIds: forPeers,
  AssignReplicasToDirs: forPeers,
};

/** The row's request, with as much time as it may take. */
export function refusedRequest(name: string, version: number, asked: Asked): Loose {
  const waits = apiByName.get(name)!.request.body.spec.fields.some(([f]) => f === 'timeoutMs');
  return { ...refusals[name]!.body(version, asked), ...(waits && { timeoutMs: 10_000 }) };
}
