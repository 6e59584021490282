import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
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
import { TransactionalClient, until } from './transactional-client.ts';

const READ_COMMITTED = 1;

const running: RunningBroker[] = [];
const clients: WireClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const broker of running.splice(0)) await broker.stop();
});

async function start(given: Record<string, number> = {}): Promise<RunningBroker> {
  const broker = await startBroker({
    'transaction.state.log.num.partitions': 2,
    'offsets.topic.num.partitions': 2,
    ...given,
  });
  running.push(broker);
  return broker;
}

async function connect({ port }: { port: number }): Promise<WireClient> {
  const client = await WireClient.connect(port);
  clients.push(client);
  return client;
}

async function setUp(
  version = 2,
  given: Record<string, number> = {},
): Promise<{ broker: RunningBroker; client: WireClient; producer: TransactionalClient }> {
  const broker = await start(given);
  const client = await connect(broker);
  await createTopic(client, 't', 2);
  const producer = new TransactionalClient(client, 'tx', version);
  await producer.init();
  return { broker, client, producer };
}

const committed = async (client: WireClient, offset = 0, topic = 't') =>
  fetch(client, topic, offset, { isolationLevel: READ_COMMITTED });

/** The values that a consumer of committed records shows to its application. */
async function shown(client: WireClient, topic = 't', partition = 0): Promise<string[]> {
  const answer = await fetch(client, topic, 0, { isolationLevel: READ_COMMITTED, partition });
  const { batchSize, isControl, attributes, producerId, baseOffset } = await import(
    '../../../src/protocol/record-batch.ts'
  );
  const bytes = answer.records as Buffer;
  const aborted = [...answer.abortedTransactions!].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  const values: string[] = [];
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    while (aborted.length > 0 && aborted[0]!.firstOffset <= baseOffset(bytes, at)) {
      open.add(aborted.shift()!.producerId);
    }
    const id = producerId(bytes, at);
    if (isControl(attributes(bytes, at))) open.delete(id);
    else if (!open.has(id)) values.push(...valuesOf(bytes.subarray(at, at + batchSize(bytes, at))));
  }
  return values;
}

const offsetOf = async (client: WireClient, group: string, requireStable: boolean) => {
  const response = await client.request('OffsetFetch', 8, {
    groups: [{ groupId: group, topics: [{ name: 't', partitionIndexes: [0] }] }],
    requireStable,
  });
  const { committedOffset, errorCode } = response.groups[0].topics[0].partitions[0];
  return { committedOffset, errorCode };
};

describe.each([1, 2])('a transaction of version %i', (version) => {
  it('is seen as a whole once it is committed, and before only by readers of uncommitted records', async () => {
    const { client, producer } = await setUp(version);
    expect((await producer.send('t', ['a', 'b'])).errorCode).toBe(0);
    expect((await producer.send('t', ['c'], 1)).errorCode).toBe(0);
    expect((await committed(client)).records).toHaveLength(0);
    expect(valuesOf((await fetch(client, 't', 0)).records)).toEqual(['a', 'b']);
    expect(await producer.end(true)).toBe(0);
    await producer.completed();
    expect(await shown(client)).toEqual(['a', 'b']);
    expect(await shown(client, 't', 1)).toEqual(['c']);
  });

  it('is never seen when it is aborted, and what lies around it is', async () => {
    const { client, producer } = await setUp(version);
    await produce(client, 't', batchOf(['before']));
    await producer.send('t', ['a']);
    await produce(client, 't', batchOf(['between']));
    expect(await producer.end(false)).toBe(0);
    expect(await producer.completed()).toBe('CompleteAbort');
    await produce(client, 't', batchOf(['after']));
    expect(await shown(client)).toEqual(['before', 'between', 'after']);
    const answer = await committed(client);
    expect(answer.abortedTransactions).toEqual([
      { producerId: expect.any(Number), firstOffset: 1 },
    ]);
  });

  it('may follow another at once, under the same transactional id', async () => {
    const { client, producer } = await setUp(version);
    const expected: string[] = [];
    for (let i = 0; i < 12; i++) {
      expect((await producer.send('t', [`v${i}`])).errorCode).toBe(0);
      expect(await producer.end(i % 3 !== 0)).toBe(0);
      if (i % 3 !== 0) expected.push(`v${i}`);
    }
    await producer.completed();
    expect(await shown(client)).toEqual(expected);
  });

  it('takes the offsets of a group with it', async () => {
    const { client, producer } = await setUp(version);
    await until(
      () => client.request('FindCoordinator', 3, { key: 'g', keyType: 0 }),
      (found) => found.errorCode === 0,
    );
    await producer.send('t', ['a']);
    expect(await producer.sendOffset('g', 't', 5)).toBe(0);
    expect(await offsetOf(client, 'g', true)).toMatchObject({
      committedOffset: -1,
      errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT,
    });
    expect((await offsetOf(client, 'g', false)).committedOffset).toBeLessThan(5);
    expect(await producer.end(true)).toBe(0);
    await producer.completed();
    expect(await offsetOf(client, 'g', true)).toEqual({ committedOffset: 5, errorCode: 0 });
    await producer.send('t', ['b']);
    expect(await producer.sendOffset('g', 't', 9)).toBe(0);
    expect(await producer.end(false)).toBe(0);
    await producer.completed();
    expect(await offsetOf(client, 'g', true)).toEqual({ committedOffset: 5, errorCode: 0 });
  });

  it('goes on after the broker was started anew', async () => {
    const { broker, client, producer } = await setUp(version);
    await producer.send('t', ['a']);
    await client.close();
    const again = await broker.restart();
    running[0] = again;
    const other = await connect(again);
    const resumed = new TransactionalClient(other, 'tx', version);
    Object.assign(resumed, producer.identity);
    expect((await resumed.produce('t', ['b'], { baseSequence: 1 })).errorCode).toBe(0);
    expect(await resumed.end(true)).toBe(0);
    await resumed.completed();
    expect(await shown(other)).toEqual(['a', 'b']);
  });
});

describe('InitProducerId with a transactional id', () => {
  it('refuses a timeout above the broker’s, and none', async () => {
    const { producer } = await setUp();
    for (const transactionTimeoutMs of [900_001, 0, -1]) {
      const { errorCode } = await producer.tryInit({ transactionTimeoutMs });
      expect(errorCode).toBe(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    }
    expect((await producer.tryInit({ transactionTimeoutMs: 900_000 })).errorCode).toBe(0);
  });

  it('refuses an empty id, and half of an identity', async () => {
    const { producer } = await setUp();
    for (const odd of [{ transactionalId: '' }, { producerId: 5 }, { producerEpoch: 5 }]) {
      expect((await producer.tryInit(odd)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    }
  });

  it('aborts the transaction of the same id that is open, asks to come back, and bumps the epoch', async () => {
    const { client, producer } = await setUp();
    await producer.send('t', ['zombie']);
    const other = new TransactionalClient(client, 'tx', 2);
    expect((await other.tryInit()).errorCode).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    await other.init();
    expect(other.producerId).toBe(producer.producerId);
    expect(other.producerEpoch).toBeGreaterThan(producer.producerEpoch);
    expect(await shown(client)).toEqual([]);
    const late = await producer.write('t', ['late']);
    expect(late.errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect((await producer.tryEnd(true)).errorCode).toBe(ErrorCode.PRODUCER_FENCED);
  });

  it('gives a producer that goes on after an error the next epoch, also when it asks twice', async () => {
    const { producer } = await setUp();
    const { producerId, producerEpoch } = producer.identity;
    const first = await producer.tryInit({ producerId, producerEpoch });
    expect(first).toMatchObject({ errorCode: 0, producerId, producerEpoch: producerEpoch + 1 });
    const again = await producer.tryInit({ producerId, producerEpoch });
    expect(again).toMatchObject({ errorCode: 0, producerId, producerEpoch: producerEpoch + 1 });
    await producer.tryInit();
    const fenced = await producer.tryInit({ producerId, producerEpoch });
    expect(fenced.errorCode).toBe(ErrorCode.PRODUCER_FENCED);
  });

  it('tells old clients of fencing under the name that they know', async () => {
    const { client, producer } = await setUp();
    const body = {
      transactionalId: 'tx',
      transactionTimeoutMs: 1000,
      producerId: producer.producerId + 1,
      producerEpoch: 0,
    };
    const answers = [3, 4].map((version) => client.request('InitProducerId', version, body));
    expect((await Promise.all(answers)).map((a) => a.errorCode)).toEqual([
      ErrorCode.INVALID_PRODUCER_EPOCH,
      ErrorCode.PRODUCER_FENCED,
    ]);
    const end = { ...producer.identity, transactionalId: 'tx', committed: true };
    const old = await client.request('EndTxn', 1, { ...end, producerEpoch: 7 });
    expect(old.errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    const recent = await client.request('EndTxn', 2, { ...end, producerEpoch: 7 });
    expect(recent.errorCode).toBe(ErrorCode.PRODUCER_FENCED);
  });
});

describe('EndTxn', () => {
  it('of version 1 may be repeated, but not with another outcome', async () => {
    const { producer } = await setUp(1);
    await producer.send('t', ['a']);
    expect(await producer.end(true)).toBe(0);
    expect(await producer.end(true)).toBe(0);
    expect(await producer.end(false)).toBe(ErrorCode.INVALID_TXN_STATE);
    await producer.send('t', ['b']);
    expect(await producer.end(false)).toBe(0);
    expect(await producer.end(false)).toBe(0);
    expect(await producer.end(true)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('of version 1 needs a transaction', async () => {
    const { producer } = await setUp(1);
    expect(await producer.end(true)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('of version 2 bumps the epoch every time, and answers a repeated request with the same', async () => {
    const { producer } = await setUp(2);
    const before = producer.identity;
    await producer.send('t', ['a']);
    expect(await producer.end(true)).toBe(0);
    expect(producer.identity).toEqual({ ...before, producerEpoch: before.producerEpoch + 1 });
    const again = await until(
      () => producer.tryEnd(true, before),
      ({ errorCode }) => errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS,
    );
    expect(again).toMatchObject({ errorCode: 0, ...producer.identity });
    const other = await producer.tryEnd(false, before);
    expect(other.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('of version 2 aborts also what has no partition, and commits no such thing', async () => {
    const { producer } = await setUp(2);
    const before = producer.producerEpoch;
    expect((await producer.tryEnd(true)).errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(await producer.end(false)).toBe(0);
    expect(producer.producerEpoch).toBe(before + 1);
  });

  it('of an id that is not known is refused', async () => {
    const { client } = await setUp();
    const other = new TransactionalClient(client, 'nobody', 2);
    expect((await other.tryEnd(true)).errorCode).toBe(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
  });

  it('gives a new producer id when the epochs are used up', async () => {
    const { broker, producer } = await setUp(2);
    const [transaction] = [...broker.broker.services.transactions.all()];
    transaction!.fields = { ...transaction!.fields, producerEpoch: 32_766 };
    producer.producerEpoch = 32_766;
    const before = producer.identity;
    expect((await producer.send('t', ['a'])).errorCode).toBe(0);
    expect(await producer.end(true)).toBe(0);
    expect(producer.producerId).not.toBe(before.producerId);
    expect(producer.producerEpoch).toBe(0);
    await producer.completed();
    const again = await producer.tryEnd(true, before);
    expect(again).toMatchObject({ errorCode: 0, ...producer.identity });
    expect((await producer.send('t', ['b'])).errorCode).toBe(0);
    expect(await producer.end(true)).toBe(0);
  });
});

describe('a partition', () => {
  it('that nobody has added is not written to', async () => {
    const { client, producer } = await setUp(1);
    const answer = await producer.write('t', ['x']);
    expect(answer.errorCode).toBe(ErrorCode.TRANSACTION_ABORTABLE);
    const old = await producer.produce('t', ['x'], { version: 10 });
    expect(old.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
    expect((await fetch(client, 't', 0)).highWatermark).toBe(0);
  });

  it('joins the transaction by being written to, from Produce v12 on', async () => {
    const { producer } = await setUp(2);
    await producer.write('t', ['x'], 1);
    expect(await producer.describe()).toMatchObject({
      transactionState: 'Ongoing',
      topics: [{ topic: 't', partitions: [1] }],
    });
  });

  it('that does not exist keeps the others from being added', async () => {
    const { client, producer } = await setUp(1);
    const response = await client.request('AddPartitionsToTxn', 3, {
      v3AndBelowTransactionalId: 'tx',
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [
        { name: 't', partitions: [0, 9] },
        { name: 'absent', partitions: [0] },
      ],
    });
    const codes = response.resultsByTopicV3AndBelow.map((t: any) =>
      t.resultsByPartition.map((p: any) => p.partitionErrorCode),
    );
    const { OPERATION_NOT_ATTEMPTED, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode;
    expect(codes).toEqual([
      [OPERATION_NOT_ATTEMPTED, UNKNOWN_TOPIC_OR_PARTITION],
      [UNKNOWN_TOPIC_OR_PARTITION],
    ]);
    expect((await producer.describe()).transactionState).toBe('Empty');
  });

  it('that is deleted does not keep the transaction from ending', async () => {
    const { client, producer } = await setUp(2);
    await createTopic(client, 'gone');
    await producer.send('gone', ['x']);
    await producer.send('t', ['y']);
    await client.request('DeleteTopics', 5, { topicNames: ['gone'], timeoutMs: 5000 });
    expect(await producer.end(true)).toBe(0);
    expect(await producer.completed()).toBe('CompleteCommit');
    expect(await shown(client)).toEqual(['y']);
  });
});

describe('Produce with transactional records', () => {
  it('needs a transactional id', async () => {
    const { client, producer } = await setUp(2);
    const records = batchOf(['x'], {
      attributes: BatchAttribute.transactional,
      producer: { id: producer.producerId, epoch: producer.producerEpoch, baseSequence: 0 },
    });
    const answer = await produce(client, 't', records, { version: 12 });
    expect(answer.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  });

  it('keeps the order of requests that are sent without waiting', async () => {
    const { client, producer } = await setUp(2);
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => producer.produce('t', [`v${i}`], { baseSequence: i })),
    );
    expect(answers.map((a) => a.errorCode)).toEqual([0, 0, 0, 0, 0]);
    expect(answers.map((a) => a.baseOffset)).toEqual([0, 1, 2, 3, 4]);
    await producer.end(true);
    await producer.completed();
    expect(await shown(client)).toEqual(['v0', 'v1', 'v2', 'v3', 'v4']);
  });
});

describe('Fetch of committed records', () => {
  it('waits until a transaction ends, however much of it there is', async () => {
    const { client, producer, broker } = await setUp(2);
    const reader = await connect(broker);
    await producer.send('t', ['x'.repeat(1000)]);
    let isAnswered = false;
    const waiting = fetch(reader, 't', 0, {
      isolationLevel: READ_COMMITTED,
      maxWaitMs: 20_000,
      minBytes: 100,
    }).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await producer.send('t', ['y'.repeat(1000)]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isAnswered).toBe(false);
    await producer.end(true);
    expect(valuesOf((await waiting).records).length).toBeGreaterThanOrEqual(2);
    expect(client.isClosed).toBe(false);
  });

  it('tells no list of aborted transactions to readers of uncommitted records', async () => {
    const { client, producer } = await setUp(2);
    await producer.send('t', ['x']);
    await producer.end(false);
    await producer.completed();
    expect((await fetch(client, 't', 0)).abortedTransactions).toBeNull();
  });

  it('lists every aborted transaction of the range, and none of others', async () => {
    const { client, producer } = await setUp(2);
    for (let i = 0; i < 4; i++) {
      await producer.send('t', [`v${i}`]);
      await producer.end(false);
      await producer.completed();
    }
    const part = await fetch(client, 't', 2, {
      isolationLevel: READ_COMMITTED,
      partitionMaxBytes: 1,
    });
    expect(part.abortedTransactions!.map((a) => a.firstOffset)).toEqual([2]);
    const all = await committed(client, 2);
    expect(all.abortedTransactions!.map((a) => a.firstOffset)).toEqual([2, 4, 6]);
  });

  it('is where ListOffsets of committed records ends, too', async () => {
    const { client, producer } = await setUp(2);
    await produce(client, 't', batchOf(['a', 'b']));
    await producer.send('t', ['x']);
    const latest = async (isolationLevel: number): Promise<number> => {
      const response = await client.request('ListOffsets', 7, {
        replicaId: -1,
        isolationLevel,
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      });
      return response.topics[0].partitions[0].offset;
    };
    expect(await latest(READ_COMMITTED)).toBe(2);
    expect(await latest(0)).toBe(3);
  });
});

describe('a transaction that takes longer than its timeout', () => {
  it('is aborted, and its producer can neither commit it nor go on', async () => {
    const { client, producer } = await setUp(2, {
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': 20,
    });
    await producer.init({ transactionTimeoutMs: 50 });
    await producer.send('t', ['slow']);
    expect(await producer.completed()).toBe('CompleteAbort');
    expect(await shown(client)).toEqual([]);
    expect((await producer.write('t', ['late'])).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await producer.end(true)).toBe(ErrorCode.INVALID_TXN_STATE);
  });
});

describe('a transactional id that nobody uses', () => {
  it('is forgotten', async () => {
    const { client, producer } = await setUp(2, {
      'transactional.id.expiration.ms': 50,
      'transaction.remove.expired.transaction.cleanup.interval.ms': 20,
    });
    await until(
      () => producer.describe(),
      ({ errorCode }) => errorCode === ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
    );
    const list = await client.request('ListTransactions', 0, {});
    expect(list.transactionStates).toEqual([]);
  });
});

describe('an administrator', () => {
  it('lists transactions by state, producer, age and pattern', async () => {
    const { client, producer } = await setUp(2);
    await producer.send('t', ['x']);
    const other = new TransactionalClient(client, 'other', 2);
    await other.init();
    const list = async (body: Record<string, unknown>): Promise<string[]> => {
      const response = await client.request('ListTransactions', 2, body);
      expect(response.errorCode).toBe(0);
      return response.transactionStates.map((t: any) => t.transactionalId).sort();
    };
    expect(await list({})).toEqual(['other', 'tx']);
    expect(await list({ stateFilters: ['Ongoing'] })).toEqual(['tx']);
    expect(await list({ producerIdFilters: [other.producerId] })).toEqual(['other']);
    expect(await list({ durationFilter: 60_000, stateFilters: ['Ongoing'] })).toEqual([]);
    expect(await list({ transactionalIdPattern: 't.' })).toEqual(['tx']);
    const unknown = await client.request('ListTransactions', 2, { stateFilters: ['Odd'] });
    expect(unknown.unknownStateFilters).toEqual(['Odd']);
    const invalid = await client.request('ListTransactions', 2, { transactionalIdPattern: '(' });
    expect(invalid.errorCode).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION);
  });

  it('sees the producers of a partition, and ends a transaction that hangs', async () => {
    const { client, producer } = await setUp(2);
    await producer.send('t', ['x']);
    const describe = async () => {
      const body = { topics: [{ name: 't', partitionIndexes: [0] }] };
      return (await client.request('DescribeProducers', 0, body)).topics[0].partitions[0];
    };
    const [state] = (await describe()).activeProducers;
    expect(state).toMatchObject({ ...producer.identity, currentTxnStartOffset: 0 });
    const response = await client.request('WriteTxnMarkers', 1, {
      markers: [
        {
          ...producer.identity,
          transactionResult: false,
          coordinatorEpoch: 0,
          topics: [{ name: 't', partitionIndexes: [0, 7] }],
        },
      ],
    });
    const codes = response.markers[0].topics[0].partitions.map((p: any) => p.errorCode);
    expect(codes).toEqual([0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    expect((await describe()).activeProducers[0].currentTxnStartOffset).toBe(-1);
    expect(await shown(client)).toEqual([]);
  });
});
