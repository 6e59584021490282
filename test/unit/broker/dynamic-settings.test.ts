/** What a running broker is told to do otherwise, it does at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokerKeys } from '../../../src/config/broker-keys.ts';
import { topicKeys } from '../../../src/config/topic-keys.ts';
import { createTopic, type RunningBroker, startBroker, WireClient } from './fixture.ts';

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
  await createTopic(client, 't');
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const alter = async (name: string, value: string | null): Promise<void> => {
  const answer = await client.request('IncrementalAlterConfigs', 1, {
    resources: [
      {
        resourceType: 4,
        resourceName: '',
        configs: [{ name, configOperation: value === null ? 1 : 0, value }],
      },
    ],
  });
  expect([name, answer.responses[0].errorCode, answer.responses[0].errorMessage]).toEqual([
    name,
    0,
    null,
  ]);
};

/** A value of each default of topics that is not the default. */
const topicDefaults: Readonly<Record<string, string>> = {
  'compression.gzip.level': '2',
  'compression.lz4.level': '3',
  'compression.type': 'zstd',
  'compression.zstd.level': '5',
  'log.cleaner.delete.retention.ms': '1000',
  'log.cleaner.max.compaction.lag.ms': '100000',
  'log.cleaner.min.cleanable.ratio': '0.2',
  'log.cleaner.min.compaction.lag.ms': '10',
  'log.cleanup.policy': 'compact',
  'log.flush.interval.messages': '100',
  'log.flush.interval.ms': '100',
  'log.index.interval.bytes': '1000',
  'log.index.size.max.bytes': '1000000',
  'log.local.retention.bytes': '-1',
  'log.local.retention.ms': '-1',
  'log.message.timestamp.after.max.ms': '5000',
  'log.message.timestamp.before.max.ms': '5000',
  'log.message.timestamp.type': 'LogAppendTime',
  'log.preallocate': 'true',
  'log.retention.bytes': '1000000',
  'log.retention.ms': '100000',
  'log.roll.jitter.ms': '10',
  'log.roll.ms': '100000',
  'log.segment.bytes': '2000000',
  'log.segment.delete.delay.ms': '10',
  'message.max.bytes': '2000',
  'min.insync.replicas': '2',
  'unclean.leader.election.enable': 'true',
};

/** What nobody keeps a copy of: it is looked up whenever it is needed, so what is told is in force. */
const lookedUp = new Set([
  'auto.leader.rebalance.enable',
  'producer.id.expiration.ms',
  'replica.alter.log.dirs.io.max.bytes.per.second',
  'topic.policy.partitions.max',
  'topic.policy.partitions.min',
  'topic.policy.replication.factor.max',
  'topic.policy.replication.factor.min',
]);

/** Those that a test below is about. */
const shown = new Set([
  'group.consumer.assignment.interval.ms',
  'log.flush.on.acks.all',
  'max.connection.creation.rate',
  'max.connections',
  'max.connections.per.ip',
  'leader.replication.throttled.rate',
  'follower.replication.throttled.rate',
]);

const isOfTopics = (name: string): boolean =>
  [...topicKeys.values()].some((key) => key.brokerKeys.some((synonym) => synonym.name === name));

describe('a dynamic setting of the broker', () => {
  it('is known here by what it does', () => {
    const dynamic = [...brokerKeys.values()].filter((key) => key.dynamic === 'broker');
    const unknown = dynamic
      .map(({ name }) => name)
      .filter((name) => topicDefaults[name] === undefined)
      // Keys and certificates: see `tls.test.ts`.
      .filter((name) => !/^ssl\.(key|truststore)/.test(name))
      .filter((name) => !lookedUp.has(name) && !shown.has(name) && !name.startsWith('log.cleaner'));
    expect(unknown).toEqual([]);
  });

  it.each(Object.entries(topicDefaults))(
    '%s is in force on topics at once',
    async (name, value) => {
      expect(isOfTopics(name)).toBe(true);
      const { configs, partitions } = running.broker.services;
      const key = [...topicKeys.values()].find((topicKey) =>
        topicKey.brokerKeys.some((synonym) => synonym.name === name),
      )!;
      const logConfig = () => partitions.get('t', 0)!.log.config;
      const before = configs.topic('t', key.name);
      await alter(name, value);
      expect(configs.topic('t', key.name)).not.toEqual(before);
      expect(logConfig()).toEqual(configs.logConfig('t'));
      await alter(name, null);
      expect(configs.topic('t', key.name)).toEqual(before);
      expect(logConfig()).toEqual(configs.logConfig('t'));
    },
  );

  it('log.flush.on.acks.all holds for the next append', async () => {
    const { hot } = running.broker.services;
    await alter('log.flush.on.acks.all', 'false');
    expect(hot.flushOnAcksAll).toBe(false);
    await alter('log.flush.on.acks.all', null);
    expect(hot.flushOnAcksAll).toBe(true);
  });

  it('group.consumer.assignment.interval.ms holds for the next assignment, within its bounds', async () => {
    const { configs } = running.broker.services;
    const inForce = () => configs.group('g', 'consumer.assignment.interval.ms');
    const name = 'group.consumer.assignment.interval.ms';
    expect(inForce()).toBe(1_000);
    await alter(name, '250');
    expect(inForce()).toBe(250);
    await alter(name, '99999');
    expect(inForce()).toBe(15_000);
    await alter(name, null);
    expect(inForce()).toBe(1_000);
  });

  it('max.connections holds for the next connection', async () => {
    await alter('max.connections', '1');
    const second = await WireClient.connect(running.port);
    await second.closed;
    await alter('max.connections', null);
    const third = await WireClient.connect(running.port);
    expect((await third.request('ApiVersions', 0, {})).errorCode).toBe(0);
    await third.close();
  });

  it('max.connections.per.ip holds for the next connection from there', async () => {
    const from = (address: string) => WireClient.connect(running.port, '127.0.0.1', address);
    await alter('max.connections.per.ip', '1');
    const [first, second] = [await from('127.0.0.7'), await from('127.0.0.7')];
    await second.closed;
    await alter('max.connections.per.ip', null);
    const third = await from('127.0.0.7');
    expect((await third.request('ApiVersions', 0, {})).errorCode).toBe(0);
    await first.close();
    await third.close();
  });

  it('max.connection.creation.rate holds for the next connections', async () => {
    const several = async (): Promise<number> => {
      const beganMs = performance.now();
      for (let i = 0; i < 24; i++) {
        const one = await WireClient.connect(running.port);
        await one.request('ApiVersions', 0, {});
        await one.close();
      }
      return performance.now() - beganMs;
    };
    await alter('max.connection.creation.rate', '2');
    expect(await several()).toBeGreaterThan(800);
    await alter('max.connection.creation.rate', null);
    const beganMs = performance.now();
    const one = await WireClient.connect(running.port);
    await one.request('ApiVersions', 0, {});
    await one.close();
    expect(performance.now() - beganMs).toBeLessThan(5_000);
  });

  it.each([
    ['leader.replication.throttled.rate', 'leaderQuota'],
    ['follower.replication.throttled.rate', 'followerQuota'],
  ] as const)('%s holds for what is copied from then on', async (name, quotaName) => {
    const quota = running.broker.services.partitions[quotaName];
    quota.passed(1_000_000);
    expect(quota.isExceeded).toBe(false);
    await alter(name, '1000');
    quota.passed(2_000);
    expect(quota.isExceeded).toBe(true);
    await alter(name, null);
    expect(quota.isExceeded).toBe(false);
  });
});
