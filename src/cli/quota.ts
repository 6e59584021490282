/** `weir quota`: list, set and remove what clients may use, in the words of Kafka's `kafka-configs`. */
import type { QuotaEntityNames } from '../client/security-admin.ts';
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

const common = [bootstrapOption, timeoutOption] as const;

/** Kafka's names of types, by option. */
const types = [
  ['user', 'user'],
  ['client', 'client-id'],
  ['ip', 'ip'],
] as const;

const entityOptions: readonly Option[] = types.flatMap(([name, type]) => [
  { name, value: 'NAME', doc: `Of this ${type}.` },
  { name: `${name}-defaults`, doc: `Of every ${type} without a quota of its own.` },
]);

const KEYS =
  'producer_byte_rate, consumer_byte_rate (bytes a second), request_percentage (of the broker’s thread), controller_mutation_rate (partitions a second); of an ip: connection_creation_rate (a second)';

function entityOf(args: Arguments): QuotaEntityNames {
  const entity: Record<string, string | null> = {};
  for (const [option, type] of types) {
    const name = args.text(option);
    if (name !== undefined && args.has(`${option}-defaults`)) {
      throw usageError(`give --${option} or --${option}-defaults`);
    }
    if (name !== undefined) entity[type] = name;
    else if (args.has(`${option}-defaults`)) entity[type] = null;
  }
  return entity;
}

function requiredEntity(args: Arguments): QuotaEntityNames {
  const entity = entityOf(args);
  if (Object.keys(entity).length > 0) return entity;
  throw usageError('of whom? give --user, --client or --ip, or their defaults');
}

interface Row {
  readonly user: string | null;
  readonly client: string | null;
  readonly ip: string | null;
  readonly quota: string;
  readonly value: number;
}

const columns: readonly Column<Row>[] = [
  { title: 'USER', cell: (row) => row.user },
  { title: 'CLIENT-ID', cell: (row) => row.client },
  { title: 'IP', cell: (row) => row.ip },
  { title: 'QUOTA', cell: (row) => row.quota },
  { title: 'VALUE', cell: (row) => row.value, right: true },
];

const DEFAULT = '<default>';

const listCommand: Command = {
  name: 'list',
  summary: 'List the quotas, of all or of some.',
  usage: 'quota list [options]',
  examples: ['weir quota list', 'weir quota list --user alice --json'],
  options: [...common, ...entityOptions, jsonOption],
  run: (args) =>
    withSecurityAdmin(args, async (admin) => {
      const found = await admin.quotas(entityOf(args));
      const rows = found.flatMap(({ entity, quotas }) => {
        const name = (type: string): string | null =>
          type in entity ? (entity[type] ?? DEFAULT) : null;
        const named = { user: name('user'), client: name('client-id'), ip: name('ip') };
        return Object.entries(quotas).map(([quota, value]): Row => ({ ...named, quota, value }));
      });
      const key = (row: Row): string =>
        `${row.user ?? ''} ${row.client ?? ''} ${row.ip ?? ''} ${row.quota}`;
      await printRows(
        args,
        columns,
        rows.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
      );
      return ExitCode.OK;
    }),
};

const setCommand: Command = {
  name: 'set',
  summary: 'Set quotas.',
  usage: 'quota set KEY=VALUE… [options]',
  examples: [
    'weir quota set producer_byte_rate=1048576 --user alice',
    'weir quota set consumer_byte_rate=1048576 request_percentage=20 --client-defaults',
    'weir quota set connection_creation_rate=10 --ip-defaults',
  ],
  options: [...common, ...entityOptions],
  words: [1, Infinity],
  run: (args) => {
    const entity = requiredEntity(args);
    const changes: Record<string, number> = {};
    for (const word of args.words) {
      const at = word.indexOf('=');
      const value = Number(word.slice(at + 1));
      if (at <= 0 || word.length === at + 1 || !Number.isFinite(value)) {
        throw usageError(`a quota is KEY=NUMBER, of ${KEYS}; saw '${word}'`);
      }
      changes[word.slice(0, at)] = value;
    }
    return withSecurityAdmin(args, async (admin) => {
      await admin.alterQuotas(entity, changes);
      return ExitCode.OK;
    });
  },
};

const removeCommand: Command = {
  name: 'remove',
  summary: 'Remove quotas.',
  usage: 'quota remove KEY… [options]',
  examples: ['weir quota remove producer_byte_rate --user alice'],
  options: [...common, ...entityOptions],
  words: [1, Infinity],
  run: (args) => {
    const entity = requiredEntity(args);
    const changes = Object.fromEntries(args.words.map((key) => [key, null]));
    return withSecurityAdmin(args, async (admin) => {
      await admin.alterQuotas(entity, changes);
      return ExitCode.OK;
    });
  },
};

export const quotaCommand: Command = {
  name: 'quota',
  summary: 'List, set and remove what clients may use.',
  usage: 'quota COMMAND [options]',
  examples: ['weir quota list', 'weir quota set producer_byte_rate=1048576 --user alice'],
  options: [],
  commands: [listCommand, setCommand, removeCommand],
  run: () => Promise.resolve(ExitCode.USAGE),
};
