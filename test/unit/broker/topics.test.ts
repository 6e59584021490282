import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from './fixture.ts';

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker({ 'num.partitions': 3, 'partitions.max': 200 });
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';
const named = (...names: string[]) => names.map((name) => ({ name, topicId: ZERO }));

describe('Metadata', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])('answers version %i', async (version) => {
    await createTopic(client, `m${version}`);
    const response = await client.request('Metadata', version, { topics: named(`m${version}`) });
    expect(response.brokers).toEqual([
      { nodeId: 0, host: '127.0.0.1', port: running.port, rack: null },
    ]);
    expect(response.topics).toHaveLength(1);
    expect(response.topics[0].partitions[0]).toMatchObject({
      leaderId: 0,
      replicaNodes: [0],
      isrNodes: [0],
    });
  });

  it('takes an empty list for all topics in version 0, for none from version 1 on', async () => {
    await createTopic(client, 'all');
    expect((await client.request('Metadata', 0, { topics: [] })).topics.length).toBeGreaterThan(0);
    expect((await client.request('Metadata', 1, { topics: [] })).topics).toEqual([]);
    const all = await client.request('Metadata', 1, { topics: null });
    expect(all.topics.map((t: any) => t.name)).toContain('all');
  });

  it('creates a topic that is asked for by name, and says so only later', async () => {
    const ask = () =>
      client.request('Metadata', 9, { topics: named('automatic'), allowAutoTopicCreation: true });
    const first = await ask();
    expect(first.topics[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await expect.poll(async () => (await ask()).topics[0].errorCode).toBe(ErrorCode.NONE);
    expect((await ask()).topics[0].partitions).toHaveLength(3);
  });

  it('creates nothing when the client forbids it, or asks for all', async () => {
    const ask = (body: object) => client.request('Metadata', 9, { ...body });
    await ask({ topics: named('forbidden'), allowAutoTopicCreation: false });
    await ask({ topics: null, allowAutoTopicCreation: true });
    const again = await ask({ topics: named('forbidden'), allowAutoTopicCreation: false });
    expect(again.topics[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it.each(['', '.', '..', 'a/b', 'a b', 'ä', 'x'.repeat(250), '../../etc'])(
    'refuses the name %j and creates nothing',
    async (name) => {
      const before = running.broker.services.image.topics.size;
      const response = await client.request('Metadata', 9, { topics: named(name) });
      expect(response.topics[0].errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
      expect(running.broker.services.image.topics.size).toBe(before);
    },
  );

  it('finds topics by id, and says of an unknown id nothing but that', async () => {
    const topicId = await createTopic(client, 'by-id');
    const other = 'BBBBBBBBBBBBBBBBBBBBBA';
    const response = await client.request('Metadata', 12, {
      topics: [
        { name: null, topicId },
        { name: null, topicId: other },
      ],
    });
    expect(response.topics[0]).toMatchObject({ errorCode: 0, name: 'by-id', topicId });
    expect(response.topics[1]).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
      name: null,
      topicId: other,
      partitions: [],
    });
  });

  it('tells authorized operations only when asked', async () => {
    const ask = async (asked: boolean) =>
      client.request('Metadata', 9, {
        topics: named('all'),
        includeTopicAuthorizedOperations: asked,
        includeClusterAuthorizedOperations: asked,
      });
    const silent = await ask(false);
    expect(silent.topics[0].topicAuthorizedOperations).toBe(-0x8000_0000);
    expect(silent.clusterAuthorizedOperations).toBe(-0x8000_0000);
    const told = await ask(true);
    expect(told.topics[0].topicAuthorizedOperations).toBe(3576);
    expect(told.clusterAuthorizedOperations).toBe(8096);
  });

  it('calls the offsets topic internal', async () => {
    const ask = () => client.request('FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['g'] });
    expect((await ask()).coordinators[0].errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    await expect.poll(async () => (await ask()).coordinators[0].errorCode).toBe(0);
    const response = await client.request('Metadata', 9, { topics: named('__consumer_offsets') });
    expect(response.topics[0].isInternal).toBe(true);
    expect(response.topics[0].partitions).toHaveLength(50);
  });

  it('calls that of transactions internal, which its first question has made', async () => {
    const name = '__transaction_state';
    expect(running.broker.services.image.topic(name)).toBeUndefined();
    const ask = () => client.request('FindCoordinator', 4, { keyType: 1, coordinatorKeys: ['t'] });
    expect((await ask()).coordinators[0].errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    await expect.poll(async () => (await ask()).coordinators[0].errorCode).toBe(0);
    const all = await client.request('Metadata', 9, { topics: null });
    const [told] = all.topics.filter((topic: any) => topic.name === name);
    expect(told.isInternal).toBe(true);
    expect(told.partitions).toHaveLength(50);
  });
});

describe('CreateTopics', () => {
  const create = async (topic: object, version = 7, more: object = {}): Promise<any> => {
    const defaults = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const response = await client.request('CreateTopics', version, {
      topics: [{ ...defaults, ...topic }],
      ...more,
    });
    return response.topics[0];
  };

  it.each([0, 1, 2, 3, 4, 5, 6, 7])('answers version %i', async (version) => {
    expect((await create({ name: `c${version}` }, version)).errorCode).toBe(0);
  });

  it('uses the defaults of the broker and tells what is in force', async () => {
    const topic = await create({
      name: 'defaults',
      numPartitions: -1,
      replicationFactor: -1,
      configs: [{ name: 'retention.ms', value: '1000' }],
    });
    expect(topic).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 1 });
    const retention = topic.configs.find((c: any) => c.name === 'retention.ms');
    expect(retention).toMatchObject({ value: '1000', configSource: 1 });
    const segment = topic.configs.find((c: any) => c.name === 'segment.bytes');
    expect(segment).toMatchObject({ value: '1073741824', configSource: 5 });
  });

  it.each([
    [
      'a name that exists',
      { name: 'twice' },
      ErrorCode.TOPIC_ALREADY_EXISTS,
      "Topic 'twice' already exists.",
    ],
    [
      'no partitions',
      { name: 'n', numPartitions: 0 },
      ErrorCode.INVALID_PARTITIONS,
      'Number of partitions was set to an invalid non-positive value.',
    ],
    [
      'fewer than none',
      { name: 'n', numPartitions: -2 },
      ErrorCode.INVALID_PARTITIONS,
      'Number of partitions was set to an invalid non-positive value.',
    ],
    [
      'no replicas',
      { name: 'n', replicationFactor: 0 },
      ErrorCode.INVALID_REPLICATION_FACTOR,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    ],
    [
      'more replicas than brokers',
      { name: 'n', replicationFactor: 2 },
      ErrorCode.INVALID_REPLICATION_FACTOR,
      'Unable to replicate the partition 2 time(s)',
    ],
    [
      'an unknown setting',
      { name: 'n', configs: [{ name: 'no.such', value: '1' }] },
      ErrorCode.INVALID_CONFIG,
      'Unknown topic config name: no.such',
    ],
    [
      'a setting that is no number',
      { name: 'n', configs: [{ name: 'retention.ms', value: 'abc' }] },
      ErrorCode.INVALID_CONFIG,
      'Invalid value abc for configuration retention.ms: Not a number of type LONG',
    ],
    [
      'a setting out of range',
      { name: 'n', configs: [{ name: 'retention.ms', value: '-2' }] },
      ErrorCode.INVALID_CONFIG,
      'Invalid value -2 for configuration retention.ms: Value must be at least -1',
    ],
    [
      'a setting of the wrong words',
      { name: 'n', configs: [{ name: 'message.timestamp.type', value: 'x' }] },
      ErrorCode.INVALID_CONFIG,
      'Invalid value x for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime',
    ],
    [
      'a setting of null',
      { name: 'n', configs: [{ name: 'retention.ms', value: null }] },
      ErrorCode.INVALID_CONFIG,
      'Null value not supported for topic configs: retention.ms',
    ],
    ['a bad name', { name: 'a/b' }, ErrorCode.INVALID_TOPIC_EXCEPTION, 'Topic name is invalid'],
    [
      'a name that differs in a dot',
      { name: 'dot.ted' },
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      "Topic 'dot.ted' collides with existing topic: dot_ted",
    ],
    ['the metadata topic', { name: '__cluster_metadata' }, ErrorCode.INVALID_REQUEST, 'prohibited'],
    [
      'an assignment beside a number',
      {
        name: 'n',
        numPartitions: 2,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [0] }],
      },
      ErrorCode.INVALID_REQUEST,
      'numPartitions was not set to -1',
    ],
    [
      'an assignment of one partition twice',
      {
        name: 'n',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [0, 0].map((partitionIndex) => ({ partitionIndex, brokerIds: [0] })),
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'Found multiple manual partition assignments for partition 0',
    ],
    [
      'an assignment with gaps',
      {
        name: 'n',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 1, brokerIds: [0] }],
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'consecutive',
    ],
    [
      'an assignment to nobody',
      {
        name: 'n',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [9] }],
      },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'no such broker',
    ],
    [
      'more partitions than there may be',
      { name: 'n', numPartitions: 1_000_000 },
      ErrorCode.POLICY_VIOLATION,
      'Excessively large number of partitions',
    ],
  ])('refuses %s', async (_, topic, code, message) => {
    await create({ name: 'twice' });
    await create({ name: 'dot_ted' });
    const answer = await create(topic);
    expect(answer.errorCode).toBe(code);
    expect(answer.errorMessage).toContain(message);
    expect(running.broker.services.image.topic('n')).toBeUndefined();
  });

  it('only looks when told to validate', async () => {
    const answer = await create({ name: 'validated', numPartitions: 2 }, 7, { validateOnly: true });
    expect(answer).toMatchObject({ errorCode: 0, numPartitions: 2 });
    expect(running.broker.services.image.topic('validated')).toBeUndefined();
  });

  it('refuses a topic that one request names twice, and makes the others', async () => {
    const topic = (name: string) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    });
    const response = await client.request('CreateTopics', 7, {
      topics: [topic('double'), topic('single'), topic('double')],
    });
    const codes = new Map(response.topics.map((t: any) => [t.name, t.errorCode]));
    expect(codes).toEqual(
      new Map([
        ['single', 0],
        ['double', ErrorCode.INVALID_REQUEST],
      ]),
    );
  });

  it('takes an assignment by hand', async () => {
    const answer = await create({
      name: 'assigned',
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [0, 1].map((partitionIndex) => ({ partitionIndex, brokerIds: [0] })),
    });
    expect(answer).toMatchObject({ errorCode: 0, numPartitions: 2, replicationFactor: 1 });
  });
});

describe('DeleteTopics', () => {
  it.each([0, 1, 2, 3, 4, 5])('deletes by name in version %i', async (version) => {
    await createTopic(client, 'gone');
    const response = await client.request('DeleteTopics', version, {
      topicNames: ['gone'],
      timeoutMs: 1000,
    });
    expect(response.responses).toMatchObject([{ name: 'gone', errorCode: 0 }]);
    const metadata = await client.request('Metadata', 9, {
      topics: named('gone'),
      allowAutoTopicCreation: false,
    });
    expect(metadata.topics[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it('frees the name for a new topic with a new id; the old id is unknown then', async () => {
    const oldId = await createTopic(client, 'again');
    await produce(client, 'again', batchOf(['old']));
    const response = await client.request('DeleteTopics', 6, {
      topics: [{ name: null, topicId: oldId }],
      timeoutMs: 1000,
    });
    expect(response.responses[0]).toMatchObject({ name: 'again', topicId: oldId, errorCode: 0 });
    const newId = await createTopic(client, 'again');
    expect(newId).not.toBe(oldId);
    expect((await fetch(client, 'again', 0)).highWatermark).toBe(0);
    const byOldId = await client.request('Fetch', 13, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        { topicId: oldId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
    expect(byOldId.responses[0].partitions[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('tells a fetch that waits that its topic is gone', async () => {
    await createTopic(client, 'waited-for');
    const other = await WireClient.connect(running.port);
    const waiting = fetch(other, 'waited-for', 0, { maxWaitMs: 60_000 });
    await expect.poll(() => running.broker.services.fetchPurgatory.size).toBe(1);
    await client.request('DeleteTopics', 5, { topicNames: ['waited-for'], timeoutMs: 1000 });
    expect((await waiting).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await other.close();
  });

  it.each([
    ['an unknown name', { name: 'no-such', topicId: ZERO }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [
      'an unknown id',
      { name: null, topicId: 'BBBBBBBBBBBBBBBBBBBBBA' },
      ErrorCode.UNKNOWN_TOPIC_ID,
    ],
    ['neither name nor id', { name: null, topicId: ZERO }, ErrorCode.INVALID_REQUEST],
    [
      'both name and id',
      { name: 'a', topicId: 'BBBBBBBBBBBBBBBBBBBBBA' },
      ErrorCode.INVALID_REQUEST,
    ],
  ])('refuses %s', async (_, topic, code) => {
    const response = await client.request('DeleteTopics', 6, { topics: [topic], timeoutMs: 1000 });
    expect(response.responses[0].errorCode).toBe(code);
  });
});

describe('CreatePartitions', () => {
  const grow = async (name: string, count: number, more: object = {}): Promise<any> => {
    const response = await client.request('CreatePartitions', 3, {
      topics: [{ name, count, assignments: null, ...more }],
      timeoutMs: 1000,
    });
    return response.results[0];
  };

  it('adds partitions that can be written to at once', async () => {
    await createTopic(client, 'grows', 2);
    expect((await grow('grows', 4)).errorCode).toBe(0);
    const metadata = await client.request('Metadata', 9, { topics: named('grows') });
    expect(metadata.topics[0].partitions).toHaveLength(4);
    expect((await produce(client, 'grows', batchOf(['a']), { partition: 3 })).errorCode).toBe(0);
  });

  it('refuses as many as there are, fewer, and those of unknown topics', async () => {
    await createTopic(client, 'stays', 2);
    expect(await grow('stays', 2)).toMatchObject({
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: 'Topic already has 2 partition(s).',
    });
    expect(await grow('stays', 1)).toMatchObject({
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: 'The topic stays currently has 2 partition(s); 1 would not be an increase.',
    });
    expect((await grow('no-such', 3)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect((await grow('stays', 4, { assignments: [{ brokerIds: [0] }] })).errorCode).toBe(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    );
  });
});

describe('DescribeTopicPartitions', () => {
  it('goes through topics in pages', async () => {
    await createTopic(client, 'paged-a', 3);
    await createTopic(client, 'paged-b', 3);
    const ask = (cursor: object | null) =>
      client.request('DescribeTopicPartitions', 0, {
        topics: [{ name: 'paged-b' }, { name: 'paged-a' }, { name: 'paged-none' }],
        responsePartitionLimit: 4,
        cursor,
      });
    const first = await ask(null);
    expect(first.topics.map((t: any) => [t.name, t.partitions.length])).toEqual([
      ['paged-a', 3],
      ['paged-b', 1],
    ]);
    expect(first.nextCursor).toEqual({ topicName: 'paged-b', partitionIndex: 1 });
    const second = await ask(first.nextCursor);
    expect(second.topics.map((t: any) => [t.name, t.errorCode, t.partitions.length])).toEqual([
      ['paged-b', 0, 2],
      ['paged-none', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0],
    ]);
    expect(second.nextCursor).toBeNull();
  });
});

describe('DescribeCluster', () => {
  it.each([0, 1, 2])('answers version %i', async (version) => {
    const response = await client.request('DescribeCluster', version, {});
    expect(response).toMatchObject({
      errorCode: 0,
      clusterId: running.broker.services.clusterId,
      controllerId: 0,
      brokers: [{ brokerId: 0, host: '127.0.0.1', port: running.port }],
    });
  });
  it('refuses to speak for controllers', async () => {
    expect(await client.request('DescribeCluster', 1, { endpointType: 2 })).toMatchObject({
      errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
      errorMessage:
        'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
    });
    expect(await client.request('DescribeCluster', 1, { endpointType: 7 })).toMatchObject({
      errorCode: ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: 'Unsupported endpoint type 7',
    });
  });
});

describe('DescribeLogDirs', () => {
  it.each([0, 1, 2, 3, 4, 5])('answers version %i with sizes and space', async (version) => {
    await client.request('Metadata', 9, { topics: named('sized') });
    await expect.poll(() => running.broker.services.image.topic('sized')).toBeDefined();
    await produce(client, 'sized', batchOf(['x'.repeat(1000)]));
    const response = await client.request('DescribeLogDirs', version, {
      topics: [{ topic: 'sized', partitions: [0, 1] }],
    });
    expect(response.results[0].logDir).toBe(running.directory);
    const [topic] = response.results[0].topics;
    expect(topic.partitions).toHaveLength(2);
    expect(topic.partitions.find((p: any) => p.partitionIndex === 0).partitionSize).toBeGreaterThan(
      1000,
    );
    if (version >= 4) expect(response.results[0].usableBytes).toBeGreaterThan(0);
  });
});

describe('a topic of many partitions', () => {
  it('is made while others are served, and then serves all of them', async () => {
    const other = await startBroker();
    const asking = await WireClient.connect(other.port);
    await createTopic(asking, 'small');
    await createTopic(asking, 'wide', 500);
    // Not all of them are open yet, and none of that is in the way of others.
    const { partitions } = other.broker.services;
    expect([...partitions.all()].some(({ isOpening }) => isOpening)).toBe(true);
    expect((await produce(asking, 'small', batchOf(['x']))).errorCode).toBe(ErrorCode.NONE);
    await expect.poll(() => [...partitions.all()].some(({ isOpening }) => isOpening)).toBe(false);
    for (const partition of [0, 63, 64, 499]) {
      const answer = await produce(asking, 'wide', batchOf(['x']), { partition });
      expect(answer.errorCode).toBe(ErrorCode.NONE);
    }
    await asking.close();
    await other.stop();
  });
});
