import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { checkBrokerSettings, checkSettings } from '../../../src/cluster/config-rules.ts';
import { Configs } from '../../../src/cluster/configs.ts';
import { MetadataImage, ResourceType } from '../../../src/cluster/metadata-image.ts';
import {
  decodeRecord,
  encodeRecord,
  type MetadataRecord,
} from '../../../src/cluster/metadata-records.ts';
import { ProducerIds } from '../../../src/cluster/producer-ids.ts';
import { collisionKey, topicNameFault } from '../../../src/cluster/topic-names.ts';
import { randomUuid } from '../../../src/cluster/uuid.ts';
import { brokerKeys } from '../../../src/config/broker-keys.ts';
import { groupKeys } from '../../../src/config/group-keys.ts';
import { parseValue } from '../../../src/config/table.ts';
import { topicKeys } from '../../../src/config/topic-keys.ts';
import { ProtocolError } from '../../../src/protocol/error-codes.ts';

const ID = 'S9M0RZaDS02vYH3ohG4FXA';

const state = (partitionId: number, leaderEpoch: number, partitionEpoch: number) => ({
  topicId: ID,
  partitionId,
  replicas: [0, 1, 2],
  isr: [0],
  leader: 0,
  leaderEpoch,
  partitionEpoch,
  adding: [2],
  removing: [1],
  elr: [1],
  lastKnownElr: [2],
  leaderRecoveryState: 0,
});
const partition = (partitionId: number, leaderEpoch = 0): MetadataRecord => ({
  type: 'Partition',
  value: state(partitionId, leaderEpoch, 0),
});
const acl = (id: string, principal: string): MetadataRecord => ({
  type: 'AccessControlEntry',
  value: {
    ...{ id, resourceType: 2, resourceName: 't', patternType: 4, principal },
    ...{ host: '*', operation: 3, permissionType: 3 },
  },
});
const quota = (
  entity: readonly (readonly [string, string | null])[],
  key: string,
  value: number | null,
): MetadataRecord => ({
  type: 'ClientQuota',
  value: {
    entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
    ...{ key, value: value ?? 0, remove: value === null },
  },
});
const records: MetadataRecord[] = [
  {
    type: 'RegisterBroker',
    value: {
      brokerId: 0,
      brokerEpoch: 1,
      incarnationId: ID,
      rack: 'a',
      endPoints: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 0 }],
      logDirs: [ID],
      fenced: true,
      inControlledShutdown: false,
      features: [{ name: 'metadata.version', min: 7, max: 30 }],
    },
  },
  { type: 'Topic', value: { name: 't', topicId: ID } },
  partition(0),
  partition(1),
  {
    type: 'Config',
    value: { resourceType: 2, resourceName: 't', name: 'retention.ms', value: '5' },
  },
  {
    type: 'PartitionChange',
    value: state(1, 7, 1),
  },
  {
    type: 'BrokerChange',
    value: {
      brokerId: 0,
      brokerEpoch: 1,
      fenced: false,
      inControlledShutdown: true,
      logDirs: [ID],
    },
  },
  { type: 'Voters', value: { voters: [{ id: 0, directoryId: ID }] } },
  { type: 'NoOp', value: {} },
  { type: 'FeatureLevel', value: { name: 'eligible.leader.replicas.version', featureLevel: 0 } },
  { type: 'ProducerIds', value: { brokerId: 0, brokerEpoch: 1, nextProducerId: 2000 } },
  acl(ID, 'User:alice'),
  quota([['user', null]], 'producer_byte_rate', 12.5),
];

describe('metadata records', () => {
  it('read back as they were written', () => {
    const removals = [
      { type: 'RemoveTopic', value: { topicId: ID } },
      { type: 'RemoveAccessControlEntry', value: { id: ID } },
    ] as const;
    for (const record of [...records, ...removals]) {
      expect(decodeRecord(encodeRecord(record))).toEqual(record);
    }
  });
  it('of an unknown frame, type or version stop the start', () => {
    for (const at of [0, 1, 2]) {
      const bytes = encodeRecord(records[1]!);
      bytes[at] = 99;
      expect(() => decodeRecord(bytes)).toThrow(FatalError);
    }
  });
});

describe('the image', () => {
  it('is made again, equal, by the records it tells', () => {
    const image = new MetadataImage();
    const OTHER = 'AAAAAAAAAAAAAAAAAAAAZw';
    for (const record of [
      ...records,
      { type: 'Topic', value: { name: 'gone', topicId: OTHER } } as const,
      { type: 'RemoveTopic', value: { topicId: OTHER } } as const,
    ]) {
      image.apply(record);
    }
    const again = new MetadataImage();
    for (const record of image.records()) again.apply(decodeRecord(encodeRecord(record)));
    expect([...again.records()]).toEqual([...image.records()]);
    expect(again.topics).toEqual(image.topics);
    expect(again.brokers).toEqual(image.brokers);
    expect(again.wasRemoved(OTHER)).toBe(true);
    expect(again.nextProducerId).toBe(image.nextProducerId);
    expect(again.featureLevel('eligible.leader.replicas.version')).toBe(0);
    expect(again.acls).toEqual(image.acls);
    expect(again.quotas).toEqual(image.quotas);
  });
  const filled = (): MetadataImage => {
    const image = new MetadataImage();
    for (const record of records) image.apply(record);
    return image;
  };
  it('is what the records say', () => {
    const image = filled();
    expect(image.partitionCount).toBe(2);
    expect(image.topic('t')).toBe(image.topicById(ID));
    expect(image.topic('t')!.partitions.map((p) => p.leaderEpoch)).toEqual([0, 7]);
    expect(image.settings(ResourceType.topic, 't').get('retention.ms')).toBe('5');
    expect(image.nextProducerId).toBe(2000);
    expect(image.brokers.get(0)).toMatchObject({ rack: 'a', fenced: false });
  });
  it('forgets a topic with its settings, but not that it was there', () => {
    const image = filled();
    image.apply({ type: 'RemoveTopic', value: { topicId: ID } });
    expect(image.topic('t')).toBeUndefined();
    expect(image.settings(ResourceType.topic, 't').size).toBe(0);
    expect([image.partitionCount, image.wasRemoved(ID)]).toEqual([0, true]);
  });
  it('forgets the rules that are removed, and no others', () => {
    const image = filled();
    const OTHER = 'AAAAAAAAAAAAAAAAAAAAZw';
    const version = image.aclsVersion;
    image.apply(acl(OTHER, 'User:bob'));
    image.apply({ type: 'RemoveAccessControlEntry', value: { id: ID } });
    expect([...image.acls.values()].map(({ principal }) => principal)).toEqual(['User:bob']);
    expect(image.aclsVersion).toBe(version + 2);
  });
  it('knows an entity of quotas in whichever order its parts are named', () => {
    const image = filled();
    const both = [
      ['user', 'a'],
      ['client-id', 'b'],
    ] as const;
    image.apply(quota(both, 'producer_byte_rate', 1));
    image.apply(quota([...both].reverse(), 'consumer_byte_rate', 2));
    expect(image.quotas.size).toBe(2);
    image.apply(quota([...both].reverse(), 'producer_byte_rate', null));
    image.apply(quota(both, 'consumer_byte_rate', null));
    expect([...image.quotas.values()].map(({ values }) => [...values])).toEqual([
      [['producer_byte_rate', 12.5]],
    ]);
  });
  it('refuses records that cannot be true', () => {
    const image = filled();
    expect(() => image.apply(records[1]!)).toThrow(/exists already/);
    expect(() => image.apply(partition(5))).toThrow(/gap/);
    expect(() =>
      image.apply({ type: 'RemoveTopic', value: { topicId: randomUuid(seededRandom(1)) } }),
    ).toThrow(/does not exist/);
  });
});

describe('settings', () => {
  const image = new MetadataImage();
  const set = (resourceType: number, resourceName: string, name: string, value: string | null) =>
    image.apply({ type: 'Config', value: { resourceType, resourceName, name, value } });

  it('of a topic are its own, else the broker’s at run time, in its file, by default', () => {
    const configs = new Configs({ 'log.retention.minutes': 10 }, image, 3);
    const retention = () => configs.topic('t', 'retention.ms');
    expect(configs.topic('t', 'segment.ms')).toBe(7 * 24 * 3_600_000);
    expect(retention()).toBe(600_000);
    set(ResourceType.broker, '', 'log.retention.ms', '400');
    expect(retention()).toBe(400);
    set(ResourceType.broker, '3', 'log.retention.ms', '300');
    expect(retention()).toBe(300);
    set(ResourceType.topic, 't', 'retention.ms', '200');
    expect(retention()).toBe(200);
    expect(configs.logConfig('t').retentionMs).toBe(200);
    expect(configs.topicChain('t', topicKeys.get('retention.ms')!).map((e) => e.source)).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  it('of a group are its own, else the broker’s', () => {
    const configs = new Configs({ 'group.consumer.session.timeout.ms': 50_000 }, image, 3);
    const name = 'consumer.session.timeout.ms';
    expect(configs.group('g', name)).toBe(50_000);
    set(ResourceType.group, 'g', name, '55000');
    expect(configs.group('g', name)).toBe(55_000);
    expect(configs.group('other', name)).toBe(50_000);
    expect(configs.groupChain('g', groupKeys.get(name)!)).toEqual([
      { name, value: 55_000, source: 8 },
      { name: `group.${name}`, value: 50_000, source: 4 },
      { name: `group.${name}`, value: 45_000, source: 5 },
    ]);
  });

  it('of a group stay within the broker’s bounds when those are moved', () => {
    const name = 'consumer.heartbeat.interval.ms';
    set(ResourceType.group, 'g', name, '15000');
    const narrow = { 'group.consumer.max.heartbeat.interval.ms': 9000 };
    expect(new Configs(narrow, image, 3).group('g', name)).toBe(9000);
    expect(new Configs({}, image, 3).group('g', name)).toBe(15_000);
  });

  it('have defaults that their own tables take', () => {
    for (const key of [...topicKeys.values(), ...brokerKeys.values(), ...groupKeys.values()]) {
      if (key.default === null) continue;
      expect([key.name, parseValue(key, key.default)]).toEqual([key.name, { value: key.default }]);
    }
  });

  it('of topics fall back to settings that brokers have', () => {
    for (const { name, brokerKeys: synonyms, default: fallback } of topicKeys.values()) {
      for (const synonym of synonyms) {
        const key = brokerKeys.get(synonym.name);
        expect([name, synonym.name, key !== undefined]).toEqual([name, synonym.name, true]);
      }
      const configs = new Configs({}, new MetadataImage(), 0);
      expect([name, configs.topic('t', name)]).toEqual([name, fallback]);
    }
  });

  it('are refused in Kafka’s words', () => {
    const configs = new Configs({}, new MetadataImage(), 0);
    const check = (name: string, value: string): void =>
      checkSettings(ResourceType.topic, 't', new Map([[name, value]]), configs);
    expect(() => check('segment.bytes', '1')).toThrow(
      'Invalid value 1 for configuration segment.bytes: Value must be at least 1048576',
    );
    expect(() => check('preallocate', 'yes')).toThrow('Expected value to be either true or false');
    expect(() => check('retention.ms', '1.5')).toThrow('Not a number of type LONG');
    expect(() => check('retention.ms', '')).toThrow('Not a number of type LONG');
    expect(() => check('min.cleanable.dirty.ratio', '1.5')).toThrow('Value must be no more than 1');
    expect(() => check('retention.ms', '9223372036854775807')).not.toThrow();
    expect(() => checkBrokerSettings('0', new Map([['node.id', '1']]))).toThrow(
      'Cannot update these configs dynamically',
    );
  });
});

describe('names', () => {
  it.each(['a', 'A-Z_0.9', 'x'.repeat(249), '...'])('takes %j', (name) => {
    expect(topicNameFault(name)).toBeNull();
  });
  it.each(['', '.', '..', 'x'.repeat(250), 'a/b', 'a\0b', 'ä', 'a b', 'a\n', '..\\..'])(
    'refuses %j',
    (name) => {
      expect(topicNameFault(name)).toContain('Topic name is invalid');
    },
  );
  it('that are too long are told so, to the end', () => {
    expect(topicNameFault('x'.repeat(250))).toBe(
      `Topic name is invalid: the length of '${'x'.repeat(250)}' is longer than the max allowed length 249`,
    );
    const { message } = new ProtocolError(1, topicNameFault('x'.repeat(10_000))!);
    expect(message).toMatch(/max allowed length 249$/);
  });
  it('collide when they differ in dots alone', () => {
    expect(collisionKey('a.b_c')).toBe(collisionKey('a_b.c'));
  });
  it('of topics never look like options', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 2000; i++)
      expect(randomUuid(random)).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
  });
});

describe('producer ids', () => {
  it('come out of blocks, one request for each however many wait', async () => {
    let blocks = 0;
    const ids = new ProducerIds(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return { first: 10 * blocks++, count: 10 };
    });
    const taken = await Promise.all(Array.from({ length: 35 }, () => ids.next()));
    expect(taken).toEqual(Array.from({ length: 35 }, (_, i) => i));
    expect(blocks).toBe(4);
  });
  it('ask again after a failure', async () => {
    let calls = 0;
    const ids = new ProducerIds(async () => {
      if (++calls === 1) throw new Error('no room');
      return { first: 0, count: 10 };
    });
    await expect(ids.next()).rejects.toThrow('no room');
    expect(await ids.next()).toBe(0);
  });
});
