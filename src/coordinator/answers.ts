/** Answers to members, filled in as far as the coordinator knows; the API's version is not its matter. */
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Group } from './group.ts';
import type { JoinResponse, Member, SyncResponse } from './member.ts';
import { NO_ASSIGNMENT } from './member.ts';

export const joinError = (memberId: string, errorCode: number): JoinResponse => ({
  throttleTimeMs: 0,
  errorCode,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  memberId,
  members: [],
});

/** The present generation; the leader also gets `members`. */
export const joined = (
  group: Group,
  memberId: string,
  members: JoinResponse['members'],
): JoinResponse => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.NONE,
  generationId: group.generation,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  leader: group.leader ?? '',
  skipAssignment: false,
  memberId,
  members,
});

/** What every member says for the chosen protocol: for the leader to divide the work by. */
export const subscriptions = (group: Group): JoinResponse['members'] =>
  [...group.members.values()].map((member) => ({
    memberId: member.id,
    groupInstanceId: member.instanceId,
    metadata: member.metadataFor(group.protocolName),
  }));

/** The present generation, as `memberId` may see it. */
export const joinedAs = (group: Group, memberId: string): JoinResponse =>
  joined(group, memberId, group.leader === memberId ? subscriptions(group) : []);

export const syncError = (errorCode: number): SyncResponse => ({
  throttleTimeMs: 0,
  errorCode,
  protocolType: null,
  protocolName: null,
  assignment: NO_ASSIGNMENT,
});

export const synced = (group: Group, member: Member): SyncResponse => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.NONE,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  assignment: member.assignment,
});
