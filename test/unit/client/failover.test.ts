import { describe, expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { Admin } from '../../../src/client/admin.ts';
import { forEachFetchedRecord } from '../../../src/client/fetched-batch.ts';
import { Fetcher } from '../../../src/client/fetcher.ts';
import { Producer } from '../../../src/client/producer.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { setPartitionLeaderEpoch, valueOf } from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { clientOf } from './client-of.ts';
import { FakeBroker, type FakeRequest, MemoryTransport, type Verdict } from './fake-broker.ts';
import { ManualClock } from './manual-clock.ts';

async function setup() {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, { topics: { logs: 1 }, brokers: 3 });
  broker.idle = (ms) => new Promise((resolve) => clock.after(ms, resolve));
  await broker.start();
  const client = clientOf({ broker, transport, clock }, { requestTimeoutMs: 30_000 });
  return { clock, transport, broker, client, partition: broker.partition('logs', 0) };
}

/** The broker of that id is stopped: it takes requests and answers none. */
const stopped =
  (id: number) =>
  (request: FakeRequest): Verdict =>
    request.broker === id ? 'silence' : undefined;

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

const hint = (leaderId: number, leaderEpoch: number) => ({
  nodeEndpoints: [{ nodeId: leaderId, host: 'fake', port: 9000 + leaderId, rack: null }],
  currentLeader: { leaderId, leaderEpoch },
});

describe('a producer', () => {
  test('goes where the refusal says that the leader is, without asking and without a pause', async () => {
    const { clock, broker, client, partition } = await setup();
    await clock.until(client.metadata.require('logs'));
    const asked = broker.requests.filter(({ api }) => api === 'Metadata').length;
    partition.leader = 3;
    partition.leaderEpoch = 4;
    broker.intercept = ({ api, broker: id, body }) => {
      if (api !== 'Produce' || id === 3) return undefined;
      const { nodeEndpoints, currentLeader } = hint(3, 4);
      const answer = {
        index: 0,
        errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: -1,
        recordErrors: [],
        errorMessage: null,
        currentLeader,
      };
      const { name, topicId } = body.topicData[0];
      const responses = [{ name, topicId, partitionResponses: [answer] }];
      return { answer: { responses, throttleTimeMs: 0, nodeEndpoints } };
    };
    const producer = new Producer(client, { acks: -1, lingerMs: 0 });
    producer.append('logs', Buffer.from('a'));
    const startedAt = clock.monotonic();
    await clock.until(producer.flush(), 1_000, 1);
    expect(clock.monotonic() - startedAt).toBeLessThan(20);
    expect(broker.values('logs')).toEqual(['a']);
    expect(broker.requests.filter(({ api }) => api === 'Metadata')).toHaveLength(asked);
  });

  test('gives a silent broker up as soon as another one leads', async () => {
    const { clock, broker, client, partition } = await setup();
    const producer = new Producer(client, { acks: -1, lingerMs: 0 });
    producer.append('logs', Buffer.from('0'));
    await clock.until(producer.flush());
    broker.intercept = stopped(1);
    for (const n of numbers(5).slice(1)) {
      producer.append('logs', Buffer.from(n));
      await clock.advance(10);
    }
    await clock.advance(3_000);
    partition.leader = 2;
    partition.leaderEpoch = 1;
    const startedAt = clock.monotonic();
    await clock.until(producer.flush());
    expect(clock.monotonic() - startedAt).toBeLessThan(10_000);
    expect(broker.values('logs')).toEqual(numbers(5));
    expect(producer.counters.failed).toBe(0);
  });

  test('neither loses nor doubles anything, whatever becomes of the leaders', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const { clock, broker, client, partition, transport } = await setup();
      const random = seededRandom(seed);
      const producer = new Producer(client, { acks: -1, lingerMs: 2 });
      let sick = 0;
      broker.intercept = (request) => {
        if (request.broker === sick) return 'silence';
        if (request.api === 'Produce' && random.next() < 0.1) return 'act-and-close';
        return undefined;
      };
      const expected = numbers(200);
      for (const n of expected) {
        producer.append('logs', Buffer.from(n));
        if (random.next() < 0.4) await clock.advance(Math.floor(random.next() * 20));
        if (random.next() < 0.05) {
          const former = partition.leader;
          partition.leader = (former % 3) + 1;
          partition.leaderEpoch++;
          if (random.next() < 0.3) sick = former;
          else {
            sick = 0;
            for (const stream of transport.open) {
              if (stream.remote.endsWith(String(9000 + former))) stream.close(new Error('killed'));
            }
          }
        }
      }
      await clock.until(producer.flush());
      expect(broker.values('logs'), `seed ${seed}`).toEqual(expected);
      expect(producer.counters.failed).toBe(0);
      client.close();
    }
  });
});

describe('a fetcher', () => {
  const valuesOf = async (clock: ManualClock, fetcher: Fetcher, count: number) => {
    const values: string[] = [];
    for (let polls = 0; values.length < count && polls < 200; polls++) {
      for (const batch of await clock.until(fetcher.poll(500))) {
        forEachFetchedRecord(batch, (record) => {
          values.push(valueOf(record)!.toString());
        });
      }
    }
    return values;
  };
  const put = (broker: FakeBroker, value: string): void => {
    const builder = new RecordBatchBuilder();
    builder.append(1, null, Buffer.from(value));
    const batch = builder.build();
    const partition = broker.partition('logs', 0);
    setPartitionLeaderEpoch(batch, 0, partition.leaderEpoch);
    partition.append(batch);
  };

  test('leaves a silent broker as soon as another one leads, and reads nothing twice', async () => {
    const { clock, broker, client, partition } = await setup();
    const fetcher = new Fetcher(client);
    onTestFinished(() => fetcher.close());
    put(broker, '0');
    fetcher.assign([{ topic: 'logs', partition: 0, offset: 0 }]);
    expect(await valuesOf(clock, fetcher, 1)).toEqual(['0']);
    let late = (): void => {};
    broker.intercept = async (request) => {
      if (request.broker !== 1) return undefined;
      await new Promise<void>((resolve) => (late = resolve));
      return undefined;
    };
    await clock.advance(1_000);
    partition.leader = 2;
    partition.leaderEpoch = 1;
    put(broker, '1');
    put(broker, '2');
    const startedAt = clock.monotonic();
    expect(await valuesOf(clock, fetcher, 2)).toEqual(['1', '2']);
    expect(clock.monotonic() - startedAt).toBeLessThan(10_000);
    partition.leader = 1;
    late();
    partition.leader = 2;
    await clock.advance(2_000);
    expect(await valuesOf(clock, fetcher, 1)).toEqual([]);
  });

  test('tells the term of what it has, and goes back where the log was truncated', async () => {
    const { clock, broker, client } = await setup();
    const partition = broker.partition('logs', 0);
    partition.leaderEpoch = 3;
    const fetcher = new Fetcher(client);
    onTestFinished(() => fetcher.close());
    for (const value of ['a', 'b', 'c']) put(broker, value);
    fetcher.assign([{ topic: 'logs', partition: 0, offset: 0 }]);
    expect(await valuesOf(clock, fetcher, 3)).toEqual(['a', 'b', 'c']);
    // An election that nobody should have wished for: c is lost, and another record takes its place.
    partition.records.pop();
    partition.batches.pop();
    partition.leader = 2;
    partition.leaderEpoch = 5;
    put(broker, 'other');
    broker.intercept = ({ api, body }) => {
      if (api !== 'Fetch') return undefined;
      const { fetchOffset, lastFetchedEpoch, partition: index } = body.topics[0].partitions[0];
      if (fetchOffset !== 3 || lastFetchedEpoch !== 3) return undefined;
      const answer = {
        partitionIndex: index,
        errorCode: 0,
        highWatermark: 3,
        lastStableOffset: 3,
        logStartOffset: 0,
        divergingEpoch: { epoch: 3, endOffset: 2 },
        currentLeader: { leaderId: -1, leaderEpoch: -1 },
        snapshotId: { endOffset: -1, epoch: -1 },
        abortedTransactions: null,
        preferredReadReplica: -1,
        flushUpTo: -1,
        replicated: { offset: -1, partitionEpoch: -1 },
        removedTo: -1,
        records: Buffer.alloc(0),
      };
      const { topic, topicId } = body.topics[0];
      const responses = [{ topic, topicId, partitions: [answer] }];
      return {
        answer: { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses, nodeEndpoints: [] },
      };
    };
    expect(await valuesOf(clock, fetcher, 1)).toEqual(['other']);
    expect(fetcher.counters.truncations).toBe(1);
  });
});

describe('an administrator', () => {
  test('reaches another broker when the controller is gone', async () => {
    const { clock, broker, client, transport } = await setup();
    await clock.until(client.metadata.refresh());
    broker.handlers.set('CreateTopics', () => ({
      throttleTimeMs: 0,
      topics: [
        {
          name: 'new',
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          errorCode: 0,
          errorMessage: null,
          topicConfigErrorCode: 0,
          numPartitions: 1,
          replicationFactor: 3,
          configs: [],
        },
      ],
    }));
    broker.intercept = ({ broker: id }) => (id === 1 ? 'close' : undefined);
    for (const stream of transport.open) stream.close(new Error('killed'));
    const [created] = await clock.until(new Admin(client).createTopics([{ name: 'new' }]));
    expect(created).toMatchObject({ name: 'new', error: null });
  });
});
