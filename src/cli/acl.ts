/** `weir acl`: list, add and remove rules of access control, in the words of Kafka's `kafka-acls`. */
import {
  type Acl,
  type AclFilter,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
  CLUSTER_NAME,
  numberOf,
  operationNames,
  patternNames,
  permissionNames,
  resourceNames,
} from '../protocol/acl.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Command, ExitCode, type Option } from './command.ts';
import { withSecurityAdmin } from './security-client.ts';
import { type Column, printRows } from './table.ts';

const resourceOptions: readonly Option[] = [
  { name: 'topic', value: 'NAME', repeated: true, doc: 'A topic; * for all.' },
  { name: 'group', value: 'NAME', repeated: true, doc: 'A consumer group; * for all.' },
  { name: 'transactional-id', value: 'ID', repeated: true, doc: 'A transactional id; * for all.' },
  { name: 'cluster', doc: 'The cluster itself.' },
  {
    name: 'resource-pattern-type',
    value: 'TYPE',
    default: 'literal',
    doc: 'literal, or prefixed: names that begin so; when listing and removing also any, and match: what applies to the name.',
  },
];
const principalOptions: readonly Option[] = [
  {
    name: 'allow-principal',
    value: 'TYPE:NAME',
    repeated: true,
    doc: 'Who may: User:alice, or User:* for everybody.',
  },
  { name: 'deny-principal', value: 'TYPE:NAME', repeated: true, doc: 'Who may not.' },
  {
    name: 'allow-host',
    value: 'ADDRESS',
    repeated: true,
    doc: 'From where they may (default: everywhere).',
  },
  {
    name: 'deny-host',
    value: 'ADDRESS',
    repeated: true,
    doc: 'From where they may not (default: everywhere).',
  },
  {
    name: 'operation',
    value: 'NAME',
    repeated: true,
    doc: 'What: Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, … (default: All).',
  },
  { name: 'producer', doc: 'What a producer needs: Write, Describe and Create on its topics.' },
  {
    name: 'consumer',
    doc: 'What a consumer needs: Read and Describe on its topics, Read on its groups.',
  },
];
const common = [bootstrapOption, timeoutOption] as const;

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

const kinds = [
  ['topic', AclResource.topic],
  ['group', AclResource.group],
  ['transactional-id', AclResource.transactionalId],
] as const;

function resourcesOf(args: Arguments): Resource[] {
  const named = kinds.flatMap(([option, resourceType]) =>
    args.list(option).map((resourceName) => ({ resourceType, resourceName })),
  );
  const { cluster: resourceType } = AclResource;
  return args.has('cluster') ? [...named, { resourceType, resourceName: CLUSTER_NAME }] : named;
}

function named(names: readonly string[], text: string, option: string, from: number): number {
  const number = numberOf(names, text);
  if (number >= from) return number;
  throw usageError(`--${option} takes ${names.slice(from).join(', ')}; saw '${text}'`);
}

const patternOf = (args: Arguments, from: number): number =>
  named(patternNames, args.required('resource-pattern-type'), 'resource-pattern-type', from);

const operationsOf = (args: Arguments): number[] =>
  args.list('operation').map((text) => named(operationNames, text, 'operation', AclOperation.all));

/** What is to be allowed or denied on each resource. */
function rightsOf(args: Arguments, { resourceType }: Resource): readonly number[] {
  const { read, write, create, describe, all } = AclOperation;
  if (args.has('producer') || args.has('consumer')) {
    const rights = new Set<number>();
    const isTopic = resourceType === AclResource.topic;
    if (args.has('producer')) {
      if (isTopic) for (const right of [write, describe, create]) rights.add(right);
      if (resourceType === AclResource.transactionalId) {
        for (const right of [write, describe]) rights.add(right);
      }
    }
    if (args.has('consumer')) {
      if (isTopic) for (const right of [read, describe]) rights.add(right);
      if (resourceType === AclResource.group) rights.add(read);
    }
    return [...rights];
  }
  const given = operationsOf(args);
  return given.length === 0 ? [all] : given;
}

/** Every rule that the options name. */
function aclsOf(args: Arguments): Acl[] {
  const resources = resourcesOf(args);
  if (resources.length === 0) {
    throw usageError('on what? give --topic, --group, --transactional-id or --cluster');
  }
  const patternType = patternOf(args, AclPattern.literal);
  const sides = [
    ['allow', AclPermission.allow],
    ['deny', AclPermission.deny],
  ] as const;
  const acls = sides.flatMap(([side, permissionType]) => {
    const hosts = args.list(`${side}-host`);
    return args.list(`${side}-principal`).flatMap((principal) => {
      if (!/^[^:]+:./.test(principal)) {
        throw usageError(`--${side}-principal takes TYPE:NAME, as User:alice; saw '${principal}'`);
      }
      return (hosts.length === 0 ? ['*'] : hosts).flatMap((host) =>
        resources.flatMap((resource) =>
          rightsOf(args, resource).map((operation) => ({
            ...resource,
            ...{ patternType, principal, host, operation, permissionType },
          })),
        ),
      );
    });
  });
  if (acls.length === 0) throw usageError('who? give --allow-principal or --deny-principal');
  return acls;
}

const ANY: AclFilter = {
  resourceType: AclResource.any,
  resourceName: null,
  patternType: AclPattern.any,
  principal: null,
  host: null,
  operation: AclOperation.any,
  permissionType: AclPermission.any,
};

interface Row {
  readonly resource: string;
  readonly name: string;
  readonly pattern: string;
  readonly principal: string;
  readonly host: string;
  readonly operation: string;
  readonly permission: string;
}

const rowOf = (acl: Acl): Row => ({
  resource: resourceNames[acl.resourceType] ?? String(acl.resourceType),
  name: acl.resourceName,
  pattern: patternNames[acl.patternType] ?? String(acl.patternType),
  principal: acl.principal,
  host: acl.host,
  operation: operationNames[acl.operation] ?? String(acl.operation),
  permission: permissionNames[acl.permissionType] ?? String(acl.permissionType),
});

const columns: readonly Column<Row>[] = [
  { title: 'RESOURCE', cell: (row) => row.resource },
  { title: 'NAME', cell: (row) => row.name },
  { title: 'PATTERN', cell: (row) => row.pattern },
  { title: 'PRINCIPAL', cell: (row) => row.principal },
  { title: 'HOST', cell: (row) => row.host },
  { title: 'OPERATION', cell: (row) => row.operation },
  { title: 'PERMISSION', cell: (row) => row.permission },
];

const textOf = (row: Row): string => Object.values(row).join(' ');

function print(args: Arguments, acls: readonly Acl[]): Promise<void> {
  const rows = acls.map(rowOf).sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
  return printRows(args, columns, rows);
}

const listCommand: Command = {
  name: 'list',
  summary: 'List the ACLs, of all resources or of some.',
  usage: 'acl list [options]',
  examples: [
    'weir acl list',
    'weir acl list --topic orders --resource-pattern-type match',
    'weir acl list --principal User:alice --json',
  ],
  options: [
    ...common,
    ...resourceOptions,
    { name: 'principal', value: 'TYPE:NAME', repeated: true, doc: 'Those of these principals.' },
    jsonOption,
  ],
  run: (args) => {
    const resources = resourcesOf(args);
    const patternType = patternOf(args, AclPattern.any);
    const filters = resources.map((resource): AclFilter => ({ ...ANY, ...resource, patternType }));
    const principals = args.list('principal');
    return withSecurityAdmin(args, async (admin) => {
      const found: Acl[] = [];
      for (const filter of filters.length === 0 ? [ANY] : filters) {
        found.push(...(await admin.acls(filter)));
      }
      const isMeant = (acl: Acl): boolean =>
        principals.length === 0 || principals.includes(acl.principal);
      await print(args, found.filter(isMeant));
      return ExitCode.OK;
    });
  },
};

const addCommand: Command = {
  name: 'add',
  summary: 'Add ACLs; one that is there already stays as it is.',
  usage: 'acl add [options]',
  examples: [
    'weir acl add --allow-principal User:alice --operation Read --topic orders --group billing',
    'weir acl add --allow-principal User:shop --producer --topic shop. --resource-pattern-type prefixed',
    'weir acl add --deny-principal User:* --deny-host 10.0.0.9 --cluster',
  ],
  options: [...common, ...resourceOptions, ...principalOptions, jsonOption],
  run: (args) => {
    const acls = aclsOf(args);
    return withSecurityAdmin(args, async (admin) => {
      await admin.createAcls(acls);
      await print(args, acls);
      return ExitCode.OK;
    });
  },
};

const removeCommand: Command = {
  name: 'remove',
  summary: 'Remove ACLs: those that the options name, or all of a resource.',
  usage: 'acl remove [options]',
  examples: [
    'weir acl remove --allow-principal User:alice --operation Read --topic orders',
    'weir acl remove --topic orders',
  ],
  options: [...common, ...resourceOptions, ...principalOptions, jsonOption],
  run: (args) => {
    const isWhole = args.list('allow-principal').length + args.list('deny-principal').length === 0;
    const filters: AclFilter[] = isWhole
      ? resourcesOf(args).map((resource) => ({
          ...ANY,
          ...resource,
          patternType: patternOf(args, AclPattern.any),
        }))
      : aclsOf(args);
    if (filters.length === 0) {
      throw usageError('of what? give --topic, --group, --transactional-id or --cluster');
    }
    return withSecurityAdmin(args, async (admin) => {
      await print(args, await admin.deleteAcls(filters));
      return ExitCode.OK;
    });
  },
};

export const aclCommand: Command = {
  name: 'acl',
  summary: 'List, add and remove rules of who may do what.',
  usage: 'acl COMMAND [options]',
  examples: ['weir acl list', 'weir acl add --allow-principal User:alice --consumer --topic logs'],
  options: [],
  commands: [listCommand, addCommand, removeCommand],
  run: () => Promise.resolve(ExitCode.USAGE),
};
