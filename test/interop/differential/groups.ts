/** Groups: found, joined, described, listed, deleted. */
import { below, seededRandom } from '../../../src/base/random.ts';
import { consumerProtocolSubscription } from '../../../src/protocol/stored/consumer-protocol.ts';
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts';
import { commit, ready } from './group-requests.ts';
import type { Side } from './side.ts';

export async function findCoordinator(side: Side): Promise<void> {
  await side.settle('FindCoordinator', 3, { key: 'g', keyType: 0 }, (a) => a.errorCode === 0);
  await side.settle('FindCoordinator', 4, { coordinatorKeys: keys(20), keyType: 0 }, (a) =>
    a.coordinators.every((c: any) => c.errorCode === 0),
  );
  for (const version of [0, 1, 2, 3]) {
    for (const key of ['g', '']) {
      await side.ask('FindCoordinator', version, { key, keyType: 0 });
      if (version > 0) await side.ask('FindCoordinator', version, { key, keyType: 9 });
    }
  }
  for (const version of [4, 5, 6]) {
    for (const keyType of [0, 9]) {
      for (const coordinatorKeys of [['a'], ['a', 'b', 'a'], [''], []]) {
        await side.ask('FindCoordinator', version, { coordinatorKeys, keyType });
      }
    }
  }
  await ready(side, ['g', ...keys(20)]);
}

const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `key-${i}`);

const subscription = (topic: string, userData: string | null = null): Buffer =>
  encodeVersioned(consumerProtocolSubscription, 1, {
    topics: [topic],
    userData: userData === null ? null : Buffer.from(userData),
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  } as never);

interface Joining {
  readonly group: string;
  readonly version: number;
  readonly member?: string;
  readonly instance?: string | null;
  readonly session?: number;
  readonly type?: string;
  readonly protocols?: { name: string; metadata: Buffer }[];
}

const joinBody = (j: Joining) => ({
  groupId: j.group,
  sessionTimeoutMs: j.session ?? 30_000,
  ...(j.version >= 1 ? { rebalanceTimeoutMs: 30_000 } : {}),
  memberId: j.member ?? '',
  ...(j.version >= 5 ? { groupInstanceId: j.instance ?? null } : {}),
  protocolType: j.type ?? 'consumer',
  protocols: j.protocols ?? [{ name: 'range', metadata: subscription('gr') }],
});

/** Joins, with the id that it is told to come back with, and gives the id a name. */
async function join(side: Side, j: Joining, name: string): Promise<string> {
  let member = j.member ?? '';
  const ask = async (): Promise<any> => {
    const answer = await side.quietly('JoinGroup', j.version, joinBody({ ...j, member }));
    if (answer.memberId !== '') side.alias(answer.memberId, `member ${name}`);
    side.keep(`JoinGroup v${j.version} ${name} of ${j.group}`, answer);
    return answer;
  };
  let answer = await ask();
  if (answer.errorCode === 79) {
    member = answer.memberId;
    answer = await ask();
  }
  return answer.memberId;
}

export async function members(side: Side): Promise<void> {
  await side.makeTopic('gr', 2);
  for (const version of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const group = `jg-${version}`;
    await ready(side, [group, '', `none-${version}`]);
    const ask = (j: Partial<Joining>, note = '') =>
      side.ask('JoinGroup', version, joinBody({ group, version, ...j }), note);
    for (const session of [0, 5999, 1_800_001, -1]) await ask({ session });
    await ask({ group: '' });
    await ask({ member: 'nobody' });
    await ask({ group: `none-${version}`, member: 'nobody' });
    await ask({ type: '' });
    await ask({ protocols: [] });
    if (version >= 5) {
      const session = 300_000;
      await join(side, { group: `${group}-blank`, version, instance: 'a b', session }, 'blank');
      await join(side, { group: `${group}-empty`, version, instance: '', session }, 'empty');
    }
    const id = await join(side, { group, version }, 'a');
    await ask({ type: 'connect' });
    await ask({ protocols: [{ name: 'other', metadata: Buffer.alloc(0) }] });
    await ask({ member: id, type: 'connect' });
    await ask({ member: id }, 'again');
    await groupFlow(side, group, id, Math.min(version, 5));
  }
}

async function groupFlow(side: Side, group: string, id: string, version: number): Promise<void> {
  const beat = (generationId: number, memberId: string, at = Math.min(version, 4)) =>
    side.ask('Heartbeat', at, { groupId: group, generationId, memberId });
  const sync = (generationId: number, memberId: string, more: object = {}) =>
    side.ask('SyncGroup', version, {
      groupId: group,
      generationId,
      memberId,
      assignments: [],
      ...more,
    });
  const [generation] = await generationOf(side, group, id);
  await beat(generation, id);
  await beat(generation + 1, id);
  await beat(generation, 'nobody');
  await beat(generation, '');
  await side.ask('Heartbeat', 4, { groupId: '', generationId: 1, memberId: id });
  await side.ask('Heartbeat', 4, { groupId: `${group}-none`, generationId: 1, memberId: id });
  const at = { group, member: id, generation };
  await commit(side, 'gr', 3, { ...at, version: 7 });
  for (const describing of [0, 4, 6]) {
    await side.ask('DescribeGroups', describing, { groups: [group] }, 'before the assignment');
  }
  await sync(generation + 1, id);
  await sync(generation, 'nobody');
  if (version >= 5) {
    await sync(generation, id, { protocolType: 'connect', protocolName: 'range' });
    await sync(generation, id, { protocolType: 'consumer', protocolName: 'other' });
  }
  await side.ask('SyncGroup', version, {
    groupId: '',
    generationId: 1,
    memberId: id,
    assignments: [],
  });
  const assignments = [
    { memberId: id, assignment: Buffer.from('mine') },
    { memberId: 'nobody', assignment: Buffer.from('lost') },
  ];
  if (version >= 5) {
    await sync(generation, id, { assignments, protocolType: 'consumer', protocolName: 'range' });
  }
  await sync(generation, id, { assignments });
  await sync(generation, id);
  await beat(generation, id);
  for (const committing of [2, 7, 8, 9]) {
    await commit(side, 'gr', 4, { ...at, version: committing });
    await commit(side, 'gr', 4, { ...at, version: committing, generation: generation + 1 });
    await commit(side, 'gr', 4, { ...at, version: committing, generation: -1, member: '' });
    await commit(side, 'gr', 4, { ...at, version: committing, member: 'nobody' });
  }
  for (const describing of [0, 1, 3, 4, 5, 6]) {
    await side.ask('DescribeGroups', describing, { groups: [group, 'no-such-group', ''] });
    if (describing >= 3) {
      await side.ask('DescribeGroups', describing, {
        groups: [group, group],
        includeAuthorizedOperations: true,
      });
    }
  }
  await side.ask('DeleteGroups', 2, { groupsNames: [group] });
  await side.ask('OffsetDelete', 0, {
    groupId: group,
    topics: [{ name: 'gr', partitions: [{ partitionIndex: 0 }] }],
  });
  const leave = Math.min(version, 5);
  if (leave >= 3) {
    const asked = ['nobody', id, id].map((memberId) => ({ memberId, groupInstanceId: null }));
    await side.ask('LeaveGroup', leave, { groupId: group, members: [] });
    await side.ask('LeaveGroup', leave, {
      groupId: group,
      members: [{ memberId: '', groupInstanceId: 'unknown' }],
    });
    await side.ask('LeaveGroup', leave, { groupId: `${group}-none`, members: asked });
    await side.ask('LeaveGroup', leave, { groupId: '', members: asked });
    await side.ask('LeaveGroup', leave, { groupId: group, members: asked });
  } else {
    await side.ask('LeaveGroup', leave, { groupId: group, memberId: 'nobody' });
    await side.ask('LeaveGroup', leave, { groupId: `${group}-none`, memberId: id });
    await side.ask('LeaveGroup', leave, { groupId: '', memberId: id });
    await side.ask('LeaveGroup', leave, { groupId: group, memberId: id });
    await side.ask('LeaveGroup', leave, { groupId: group, memberId: id });
  }
  await beat(generation, id);
  await side.ask('DescribeGroups', 5, { groups: [group] }, 'empty');
  await commit(side, 'gr', 5, { group, version: 8 });
  await commit(side, 'gr', 5, { ...at, version: 8 });
}

/** Without joining again: the generation that the group is in is 1 higher than the joins it saw. */
async function generationOf(side: Side, group: string, id: string): Promise<[number]> {
  for (let generation = 1; generation < 10; generation++) {
    const asked = { groupId: group, generationId: generation, memberId: id };
    const answer = await side.quietly('Heartbeat', 3, asked);
    if (answer.errorCode !== 22) {
      side.keep(`generation of ${group}`, generation);
      return [generation];
    }
  }
  throw new Error(`${group} has no generation`);
}

export async function pairs(side: Side): Promise<void> {
  await side.makeTopic('pr', 2);
  for (const version of [2, 5, 9]) {
    const group = `pair-${version}`;
    await ready(side, [group]);
    const other = await side.newClient();
    other.clientId = 'second';
    const first = await join(side, { group, version }, 'first');
    const body = joinBody({ group, version });
    let asked = await side.quietly(
      'JoinGroup',
      version,
      version >= 4 ? body : { ...body, memberId: 'x' },
      other,
    );
    let second = asked.memberId;
    if (second !== '') side.alias(second, 'member second');
    side.keep(`JoinGroup v${version} of the second`, asked);
    const waiting = side.quietly(
      'JoinGroup',
      version,
      { ...body, memberId: version >= 4 ? second : '' },
      other,
    );
    await side.settle(
      'DescribeGroups',
      5,
      { groups: [group] },
      (a) => a.groups[0].groupState === 'PreparingRebalance',
    );
    await side.ask('Heartbeat', 3, { groupId: group, generationId: 1, memberId: first });
    await commit(side, 'pr', 1, { group, generation: 1, member: first });
    await side.ask('SyncGroup', 3, {
      groupId: group,
      generationId: 1,
      memberId: first,
      assignments: [],
    });
    await join(side, { group, version, member: first }, 'first');
    asked = await waiting;
    second = asked.memberId;
    side.alias(second, 'member second');
    side.keep(`JoinGroup v${version} of the second, when all have come`, asked);
    const follower = side.quietly(
      'SyncGroup',
      3,
      { groupId: group, generationId: 2, memberId: second, assignments: [] },
      other,
    );
    await side.ask('SyncGroup', 3, {
      groupId: group,
      generationId: 2,
      memberId: first,
      assignments: [first, second].map((memberId) => ({
        memberId,
        assignment: Buffer.from('part'),
      })),
    });
    side.keep('SyncGroup of the follower', await follower);
    await side.ask('Heartbeat', 3, { groupId: group, generationId: 2, memberId: second });
    const described = await side.quietly('DescribeGroups', 5, { groups: [group] });
    described.groups[0].members.sort((a: any, b: any) => (a.clientId < b.clientId ? -1 : 1));
    side.keep(`DescribeGroups of ${group}`, described);
    await side.ask('LeaveGroup', 3, {
      groupId: group,
      members: [{ memberId: first, groupInstanceId: null }],
    });
    await side.ask('Heartbeat', 3, { groupId: group, generationId: 2, memberId: second });
    await side.ask('LeaveGroup', 3, {
      groupId: group,
      members: [{ memberId: second, groupInstanceId: null }],
    });
    await other.close();
  }
  await statics(side);
}

async function statics(side: Side): Promise<void> {
  for (const version of [5, 7, 9]) {
    const group = `static-${version}`;
    await ready(side, [group]);
    const old = await join(side, { group, version, instance: 'one' }, 'old');
    const assignments = [{ memberId: old, assignment: Buffer.from('kept') }];
    const sync = { groupId: group, groupInstanceId: 'one' };
    await side.ask('SyncGroup', 3, { ...sync, generationId: 1, memberId: old, assignments });
    const next = await join(side, { group, version, instance: 'one' }, 'next');
    await side.ask('SyncGroup', 3, { ...sync, generationId: 1, memberId: next, assignments: [] });
    const beat = { groupId: group, generationId: 1, groupInstanceId: 'one' };
    await side.ask('Heartbeat', 3, { ...beat, memberId: old });
    await side.ask('Heartbeat', 3, { ...beat, memberId: next });
    await side.ask('Heartbeat', 3, { ...beat, memberId: next, groupInstanceId: 'two' });
    await side.ask(
      'JoinGroup',
      version,
      joinBody({ group, version, instance: 'one', member: old }),
    );
    await commit(side, 'pr', 1, { group, generation: 1, member: old, instance: 'one' });
    await commit(side, 'pr', 1, { group, generation: 1, member: next, instance: 'one' });
    await side.ask('DescribeGroups', 5, { groups: [group] });
    await side.ask('LeaveGroup', 5, {
      groupId: group,
      members: [
        { memberId: old, groupInstanceId: 'one' },
        { memberId: '', groupInstanceId: 'two' },
        { memberId: '', groupInstanceId: 'one' },
      ],
    });
    await side.ask('DescribeGroups', 5, { groups: [group] });
  }
}

export async function list(side: Side): Promise<void> {
  for (const version of [0, 1, 2, 3, 4, 5]) {
    await side.ask('ListGroups', version, {});
    if (version < 4) continue;
    for (const states of [['Empty'], ['empty', 'STABLE'], ['Dead'], ['nonsense'], ['']]) {
      await side.ask('ListGroups', version, { statesFilter: states });
    }
    if (version < 5) continue;
    for (const types of [['classic'], ['CLASSIC', 'consumer'], ['consumer'], ['nonsense']]) {
      await side.ask('ListGroups', version, { typesFilter: types });
    }
  }
}

/** One member and strangers, in an order that only the seed knows. */
export async function random(side: Side): Promise<void> {
  const chance = seededRandom(7_102_026);
  const pick = <T>(from: readonly T[]): T => from[below(chance, from.length)]!;
  await side.makeTopic('rg', 2);
  await ready(side, ['rnd']);
  let id = '';
  let generation = 0;
  for (let i = 0; i < 250; i++) {
    const note = `${i}`;
    const member = pick([id, id, id, 'nobody', '']);
    const at = generation + pick([0, 0, 0, 0, 1, -1]);
    const kind = below(chance, 8);
    if (kind === 0) {
      const version = pick([3, 4, 6, 9]);
      // Anybody else who joins would have the member wait for its own next request.
      const body = joinBody({ group: 'rnd', version, member: id });
      const answer = await side.quietly('JoinGroup', version, body);
      if (answer.memberId !== '') side.alias(answer.memberId, 'member');
      side.keep(`JoinGroup v${version} ${note}`, answer);
      if (answer.errorCode === 0 || answer.errorCode === 79) id = answer.memberId;
      if (answer.errorCode === 25) id = '';
      if (answer.errorCode === 0) generation = answer.generationId;
    } else if (kind === 1) {
      const assignments = [{ memberId: id, assignment: Buffer.from(note) }];
      const body = { groupId: 'rnd', generationId: at, memberId: member, assignments };
      await side.ask('SyncGroup', pick([0, 3, 4]), body, note);
    } else if (kind === 2) {
      const body = { groupId: 'rnd', generationId: at, memberId: member };
      await side.ask('Heartbeat', pick([0, 1, 3, 4]), body, note);
    } else if (kind === 3 || kind === 4) {
      const version = pick([2, 5, 7, 8, 9]);
      await commit(side, 'rg', i, { group: 'rnd', generation: pick([at, -1]), member, version });
    } else if (kind === 5) {
      await side.ask('OffsetFetch', pick([2, 5, 7]), { groupId: 'rnd', topics: null }, note);
    } else if (kind === 6) {
      await side.ask('DescribeGroups', pick([0, 4, 5, 6]), { groups: ['rnd'] }, note);
    } else if (below(chance, 3) === 0) {
      await side.ask('LeaveGroup', pick([0, 1, 2]), { groupId: 'rnd', memberId: member }, note);
      if (member === id) id = '';
    } else if (below(chance, 2) === 0) {
      await side.ask('DeleteGroups', 2, { groupsNames: ['rnd'] }, note);
    } else {
      await side.ask('ListGroups', pick([2, 4, 5]), {}, note);
    }
  }
}
