import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { FakeBroker, MemoryTransport, produceError } from '../unit/client/fake-broker.ts';
import { ManualClock, settle } from '../unit/client/manual-clock.ts';

const RETRIABLE = [
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
];

/** One run: records appended at random times while the cluster misbehaves at random. */
async function run(seed: number, acks: 0 | 1 | -1) {
  const random = seededRandom(seed);
  const chance = (p: number): boolean => random.next() < p;
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, { topics: { logs: 3 }, brokers: 2 });
  await broker.start();
  const client = new Client({
    bootstrap: broker.address,
    clientId: 'test',
    transport,
    clock,
    random,
    requestTimeoutMs: 2000,
  });
  if (chance(0.3)) broker.partition('logs', 1).maxBytes = 150;
  const outcomes = new Map<string, Error | null>();
  const producer = new Producer(client, {
    acks,
    lingerMs: chance(0.5) ? 0 : 20,
    batchBytes: 300,
    bufferBytes: 5000,
    deliveryTimeoutMs: 8000,
    compression: chance(0.5) ? 'none' : 'lz4',
    delivery: ({ tags, error }) => {
      for (const tag of tags) {
        expect(outcomes.has(tag as string), `second outcome of ${String(tag)}`).toBe(false);
        outcomes.set(tag as string, error);
      }
    },
  });
  let faulty = true;
  broker.intercept = (request) => {
    if (!faulty || request.api === 'ApiVersions') return undefined;
    if (chance(0.05)) return 'close';
    if (chance(0.03)) return 'silence';
    if (request.api !== 'Produce') return undefined;
    if (chance(0.1)) return 'act-and-close';
    if (chance(0.1) && acks !== 0) {
      return produceError(request, RETRIABLE[Math.floor(random.next() * RETRIABLE.length)]!);
    }
    if (chance(0.03) && acks !== 0) return produceError(request, ErrorCode.INVALID_RECORD);
    return undefined;
  };
  const taken: string[] = [];
  for (let n = 0; n < 150; n++) {
    const name = `${n}`.padStart(4, '0');
    const key = chance(0.5) ? Buffer.from(`k${n % 5}`) : null;
    if (producer.append('logs', Buffer.from(name), { key, tag: name })) taken.push(name);
    const { records, delivered, failed, bufferedBytes } = producer.counters;
    expect(records).toBe(taken.length);
    expect(delivered + failed).toBeLessThanOrEqual(records);
    expect(bufferedBytes).toBeLessThanOrEqual(5000);
    if (chance(0.2)) await clock.advance(Math.floor(random.next() * 500));
    if (chance(0.03)) {
      const partition = broker.partition('logs', Math.floor(random.next() * 3));
      partition.leader = partition.leader === 1 ? 2 : 1;
      partition.leaderEpoch++;
    }
    if (chance(0.02)) transport.open.at(-1)?.close(new Error('reset'));
  }
  faulty = chance(0.3);
  await clock.until(producer.flush(), 100_000, 200);
  await settle();
  client.close();
  return { producer, broker, taken, outcomes };
}

test.each([0, 1, -1] as const)('acks %i: every record taken has one outcome', async (acks) => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), async (seed) => {
      const { producer, taken, outcomes } = await run(seed, acks);
      const { counters } = producer;
      expect([...outcomes.keys()].sort()).toEqual(taken);
      expect(counters.delivered).toBe([...outcomes.values()].filter((e) => e === null).length);
      expect(counters.delivered + counters.failed).toBe(counters.records);
      expect(counters.bufferedBytes).toBe(0);
    }),
    { numRuns: 25, seed: 20261122 },
  );
});

test('idempotent: what is delivered is in the log once and in order, nothing is twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), async (seed) => {
      const { broker, outcomes } = await run(seed, -1);
      const values = broker.values('logs');
      for (const [name, error] of outcomes) {
        const times = values.filter((value) => value === name).length;
        if (error === null) expect(times, `${name} delivered`).toBe(1);
        else expect(times, `${name} failed`).toBeLessThanOrEqual(1);
      }
      for (const { records } of broker.topics.get('logs')!.partitions) {
        const order = records.map((record) => record.value!);
        expect(order).toEqual([...order].sort());
      }
    }),
    { numRuns: 40, seed: 20261123 },
  );
});
