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
import {
  type Asked,
  refusals,
  refusedRequest,
  STANDARD_AUTHORIZER,
} from '../../support/refusals.ts';
import { createTopic, type Loose, WireClient } from './fixture.ts';

const TOPIC = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const CLUSTER = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
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
      'authorizer.class.name': STANDARD_AUTHORIZER,
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
    const missing = handlers.map(({ api }) => api.name).filter((name) => !(name in refusals));
    expect(missing).toEqual([]);
  });

  const versions = Object.entries(refusals).flatMap(([name, row]) => {
    const api = apiByName.get(name);
    if (row === null || api === undefined) return [];
    return Array.from({ length: api.max - api.min + 1 }, (_, i) => [name, api.min + i] as const);
  });

  it.each(versions)('%s v%i is refused, and changes nothing', async (name, version) => {
    const row = refusals[name]!;
    const { image, partitions } = cluster.broker(0).services;
    const state = () => JSON.stringify([...image.topics.keys(), [...image.acls.keys()]]);
    const before = state();
    const held = partitions.get(asked.topic, 0);
    const end = held?.log.logEndOffset;
    const answer = await nobody.request(name, version, refusedRequest(name, version, asked));
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

  it('a topic that is there is not told from one that is not', async () => {
    const { topics: all } = await one.request('Metadata', 12, { topics: null });
    const [there] = all.filter(({ name }: { name: string }) => !name.startsWith('__'));
    const asked = [there.name, 'not-there'].map((name) => ({ name }));
    for (const version of [1, 9, 12]) {
      const body = { topics: asked, allowAutoTopicCreation: false };
      const { topics } = await nobody.request('Metadata', version, body);
      const told = topics.map((topic: object) => ({ ...topic, name: '' }));
      expect(told[0]).toMatchObject({ errorCode: TOPIC, isInternal: false, partitions: [] });
      expect(told[1]).toEqual(told[0]);
    }
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
    await expect
      .poll(async () => (await there.request('DescribeGroups', 5, groups)).groups[0])
      .toMatchObject({ errorCode: 0, authorizedOperations: operationBits(AclResource.group) });
    await there.close();
  });

  async function coordinatorPort(): Promise<number> {
    let port = -1;
    await expect
      .poll(async () => ({ port } = await one.request('FindCoordinator', 3, { key: 'g' })))
      .toMatchObject({ errorCode: 0 });
    return port;
  }

  it('a denial is told in Kafka’s words', async () => {
    const resources = [
      { resourceType: 2, resourceName: 'no-business-of-theirs' },
      { resourceType: 32, resourceName: 'g' },
      { resourceType: 4, resourceName: '0' },
    ];
    const { results } = await nobody.request('DescribeConfigs', 4, {
      resources: resources.map((resource) => ({ ...resource, configurationKeys: null })),
    });
    expect(results.map(({ errorMessage }: { errorMessage: string }) => errorMessage)).toEqual([
      'Topic authorization failed.',
      'Group authorization failed.',
      'Cluster authorization failed.',
    ]);
  });

  it('a denial is told with who, what and where', () => {
    const denials = cluster.logged.filter(({ message }) => message === 'an operation is denied');
    expect(denials[0]?.fields).toMatchObject({
      'user.name': 'User:ANONYMOUS',
      'client.address': '127.0.0.2',
      'kafka.api': expect.any(String),
    });
  });
});
