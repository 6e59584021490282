/** Offsets of groups: committed, fetched, deleted. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { type Committing, commit, ready } from './group-requests.ts';
import type { Side } from './side.ts';

export async function offsets(side: Side): Promise<void> {
  const topicId = await side.makeTopic('of', 3);
  await ready(side, ['og', 'none', '']);
  for (const version of [2, 3, 5, 6, 7, 8, 9, 10]) {
    const at = (more: Committing = {}) => ({ version, topicId, ...more });
    await commit(side, 'of', 10 + version, at());
    await commit(side, 'of', -1, at({ partition: 1 }));
    await commit(side, 'of', -5, at({ partition: 1 }));
    await commit(side, 'of', 1, at({ partition: 1, metadata: null }));
    await commit(side, 'of', 1, at({ partition: 2, metadata: 'x'.repeat(4096) }));
    await commit(side, 'of', 2, at({ partition: 2, metadata: 'x'.repeat(4097) }));
    await commit(side, 'of', 1, at({ partition: 3 }));
    await commit(side, 'of', 1, at({ partition: -1 }));
    await commit(side, 'absent', 1, at({ topicId: 'AAAAAAAAAAAAAAAAAAAACA' }));
    await commit(side, '', 1, at({ topicId: ZERO_UUID }));
    await commit(side, 'of', 1, at({ group: '' }));
    await commit(side, 'of', 1, at({ generation: 0, group: `missing-${version}` }));
    await commit(side, 'of', 1, at({ generation: 3, member: 'm' }));
    await commit(side, 'of', 1, at({ generation: -1, member: 'm' }));
    await commit(side, 'of', 1, at({ generation: -2 }));
    if (version >= 7) await commit(side, 'of', 1, at({ instance: 'i' }));
    const group = { groupId: 'og', generationIdOrMemberEpoch: -1, memberId: '' };
    await side.ask('OffsetCommit', version, { ...group, topics: [] });
  }
  for (const version of [1, 2, 3, 5, 6, 7]) {
    const ask = (groupId: string, topics: unknown) =>
      side.ask('OffsetFetch', version, { groupId, topics });
    const partitionIndexes = [0, 1, 2, 3, -1];
    await ask('og', [{ name: 'of', partitionIndexes }]);
    await ask('og', [{ name: 'absent', partitionIndexes: [0] }]);
    await ask('og', []);
    if (version >= 2) await ask('og', null);
    await ask('none', [{ name: 'of', partitionIndexes: [0] }]);
    if (version >= 2) await ask('none', null);
    await ask('', [{ name: 'of', partitionIndexes: [0] }]);
    if (version >= 7) {
      const topics = [{ name: 'of', partitionIndexes }];
      await side.ask('OffsetFetch', version, { groupId: 'og', topics, requireStable: true });
    }
  }
  for (const version of [8, 9, 10]) {
    const named = (partitionIndexes: number[]) =>
      version >= 10 ? { topicId, partitionIndexes } : { name: 'of', partitionIndexes };
    const groups = [
      { groupId: 'og', topics: [named([0, 1, 2, 9])] },
      { groupId: 'none', topics: null },
      { groupId: '', topics: null },
    ];
    for (const requireStable of [false, true]) {
      await side.ask('OffsetFetch', version, { groups, requireStable });
    }
    await side.ask('OffsetFetch', version, { groups: [{ groupId: 'og', topics: null }] });
    await side.ask('OffsetFetch', version, { groups: [{ groupId: 'og', topics: [] }] });
    await side.ask('OffsetFetch', version, { groups: [] });
    if (version >= 9) {
      for (const memberEpoch of [-1, 0, 5]) {
        const asked = { groupId: 'og', memberId: 'm', memberEpoch, topics: [named([0])] };
        await side.ask('OffsetFetch', version, { groups: [asked] });
      }
    }
    if (version >= 10) {
      for (const id of ['AAAAAAAAAAAAAAAAAAAACA', ZERO_UUID]) {
        const topics = [{ topicId: id, partitionIndexes: [0] }];
        await side.ask('OffsetFetch', version, { groups: [{ groupId: 'og', topics }] });
      }
    }
  }
  const remove = (groupId: string, name: string, ...partitions: number[]) =>
    side.ask('OffsetDelete', 0, {
      groupId,
      topics: [{ name, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }],
    });
  await remove('og', 'of', 0, 2, 9);
  await remove('og', 'absent', 0);
  await remove('none', 'of', 0);
  await remove('', 'of', 0);
  await side.ask('OffsetDelete', 0, { groupId: 'og', topics: [] });
  await side.ask('OffsetFetch', 7, { groupId: 'og', topics: null });
  for (const version of [0, 1, 2]) {
    await side.ask('DeleteGroups', version, { groupsNames: ['none', '', 'og', 'og'] });
    await side.ask('DeleteGroups', version, { groupsNames: [] });
    await side.ask('OffsetFetch', 7, { groupId: 'og', topics: null });
    await commit(side, 'of', 5);
  }
  await side.ask('DeleteGroups', 2, { groupsNames: ['og'] });
}
