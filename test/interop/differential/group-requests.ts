/** What the scenes about groups share. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import type { Side } from './side.ts';

/** Waits until the coordinators of these groups have loaded. */
export const ready = (side: Side, groups: readonly string[]): Promise<any> =>
  side.settle('DescribeGroups', 5, { groups }, (a) =>
    a.groups.every((g: any) => g.errorCode === 0 || g.errorCode === 69),
  );

export interface Committing {
  readonly version?: number;
  readonly group?: string;
  readonly generation?: number;
  readonly member?: string;
  readonly metadata?: string | null;
  readonly partition?: number;
  readonly topicId?: string;
  readonly instance?: string | null;
}

export const commit = (
  side: Side,
  topic: string,
  offset: number,
  c: Committing = {},
): Promise<any> => {
  const { version = 7, partition = 0 } = c;
  return side.ask('OffsetCommit', version, {
    groupId: c.group ?? 'og',
    generationIdOrMemberEpoch: c.generation ?? -1,
    memberId: c.member ?? '',
    ...(version >= 7 ? { groupInstanceId: c.instance ?? null } : {}),
    topics: [
      {
        ...(version >= 10 ? { topicId: c.topicId ?? ZERO_UUID } : { name: topic }),
        partitions: [
          {
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: 3,
            committedMetadata: c.metadata === undefined ? 'note' : c.metadata,
          },
        ],
      },
    ],
  });
};
