import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

let running: RunningBroker;
let client: WireClient;
let topicNumber = 0;
const BASE = Date.now() - 1_000_000;

beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

/** Records at BASE, +10, +20 (batch of three), +100, +50. */
const newTopic = async (configs: Record<string, string> = {}): Promise<string> => {
  const name = `o${topicNumber++}`;
  await createTopic(client, name, 1, configs);
  for (const [values, offset] of [
    [['a'], 0],
    [['b'], 10],
    [['c', 'd', 'e'], 20],
    [['f'], 100],
    [['g'], 50],
  ] as const) {
    await produce(client, name, batchOf(values, { timestamp: BASE + offset }));
  }
  return name;
};

const offsetOf = async (
  topic: string,
  timestamp: number,
  version = 7,
  more: object = {},
): Promise<any> => {
  const response = await client.request('ListOffsets', version, {
    replicaId: -1,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp, ...more }] }],
  });
  return response.topics[0].partitions[0];
};

describe('ListOffsets', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])('knows the ends in version %i', async (version) => {
    const topic = await newTopic();
    expect(await offsetOf(topic, -1, version)).toMatchObject({
      errorCode: 0,
      offset: 7,
      timestamp: -1,
    });
    expect(await offsetOf(topic, -2, version)).toMatchObject({
      errorCode: 0,
      offset: 0,
      timestamp: -1,
    });
  });

  it('answers version 0 with a list', async () => {
    const topic = await newTopic();
    expect((await offsetOf(topic, -1, 0, { maxNumOffsets: 10 })).oldStyleOffsets).toEqual([7, 0]);
    expect((await offsetOf(topic, -1, 0, { maxNumOffsets: 1 })).oldStyleOffsets).toEqual([7]);
    expect((await offsetOf(topic, -2, 0, { maxNumOffsets: 10 })).oldStyleOffsets).toEqual([0]);
  });

  it.each([
    ['before all', -5, 0, 0],
    ['of the first', 0, 0, 0],
    ['between two', 5, 1, 10],
    ['inside a batch', 21, 3, 21],
    ['before the largest', 60, 5, 100],
    ['of the largest', 100, 5, 100],
  ])('finds the first record at a time %s', async (_, ask, offset, at) => {
    const topic = await newTopic();
    expect(await offsetOf(topic, BASE + ask)).toMatchObject({
      errorCode: 0,
      offset,
      timestamp: BASE + at,
    });
  });

  it('finds nothing after the last, without an error', async () => {
    const topic = await newTopic();
    expect(await offsetOf(topic, BASE + 101)).toMatchObject({
      errorCode: 0,
      offset: -1,
      timestamp: -1,
    });
  });

  it('finds the record of the largest time, from version 7 on', async () => {
    const topic = await newTopic();
    expect(await offsetOf(topic, -3, 7)).toMatchObject({ offset: 5, timestamp: BASE + 100 });
    expect((await offsetOf(topic, -3, 6)).errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  });

  it('has nothing in tiers', async () => {
    const topic = await newTopic();
    expect(await offsetOf(topic, -4, 8)).toMatchObject({ errorCode: 0, offset: 0 });
    expect(await offsetOf(topic, -5, 9)).toMatchObject({ errorCode: 0, offset: -1 });
    expect(await offsetOf(topic, -6, 11)).toMatchObject({ errorCode: 0, offset: -1 });
    expect((await offsetOf(topic, -7, 11)).errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  });

  it('knows no partition that there is not, and fences epochs', async () => {
    expect((await offsetOf('no-such', -1)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const topic = await newTopic();
    expect((await offsetOf(topic, -1, 7, { currentLeaderEpoch: 3 })).errorCode).toBe(
      ErrorCode.UNKNOWN_LEADER_EPOCH,
    );
    expect((await offsetOf(topic, -1, 7, { currentLeaderEpoch: -2 })).errorCode).toBe(
      ErrorCode.FENCED_LEADER_EPOCH,
    );
  });

  it('refuses a partition that is asked for twice', async () => {
    const topic = { name: await newTopic(), partitions: [{ partitionIndex: 0, timestamp: -1 }] };
    const body = { replicaId: -1, topics: [topic, topic] };
    const { topics } = await client.request('ListOffsets', 7, body);
    expect(topics).toMatchObject([
      { name: topic.name, partitions: [{ errorCode: ErrorCode.INVALID_REQUEST, offset: -1 }] },
    ]);
  });
});

describe('DeleteRecords', () => {
  const remove = async (topic: string, offset: number, version = 2): Promise<any> => {
    const response = await client.request('DeleteRecords', version, {
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1000,
    });
    return response.topics[0].partitions[0];
  };

  it.each([0, 1, 2])('moves the start of the log in version %i', async (version) => {
    const topic = await newTopic();
    expect(await remove(topic, 3, version)).toMatchObject({ errorCode: 0, lowWatermark: 3 });
    expect((await fetch(client, topic, 2)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    const rest = await fetch(client, topic, 3);
    expect(rest.logStartOffset).toBe(3);
    // The batch that offset 3 lies in comes whole.
    expect(valuesOf(rest.records)).toEqual(['c', 'd', 'e', 'f', 'g']);
    expect((await offsetOf(topic, -2)).offset).toBe(3);
  });

  it('takes -1 for all there is, and refuses more', async () => {
    const topic = await newTopic();
    expect(await remove(topic, -1)).toMatchObject({ errorCode: 0, lowWatermark: 7 });
    expect((await remove(topic, 8)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await remove(topic, -2)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await remove('no-such', 0)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it('refuses a topic that is only compacted', async () => {
    await createTopic(client, 'compacted', 1, { 'cleanup.policy': 'compact' });
    expect((await remove('compacted', 0)).errorCode).toBe(ErrorCode.POLICY_VIOLATION);
  });
});

describe('OffsetForLeaderEpoch', () => {
  const end = async (
    topic: string,
    leaderEpoch: number,
    version = 4,
    more: object = {},
  ): Promise<any> => {
    const response = await client.request('OffsetForLeaderEpoch', version, {
      topics: [{ topic, partitions: [{ partition: 0, leaderEpoch, ...more }] }],
    });
    return response.topics[0].partitions[0];
  };

  it.each([2, 3, 4])('tells where terms ended in version %i', async (version) => {
    const topic = await newTopic();
    expect(await end(topic, 0, version)).toMatchObject({
      errorCode: 0,
      leaderEpoch: 0,
      endOffset: 7,
    });
    expect(await end(topic, 9, version)).toMatchObject({
      errorCode: 0,
      leaderEpoch: -1,
      endOffset: -1,
    });
    expect((await end('no-such', 0, version)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it('begins a new term at each start, and fences the one before', async () => {
    let own = await startBroker();
    let one = await WireClient.connect(own.port);
    await createTopic(one, 't');
    await produce(one, 't', batchOf(['a', 'b']));
    await one.close();
    own = await own.restart();
    one = await WireClient.connect(own.port);
    await produce(one, 't', batchOf(['c']));
    const ask = async (leaderEpoch: number): Promise<any> =>
      (
        await one.request('OffsetForLeaderEpoch', 4, {
          topics: [{ topic: 't', partitions: [{ partition: 0, leaderEpoch }] }],
        })
      ).topics[0].partitions[0];
    expect(await ask(0)).toMatchObject({ leaderEpoch: 0, endOffset: 2 });
    // One term without a leader lies between.
    expect(await ask(1)).toMatchObject({ leaderEpoch: 0, endOffset: 2 });
    expect(await ask(2)).toMatchObject({ leaderEpoch: 2, endOffset: 3 });
    expect((await fetch(one, 't', 0, { currentLeaderEpoch: 0 })).errorCode).toBe(
      ErrorCode.FENCED_LEADER_EPOCH,
    );
    await one.close();
    await own.stop();
  });
});
