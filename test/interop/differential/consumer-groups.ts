/** Groups of the consumer protocol (KIP-848), and those that change between both. */
import { consumerProtocolSubscription } from '../../../src/protocol/stored/consumer-protocol.ts';
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts';
import { commit, ready } from './group-requests.ts';
import type { Side } from './side.ts';

const VERSIONS = [0, 1];

interface Beat {
  readonly group?: string;
  readonly member?: string;
  readonly epoch?: number;
  readonly instance?: string | null;
  readonly rack?: string | null;
  readonly timeout?: number;
  readonly topics?: string[] | null;
  readonly regex?: string | null;
  readonly assignor?: string | null;
  readonly owned?: { topicId: string; partitions: number[] }[] | null;
}

const body = (version: number, b: Beat) => ({
  groupId: b.group ?? 'cg',
  memberId: b.member ?? 'm1',
  memberEpoch: b.epoch ?? 0,
  instanceId: b.instance ?? null,
  rackId: b.rack ?? null,
  rebalanceTimeoutMs: b.timeout ?? -1,
  subscribedTopicNames: b.topics ?? null,
  ...(version >= 1 ? { subscribedTopicRegex: b.regex ?? null } : {}),
  serverAssignor: b.assignor ?? null,
  topicPartitions: b.owned ?? null,
});

const beat = (side: Side, version: number, b: Beat, note = ''): Promise<any> =>
  side.ask('ConsumerGroupHeartbeat', version, body(version, b), note);

const joining = (topic: string): Beat => ({
  epoch: 0,
  timeout: 60_000,
  topics: [topic],
  owned: [],
});

const describeGroups = async (side: Side, groupIds: string[], note: string): Promise<void> => {
  for (const version of VERSIONS) {
    const request = { groupIds, includeAuthorizedOperations: version === 1 };
    await side.ask('ConsumerGroupDescribe', version, request, note);
  }
};

/**
 * Makes a topic that coordinators know, too: they hear of it later than clients, but before the next
 * one is made known.
 */
async function knownTopic(side: Side, name: string, partitions: number): Promise<string> {
  const id = await side.makeTopic(name, partitions);
  await side.makeTopic(`behind-${name}`);
  return id;
}

export async function heartbeats(side: Side): Promise<void> {
  const topicId = await knownTopic(side, 'ct', 4);
  await ready(side, ['', 'cg', 'none', 'cg0', 'cg1', 'classic']);
  await describeGroups(side, ['none', '', 'cg'], 'nothing');
  await describeGroups(side, [], 'nobody');
  for (const version of VERSIONS) {
    const group = `cg${version}`;
    const ask = (b: Beat, note = '') => beat(side, version, { group, ...b }, note);
    const join = joining('ct');
    await ask({ ...join, group: '' });
    await ask({ ...join, group: ' ' });
    await ask({ ...join, instance: '' });
    await ask({ ...join, rack: ' ' });
    await ask({ ...join, timeout: -1 });
    await ask({ ...join, owned: null });
    await ask({ ...join, owned: [{ topicId, partitions: [0] }] });
    await ask({ ...join, topics: null });
    await ask({ ...join, assignor: 'best' });
    for (const epoch of [-1, -2, -3, 1]) await ask({ epoch, member: '' });
    for (const epoch of [-1, -2, -3, 1, 5]) await ask({ epoch }, 'no group');
    await ask({ epoch: -2, instance: 'i' }, 'no group');
    const joined = await ask(join, 'join');
    const epoch = joined.memberEpoch as number;
    await describeGroups(side, [group], 'joined');
    const owned = [{ topicId, partitions: [0, 1, 2, 3] }];
    await ask({ epoch });
    await ask({ epoch, owned });
    await ask({ epoch, owned, topics: ['ct'], timeout: 60_000 }, 'whole');
    await ask({ epoch: epoch + 1 });
    await ask({ epoch: epoch - 1 });
    await ask({ epoch: epoch - 1, owned });
    await ask({ epoch, member: 'stranger' });
    await ask({ epoch, instance: 'i' }, 'unknown instance');
    await ask({ epoch, rack: 'r1', assignor: 'range' }, 'changes');
    await ask(join, 'joins again');
    await describeGroups(side, [group], 'changed');
    await second(side, version, group, topicId, epoch);
    for (const v of [0, 5, 6]) await side.ask('DescribeGroups', v, { groups: [group] });
    for (const typesFilter of [['consumer'], ['share'], ['x']]) {
      await side.ask('ListGroups', 5, { statesFilter: [], typesFilter });
    }
    const both = ['Consumer', 'classic'];
    await side.ask('ListGroups', 5, { statesFilter: [], typesFilter: both }, 'of other scenes');
    await side.ask('ListGroups', 5, { statesFilter: ['Stable'], typesFilter: ['consumer'] });
    await side.ask('DeleteGroups', 2, { groupsNames: [group] }, 'not empty');
    for (const member of ['m1', 'm2', 'm1']) await ask({ epoch: -1, member }, 'leave');
    await describeGroups(side, [group], 'left');
    await side.ask('DeleteGroups', 2, { groupsNames: [group] }, 'empty');
    await describeGroups(side, [group], 'deleted');
  }
}

/** Another member comes, waits for what the first gives up, and has it. */
async function second(
  side: Side,
  version: number,
  group: string,
  topicId: string,
  first: number,
): Promise<void> {
  const ask = (b: Beat, note: string) => beat(side, version, { group, ...b }, note);
  const joined = await ask({ ...joining('ct'), member: 'm2' }, 'second joins');
  await describeGroups(side, [group], 'second has joined');
  const revoking = await ask(
    { epoch: first, owned: [{ topicId, partitions: [0, 1, 2, 3] }] },
    'is to give up',
  );
  await describeGroups(side, [group], 'is to give up');
  await ask({ member: 'm2', epoch: joined.memberEpoch, owned: [] }, 'waits');
  const kept = revoking.assignment?.topicPartitions ?? [];
  const given = await ask({ epoch: first, owned: kept }, 'has given up');
  await describeGroups(side, [group], 'has given up');
  await ask({ epoch: first, owned: kept }, 'has given up, once more');
  await ask({ member: 'm2', epoch: joined.memberEpoch, owned: [] }, 'has it');
  await describeGroups(side, [group], 'stable');
  await offsets(side, group, given.memberEpoch, topicId, version);
}

/** Commits and fetches in and out of the member's epoch. */
async function offsets(
  side: Side,
  group: string,
  epoch: number,
  topicId: string,
  heartbeatVersion: number,
): Promise<void> {
  const own = heartbeatVersion;
  for (const version of [7, 8, 9, 10]) {
    const at = (generation: number, member = 'm1', partition = 0) =>
      commit(side, 'ct', 7 + own, { version, group, generation, member, partition, topicId });
    await at(epoch);
    await at(epoch + 1);
    await at(-1);
    await at(-1, '');
    await at(epoch, 'stranger');
  }
  for (const version of [8, 9, 10]) {
    const topics = [
      version >= 10 ? { topicId, partitionIndexes: [0] } : { name: 'ct', partitionIndexes: [0] },
    ];
    const ids = (memberId: string | null, memberEpoch: number) =>
      version >= 9 ? { memberId, memberEpoch } : {};
    for (const [member, at] of [
      ['m1', epoch],
      ['m1', epoch + 1],
      ['stranger', epoch],
      [null, -1],
      ['', -1],
    ] as const) {
      const asked = { groupId: group, topics, ...ids(member, at) };
      await side.ask('OffsetFetch', version, { groups: [asked], requireStable: false });
    }
  }
  await side.ask('OffsetDelete', 0, {
    groupId: group,
    topics: [{ name: 'ct', partitions: [{ partitionIndex: 0 }] }],
  });
}

export async function staticMembers(side: Side): Promise<void> {
  await knownTopic(side, 'cs', 2);
  await ready(side, ['csg']);
  const ask = (b: Beat, note = '') => beat(side, 1, { group: 'csg', instance: 'i1', ...b }, note);
  const join = joining('cs');
  const joined = await ask(join, 'join');
  await ask({ ...join, member: 'm2' }, 'unreleased');
  await ask({ epoch: joined.memberEpoch, member: 'm2' }, 'fenced');
  await ask({ epoch: -2, member: 'm2' }, 'fenced');
  await ask({ epoch: -2 }, 'away');
  await describeGroups(side, ['csg'], 'away');
  await ask({ epoch: joined.memberEpoch }, 'away');
  const back = await ask({ ...join, member: 'm2' }, 'back');
  await describeGroups(side, ['csg'], 'back');
  await ask({ epoch: back.memberEpoch, member: 'm2' });
  await ask({ epoch: back.memberEpoch }, 'the former one');
  await ask({ epoch: -1, member: 'm2', instance: 'i2' }, 'unknown instance');
  await ask({ epoch: -1, member: 'm2' }, 'leave');
  await describeGroups(side, ['csg'], 'left');
}

export async function regexes(side: Side): Promise<void> {
  await knownTopic(side, 'cr-1', 2);
  await knownTopic(side, 'cr-2', 1);
  await ready(side, ['crg']);
  const ask = (b: Beat, note = '') => beat(side, 1, { group: 'crg', ...b }, note);
  const join: Beat = { epoch: 0, timeout: 60_000, owned: [] };
  for (const regex of ['(', '[a', 'a{2,1}', '*', '\\', '(?=a)', '(a)\\1', '(?<n']) {
    await ask({ ...join, regex }, 'no expression');
  }
  const joined = await ask({ ...join, regex: 'cr-.*' }, 'join');
  await side.settle(
    'ConsumerGroupDescribe',
    1,
    { groupIds: ['crg'] },
    (a) => a.groups[0].groupEpoch > joined.memberEpoch,
  );
  await ask({ epoch: joined.memberEpoch, owned: [] }, 'resolved');
  await describeGroups(side, ['crg'], 'resolved');
  await ask({ epoch: -1 }, 'leave');
  await describeGroups(side, ['crg'], 'left');
  await ask({ ...join, regex: '' }, 'empty');
  await describeGroups(side, ['crg'], 'empty');
  await ask({ epoch: -1 }, 'leave');
}

const subscription = (topic: string): Buffer =>
  encodeVersioned(consumerProtocolSubscription, 1, {
    topics: [topic],
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });

/** A classic member in a consumer group, and a group that changes its type both ways. */
export async function bothProtocols(side: Side): Promise<void> {
  const topicId = await knownTopic(side, 'cb', 2);
  await ready(side, ['cbg', 'cbu']);
  await beat(side, 1, { group: 'cbg', ...joining('cb') }, 'join');
  const joinBody = (groupId: string, memberId: string, more: object = {}) => ({
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    memberId,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('cb') }],
    ...more,
  });
  const ask = (more: object, note: string) =>
    side.ask('JoinGroup', 9, joinBody('cbg', '', more), note);
  await ask({ protocolType: 'connect' }, 'other type');
  await ask({ protocols: [] }, 'no protocol');
  const named = await side.quietly('JoinGroup', 9, joinBody('cbg', ''));
  side.alias(named.memberId, 'classic member');
  side.keep('JoinGroup v9 asks for an id', named);
  const id = named.memberId as string;
  const joined = await ask({ memberId: id }, 'classic joins');
  const sync = (more: object, note: string) =>
    side.ask(
      'SyncGroup',
      5,
      {
        groupId: 'cbg',
        generationId: joined.generationId,
        memberId: id,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments: [],
        ...more,
      },
      note,
    );
  await sync({}, 'classic syncs');
  await sync({ protocolName: 'x' }, 'other protocol');
  await sync({ generationId: 99 }, 'other generation');
  await sync({ memberId: 'm1' }, 'consumer member');
  const alive = (memberId: string, generationId: number, note: string) =>
    side.ask('Heartbeat', 4, { groupId: 'cbg', generationId, memberId }, note);
  await alive(id, joined.generationId, 'classic lives');
  await alive(id, 99, 'other generation');
  await alive('m1', joined.generationId, 'consumer member');
  await describeGroups(side, ['cbg'], 'both');
  const leave = (memberId: string) =>
    side.ask('LeaveGroup', 5, { groupId: 'cbg', members: [{ memberId }] }, 'leave');
  await leave('nobody');
  await leave(id);
  await describeGroups(side, ['cbg'], 'classic left');
  await beat(side, 1, { group: 'cbg', epoch: -1 }, 'leave');
  await upgradeAndBack(side, topicId, joinBody);
}

async function upgradeAndBack(
  side: Side,
  topicId: string,
  joinBody: (groupId: string, memberId: string) => object,
): Promise<void> {
  const group = 'cbu';
  // Topics of their own: who of two equal members gets what depends on a random id.
  await knownTopic(side, 'cc', 2);
  const named = await side.quietly('JoinGroup', 9, joinBody(group, '') as never);
  side.alias(named.memberId, 'upgraded member');
  const id = named.memberId as string;
  const joined = await side.ask('JoinGroup', 9, joinBody(group, id) as never, 'upgraded joins');
  const at = { groupId: group, generationId: joined.generationId, memberId: id };
  const named9 = { protocolType: 'consumer', protocolName: 'range' };
  await side.ask('SyncGroup', 5, { ...at, ...named9, assignments: [] }, 'upgraded syncs');
  await commit(side, 'cb', 3, { version: 9, group, generation: joined.generationId, member: id });
  await beat(side, 1, { group, ...joining('cc') }, 'upgrade');
  await describeGroups(side, [group], 'upgraded');
  await side.ask('Heartbeat', 4, at, 'upgraded lives');
  await side.ask('ListGroups', 5, { statesFilter: [], typesFilter: ['consumer'] });
  await beat(side, 1, { group, epoch: -1 }, 'downgrade');
  await describeGroups(side, [group], 'downgraded');
  await side.ask('DescribeGroups', 6, { groups: [group] }, 'downgraded');
  await side.ask('Heartbeat', 4, at, 'downgraded lives');
  const topics = [{ topicId, partitionIndexes: [0] }];
  await side.ask('OffsetFetch', 10, {
    groups: [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
    requireStable: false,
  });
}
