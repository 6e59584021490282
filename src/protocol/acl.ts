/**
 * The vocabulary of access control: Kafka's numbers and names for operations, kinds of resources,
 * patterns and permissions (`org.apache.kafka.common.acl`, `.resource`), as the wire, the metadata
 * log and the tools have them.
 */
import { ErrorCode } from './error-codes.ts';

export const AclOperation = {
  unknown: 0,
  any: 1,
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
  createTokens: 13,
  describeTokens: 14,
  twoPhaseCommit: 15,
} as const;
export const LAST_OPERATION = AclOperation.twoPhaseCommit;

export const AclResource = {
  unknown: 0,
  any: 1,
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  delegationToken: 6,
  user: 7,
} as const;
export const LAST_RESOURCE = AclResource.user;

export const AclPattern = { unknown: 0, any: 1, match: 2, literal: 3, prefixed: 4 } as const;

export const AclPermission = { unknown: 0, any: 1, deny: 2, allow: 3 } as const;

/** The one resource of kind `cluster`. */
export const CLUSTER_NAME = 'kafka-cluster';

/** As a literal resource name or as a host: every one. */
export const WILDCARD = '*';
/** Every principal of type User. */
export const WILDCARD_PRINCIPAL = 'User:*';

/** One rule: who may or may not do what, on which resources, from where. */
export interface Acl {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  /** `type:name`. */
  readonly principal: string;
  /** An address, or `*`. */
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** Which rules are meant: null and `any` leave a part open. */
export interface AclFilter {
  readonly resourceType: number;
  readonly resourceName: string | null;
  readonly patternType: number;
  readonly principal: string | null;
  readonly host: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

/** The same as requests carry it. */
export interface AclFilterFields {
  resourceTypeFilter: number;
  resourceNameFilter: string | null;
  patternTypeFilter: number;
  principalFilter: string | null;
  hostFilter: string | null;
  operation: number;
  permissionType: number;
}

export const aclFilterOf = (fields: AclFilterFields): AclFilter => ({
  resourceType: fields.resourceTypeFilter,
  resourceName: fields.resourceNameFilter,
  patternType: fields.patternTypeFilter,
  principal: fields.principalFilter,
  host: fields.hostFilter,
  operation: fields.operation,
  permissionType: fields.permissionType,
});

export const aclFilterFields = (filter: AclFilter): AclFilterFields => ({
  resourceTypeFilter: filter.resourceType,
  resourceNameFilter: filter.resourceName,
  patternTypeFilter: filter.patternType,
  principalFilter: filter.principal,
  hostFilter: filter.host,
  operation: filter.operation,
  permissionType: filter.permissionType,
});

type Kinds = Pick<Acl, 'resourceType' | 'patternType' | 'operation' | 'permissionType'>;

/** Whether a part of it has the number that stands for nothing: no request may have it. */
export const hasUnknown = ({ resourceType, patternType, operation, permissionType }: Kinds) =>
  resourceType === 0 || patternType === 0 || operation === 0 || permissionType === 0;

/** Kafka's AclBindingFilter: `match` finds every pattern that applies to the named resource. */
export function matches(filter: AclFilter, acl: Acl): boolean {
  const { any } = AclOperation;
  return (
    matchesPattern(filter, acl) &&
    (filter.principal === null || filter.principal === acl.principal) &&
    (filter.host === null || filter.host === acl.host) &&
    (filter.operation === any || filter.operation === acl.operation) &&
    (filter.permissionType === any || filter.permissionType === acl.permissionType)
  );
}

function matchesPattern(filter: AclFilter, acl: Acl): boolean {
  const { any, match, literal } = AclPattern;
  const { resourceType, resourceName: name, patternType } = filter;
  if (resourceType !== AclResource.any && resourceType !== acl.resourceType) return false;
  if (patternType !== any && patternType !== match && patternType !== acl.patternType) return false;
  if (name === null) return true;
  if (patternType !== match) return name === acl.resourceName;
  return acl.patternType === literal
    ? name === acl.resourceName || acl.resourceName === WILDCARD
    : name.startsWith(acl.resourceName);
}

const { read, write, create, alter, describe, describeConfigs, alterConfigs } = AclOperation;

/** Operations that there are on a kind of resource (Kafka's AclEntry.supportedOperations). */
export const supportedOperations: Readonly<Record<number, readonly number[]>> = {
  [AclResource.topic]: [
    ...[read, write, create, AclOperation.delete, alter, describe, describeConfigs, alterConfigs],
  ],
  [AclResource.group]: [read, describe, AclOperation.delete, describeConfigs, alterConfigs],
  [AclResource.cluster]: [
    ...[create, alter, describe, AclOperation.clusterAction],
    ...[describeConfigs, alterConfigs, AclOperation.idempotentWrite],
  ],
  [AclResource.transactionalId]: [describe, write, AclOperation.twoPhaseCommit],
  [AclResource.delegationToken]: [describe],
  [AclResource.user]: [AclOperation.createTokens, AclOperation.describeTokens],
};

/** The same as bits, one an operation, as the protocol tells sets of them. */
export const operationBits = (resourceType: number): number =>
  (supportedOperations[resourceType] ?? []).reduce((bits, one) => bits | (1 << one), 0);

/** What a client is told that lacks a right on such a resource. */
export const refusalOf: Readonly<Record<number, number>> = {
  [AclResource.topic]: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  [AclResource.group]: ErrorCode.GROUP_AUTHORIZATION_FAILED,
  [AclResource.cluster]: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  [AclResource.transactionalId]: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  [AclResource.delegationToken]: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
};

/** Kafka's names, by number: `DescribeConfigs`, `TransactionalId`, `Prefixed`, `Allow`. */
const namesOf = (table: Readonly<Record<string, number>>): readonly string[] =>
  Object.keys(table).map((name) => name[0]!.toUpperCase() + name.slice(1));

export const operationNames = namesOf(AclOperation);
export const resourceNames = namesOf(AclResource);
export const patternNames = namesOf(AclPattern);
export const permissionNames = namesOf(AclPermission);

/** `Allow User:alice from * to Read Topic:Literal:orders`. */
export function describeAcl(acl: Acl): string {
  const { principal, host, resourceName } = acl;
  const permission = permissionNames[acl.permissionType] ?? acl.permissionType;
  const operation = operationNames[acl.operation] ?? acl.operation;
  const resource = resourceNames[acl.resourceType] ?? acl.resourceType;
  const pattern = patternNames[acl.patternType] ?? acl.patternType;
  return `${permission} ${principal} from ${host} to ${operation} ${resource}:${pattern}:${resourceName}`;
}
/** The number of such a name, in any case, with or without underscores or hyphens; -1: none. */
export function numberOf(names: readonly string[], text: string): number {
  const plain = text.replaceAll(/[-_]/g, '').toLowerCase();
  return names.findIndex((name) => name.toLowerCase() === plain);
}
