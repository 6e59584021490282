/**
 * Whether a client may commit to a consumer group, or ask what it has committed. A member may do so in
 * its epoch; what it commits late, from an older one, counts for those partitions that it has had ever
 * since: so nobody who lost a partition takes back the offset of who has it now.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { CommitRequest, CommitTopicRequest, FetchGroupRequest } from '../offsets.ts';
import type { ConsumerGroup } from './consumer-group.ts';

/** From here on, members of consumer groups can commit. */
const COMMIT_EPOCH_VERSION = 9;

/** As an error code, which holds for the whole request. */
export function checkConsumerCommit(
  group: ConsumerGroup,
  request: CommitRequest,
  topics: readonly CommitTopicRequest[],
  apiVersion: number,
): number {
  const { generationIdOrMemberEpoch: epoch, memberId } = request;
  // An administrator, or a client that assigns itself.
  if (epoch < 0 && group.members.size === 0) return ErrorCode.NONE;
  const member = group.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const isClassic = member.classic !== null;
  if (!isClassic && apiVersion < COMMIT_EPOCH_VERSION) return ErrorCode.UNSUPPORTED_VERSION;
  if (epoch === member.epoch) return ErrorCode.NONE;
  const isEarlyEnough = (topicId: string, partition: number): boolean => {
    const since =
      member.assigned.get(topicId)?.get(partition) ?? member.revoking.get(topicId)?.get(partition);
    return since !== undefined && epoch >= since;
  };
  const isFine =
    epoch < member.epoch &&
    topics.every(({ topicId, partitions }) =>
      partitions.every(({ partitionIndex }) => isEarlyEnough(topicId, partitionIndex)),
    );
  return isFine ? ErrorCode.NONE : staleEpoch(isClassic);
}

/** As an error code of the group. */
export function checkConsumerFetch(group: ConsumerGroup, request: FetchGroupRequest): number {
  const { memberId, memberEpoch } = request;
  if (memberId === null && memberEpoch < 0) return ErrorCode.NONE;
  const member = group.members.get(memberId ?? '');
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.epoch ? ErrorCode.NONE : staleEpoch(member.classic !== null);
}

const staleEpoch = (isClassic: boolean): number =>
  isClassic ? ErrorCode.ILLEGAL_GENERATION : ErrorCode.STALE_MEMBER_EPOCH;
