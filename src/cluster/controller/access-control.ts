/**
 * Changes of the rules of access control, refused in Kafka's words: each item of a request by
 * itself, and all that are accepted in one step.
 */
import type { Random } from '../../base/random.ts';
import {
  type Acl,
  type AclFilter,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
  CLUSTER_NAME,
  LAST_OPERATION,
  LAST_RESOURCE,
  matches,
} from '../../protocol/acl.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { randomUuid } from '../uuid.ts';
import type { Draft } from './draft.ts';

/** Rules that one request may add or take away. */
const CHANGES_MAX = 10_000;

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

const keyOf = (acl: Acl): string =>
  JSON.stringify([
    ...[acl.resourceType, acl.patternType, acl.resourceName, acl.principal, acl.host],
    ...[acl.operation, acl.permissionType],
  ]);

/** Adds what is not there yet; the outcomes are in the order of the rules. */
export function createAcls(
  draft: Draft,
  acls: readonly Acl[],
  random: Random,
): (ProtocolError | null)[] {
  const there = new Set([...draft.image.acls.values()].map(keyOf));
  let created = 0;
  return acls.map((acl) => {
    const problem = problemOf(acl);
    if (problem !== null) return invalid(problem);
    const key = keyOf(acl);
    if (there.has(key)) return null;
    there.add(key);
    created += 1;
    if (created > CHANGES_MAX) {
      throw invalid(`Cannot add more than ${CHANGES_MAX} acls in a single create operation.`);
    }
    draft.add({ type: 'AccessControlEntry', value: { id: randomUuid(random), ...acl } });
    return null;
  });
}

function problemOf(acl: Acl): string | null {
  const { resourceType, resourceName, patternType, operation, permissionType, principal } = acl;
  if (resourceType === AclResource.cluster && resourceName !== CLUSTER_NAME) {
    return `The only valid name for the CLUSTER resource is ${CLUSTER_NAME}`;
  }
  if (resourceName === '') return 'Invalid empty resource name';
  if (resourceType < AclResource.topic || resourceType > LAST_RESOURCE) {
    return 'Invalid resourceType UNKNOWN';
  }
  if (patternType !== AclPattern.literal && patternType !== AclPattern.prefixed) {
    return 'Invalid patternType UNKNOWN';
  }
  if (operation < AclOperation.all || operation > LAST_OPERATION) {
    return 'Invalid operation UNKNOWN';
  }
  if (permissionType !== AclPermission.deny && permissionType !== AclPermission.allow) {
    return 'Invalid permissionType UNKNOWN';
  }
  if (!principal.includes(':')) {
    return `Could not parse principal from \`${principal}\` (no colon is present separating the principal type from the principal name)`;
  }
  return null;
}

/** Takes away what matches; the outcomes are in the order of the filters. */
export function deleteAcls(
  draft: Draft,
  filters: readonly AclFilter[],
): (ProtocolError | readonly Acl[])[] {
  const gone = new Set<string>();
  return filters.map((filter) => {
    const problem = filterProblem(filter);
    if (problem !== null) return invalid(problem);
    const matching: Acl[] = [];
    for (const acl of draft.image.acls.values()) {
      if (!matches(filter, acl)) continue;
      matching.push(acl);
      if (gone.has(acl.id)) continue;
      gone.add(acl.id);
      if (gone.size > CHANGES_MAX) {
        throw invalid(`Cannot remove more than ${CHANGES_MAX} acls in a single delete operation.`);
      }
      draft.add({ type: 'RemoveAccessControlEntry', value: { id: acl.id } });
    }
    return matching;
  });
}

function filterProblem(filter: AclFilter): string | null {
  const { resourceType, patternType, operation, permissionType } = filter;
  const isKnown = (value: number, last: number): boolean => value > 0 && value <= last;
  if (!isKnown(resourceType, LAST_RESOURCE) || !isKnown(patternType, AclPattern.prefixed)) {
    return 'Unknown patternFilter.';
  }
  if (!isKnown(operation, LAST_OPERATION) || !isKnown(permissionType, AclPermission.allow)) {
    return 'Unknown entryFilter.';
  }
  return null;
}
