/** Metadata, topics and partitions: made, described, refused, deleted. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import type { Side } from './side.ts';

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAZZ'.replace('ZZ', 'CA');
const CREATE = [2, 4, 5, 7];
const topic = (name: string, more: object = {}) => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
});
const assigned = (...replicas: number[][]) => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
});
const configured = (name: string, value: string | null) => ({ configs: [{ name, value }] });

export async function metadata(side: Side): Promise<void> {
  const id = await side.makeTopic('m1', 2);
  await side.makeTopic('m-2');
  for (const version of [0, 1, 4, 5, 7, 8, 9, 10, 12, 13]) {
    const none = { allowAutoTopicCreation: false };
    await side.ask('Metadata', version, { topics: [], ...none });
    if (version > 0) await side.ask('Metadata', version, { topics: null, ...none });
    await side.ask('Metadata', version, { topics: [{ name: 'm1' }], ...none });
    // Up to version 3 there is no way to ask without creating.
    if (version >= 4) {
      const names = ['absent', 'm1', '', '.', '..', 'a b', 'x'.repeat(250), 'm1', 'absent'];
      await side.ask('Metadata', version, { topics: names.map((name) => ({ name })), ...none });
    } else {
      const names = ['', '..', 'a/b'];
      await side.ask('Metadata', version, { topics: names.map((name) => ({ name })) });
    }
    if (version >= 8) {
      const asked = {
        topics: [{ name: 'm1' }, { name: 'absent' }],
        includeTopicAuthorizedOperations: true,
        ...none,
      };
      await side.ask('Metadata', version, asked);
      if (version <= 10) {
        const cluster = { topics: [], includeClusterAuthorizedOperations: true, ...none };
        await side.ask('Metadata', version, cluster);
      }
    }
    if (version >= 10) {
      const asks = [
        [{ topicId: id, name: null }],
        [{ topicId: UNKNOWN_ID, name: null }],
        [{ topicId: id, name: 'm1' }],
        [{ topicId: id, name: 'other' }],
        [{ topicId: ZERO_UUID, name: null }],
        [{ topicId: id, name: null }, { name: 'm-2' }],
        [
          { topicId: id, name: null },
          { topicId: id, name: null },
        ],
      ];
      for (const topics of asks) await side.ask('Metadata', version, { topics, ...none });
    }
  }
  await side.ask('Metadata', 9, { topics: [{ name: 'auto' }, { name: 'auto_2' }] }, 'creates');
  await side.topicReady('auto', 1);
  await side.topicReady('auto_2', 1);
  await side.ask('Metadata', 9, { topics: [{ name: 'auto' }, { name: 'auto_2' }] });
}

export async function createTopics(side: Side): Promise<void> {
  await side.makeTopic('exists', 3);
  await side.makeTopic('dotted.name');
  for (const version of CREATE) {
    const t = `ct${version}`;
    const ask = (topics: object[], more: object = {}) =>
      side.ask('CreateTopics', version, { topics, timeoutMs: 10_000, ...more });
    await ask([]);
    await ask([topic('exists')]);
    await ask([topic('exists', { numPartitions: 0 })]);
    await ask([topic('exists', configured('nonsense', 'x'))]);
    await ask([topic('exists')], { validateOnly: true });
    for (const name of ['', '.', '..', 'a b', 'ä', 'x'.repeat(250), 'dotted_name', 'dotted.name']) {
      await ask([topic(name)]);
    }
    await ask([topic(`${t}-v`), topic(`${t}.v`)], { validateOnly: true });
    await ask([topic(`${t}-v`)], { validateOnly: true });
    for (const numPartitions of [0, -2, -1]) {
      await ask([topic(`${t}-n`, { numPartitions })], { validateOnly: true });
    }
    for (const replicationFactor of [0, 2, -2, -1, 100]) {
      await ask([topic(`${t}-r`, { replicationFactor })], { validateOnly: true });
    }
    await ask([topic(`${t}-b`, { numPartitions: 0, replicationFactor: 0 })]);
    await ask([topic(`${t}-b`, { numPartitions: 0, replicationFactor: 9 })]);
    for (const replicas of [[[1], [1]], [[7]], [[1, 1]], [[]], [[1], []], [[1, 7]], [[1], [7]]]) {
      await ask([topic(`${t}-a`, assigned(...replicas))], { validateOnly: true });
    }
    await ask([topic(`${t}-a`, { ...assigned([1]), numPartitions: 1 })], { validateOnly: true });
    await ask([topic(`${t}-a`, { ...assigned([1]), replicationFactor: 1 })], {
      validateOnly: true,
    });
    const gap = [
      { partitionIndex: 0, brokerIds: [1] },
      { partitionIndex: 2, brokerIds: [1] },
    ];
    await ask([topic(`${t}-a`, { ...assigned(), assignments: gap })], { validateOnly: true });
    const twice = [gap[0], gap[0]];
    await ask([topic(`${t}-a`, { ...assigned(), assignments: twice })], { validateOnly: true });
    const settings: [string, string | null][] = [
      ['nonsense', 'x'],
      ['retention.ms', 'x'],
      ['retention.ms', null],
      ['retention.ms', ' 1000 '],
      ['retention.ms', '-2'],
      ['retention.ms', '1000'],
      ['cleanup.policy', 'compact,delete'],
      ['cleanup.policy', 'x'],
      ['cleanup.policy', ''],
      ['compression.type', 'brotli'],
      ['compression.type', 'zstd'],
      ['max.message.bytes', '-1'],
      ['max.message.bytes', '99999999999'],
      ['min.insync.replicas', '0'],
      ['min.insync.replicas', '2'],
      ['segment.bytes', '10'],
      ['segment.bytes', '1048576'],
      ['segment.ms', '0'],
      ['message.timestamp.type', 'Now'],
      ['message.timestamp.type', 'LogAppendTime'],
      ['preallocate', 'yes'],
      ['preallocate', 'TRUE'],
      ['unclean.leader.election.enable', 'true'],
      ['min.cleanable.dirty.ratio', '1.5'],
      ['min.cleanable.dirty.ratio', '0.1'],
      ['', 'x'],
    ];
    for (const [key, value] of settings) {
      await ask([topic(`${t}-c`, configured(key, value))], { validateOnly: true });
    }
    await ask([
      topic(`${t}-x`),
      topic('exists'),
      topic(`${t}-twice`),
      topic(`${t}-y`, { numPartitions: 2, ...configured('retention.ms', '5000') }),
      topic(`${t}-twice`),
      topic(`${t}-z`, { numPartitions: -1, replicationFactor: -1 }),
    ]);
    await side.topicReady(`${t}-x`, 1);
    await side.topicReady(`${t}-y`, 2);
    await side.topicReady(`${t}-z`, 1);
    const names = [`${t}-x`, `${t}-y`, `${t}-z`, `${t}-twice`, `${t}-v`].map((name) => ({ name }));
    await side.ask('Metadata', 12, { topics: names, allowAutoTopicCreation: false });
  }
}

export async function createPartitions(side: Side): Promise<void> {
  await side.makeTopic('cp', 2);
  let count = 2;
  for (const version of [0, 1, 3]) {
    const ask = (topics: object[], validateOnly = false) =>
      side.ask('CreatePartitions', version, { topics, timeoutMs: 10_000, validateOnly });
    await ask([]);
    for (const n of [count, count - 1, 0, -1]) {
      await ask([{ name: 'cp', count: n, assignments: null }]);
    }
    await ask([{ name: 'absent', count: 3, assignments: null }]);
    await ask([{ name: '', count: 3, assignments: null }]);
    await ask([{ name: 'cp', count: count + 1, assignments: [] }], true);
    await ask([{ name: 'cp', count: count + 1, assignments: [{ brokerIds: [7] }] }]);
    await ask([{ name: 'cp', count: count + 1, assignments: [{ brokerIds: [] }] }]);
    await ask([{ name: 'cp', count: count + 1, assignments: [{ brokerIds: [1, 1] }] }]);
    const two = [{ brokerIds: [1] }, { brokerIds: [1] }];
    await ask([{ name: 'cp', count: count + 1, assignments: two }]);
    await ask([{ name: 'cp', count: count + 3, assignments: two }]);
    await ask([
      { name: 'cp', count: count + 1, assignments: null },
      { name: 'cp', count: count + 2, assignments: null },
    ]);
    await ask([{ name: 'cp', count: count + 1, assignments: null }], true);
    await ask([
      { name: 'absent', count: 3, assignments: null },
      { name: 'cp', count: count + 1, assignments: [{ brokerIds: [1] }] },
    ]);
    count += 1;
    await side.topicReady('cp', count);
    await side.ask('Metadata', 9, { topics: [{ name: 'cp' }], allowAutoTopicCreation: false });
  }
}

export async function deleteTopics(side: Side): Promise<void> {
  for (const version of [1, 2, 3, 4, 5]) {
    await side.makeTopic('dt');
    const ask = (topicNames: string[]) =>
      side.ask('DeleteTopics', version, { topicNames, timeoutMs: 10_000 });
    await ask([]);
    await ask(['absent']);
    await ask(['', '..']);
    await ask(['absent', 'absent']);
    await ask(['dt', 'absent']);
    await side.topicGone('dt');
    await ask(['dt']);
  }
  const id = await side.makeTopic('dt');
  const other = await side.makeTopic('dt-2');
  const ask = (topics: object[]) => side.ask('DeleteTopics', 6, { topics, timeoutMs: 10_000 });
  await ask([]);
  await ask([{ name: 'absent' }]);
  await ask([{ topicId: UNKNOWN_ID }]);
  await ask([{ name: 'dt', topicId: id }]);
  await ask([{ name: null }]);
  await ask([{ name: 'dt' }, { topicId: id }]);
  await ask([{ topicId: other }, { topicId: other }]);
  await ask([{ topicId: id }, { name: 'absent' }, { topicId: UNKNOWN_ID }]);
  await side.topicGone('dt');
  await side.makeTopic('dt');
  await side.ask('Metadata', 12, { topics: [{ name: 'dt' }], allowAutoTopicCreation: false });
  await side.ask('Metadata', 12, {
    topics: [{ topicId: id, name: null }],
    allowAutoTopicCreation: false,
  });
}

export async function describe(side: Side): Promise<void> {
  await side.makeTopic('d1', 3);
  await side.makeTopic('d2', 2);
  const ask = (topics: string[], more: object = {}) =>
    side.ask('DescribeTopicPartitions', 0, { topics: topics.map((name) => ({ name })), ...more });
  await ask(['d1', 'd2']);
  await ask(['d2', 'd1', 'd1', 'absent']);
  await ask(['..', 'a b']);
  for (const responsePartitionLimit of [1, 3, 4, 0, -1]) {
    await ask(['d1', 'd2'], { responsePartitionLimit });
    const cursor = { topicName: 'd1', partitionIndex: 1 };
    await ask(['d1', 'd2'], { responsePartitionLimit, cursor });
  }
  for (const [topicName, partitionIndex] of [
    ['d2', 0],
    ['d1', 9],
    ['d1', -1],
    ['absent', 0],
    ['d1x', 0],
    ['zzz', 0],
  ]) {
    await ask(['d1', 'd2'], { cursor: { topicName, partitionIndex } });
  }
  for (const version of [0, 1, 2]) {
    await side.ask('DescribeCluster', version, {});
    await side.ask('DescribeCluster', version, { includeClusterAuthorizedOperations: true });
    if (version < 1) continue;
    await side.ask('DescribeCluster', version, { endpointType: 2 });
    await side.ask('DescribeCluster', version, { endpointType: 7 });
    if (version > 1) await side.ask('DescribeCluster', version, { includeFencedBrokers: true });
  }
  for (const version of [1, 3, 4, 5]) {
    await side.ask('DescribeLogDirs', version, { topics: [{ topic: 'd1', partitions: [0, 2] }] });
    await side.ask('DescribeLogDirs', version, { topics: [{ topic: 'absent', partitions: [0] }] });
    await side.ask('DescribeLogDirs', version, { topics: [{ topic: 'd1', partitions: [9] }] });
    await side.ask('DescribeLogDirs', version, { topics: [] });
  }
}
