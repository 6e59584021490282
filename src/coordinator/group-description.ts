/** Groups as DescribeGroups and ListGroups show them. */
import { ErrorCode } from '../protocol/error-codes.ts';
import type { describeGroupsResponse } from '../protocol/messages/15-describe-groups.ts';
import type { listGroupsRequest, listGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type { Infer } from '../protocol/schema.ts';
import type { AnyGroup } from './any-group.ts';
import type { Group } from './group.ts';
import { NO_ASSIGNMENT } from './member.ts';

type DescribedGroup = Infer<typeof describeGroupsResponse>['groups'][number];
type ListedGroup = Infer<typeof listGroupsResponse>['groups'][number];
type ListRequest = Infer<typeof listGroupsRequest>;

/** "Not asked for", in Kafka's words. */
const NO_OPERATIONS = -(2 ** 31);
/**
 * Everything that can be done to a group, as bits of Kafka's operation codes: READ 3, DELETE 6,
 * DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11.
 */
export const ALL_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);
/** From here on, a group that does not exist is an error beside being Dead (KIP-1043). */
const NOT_FOUND_VERSION = 6;

const shown = (groupId: string, groupState: string): DescribedGroup => ({
  errorCode: ErrorCode.NONE,
  errorMessage: null,
  groupId,
  groupState,
  protocolType: '',
  protocolData: '',
  members: [],
  authorizedOperations: NO_OPERATIONS,
});

export const failedGroup = (groupId: string, errorCode: number): DescribedGroup => ({
  ...shown(groupId, ''),
  errorCode,
});

export const deadGroup = (
  groupId: string,
  apiVersion: number,
  errorMessage = `Group ${groupId} not found.`,
): DescribedGroup =>
  apiVersion >= NOT_FOUND_VERSION
    ? {
        ...shown(groupId, 'Dead'),
        errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
        errorMessage,
      }
    : shown(groupId, 'Dead');

/** Metadata is shown of the protocol they agreed on, so only in a Stable group. */
export function describedGroup(group: Group, includeOperations: boolean): DescribedGroup {
  const isStable = group.state === 'Stable';
  return {
    ...shown(group.id, group.state),
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? member.metadataFor(group.protocolName) : NO_ASSIGNMENT,
      memberAssignment: member.assignment,
    })),
    authorizedOperations: includeOperations ? ALL_OPERATIONS : NO_OPERATIONS,
  };
}

export const listedGroup = (group: AnyGroup): ListedGroup => ({
  groupId: group.id,
  protocolType: group.protocolType ?? '',
  groupState: group.state,
  groupType: group.type,
});

/** Whether the group passes the request's filters, whose case does not matter. */
export function isListed(group: AnyGroup, request: ListRequest): boolean {
  const has = (filter: readonly string[], value: string): boolean =>
    filter.length === 0 || filter.some((f) => f.trim().toLowerCase() === value);
  return (
    has(request.statesFilter, group.state.toLowerCase()) && has(request.typesFilter, group.type)
  );
}
