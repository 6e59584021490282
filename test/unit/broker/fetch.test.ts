import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PARTITIONS_MAX } from '../../../src/broker/fetch-session.ts';
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
const newTopic = async (partitions = 1): Promise<string> => {
  const name = `f${topicNumber++}`;
  await createTopic(client, name, partitions);
  return name;
};

beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

describe('what is returned', () => {
  it.each([4, 5, 6, 7, 8, 9, 10, 11, 12])('whole batches in version %i', async (version) => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a', 'b', 'c']));
    await produce(client, topic, batchOf(['d']));
    const answer = await fetch(client, topic, 0, { version });
    expect(answer).toMatchObject({ errorCode: 0, highWatermark: 4, lastStableOffset: 4 });
    expect(answer.abortedTransactions).toBeNull();
    expect(valuesOf(answer.records)).toEqual(['a', 'b', 'c', 'd']);
  });

  it.each([13, 14, 15, 16, 17, 18])('by topic id in version %i', async (version) => {
    const topicId = await createTopic(client, `id${version}`);
    await produce(client, `id${version}`, batchOf(['a']));
    const response = await client.request('Fetch', version, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        { topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
        {
          topicId: 'BBBBBBBBBBBBBBBBBBBBBA',
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
        },
      ],
    });
    expect(response.responses[0].topicId).toBe(topicId);
    expect(valuesOf(response.responses[0].partitions[0].records)).toEqual(['a']);
    expect(response.responses[1].partitions[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('the whole batch that an offset lies in', async () => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a', 'b', 'c']));
    await produce(client, topic, batchOf(['d']));
    expect(valuesOf((await fetch(client, topic, 1)).records)).toEqual(['a', 'b', 'c', 'd']);
    expect(valuesOf((await fetch(client, topic, 3)).records)).toEqual(['d']);
  });

  it('the first batch even if it is larger than asked for, and no second one then', async () => {
    const topic = await newTopic(2);
    for (const partition of [0, 1]) {
      for (let i = 0; i < 2; i++) {
        await produce(client, topic, batchOf(['x'.repeat(5000)]), { partition });
      }
    }
    const response = await client.request('Fetch', 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 100,
      topics: [
        {
          topic,
          partitions: [0, 1].map((partition) => ({
            partition,
            fetchOffset: 0,
            partitionMaxBytes: 10,
          })),
        },
      ],
    });
    const [first, second] = response.responses[0].partitions;
    expect(valuesOf(first.records)).toHaveLength(1);
    expect(second.records.length).toBe(0);
  });

  it('as many whole batches as fit into the bytes asked for', async () => {
    const topic = await newTopic();
    const size = batchOf(['x'.repeat(1000)]).length;
    for (let i = 0; i < 10; i++) await produce(client, topic, batchOf(['x'.repeat(1000)]));
    const some = await fetch(client, topic, 0, { partitionMaxBytes: size * 3 + 10 });
    const records = some.records as Buffer;
    // A batch cut short at the end is allowed; what is whole is what counts.
    expect(Math.floor(records.length / size)).toBe(3);
  });

  it('an empty list of aborted transactions to who reads committed', async () => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a']));
    expect((await fetch(client, topic, 0, { isolationLevel: 1 })).abortedTransactions).toEqual([]);
  });

  it('nothing, and no error, at the end of the log', async () => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a']));
    const answer = await fetch(client, topic, 1);
    expect(answer.errorCode).toBe(0);
    expect((answer.records as Buffer).length).toBe(0);
  });

  it.each([-1, 2, 1000])('an error for offset %i', async (offset) => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a']));
    const answer = await fetch(client, topic, offset);
    expect(answer.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });

  it('an error for partitions that there are not', async () => {
    const topic = await newTopic();
    expect((await fetch(client, topic, 0, { partition: 5 })).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    expect((await fetch(client, 'no-such', 0)).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
  });

  it('the same bytes to many who read at once', async () => {
    const topic = await newTopic();
    const value = 'y'.repeat(300_000);
    for (let i = 0; i < 5; i++) await produce(client, topic, batchOf([`${i}${value}`]));
    const readers = await Promise.all(
      Array.from({ length: 8 }, () => WireClient.connect(running.port)),
    );
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        readers.map((reader) => fetch(reader, topic, 0, { partitionMaxBytes: 10_000_000 })),
      );
      for (const { records } of answers) {
        expect(valuesOf(records)).toEqual(Array.from({ length: 5 }, (_, i) => `${i}${value}`));
      }
    }
    await Promise.all(readers.map((reader) => reader.close()));
  });
});

describe('waiting', () => {
  const waits = () => running.broker.services.fetchPurgatory;

  it('ends with the first record', async () => {
    const topic = await newTopic();
    const reader = await WireClient.connect(running.port);
    const waiting = fetch(reader, topic, 0, { maxWaitMs: 60_000 });
    await expect.poll(() => waits().size).toBe(1);
    await produce(client, topic, batchOf(['here']));
    expect(valuesOf((await waiting).records)).toEqual(['here']);
    expect(waits().size).toBe(0);
    await reader.close();
  });

  it('goes on until as many bytes are there as were asked for', async () => {
    const topic = await newTopic();
    const reader = await WireClient.connect(running.port);
    const waiting = fetch(reader, topic, 0, { maxWaitMs: 60_000, minBytes: 2500 });
    await expect.poll(() => waits().size).toBe(1);
    await produce(client, topic, batchOf(['x'.repeat(1000)]));
    await produce(client, topic, batchOf(['x'.repeat(1000)]));
    expect(waits().size).toBe(1);
    await produce(client, topic, batchOf(['x'.repeat(1000)]));
    expect(valuesOf((await waiting).records)).toHaveLength(3);
    await reader.close();
  });

  it('ends after its time with what there is', async () => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['little']));
    const before = waits().expirations;
    const answer = await fetch(client, topic, 0, { maxWaitMs: 50, minBytes: 10_000 });
    expect(valuesOf(answer.records)).toEqual(['little']);
    expect(waits().expirations).toBe(before + 1);
  });

  it('does not begin where there is an error to tell', async () => {
    const topic = await newTopic();
    const answer = await fetch(client, topic, 99, { maxWaitMs: 60_000 });
    expect(answer.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });

  it('is forgotten with its connection', async () => {
    const topic = await newTopic();
    const reader = await WireClient.connect(running.port);
    void fetch(reader, topic, 0, { maxWaitMs: 600_000 }).catch(() => {});
    await expect.poll(() => waits().size).toBe(1);
    await reader.close();
    await expect.poll(() => waits().size).toBe(0);
    await produce(client, topic, batchOf(['after']));
    expect(valuesOf((await fetch(client, topic, 0)).records)).toEqual(['after']);
  });
});

describe('leader epochs', () => {
  it('fences what is old and does not know what is to come', async () => {
    const topic = await newTopic();
    const { leaderEpoch } = running.broker.services.partitions.get(topic, 0)!;
    await produce(client, topic, batchOf(['a']));
    const ask = async (currentLeaderEpoch: number) =>
      (await fetch(client, topic, 0, { currentLeaderEpoch })).errorCode;
    expect(await ask(leaderEpoch)).toBe(0);
    expect(await ask(leaderEpoch + 1)).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
    expect(await ask(-1)).toBe(0);
    expect(await ask(-2)).toBe(0);
  });

  it('tells where the log of the reader diverges', async () => {
    const topic = await newTopic();
    await produce(client, topic, batchOf(['a', 'b']));
    const fine = await fetch(client, topic, 2, { version: 12, lastFetchedEpoch: 0 });
    expect(fine.divergingEpoch).toEqual({ epoch: -1, endOffset: -1 });
    const ahead = await fetch(client, topic, 5, { version: 12, lastFetchedEpoch: 0 });
    expect(ahead.errorCode).toBe(0);
    expect(ahead.divergingEpoch).toEqual({ epoch: 0, endOffset: 2 });
    expect((ahead.records as Buffer).length).toBe(0);
    const unknown = await fetch(client, topic, 2, { version: 12, lastFetchedEpoch: 5 });
    expect(unknown.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });
});

describe('sessions', () => {
  interface Asked {
    partition: number;
    fetchOffset: number;
    partitionMaxBytes: number;
  }
  const at = (partition: number, fetchOffset: number): Asked => ({
    partition,
    fetchOffset,
    partitionMaxBytes: 100_000,
  });
  const ask = (
    topic: string,
    sessionId: number,
    sessionEpoch: number,
    partitions: Asked[],
    more: object = {},
  ) =>
    client.request('Fetch', 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1_000_000,
      sessionId,
      sessionEpoch,
      topics: partitions.length === 0 ? [] : [{ topic, partitions }],
      ...more,
    });
  const told = (response: any): number[] =>
    response.responses.flatMap((r: any) => r.partitions.map((p: any) => p.partitionIndex));

  it('answer only what has changed', async () => {
    const topic = await newTopic(3);
    await produce(client, topic, batchOf(['a']), { partition: 1 });
    const full = await ask(topic, 0, 0, [at(0, 0), at(1, 0), at(2, 0)]);
    const { sessionId } = full;
    expect(sessionId).toBeGreaterThan(0);
    expect(told(full)).toEqual([0, 1, 2]);
    const unchanged = await ask(topic, sessionId, 1, [at(1, 1)]);
    expect(unchanged).toMatchObject({ errorCode: 0, sessionId, responses: [] });
    await produce(client, topic, batchOf(['b']), { partition: 2 });
    const changed = await ask(topic, sessionId, 2, []);
    expect(told(changed)).toEqual([2]);
    expect(valuesOf(changed.responses[0].partitions[0].records)).toEqual(['b']);
  });

  it('take partitions in and let them go', async () => {
    const topic = await newTopic(3);
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    expect(told(await ask(topic, sessionId, 1, [at(1, 0), at(2, 0)]))).toEqual([1, 2]);
    for (const partition of [0, 1, 2]) {
      await produce(client, topic, batchOf(['x']), { partition });
    }
    const forgotten = { forgottenTopicsData: [{ topic, partitions: [0, 2] }] };
    expect(told(await ask(topic, sessionId, 2, [], forgotten))).toEqual([1]);
  });

  it('tell an error again and again, and its end', async () => {
    const topic = await newTopic();
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    const wrong = await ask(topic, sessionId, 1, [at(0, 50)]);
    expect(wrong.responses[0].partitions[0].errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(told(await ask(topic, sessionId, 2, []))).toEqual([0]);
    const right = await ask(topic, sessionId, 3, [at(0, 0)]);
    expect(right.responses[0].partitions[0].errorCode).toBe(0);
    expect(told(await ask(topic, sessionId, 4, []))).toEqual([]);
  });

  it('refuse ids and epochs that do not fit', async () => {
    const topic = await newTopic();
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    expect((await ask(topic, sessionId + 1, 1, [])).errorCode).toBe(
      ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    );
    expect((await ask(topic, sessionId, 5, [])).errorCode).toBe(
      ErrorCode.INVALID_FETCH_SESSION_EPOCH,
    );
    expect((await ask(topic, 0, 5, [])).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  });

  it('do not mix names and ids', async () => {
    const topic = await newTopic();
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    const response = await client.request('Fetch', 13, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      sessionId,
      sessionEpoch: 1,
      topics: [],
    });
    expect(response.errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
  });

  it('end with epoch -1', async () => {
    const topic = await newTopic();
    const sessions = running.broker.services.fetchSessions;
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    const before = sessions.size;
    const last = await ask(topic, sessionId, -1, [at(0, 0)]);
    expect(last.sessionId).toBe(0);
    expect(sessions.size).toBe(before - 1);
  });

  it('end when they are to remember too many partitions', async () => {
    const topic = await newTopic();
    const sessions = running.broker.services.fetchSessions;
    const before = [sessions.size, sessions.partitionCount];
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    const many = Array.from({ length: PARTITIONS_MAX }, (_, i) => at(i + 1, 0));
    expect(await ask(topic, sessionId, 1, many)).toMatchObject({
      errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
      responses: [],
    });
    expect([sessions.size, sessions.partitionCount]).toEqual(before);
  });

  it('remember no names that no topic can have, however often they are asked for', async () => {
    const topic = await newTopic();
    const sessions = running.broker.services.fetchSessions;
    const before = [sessions.size, sessions.partitionCount];
    const long = 'x'.repeat(250);
    expect(await ask(long, 0, 0, [at(0, 0)])).toMatchObject({
      sessionId: 0,
      responses: [{ partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }] }],
    });
    const { sessionId } = await ask(topic, 0, 0, [at(0, 0)]);
    expect(sessionId).not.toBe(0);
    expect(await ask(long, sessionId, 1, [at(0, 0)])).toMatchObject({
      errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    });
    expect([sessions.size, sessions.partitionCount]).toEqual(before);
  });

  it('let everybody have a turn when an answer has no room for all', async () => {
    const topic = await newTopic(4);
    for (const partition of [0, 1, 2, 3]) {
      for (let i = 0; i < 4; i++)
        await produce(client, topic, batchOf(['x'.repeat(900)]), { partition });
    }
    const offsets = [0, 0, 0, 0];
    const all = () => offsets.map((offset, partition) => at(partition, offset));
    let response = await ask(topic, 0, 0, all(), { maxBytes: 1500 });
    const served = new Set<number>();
    for (let epoch = 1; epoch <= 4; epoch++) {
      for (const p of response.responses[0].partitions) {
        if (p.records.length === 0) continue;
        served.add(p.partitionIndex);
        offsets[p.partitionIndex]! += valuesOf(p.records).length;
      }
      response = await ask(topic, response.sessionId, epoch, all(), { maxBytes: 1500 });
    }
    expect([...served].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  });
});

describe('a full cache of sessions', () => {
  it('serves newcomers without one', async () => {
    const small = await startBroker({ 'max.incremental.fetch.session.cache.slots': 2 });
    const one = await WireClient.connect(small.port);
    await createTopic(one, 't');
    const ask = () =>
      one.request('Fetch', 11, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 1000,
        sessionId: 0,
        sessionEpoch: 0,
        topics: [
          { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10 }] },
        ],
      });
    expect((await ask()).sessionId).not.toBe(0);
    expect((await ask()).sessionId).not.toBe(0);
    expect(await ask()).toMatchObject({ errorCode: 0, sessionId: 0 });
    expect(small.broker.services.fetchSessions.size).toBe(2);
    await one.close();
    await small.stop();
  });
});
