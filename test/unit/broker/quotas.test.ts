import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  fetch,
  type Loose,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from './fixture.ts';
import { until } from './transactional-client.ts';

type Entity = Record<string, string | null>;
const parts = (entity: Entity) =>
  Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }));
const ANONYMOUS = { user: 'ANONYMOUS' };
const RECORDS = batchOf(['x'.repeat(50_000)]);

describe('quotas', () => {
  let running: RunningBroker;
  let admin: WireClient;
  beforeAll(async () => {
    running = await startBroker({ 'quota.window.num': 3, 'controller.quota.window.num': 3 });
    admin = await WireClient.connect(running.port);
    await createTopic(admin, 't');
  });
  afterAll(async () => {
    await admin.close();
    await running.stop();
  });

  const alter = async (entity: Entity, ops: Loose[], more: Loose = {}) => {
    const entries = [{ entity: parts(entity), ops }];
    const answer = await admin.request('AlterClientQuotas', 1, { entries, ...more });
    return answer.entries[0];
  };
  const set = async (entity: Entity, values: Record<string, number>) => {
    const ops = Object.entries(values).map(([key, value]) => ({ key, value, remove: false }));
    expect((await alter(entity, ops)).errorCode).toBe(0);
  };
  const describeAll = async (components: Loose[] = [], strict = false): Promise<any[]> =>
    (await admin.request('DescribeClientQuotas', 1, { components, strict })).entries;
  afterEach(async () => {
    for (const { entity, values } of await describeAll()) {
      const ops = values.map(({ key }: any) => ({ key, remove: true }));
      await admin.request('AlterClientQuotas', 1, { entries: [{ entity, ops }] });
    }
    expect(await describeAll()).toEqual([]);
  });

  it('are set, found by what they are of, changed and removed', async () => {
    await set({ user: 'a', 'client-id': 'x' }, { producer_byte_rate: 1, consumer_byte_rate: 2 });
    await set({ user: 'a' }, { request_percentage: 12.5 });
    await set({ user: null }, { producer_byte_rate: 3 });
    await set({ ip: '127.0.0.9' }, { connection_creation_rate: 4 });
    const names = async (components: Loose[], strict: boolean): Promise<string[]> =>
      (await describeAll(components, strict)).map(({ entity }) =>
        entity.map((e: any) => `${e.entityType}=${e.entityName}`).join(),
      );
    const user = (matchType: number, match: string | null = null) => ({
      entityType: 'user',
      ...{ matchType, match },
    });
    expect(await names([], false)).toHaveLength(4);
    expect(await names([user(0, 'a')], false)).toEqual(['user=a,client-id=x', 'user=a']);
    expect(await names([user(0, 'a')], true)).toEqual(['user=a']);
    expect(await names([user(1)], true)).toEqual(['user=null']);
    expect(await names([user(2)], true)).toEqual(['user=a', 'user=null']);
    expect(await names([{ entityType: 'ip', matchType: 2, match: null }], true)).toEqual([
      'ip=127.0.0.9',
    ]);
    await set({ 'client-id': 'x', user: 'a' }, { producer_byte_rate: 7 });
    const [both] = await describeAll([
      user(0, 'a'),
      { entityType: 'client-id', matchType: 0, match: 'x' },
    ]);
    expect(both.values).toEqual([
      { key: 'producer_byte_rate', value: 7 },
      { key: 'consumer_byte_rate', value: 2 },
    ]);
  });

  it.each<[Entity, Loose[], string]>([
    [{}, [], 'Invalid empty client quota entity'],
    [{ planet: 'x' }, [], 'Unhandled client quota entity type: planet'],
    [{ user: '' }, [], 'Empty user not supported'],
    [{ user: 'a' }, [{ key: 'nonsense', value: 1 }], 'Invalid configuration key nonsense'],
    [
      { user: 'a' },
      [{ key: 'producer_byte_rate', value: 0 }],
      'Quota producer_byte_rate must be greater than 0',
    ],
    [
      { user: 'a' },
      [{ key: 'producer_byte_rate', value: 1.5 }],
      'producer_byte_rate cannot be a fractional value.',
    ],
    [
      { ip: '1.2.3.4' },
      [{ key: 'producer_byte_rate', value: 1 }],
      'Invalid configuration key producer_byte_rate',
    ],
    [{ ip: '1.2.3.400' }, [], '1.2.3.400 is not a valid IP or resolvable host.'],
    [
      { ip: '1.2.3.4', user: 'a' },
      [],
      'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId',
    ],
  ])('of %j are refused', async (entity, ops, errorMessage) => {
    expect(await alter(entity, ops)).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage,
    });
    expect(await describeAll()).toEqual([]);
  });

  it('are only checked when that is asked for', async () => {
    const ops = [{ key: 'producer_byte_rate', value: 5 }];
    expect((await alter({ user: 'a' }, ops, { validateOnly: true })).errorCode).toBe(0);
    expect(await describeAll()).toEqual([]);
  });

  it('survive a restart', async () => {
    await set({ user: null, 'client-id': 'x' }, { producer_byte_rate: 5 });
    await admin.close();
    running = await running.restart();
    admin = await WireClient.connect(running.port);
    expect(await describeAll()).toMatchObject([{ values: [{ value: 5 }] }]);
  });

  it('have a producer that sends too much answered at once, and read from again later', async () => {
    await set(ANONYMOUS, { producer_byte_rate: 40_000 });
    const client = await WireClient.connect(running.port);
    const send = () =>
      client.request('Produce', 9, {
        acks: 1,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: RECORDS }] }],
      });
    let throttleMs = 0;
    for (let i = 0; i < 10 && throttleMs === 0; i++) {
      const beganMs = performance.now();
      const answer = await send();
      throttleMs = answer.throttleTimeMs;
      expect(answer.responses[0].partitionResponses[0].errorCode).toBe(0);
      expect(performance.now() - beganMs).toBeLessThan(1_000);
    }
    expect(throttleMs).toBeGreaterThan(0);
    expect(running.broker.connectionStats.throttled).toBe(1);
    const mutedAtMs = performance.now();
    await client.request('ApiVersions', 0, {});
    expect(performance.now() - mutedAtMs).toBeGreaterThan(throttleMs * 0.8);
    expect(running.broker.connectionStats.throttled).toBe(0);
    const text = await running.broker.metrics();
    expect(text).toMatch(/kafka_server_produce_byte_rate\{user="ANONYMOUS",client_id=""\} \d/);
    await client.close();
  });

  it('have a producer held back that gets no answers', async () => {
    await set({ 'client-id': 'quiet' }, { producer_byte_rate: 40_000 });
    const client = await WireClient.connect(running.port);
    client.clientId = 'quiet';
    const body = {
      acks: 0,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: RECORDS }] }],
    };
    for (let i = 0; i < 5; i++) client.write(client.encode('Produce', 9, body));
    await expect.poll(() => running.broker.connectionStats.throttled).toBe(1);
    await client.close();
    // It is held back once for each request that is still here, and then seen to be closed.
    await expect.poll(() => running.broker.connectionStats.open).toBe(1);
    expect(running.broker.connectionStats.throttled).toBe(0);
  });

  it('of the broker’s time have a client held back after any request that is answered', async () => {
    const client = await WireClient.connect(running.port);
    client.clientId = 'busy';
    const metadata = () => client.request('Metadata', 9, { topics: null });
    expect((await metadata()).throttleTimeMs).toBe(0);
    await set({ 'client-id': 'busy' }, { request_percentage: 0.001 });
    const answer = await until(metadata, ({ throttleTimeMs }) => throttleTimeMs > 0);
    expect(running.broker.connectionStats.throttled).toBe(1);
    const mutedAtMs = performance.now();
    await client.request('ApiVersions', 0, {});
    expect(performance.now() - mutedAtMs).toBeGreaterThan(answer.throttleTimeMs * 0.8);
    // Others go on, and who gets no answer is not told to wait for the time that it took.
    expect((await admin.request('Metadata', 9, { topics: null })).throttleTimeMs).toBe(0);
    await client.close();
    const silent = await WireClient.connect(running.port);
    silent.clientId = 'busy';
    const small = [{ index: 0, records: batchOf(['x']) }];
    const body = { acks: 0, topicData: [{ name: 't', partitionData: small }] };
    for (let i = 0; i < 50; i++) silent.write(silent.encode('Produce', 9, body));
    const last = await silent.request('Metadata', 9, { topics: null });
    expect(last.throttleTimeMs).toBeGreaterThan(0);
    await silent.close();
  });

  it('have a consumer that reads too much get nothing, and its records later', async () => {
    await produce(admin, 't', RECORDS);
    await set(ANONYMOUS, { consumer_byte_rate: 60_000 });
    const client = await WireClient.connect(running.port);
    const ask = () =>
      client.request('Fetch', 11, {
        ...{ maxBytes: 50_000_000, minBytes: 1, maxWaitMs: 0 },
        topics: [
          {
            topic: 't',
            partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
          },
        ],
      });
    let throttleMs = 0;
    let bytes = 0;
    for (let i = 0; i < 10 && throttleMs === 0; i++) {
      const answer = await ask();
      throttleMs = answer.throttleTimeMs;
      if (throttleMs > 0) expect(answer.responses).toEqual([]);
      else bytes += answer.responses[0].partitions[0].records.length;
    }
    expect(throttleMs).toBeGreaterThan(0);
    // Not more than what all windows together allow.
    expect(bytes).toBeLessThanOrEqual(130_000);
    await client.close();
  });

  it('have a batch that is longer than they allow come nevertheless, and be waited for', async () => {
    await produce(admin, 't', RECORDS);
    await set(ANONYMOUS, { consumer_byte_rate: 20_000 });
    const client = await WireClient.connect(running.port);
    const answer = await client.request('Fetch', 11, {
      ...{ maxBytes: 1, minBytes: 1, maxWaitMs: 0 },
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] },
      ],
    });
    expect(answer.responses[0].partitions[0].records.length).toBeGreaterThan(50_000);
    expect(answer.throttleTimeMs).toBeGreaterThan(0);
    await client.close();
  });

  it('leave clients alone that none is of', async () => {
    await set({ user: 'somebody' }, { producer_byte_rate: 1, consumer_byte_rate: 1 });
    const answer = await produce(admin, 't', RECORDS);
    expect(answer.errorCode).toBe(0);
    const response = await admin.request('Heartbeat', 4, { groupId: 'g' });
    expect(response.throttleTimeMs).toBe(0);
    expect((await fetch(admin, 't', 0)).records?.length).toBeGreaterThan(0);
  });

  it('refuse changes of topics that are too many in versions that know it, and hold back in others', async () => {
    await set(ANONYMOUS, { controller_mutation_rate: 4 });
    const client = await WireClient.connect(running.port);
    const topic = (name: string) => ({ name, numPartitions: 15, replicationFactor: 1 });
    const body = { topics: ['m1', 'm2', 'm3'].map(topic), timeoutMs: 10_000 };
    const strict = await client.request('CreateTopics', 7, body);
    const codes = strict.topics.map((t: any) => t.errorCode);
    const { NONE, THROTTLING_QUOTA_EXCEEDED } = ErrorCode;
    expect(codes).toEqual([NONE, THROTTLING_QUOTA_EXCEEDED, THROTTLING_QUOTA_EXCEEDED]);
    expect(strict.throttleTimeMs).toBeGreaterThan(0);
    await client.close();
    const old = await WireClient.connect(running.port);
    const permissive = await old.request('CreateTopics', 5, { ...body, topics: [topic('m4')] });
    expect(permissive.topics[0].errorCode).toBe(NONE);
    expect(permissive.throttleTimeMs).toBeGreaterThan(strict.throttleTimeMs);
    await old.close();
  });

  it('of an address close its connections that come too fast, after a while', async () => {
    await set({ ip: '127.0.0.3' }, { connection_creation_rate: 1 });
    const clients: WireClient[] = [];
    for (let i = 0; i < 6; i++) {
      clients.push(await WireClient.connect(running.port, '127.0.0.1', '127.0.0.3'));
    }
    await expect
      .poll(() => running.broker.connectionStats.closedByReason.get('connection-rate-per-ip') ?? 0)
      .toBeGreaterThan(0);
    expect(await clients[0]!.request('ApiVersions', 0, {})).toMatchObject({ errorCode: 0 });
    const other = await WireClient.connect(running.port, '127.0.0.1', '127.0.0.4');
    expect(await other.request('ApiVersions', 0, {})).toMatchObject({ errorCode: 0 });
    for (const client of [...clients, other]) await client.close();
    await expect.poll(() => running.broker.connectionStats.open).toBe(1);
  });
});

it('connections that come too fast over all are served, later', async () => {
  const running = await startBroker({ 'max.connection.creation.rate': 2 });
  const clients: WireClient[] = [];
  const beganMs = performance.now();
  for (let i = 0; i < 24; i++) clients.push(await WireClient.connect(running.port));
  for (const client of clients) {
    expect(await client.request('ApiVersions', 0, {})).toMatchObject({ errorCode: 0 });
  }
  expect(performance.now() - beganMs).toBeGreaterThan(800);
  for (const client of clients) await client.close();
  await running.stop();
});

it('an address with a limit of its own has that one', async () => {
  const running = await startBroker({
    'max.connections.per.ip': 1,
    'max.connections.per.ip.overrides': ['127.0.0.5:3'],
  });
  const open = (from: string) => WireClient.connect(running.port, '127.0.0.1', from);
  const others = [await open('127.0.0.5'), await open('127.0.0.5'), await open('127.0.0.5')];
  for (const client of others) await client.request('ApiVersions', 0, {});
  const one = await open('127.0.0.6');
  await one.request('ApiVersions', 0, {});
  const more = await open('127.0.0.6');
  expect(await more.tryRequest('ApiVersions', 0, {})).toBeNull();
  for (const client of [...others, one]) await client.close();
  await running.stop();
});
