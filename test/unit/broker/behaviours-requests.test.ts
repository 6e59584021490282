/** Requests that name a thing twice, halfway or in two ways, as clients with mistakes send them. */
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
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const UNKNOWN_ID = 'BBBBBBBBBBBBBBBBBBBBBA';
const isThere = async (name: string): Promise<boolean> => {
  const asked = { topics: [{ name }], allowAutoTopicCreation: false };
  return (await client.request('Metadata', 9, asked)).topics[0].errorCode === 0;
};

describe('Metadata', () => {
  it('answers a topic once, however often it is named', async () => {
    await createTopic(client, 'once');
    const topics = ['once', 'absent', 'once', 'absent'].map((name) => ({ name }));
    const answer = await client.request('Metadata', 9, { topics, allowAutoTopicCreation: false });
    expect(answer.topics.map((t: any) => [t.name, t.errorCode])).toEqual([
      ['once', 0],
      ['absent', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ]);
  });

  it.each([10, 11])('takes no ids in version %i, which has a field for them', async (version) => {
    const topicId = await createTopic(client, `id-${version}`);
    const answer = await client.request('Metadata', version, { topics: [{ topicId, name: null }] });
    expect(answer.topics[0]).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      partitions: [],
    });
  });

  it('creates topics for clients that cannot forbid it, unless the broker does', async () => {
    const ask = async (from: WireClient, version: number, name: string) =>
      (await from.request('Metadata', version, { topics: [{ name }] })).topics[0].errorCode;
    await ask(client, 3, 'by-an-old-client');
    await expect.poll(() => isThere('by-an-old-client')).toBe(true);
    const strict = await startBroker({ 'auto.create.topics.enable': false });
    const other = await WireClient.connect(strict.port);
    for (const version of [0, 3, 9]) {
      expect(await ask(other, version, 'never')).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    }
    const asked = { topics: [{ name: 'never' }], allowAutoTopicCreation: true };
    expect((await other.request('Metadata', 9, asked)).topics[0].errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    expect(strict.broker.services.image.topic('never')).toBeUndefined();
    await other.close();
    await strict.stop();
  });

  it('goes by ids alone where there are some', async () => {
    const topicId = await createTopic(client, 'of-id');
    const topics = [{ topicId, name: 'another' }, { name: 'once' }];
    const answer = await client.request('Metadata', 12, { topics });
    expect(answer.topics.map((t: any) => t.name)).toEqual(['of-id']);
  });

  it('tells operations of topics that are not there, too', async () => {
    const answer = await client.request('Metadata', 9, {
      topics: [{ name: 'absent' }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: true,
    });
    expect(answer.topics[0].topicAuthorizedOperations).toBeGreaterThan(0);
  });
});

describe('CreateTopics', () => {
  it('refuses the replication factor before the number of partitions', async () => {
    const wrong = {
      name: 'w',
      numPartitions: 0,
      replicationFactor: 0,
      assignments: [],
      configs: [],
    };
    const answer = await client.request('CreateTopics', 7, { topics: [wrong] });
    const errorCode = ErrorCode.INVALID_REPLICATION_FACTOR;
    expect(answer.topics[0]).toMatchObject({ errorCode, configs: [] });
  });
});

describe('DeleteTopics', () => {
  it('keeps a topic that is named twice, and says so once', async () => {
    const topicId = await createTopic(client, 'twice');
    const asks = [
      [{ name: 'twice' }, { name: 'twice' }],
      [{ topicId }, { topicId }],
      [{ topicId }, { name: 'twice' }],
    ];
    for (const topics of asks) {
      const answer = await client.request('DeleteTopics', 6, { topics });
      expect(answer.responses.map((r: any) => r.errorCode)).toEqual([ErrorCode.INVALID_REQUEST]);
    }
    expect(await isThere('twice')).toBe(true);
  });
});

describe('ListOffsets', () => {
  it('refuses a partition that is named twice', async () => {
    const twice = { partitionIndex: 0, timestamp: -1 };
    const topics = [{ name: 'once', partitions: [twice, twice] }];
    const answer = await client.request('ListOffsets', 4, { replicaId: -1, topics });
    expect(answer.topics[0].partitions.map((p: any) => p.errorCode)).toEqual([
      ErrorCode.INVALID_REQUEST,
    ]);
  });
});

describe('DescribeTopicPartitions', () => {
  it.each([
    ['of a topic that is not asked for', { topicName: 'other', partitionIndex: 0 }],
    ['below the first partition', { topicName: 'once', partitionIndex: -1 }],
  ])('refuses a cursor %s', async (_, cursor) => {
    const asked = { topics: [{ name: 'once' }], cursor };
    const answer = await client.request('DescribeTopicPartitions', 0, asked);
    expect(answer.topics.map((t: any) => t.errorCode)).toEqual([ErrorCode.INVALID_REQUEST]);
  });
});

describe('configs', () => {
  it('an empty list of keys asks for all', async () => {
    const ask = (configurationKeys: string[] | null) =>
      client.request('DescribeConfigs', 4, {
        resources: [{ resourceType: 2, resourceName: 'once', configurationKeys }],
      });
    expect((await ask([])).results[0].configs).toEqual((await ask(null)).results[0].configs);
  });

  it.each([
    ['', ErrorCode.INVALID_REQUEST],
    ['a b', ErrorCode.INVALID_TOPIC_EXCEPTION],
    ['absent', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ])('of topic %j are not there to change', async (resourceName, code) => {
    const configs = [{ name: 'retention.ms', configOperation: 0, value: '1' }];
    const resources = [{ resourceType: 2, resourceName, configs }];
    const answer = await client.request('IncrementalAlterConfigs', 1, { resources });
    expect(answer.responses[0].errorCode).toBe(code);
  });
});

describe('InitProducerId', () => {
  it.each([
    { producerId: 5, producerEpoch: -1 },
    { producerId: -1, producerEpoch: 5 },
  ])('refuses half a producer, %o', async (half) => {
    const asked = { transactionalId: null, transactionTimeoutMs: 1000, ...half };
    const answer = await client.request('InitProducerId', 4, asked);
    expect(answer.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });
});

describe('errors', () => {
  it('of an append come with the start of the log, unless nothing was appended to', async () => {
    await createTopic(client, 'started');
    const producer = { id: 900, epoch: 0, baseSequence: 0 };
    expect((await produce(client, 'started', batchOf(['a'], { producer }))).errorCode).toBe(0);
    const gap = batchOf(['b'], { producer: { ...producer, baseSequence: 9 } });
    expect(await produce(client, 'started', gap)).toMatchObject({
      errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      logStartOffset: 0,
    });
    expect(await produce(client, 'started', Buffer.alloc(0))).toMatchObject({
      errorCode: ErrorCode.INVALID_RECORD,
      logStartOffset: -1,
    });
  });

  it('of a fetch come without offsets', async () => {
    expect(await fetch(client, 'once', 99, { isolationLevel: 1 })).toMatchObject({
      errorCode: ErrorCode.OFFSET_OUT_OF_RANGE,
      highWatermark: -1,
      logStartOffset: -1,
      abortedTransactions: null,
    });
  });

  it('of a fetch by who is no replica depend on whether it tells its term', async () => {
    const topicId = await createTopic(client, 'not-followed');
    const ask = async (currentLeaderEpoch: number): Promise<[unknown, unknown]> => {
      const one = { partition: 0, fetchOffset: 0, partitionMaxBytes: 100, currentLeaderEpoch };
      const { responses, nodeEndpoints } = await client.request('Fetch', 17, {
        ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 100 },
        replicaState: { replicaId: 7, replicaEpoch: -1 },
        topics: [{ topicId, partitions: [one] }],
      });
      return [responses[0].partitions[0], nodeEndpoints];
    };
    const [untold, endpoints] = await ask(-1);
    expect(untold).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 0, leaderEpoch: 0 },
    });
    expect(endpoints).toEqual([]);
    expect((await ask(0))[0]).toMatchObject({ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH });
  });

  it('of a fetch by an unknown id or name differ', async () => {
    const one = { partition: 0, fetchOffset: 0, partitionMaxBytes: 100 };
    const byId = [{ topicId: UNKNOWN_ID, partitions: [one] }];
    const ask = async (version: number, topics: unknown) =>
      (await client.request('Fetch', version, { maxWaitMs: 0, minBytes: 0, topics })).responses[0]
        .partitions[0].errorCode;
    expect(await ask(13, byId)).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    const empty = [{ topic: '', partitions: [one] }];
    expect(await ask(11, empty)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });
});
