import { describe, expect, test } from 'vitest';
import { threadVitals } from '../../../src/base/idle-collection.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { Client } from '../../../src/client/client.ts';
import {
  type DeliveryReport,
  Producer,
  type ProducerOptions,
} from '../../../src/client/producer.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { partitionForKey } from '../../../src/protocol/murmur2.ts';
import { forEachRecord, valueOf } from '../../../src/protocol/record-batch.ts';
import { clientOf } from './client-of.ts';
import { FakeBroker, MemoryTransport, produceError } from './fake-broker.ts';
import { ManualClock, settle } from './manual-clock.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

async function setup(
  options: Partial<ProducerOptions> = {},
  cluster: { topics?: Record<string, number>; brokers?: number } = { topics: { logs: 1 } },
) {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, cluster);
  await broker.start();
  const client = clientOf({ broker, transport, clock });
  const reports: DeliveryReport[] = [];
  const producer = new Producer(client, {
    acks: -1,
    lingerMs: 0,
    delivery: (report) => reports.push(report),
    ...options,
  });
  return { clock, transport, broker, client, producer, reports };
}
const balanced = (producer: Producer): void => {
  const { counters } = producer;
  expect(counters.records).toBe(counters.delivered + counters.failed);
  expect(counters.inFlight).toBe(0);
  expect(counters.bufferedBytes).toBe(0);
  let dropped = 0;
  for (const count of counters.dropped.values()) dropped += count;
  expect(dropped).toBe(counters.failed);
};

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => String(from + i));

describe('batching', () => {
  test('puts records of one turn into one batch and reports it once, with its tags', async () => {
    const { clock, broker, producer, reports } = await setup();
    for (const n of numbers(0, 10)) producer.append('logs', bytes(n), { tag: n });
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(numbers(0, 10));
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ count: 10, error: null, baseOffset: 0, partition: 0 });
    expect(reports[0]!.tags).toEqual(numbers(0, 10));
    balanced(producer);
  });

  test('gives the memory of a rush back when it is over, and keeps what a trickle uses', async () => {
    const options = { compression: 'lz4', batchBytes: 512 * 1024, lingerMs: 5 } as const;
    const { clock, producer, client } = await setup(options, { topics: { logs: 8 } });
    await clock.until(client.metadata.require('logs'));
    const { collect } = threadVitals();
    const memory = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = memory();
    const value = Buffer.alloc(100_000);
    for (let partition = 0; partition < 8; partition++) {
      for (let n = 0; n < 5; n++) producer.append('logs', value, { partition });
    }
    await clock.until(producer.flush());
    expect(memory() - before).toBeGreaterThan(8 * 400_000);
    for (let second = 0; second < 30; second += 5) {
      producer.append('logs', value, { partition: 0 });
      await clock.until(producer.flush());
      await clock.advance(5_000);
    }
    expect(memory() - before).toBeLessThan(2 * 700_000);
    await clock.until(producer.close());
    balanced(producer);
  });

  test('waits for more records as long as told, and no longer', async () => {
    const { clock, broker, client, producer } = await setup({ lingerMs: 100 });
    await clock.until(client.metadata.require('logs'));
    producer.append('logs', bytes('a'));
    await clock.advance(60);
    producer.append('logs', bytes('b'));
    await clock.advance(30);
    expect(broker.values('logs')).toEqual([]);
    await clock.advance(100);
    expect(broker.values('logs')).toEqual(['a', 'b']);
    expect(producer.counters.batches).toBe(1);
  });

  test('sends a full batch without waiting', async () => {
    const { clock, broker, client, producer } = await setup({ lingerMs: 60_000, batchBytes: 1000 });
    await clock.until(client.metadata.require('logs'));
    for (const n of numbers(0, 30)) producer.append('logs', bytes(n.padStart(100, '.')));
    await clock.advance(300);
    expect(broker.values('logs').length).toBeGreaterThanOrEqual(24);
  });

  test('copies what it is given, so the caller may reuse its buffer', async () => {
    const { clock, broker, producer } = await setup();
    const buffer = bytes('..one..');
    producer.appendRange('logs', buffer, 2, 5);
    buffer.fill('x');
    producer.append('logs', null, { key: bytes('gone') });
    await clock.until(producer.flush());
    expect(broker.partition('logs', 0).records).toEqual([
      { key: null, value: 'one' },
      { key: 'gone', value: null },
    ]);
  });

  test('keys go where Java puts them, also those that came before the metadata', async () => {
    const { clock, broker, producer, reports } = await setup({}, { topics: { logs: 7 } });
    const keys = numbers(0, 50).map((n) => `key-${n}`);
    for (const key of keys) producer.append('logs', bytes(key), { key: bytes(key), tag: key });
    producer.append('logs', bytes('no key'));
    await clock.until(producer.flush());
    for (const key of keys) producer.append('logs', bytes(key), { key: bytes(key) });
    await clock.until(producer.flush());
    for (const key of keys) {
      const index = partitionForKey(bytes(key), 7);
      const there = broker.partition('logs', index).records.filter((r) => r.key === key);
      expect(there, key).toHaveLength(2);
    }
    expect(new Set(reports.flatMap((report) => report.tags))).toEqual(new Set(keys));
    balanced(producer);
  });

  test('records without a key stay on a partition for a batch, then move on', async () => {
    const { clock, broker, client, producer } = await setup(
      { batchBytes: 2000 },
      { topics: { logs: 4 } },
    );
    await clock.until(client.metadata.require('logs'));
    for (const n of numbers(0, 2000)) producer.append('logs', bytes(n.padStart(80, '.')));
    await clock.until(producer.flush());
    for (let i = 0; i < 4; i++) {
      const { records, batches } = broker.partition('logs', i);
      expect(records.length).toBeGreaterThan(200);
      expect(records.length / batches.length).toBeGreaterThan(10);
    }
  });
});

describe('bounds', () => {
  test('refuses records when its memory is full and says when there is room', async () => {
    const { clock, broker, client, producer } = await setup({ bufferBytes: 4000 });
    await clock.until(client.metadata.require('logs'));
    let taken = 0;
    while (producer.append('logs', bytes('x'.repeat(100)))) taken++;
    expect(taken).toBe(32);
    expect(producer.counters.bufferedBytes).toBeLessThanOrEqual(4000);
    expect(producer.counters.refused).toBe(1);
    await clock.until(producer.drained());
    expect(producer.append('logs', bytes('more'))).toBe(true);
    await clock.until(producer.flush());
    expect(broker.values('logs')).toHaveLength(33);
    balanced(producer);
  });

  test('a record that fits no request fails at once and alone', async () => {
    const { clock, producer, reports } = await setup({ requestBytesMax: 1000 });
    producer.append('logs', bytes('small'));
    producer.append('logs', Buffer.alloc(2000), { tag: 'big' });
    await clock.until(producer.flush());
    expect(reports.map((r) => [r.error === null, r.count])).toEqual([
      [false, 1],
      [true, 1],
    ]);
    expect(producer.counters.dropped.get('MESSAGE_TOO_LARGE')).toBe(1);
    balanced(producer);
  });

  test('gives a record up when nobody took it in time', async () => {
    const { clock, transport, broker, producer, reports } = await setup({
      deliveryTimeoutMs: 10_000,
    });
    broker.intercept = ({ api }) => (api === 'Produce' ? 'close' : undefined);
    producer.append('logs', bytes('lost'));
    await clock.until(producer.flush());
    expect(reports[0]!.error).toMatchObject({ code: 'delivery-timeout' });
    expect(producer.counters.dropped.get('delivery-timeout')).toBe(1);
    expect(transport.clients.length).toBeLessThan(40); // Reconnected with pauses.
    balanced(producer);
  });

  test('a topic that never appears fails its records by the timeout', async () => {
    const { clock, producer, reports } = await setup({ deliveryTimeoutMs: 3000 });
    producer.append('nowhere', bytes('x'), { tag: 1 });
    producer.append('nowhere', bytes('y'));
    await clock.until(producer.flush());
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ partition: -1, count: 2, tags: [1] });
    balanced(producer);
  });

  test('a topic that must not be used fails its records at once', async () => {
    const { clock, broker, producer } = await setup();
    broker.create('secret', 0);
    broker.topics.get('secret')!.errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    producer.append('secret', bytes('x'));
    await clock.until(producer.flush(), 2000);
    expect(producer.counters.dropped.get('TOPIC_AUTHORIZATION_FAILED')).toBe(1);
    balanced(producer);
  });

  test('a topic that appears late gets what was sent to it before', async () => {
    const { clock, broker, producer } = await setup();
    producer.append('late', bytes('1'));
    producer.append('late', bytes('2'), { key: bytes('k') });
    const flushed = producer.flush();
    await clock.advance(2000);
    broker.create('late', 3);
    await clock.until(flushed);
    expect(new Set(broker.values('late'))).toEqual(new Set(['1', '2']));
    balanced(producer);
  });

  test('closing fails what could not be delivered, and takes no more', async () => {
    const { clock, broker, producer, reports } = await setup();
    broker.intercept = ({ api }) => (api === 'Produce' ? 'silence' : undefined);
    producer.append('logs', bytes('stuck'));
    await clock.until(producer.close(1000));
    expect(reports[0]!.error).toMatchObject({ code: 'producer-closed' });
    expect(producer.append('logs', bytes('late'))).toBe(false);
    balanced(producer);
  });
});

describe('faults', () => {
  test('a connection that dies after the broker has acted makes no duplicate', async () => {
    const { clock, broker, producer } = await setup();
    let first = true;
    broker.intercept = ({ api }) => {
      if (api !== 'Produce' || !first) return undefined;
      first = false;
      return 'act-and-close';
    };
    producer.append('logs', bytes('once'));
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['once']);
    expect(producer.counters).toMatchObject({ delivered: 1, retries: 1 });
    balanced(producer);
  });

  test('an answer that never comes closes the connection, and the batch is sent again', async () => {
    const { clock, broker, producer, transport } = await setup();
    let silent = 1;
    broker.intercept = ({ api }) => (api === 'Produce' && silent-- > 0 ? 'silence' : undefined);
    producer.append('logs', bytes('a'));
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['a']);
    expect(transport.clients.some((stream) => stream.closed)).toBe(true);
    balanced(producer);
  });

  test.each([true, false])('keeps the order over retries (idempotent %s)', async (idempotent) => {
    const { clock, broker, client, producer } = await setup({
      acks: idempotent ? -1 : 1,
      idempotent,
      batchBytes: 200,
    });
    await clock.until(client.metadata.require('logs'));
    const random = seededRandom(3);
    let faults = 20;
    broker.intercept = (request) => {
      if (request.api !== 'Produce' || faults === 0 || random.next() < 0.5) return undefined;
      faults--;
      return produceError(request, ErrorCode.NOT_ENOUGH_REPLICAS);
    };
    for (const n of numbers(0, 200)) {
      producer.append('logs', bytes(n));
      if (Number(n) % 10 === 0) await clock.advance(1);
    }
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(numbers(0, 200));
    expect(faults).toBe(0);
    balanced(producer);
  });

  test('what is in the log and must be sent again is not overtaken by more than a broker remembers', async () => {
    const { clock, broker, client, producer } = await setup({ batchBytes: 40 });
    await clock.until(client.metadata.require('logs'));
    const partition = broker.partition('logs', 0);
    let refusals = 4;
    broker.intercept = (request) => {
      if (request.api !== 'Produce' || refusals === 0) return undefined;
      const { records } = request.body.topicData[0].partitionData[0];
      let isUnlucky = false;
      forEachRecord(records, 0, (record) => {
        isUnlucky = valueOf(record)!.toString() === 'unlucky';
      });
      if (!isUnlucky) return undefined;
      refusals--;
      partition.append(records);
      return produceError(request, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    };
    const values = ['first', 'unlucky', ...numbers(0, 40)];
    producer.append('logs', bytes(values[0]!));
    await clock.until(producer.flush());
    for (const value of values.slice(1)) producer.append('logs', bytes(value));
    await clock.until(producer.flush());
    expect(refusals).toBe(0);
    expect(broker.values('logs')).toEqual(values);
    balanced(producer);
  });

  test('a batch that is refused for good lets the ones behind it through, in order', async () => {
    const { clock, broker, client, producer, reports } = await setup({ batchBytes: 100 });
    await clock.until(client.metadata.require('logs'));
    let refused = 0;
    broker.intercept = (request) =>
      request.api === 'Produce' && refused++ === 0
        ? produceError(request, ErrorCode.INVALID_RECORD)
        : undefined;
    for (const n of numbers(0, 20)) producer.append('logs', bytes(n));
    await clock.until(producer.flush());
    const failed = reports.find((report) => report.error !== null)!;
    expect(failed.error!.message).toContain('INVALID_RECORD');
    expect(broker.values('logs')).toEqual(numbers(failed.count, 20));
    balanced(producer);
  });

  test.each([true, false])(
    'halves batches that are too large for their topic (idempotent %s)',
    async (idempotent) => {
      const { clock, broker, client, producer, reports } = await setup({
        acks: idempotent ? -1 : 1,
        idempotent,
        batchBytes: 4000,
      });
      await clock.until(client.metadata.require('logs'));
      broker.partition('logs', 0).maxBytes = 500;
      const values = numbers(0, 200).map((n) => n.padStart(20, '.'));
      for (const value of values) producer.append('logs', bytes(value), { tag: value });
      producer.append('logs', bytes('x'.repeat(1000)), { tag: 'large' });
      for (const value of values) producer.append('logs', bytes(value));
      await clock.until(producer.flush());
      expect(broker.values('logs')).toEqual([...values, ...values]);
      expect(producer.counters.dropped.get('MESSAGE_TOO_LARGE')).toBe(1);
      const failed = reports.filter((report) => report.error !== null);
      expect(failed).toMatchObject([{ count: 1, tags: ['large'] }]);
      expect(reports.flatMap((r) => (r.error === null ? r.tags : []))).toEqual(values);
      balanced(producer);
    },
  );

  test('a broker that forgot the producer gets a new epoch', async () => {
    const { clock, broker, producer } = await setup();
    producer.append('logs', bytes('1'));
    await clock.until(producer.flush());
    let once = true;
    broker.intercept = (request) => {
      if (request.api !== 'Produce' || !once) return undefined;
      once = false;
      return produceError(request, ErrorCode.UNKNOWN_PRODUCER_ID);
    };
    producer.append('logs', bytes('2'));
    await clock.until(producer.flush());
    producer.append('logs', bytes('3'));
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['1', '2', '3']);
    expect([...broker.partition('logs', 0).producers.values()]).toMatchObject([{ epoch: 1 }]);
  });

  test('follows a leader that moves', async () => {
    const { clock, broker, producer } = await setup({}, { topics: { logs: 1 }, brokers: 2 });
    producer.append('logs', bytes('1'));
    await clock.until(producer.flush());
    broker.partition('logs', 0).leader = 2;
    broker.partition('logs', 0).leaderEpoch = 1;
    producer.append('logs', bytes('2'));
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['1', '2']);
    expect(broker.requests.filter((r) => r.api === 'Produce').map((r) => r.broker)).toEqual([
      1, 1, 2,
    ]);
  });

  test('at most five requests wait for a broker', async () => {
    const { clock, broker, producer } = await setup({ batchBytes: 100 });
    producer.append('logs', bytes('first'));
    await clock.until(producer.flush());
    const { promise, resolve } = Promise.withResolvers<void>();
    broker.intercept = async ({ api }) => {
      if (api === 'Produce') await promise;
      return undefined;
    };
    for (const n of numbers(0, 100)) producer.append('logs', bytes(n));
    await clock.advance(100);
    expect(producer.counters.batches).toBe(1 + 5);
    resolve();
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['first', ...numbers(0, 100)]);
  });

  test('waits as long as a broker asks for silence', async () => {
    const { clock, broker, producer } = await setup();
    let throttle = 3000;
    broker.intercept = (request) => {
      if (request.api !== 'Produce' || throttle === 0) return undefined;
      const verdict = produceError(request, ErrorCode.NONE) as { answer: object };
      const answer = { ...verdict.answer, throttleTimeMs: throttle };
      throttle = 0;
      return { answer };
    };
    producer.append('logs', bytes('throttled'));
    await clock.advance(500);
    producer.append('logs', bytes('later'));
    await clock.advance(2000);
    expect(broker.values('logs')).toEqual([]);
    await clock.until(producer.flush());
    expect(broker.values('logs')).toEqual(['later']);
  });
});

describe('acks=0', () => {
  test('is delivered when the system has taken the bytes over', async () => {
    const { clock, broker, producer, reports } = await setup({ acks: 0 });
    producer.append('logs', bytes('a'));
    await clock.until(producer.flush());
    await settle();
    expect(broker.values('logs')).toEqual(['a']);
    expect(reports[0]).toMatchObject({ error: null, baseOffset: -1 });
    balanced(producer);
  });

  test('counts what had not left when the connection broke', async () => {
    const { clock, transport, broker, producer } = await setup({ acks: 0 });
    producer.append('logs', bytes('a'));
    await clock.until(producer.flush());
    const connection = transport.open.at(-1)!;
    connection.stalled = true;
    producer.append('logs', bytes('b'));
    producer.append('logs', bytes('c'));
    await clock.advance(100);
    connection.close(new Error('reset'));
    await clock.until(producer.flush());
    expect(producer.counters.dropped.get('connection')).toBe(2);
    expect(producer.counters.delivered).toBe(1);
    producer.append('logs', bytes('d'));
    await clock.until(producer.flush());
    await settle();
    expect(broker.values('logs')).toEqual(['a', 'd']);
    balanced(producer);
  });

  test('counts as uncertain what a broker had not been seen to read', async () => {
    const { clock, transport, producer } = await setup({ acks: 0 });
    producer.append('logs', bytes('read'));
    await clock.until(producer.flush());
    await clock.advance(3000); // An answered request shows that it was read.
    producer.append('logs', bytes('unknown'));
    producer.append('logs', bytes('unknown'));
    await clock.until(producer.flush());
    for (const stream of transport.open) stream.close(new Error('reset'));
    await settle();
    expect(producer.counters.uncertain).toBe(2);
    expect(producer.counters.delivered).toBe(3);
  });

  test('stays within its memory when the peer does not read', async () => {
    const { clock, transport, client, producer } = await setup({ acks: 0, bufferBytes: 10_000 });
    await clock.until(client.metadata.require('logs'));
    producer.append('logs', bytes('a'));
    await clock.until(producer.flush());
    const connection = transport.open.at(-1)!;
    connection.stalled = true;
    let taken = 0;
    while (producer.append('logs', bytes('x'.repeat(100)))) {
      taken++;
      await settle();
    }
    expect(taken).toBeLessThan(100);
    connection.unstall();
    await clock.until(producer.flush());
    balanced(producer);
  });
});

describe('addresses and brokers', () => {
  test('says what was expected and seen when nobody listens', async () => {
    const client = new Client({
      bootstrap: 'fake:1',
      clientId: 'test',
      transport: new MemoryTransport(),
    });
    await expect(client.metadata.refresh()).rejects.toThrow(
      'expected a Kafka broker at fake:1, saw ECONNREFUSED',
    );
    client.close();
  });

  test('uses the version that both sides speak, and names when there is none', async () => {
    const { clock, broker, producer, reports } = await setup({ deliveryTimeoutMs: 5000 });
    broker.versions.set(0, { min: 3, max: 7 });
    producer.append('logs', bytes('old'));
    await clock.until(producer.flush());
    expect(broker.requests.find((r) => r.api === 'Produce')!.version).toBe(7);
    expect(reports[0]!.error).toBeNull();
  });

  test('survives a broker that refuses the version of its first question', async () => {
    const { clock, broker, producer } = await setup();
    const seen: number[] = [];
    broker.intercept = ({ api, version }) => {
      if (api !== 'ApiVersions') return undefined;
      seen.push(version);
      if (version === 0) return undefined;
      const answer = { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: [] };
      return { answer, version: 0 };
    };
    producer.append('logs', bytes('x'));
    await clock.until(producer.flush());
    expect(seen.slice(0, 2)).toEqual([3, 0]);
    expect(broker.values('logs')).toEqual(['x']);
  });
});
