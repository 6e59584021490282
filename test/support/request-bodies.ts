/**
 * For every API a client may ask for, a body that says something: what the scenes of odd and of
 * broken requests are made from. An API that is served and has none here fails the test.
 */
import { batchOf, type Loose } from '../unit/broker/fixture.ts';

/** What the bodies may name. Every call of `fresh` gives another name, the same on both sides. */
export interface World {
  readonly topic: string;
  readonly topicId: string;
  readonly base: number;
  /** A consumer group with a member. */
  readonly consumers: string;
  readonly fresh: (prefix: string) => string;
}

/** A filter of ACLs that none passes. */
const ABSENT_RULES = {
  resourceTypeFilter: 2,
  resourceNameFilter: 'absent',
  patternTypeFilter: 3,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};

const LONG_MS = 60_000;
const config = { name: 'retention.ms', value: '1000000' };

const bodies: Readonly<Record<string, (w: World) => Loose>> = {
  Produce: ({ topic, topicId, base }) => ({
    acks: -1,
    timeoutMs: LONG_MS,
    topicData: [
      {
        name: topic,
        topicId,
        partitionData: [{ index: 0, records: batchOf(['a', 'b'], { timestamp: base }) }],
      },
    ],
  }),
  Fetch: ({ topic, topicId }) => ({
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [
      { topic, topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }] },
    ],
  }),
  ListOffsets: ({ topic }) => ({
    replicaId: -1,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    timeoutMs: LONG_MS,
  }),
  Metadata: ({ topic }) => ({ topics: [{ name: topic }] }),
  OffsetCommit: ({ topic, topicId, fresh }) => ({
    groupId: fresh('commit'),
    generationIdOrMemberEpoch: -1,
    memberId: '',
    retentionTimeMs: -1,
    topics: [
      {
        name: topic,
        topicId,
        partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'm' }],
      },
    ],
  }),
  OffsetFetch: ({ topic, topicId }) => ({
    groupId: 'odd-group',
    topics: [{ name: topic, partitionIndexes: [0] }],
    groups: [
      {
        groupId: 'odd-group',
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: topic, topicId, partitionIndexes: [0] }],
      },
    ],
  }),
  FindCoordinator: () => ({ key: 'odd-group', keyType: 0, coordinatorKeys: ['odd-group'] }),
  JoinGroup: ({ fresh }) => ({
    groupId: fresh('join'),
    sessionTimeoutMs: LONG_MS,
    rebalanceTimeoutMs: LONG_MS,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('m') }],
  }),
  Heartbeat: () => ({ groupId: 'odd-group', generationId: 1, memberId: 'nobody' }),
  LeaveGroup: () => ({
    groupId: 'odd-group',
    memberId: 'nobody',
    members: [{ memberId: 'nobody', groupInstanceId: null }],
  }),
  SyncGroup: () => ({
    groupId: 'odd-group',
    generationId: 1,
    memberId: 'nobody',
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId: 'nobody', assignment: Buffer.from('a') }],
  }),
  DescribeGroups: () => ({ groups: ['odd-group'] }),
  ListGroups: () => ({ statesFilter: ['Dead'], typesFilter: ['classic'] }),
  SaslHandshake: () => ({ mechanism: 'PLAIN' }),
  SaslAuthenticate: () => ({ authBytes: Buffer.from('\0user\0password') }),
  ApiVersions: () => ({ clientSoftwareName: 'odd', clientSoftwareVersion: '1.0' }),
  CreateTopics: ({ fresh }) => ({
    topics: [
      {
        name: fresh('create'),
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [config],
      },
    ],
    timeoutMs: LONG_MS,
    validateOnly: true,
  }),
  DeleteTopics: () => ({
    topics: [{ name: 'absent' }],
    topicNames: ['absent'],
    timeoutMs: LONG_MS,
  }),
  DeleteRecords: ({ topic }) => ({
    topics: [{ name: topic, partitions: [{ partitionIndex: 1, offset: 0 }] }],
    timeoutMs: LONG_MS,
  }),
  InitProducerId: () => ({ transactionalId: null, transactionTimeoutMs: LONG_MS }),
  OffsetForLeaderEpoch: ({ topic }) => ({
    replicaId: -1,
    topics: [{ topic, partitions: [{ partition: 0, currentLeaderEpoch: 0, leaderEpoch: 0 }] }],
  }),
  DescribeConfigs: ({ topic }) => ({
    resources: [{ resourceType: 2, resourceName: topic, configurationKeys: ['retention.ms'] }],
  }),
  AlterConfigs: ({ topic }) => ({
    resources: [{ resourceType: 2, resourceName: topic, configs: [config] }],
  }),
  IncrementalAlterConfigs: ({ topic }) => ({
    resources: [
      { resourceType: 2, resourceName: topic, configs: [{ ...config, configOperation: 0 }] },
    ],
  }),
  DescribeLogDirs: ({ topic }) => ({ topics: [{ topic, partitions: [0] }] }),
  CreatePartitions: ({ topic }) => ({
    topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [1] }] }],
    timeoutMs: LONG_MS,
    validateOnly: true,
  }),
  DeleteGroups: () => ({ groupsNames: ['absent'] }),
  ElectLeaders: ({ topic }) => ({
    electionType: 0,
    topicPartitions: [{ topic, partitions: [0] }],
    timeoutMs: LONG_MS,
  }),
  AlterPartitionReassignments: ({ topic }) => ({
    timeoutMs: LONG_MS,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, replicas: [1] }] }],
  }),
  ListPartitionReassignments: ({ topic }) => ({
    timeoutMs: LONG_MS,
    topics: [{ name: topic, partitionIndexes: [0] }],
  }),
  OffsetDelete: ({ topic }) => ({
    groupId: 'odd-group',
    topics: [{ name: topic, partitions: [{ partitionIndex: 1 }] }],
  }),
  DescribeQuorum: () => ({
    topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
  }),
  DescribeCluster: () => ({ endpointType: 1 }),
  UnregisterBroker: () => ({ brokerId: 99 }),
  ListConfigResources: () => ({ resourceTypes: [2] }),
  DescribeTopicPartitions: ({ topic }) => ({
    topics: [{ name: topic }],
    responsePartitionLimit: 10,
    cursor: { topicName: topic, partitionIndex: 0 },
  }),
  UpdateFeatures: () => ({
    featureUpdates: [{ feature: 'absent.version', maxVersionLevel: 1, upgradeType: 1 }],
    timeoutMs: LONG_MS,
  }),
  AddPartitionsToTxn: ({ topic, fresh }) => {
    const transactionalId = fresh('transaction');
    const topics = [{ name: topic, partitions: [0] }];
    return {
      transactions: [
        { transactionalId, producerId: 1, producerEpoch: 0, verifyOnly: false, topics },
      ],
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: 1,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: topics,
    };
  },
  EndTxn: ({ fresh }) => ({
    transactionalId: fresh('transaction'),
    producerId: 1,
    producerEpoch: 0,
    committed: true,
  }),
  AddOffsetsToTxn: ({ fresh }) => ({
    transactionalId: fresh('transaction'),
    producerId: 1,
    producerEpoch: 0,
    groupId: 'odd-group',
  }),
  TxnOffsetCommit: ({ topic, fresh }) => ({
    transactionalId: fresh('transaction'),
    groupId: 'odd-group',
    producerId: 1,
    producerEpoch: 0,
    generationId: -1,
    memberId: '',
    topics: [
      {
        name: topic,
        partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'm' }],
      },
    ],
  }),
  WriteTxnMarkers: ({ topic }) => ({
    markers: [
      {
        producerId: 4711,
        producerEpoch: 0,
        transactionResult: false,
        topics: [{ name: topic, partitionIndexes: [9] }],
        coordinatorEpoch: 0,
      },
    ],
  }),
  DescribeProducers: ({ topic }) => ({ topics: [{ name: topic, partitionIndexes: [0] }] }),
  DescribeTransactions: () => ({ transactionalIds: ['absent'] }),
  ListTransactions: () => ({ stateFilters: ['Ongoing'], producerIdFilters: [1] }),
  DescribeAcls: () => ABSENT_RULES,
  CreateAcls: ({ fresh }) => ({
    creations: [
      {
        resourceType: 2,
        resourceName: fresh('guarded'),
        resourcePatternType: 3,
        principal: 'User:odd',
        host: '*',
        operation: 3,
        permissionType: 3,
      },
    ],
  }),
  DeleteAcls: () => ({
    filters: [ABSENT_RULES],
  }),
  AlterReplicaLogDirs: ({ topic }) => ({
    dirs: [{ path: '/no/such/folder', topics: [{ name: topic, partitions: [0] }] }],
  }),
  DescribeClientQuotas: () => ({
    components: [{ entityType: 'client-id', matchType: 0, match: 'absent' }],
    strict: false,
  }),
  AlterClientQuotas: ({ fresh }) => ({
    entries: [
      {
        entity: [{ entityType: 'client-id', entityName: fresh('client') }],
        ops: [{ key: 'producer_byte_rate', value: 1_000_000, remove: false }],
      },
    ],
    validateOnly: true,
  }),
  DescribeUserScramCredentials: () => ({ users: [{ name: 'absent' }] }),
  AlterUserScramCredentials: ({ fresh }) => ({
    deletions: [],
    upsertions: [
      {
        name: fresh('user'),
        mechanism: 1,
        iterations: 4096,
        salt: Buffer.from('salt'),
        saltedPassword: Buffer.alloc(32, 7),
      },
    ],
  }),
  ConsumerGroupHeartbeat: ({ topic, fresh }) => ({
    groupId: fresh('consumer'),
    memberId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    memberEpoch: 0,
    rebalanceTimeoutMs: LONG_MS,
    subscribedTopicNames: [topic],
    topicPartitions: [],
  }),
  ConsumerGroupDescribe: ({ consumers }) => ({ groupIds: [consumers] }),
  GetTelemetrySubscriptions: () => ({}),
  PushTelemetry: () => ({ subscriptionId: 1, metrics: Buffer.from('m') }),
};

export function bodyOf(api: string, world: World): Loose {
  const make = bodies[api];
  if (make === undefined) {
    throw new Error(`${api} is served, but support/request-bodies.ts has no request of it`);
  }
  return make(world);
}
