/**
 * What a client without any right is told by each API, in each version, and that it changes nothing.
 * The one who may do everything comes from 127.0.0.1, the one who may nothing from 127.0.0.2: rules
 * go by the address.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handlers } from '../../../src/broker/handlers/index.ts';
import { AclOperation, AclResource, operationBits } from '../../../src/protocol/acl.ts';
import { apiByName } from '../../../src/protocol/apis.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { TestCluster } from '../../support/cluster.ts';
import { batchOf, createTopic, type Loose, WireClient } from './fixture.ts';

const STANDARD = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer';
const TOPIC = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const GROUP = ErrorCode.GROUP_AUTHORIZATION_FAILED;
const CLUSTER = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
const TRANSACTION = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

interface Asked {
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
const forPeers: Row = { body: () => ({}), answer: wholly(CLUSTER) };

/** By API; null: everybody may. */
const rows: Readonly<Record<string, Row | null>> = {
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
  SyncGroup: { body: () => ({ groupId: 'g' }), answer: wholly(GROUP) },
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

describe('without any right', () => {
  let cluster: TestCluster;
  let one: WireClient;
  let nobody: WireClient;
  let asked: Asked;

  const allow = (resourceType: number, resourceName: string, more: Loose = {}) => ({
    resourceType,
    resourceName,
    resourcePatternType: 3,
    principal: 'User:ANONYMOUS',
    host: '127.0.0.1',
    operation: AclOperation.all,
    permissionType: 3,
    ...more,
  });
  const create = async (...creations: Loose[]) => {
    const { results } = await one.request('CreateAcls', 3, { creations });
    expect(results.map((result: any) => result.errorCode)).toEqual(creations.map(() => 0));
    // Everybody has heard of it when the broker that is asked has.
    const { store } = cluster.broker(0).services;
    const { controllerId } = cluster;
    const { lastOffset } = cluster.broker(controllerId).services.store;
    while (store.lastOffset < lastOffset) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  beforeAll(async () => {
    cluster = await TestCluster.start(2, {
      'authorizer.class.name': STANDARD,
      'allow.everyone.if.no.acl.found': true,
      'auto.create.topics.enable': true,
    });
    const { port } = cluster.members[0]!;
    one = await WireClient.connect(port);
    nobody = await WireClient.connect(port, '127.0.0.1', '127.0.0.2');
    asked = { topic: 'there', id: await createTopic(one, 'there') };
    await create(
      allow(AclResource.topic, '*'),
      allow(AclResource.group, '*'),
      allow(AclResource.transactionalId, '*'),
      allow(AclResource.cluster, 'kafka-cluster'),
    );
  });
  afterAll(async () => {
    await one.close();
    await nobody.close();
    await cluster.stop();
  });

  it('every API that is served has a row here, which says what it then answers', () => {
    const missing = handlers.map(({ api }) => api.name).filter((name) => !(name in rows));
    expect(missing).toEqual([]);
  });

  const versions = Object.entries(rows).flatMap(([name, row]) => {
    const api = apiByName.get(name);
    if (row === null || api === undefined) return [];
    return Array.from({ length: api.max - api.min + 1 }, (_, i) => [name, api.min + i] as const);
  });

  it.each(versions)('%s v%i is refused, and changes nothing', async (name, version) => {
    const row = rows[name]!;
    const { image, partitions } = cluster.broker(0).services;
    const state = () => JSON.stringify([...image.topics.keys(), [...image.acls.keys()]]);
    const before = state();
    const held = partitions.get(asked.topic, 0);
    const end = held?.log.logEndOffset;
    const waits = apiByName.get(name)!.request.body.spec.fields.some(([f]) => f === 'timeoutMs');
    const body = { ...row.body(version, asked), ...(waits && { timeoutMs: 10_000 }) };
    const answer = await nobody.request(name, version, body);
    expect(answer).toMatchObject(row.answer(version, asked));
    expect(state()).toBe(before);
    expect(held?.log.logEndOffset).toBe(end);
  });

  it('topics are hidden where all are asked for', async () => {
    const all = { topics: null };
    expect((await nobody.request('Metadata', 12, all)).topics).toEqual([]);
    expect((await one.request('Metadata', 12, all)).topics).not.toEqual([]);
    const described = { topics: [], responsePartitionLimit: 10, cursor: null };
    expect((await nobody.request('DescribeTopicPartitions', 0, described)).topics).toEqual([]);
  });

  it('a topic that is asked for by its id stays without a name', async () => {
    const byId = { topics: [{ topicId: asked.id, name: null }] };
    expect((await nobody.request('Metadata', 12, byId)).topics).toMatchObject([
      { name: null, topicId: asked.id, errorCode: TOPIC, partitions: [] },
    ]);
    const gone = { ...byId, timeoutMs: 10_000 };
    expect((await nobody.request('DeleteTopics', 6, gone)).responses).toMatchObject([
      { name: null, topicId: asked.id, errorCode: TOPIC },
    ]);
  });

  it('a topic is not created by being asked for', async () => {
    await create(
      allow(AclResource.topic, 'auto', { host: '127.0.0.2', operation: AclOperation.describe }),
    );
    const body = { topics: [{ name: 'auto' }], allowAutoTopicCreation: true };
    expect((await nobody.request('Metadata', 12, body)).topics[0].errorCode).toBe(TOPIC);
    expect(cluster.broker(0).services.image.topic('auto')).toBeUndefined();
    const none = await nobody.request('Metadata', 12, { ...body, allowAutoTopicCreation: false });
    expect(none.topics[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await create(
      allow(AclResource.topic, 'auto', { host: '127.0.0.2', operation: AclOperation.create }),
    );
    const created = await nobody.request('Metadata', 12, body);
    expect(created.topics[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await expect.poll(() => cluster.broker(0).services.image.topic('auto')).toBeDefined();
  });

  it('followers are refused who are none', async () => {
    const body = {
      replicaState: { replicaId: 1, replicaEpoch: -1 },
      topics: [{ topicId: asked.id, partitions: [{ partition: 0 }] }],
    };
    const { responses } = await nobody.request('Fetch', 16, { maxBytes: 1, ...body });
    expect(responses[0].partitions[0].errorCode).toBe(TOPIC);
  });

  it('an idempotent producer may write where it may write at all', async () => {
    const ask = async () =>
      (await nobody.request('InitProducerId', 4, { transactionalId: null })).errorCode;
    expect(await ask()).toBe(CLUSTER);
    await create(
      allow(AclResource.topic, 'mine', { host: '127.0.0.2', operation: AclOperation.write }),
    );
    expect(await ask()).toBe(0);
  });

  it('what may be done is told to who asks: not asked for, of the cluster, of topics, of groups', async () => {
    const unasked = await one.request('Metadata', 8, { topics: [{ name: asked.topic }] });
    expect(unasked.clusterAuthorizedOperations).toBe(-(2 ** 31));
    expect(unasked.topics[0].topicAuthorizedOperations).toBe(-(2 ** 31));
    const body = {
      topics: [{ name: asked.topic }],
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    };
    const all = await one.request('Metadata', 8, body);
    expect(all.clusterAuthorizedOperations).toBe(operationBits(AclResource.cluster));
    expect(all.topics[0].topicAuthorizedOperations).toBe(operationBits(AclResource.topic));
    await create(
      allow(AclResource.topic, asked.topic, { host: '127.0.0.2', operation: AclOperation.read }),
    );
    const some = await nobody.request('Metadata', 8, body);
    expect(some.clusterAuthorizedOperations).toBe(0);
    const { read, describe: describes } = AclOperation;
    expect(some.topics[0].topicAuthorizedOperations).toBe((1 << read) | (1 << describes));
    // Later versions have no place for the cluster's.
    expect((await one.request('Metadata', 11, body)).clusterAuthorizedOperations).toBe(-(2 ** 31));
    const groups = { groups: ['g'], includeAuthorizedOperations: true };
    const port = await coordinatorPort();
    const there = await WireClient.connect(port);
    const group = (await there.request('DescribeGroups', 5, groups)).groups[0];
    await there.close();
    expect(group.authorizedOperations).toBe(operationBits(AclResource.group));
  });

  async function coordinatorPort(): Promise<number> {
    let port = -1;
    await expect
      .poll(async () => ({ port } = await one.request('FindCoordinator', 3, { key: 'g' })))
      .toMatchObject({ errorCode: 0 });
    return port;
  }

  it('a denial is told with who, what and where', () => {
    const denials = cluster.logged.filter(({ message }) => message === 'an operation is denied');
    expect(denials[0]?.fields).toMatchObject({
      'user.name': 'User:ANONYMOUS',
      'client.address': '127.0.0.2',
      'kafka.api': expect.any(String),
    });
  });
});
