/** The list `brokers` of the configuration: what a mapping in it takes, and what somebody gave there. */
import { brokerKeys } from './broker-keys.ts';
import type { Effective } from './load.ts';
import { type Key, type KeyValue, tableOf } from './table.ts';

const PORT_MAX = 65_535;

/** What a mapping in the list `brokers` takes besides Kafka's own names. */
const itemKeys: readonly Key[] = [
  {
    name: 'id',
    type: 'int',
    default: null,
    min: 0,
    max: 9_999,
    doc: 'Number of the broker, for good; its place in the list, from 0, when absent.',
  },
  {
    name: 'data',
    type: 'list',
    default: null,
    min: 1,
    doc: 'Folders (disks) for its data, in each of which it makes broker-ID; data.dir when absent.',
  },
  { name: 'rack', type: 'string', default: null, doc: 'Where it stands: broker.rack.' },
  { name: 'host', type: 'string', default: null, doc: 'Instead of kafka.host.' },
  {
    name: 'port',
    type: 'int',
    default: null,
    min: 0,
    max: PORT_MAX,
    doc: 'Instead of kafka.port + id.',
  },
  {
    name: 'advertised.host',
    type: 'string',
    default: null,
    doc: 'Instead of kafka.advertised.host.',
  },
];

/** The same with the names that help shows. */
export const memberKeys: readonly Key[] = itemKeys.map((key) => ({
  ...key,
  name: `brokers[].${key.name}`,
}));

/** Follow from who a broker is, so that nobody gives them. */
const derived: ReadonlySet<string> = new Set(['node.id', 'broker.rack', 'cluster.brokers']);

/** Members of `brokers[…]`. */
export const brokerItemTable: ReadonlyMap<string, Key> = tableOf([
  ...itemKeys,
  ...[...brokerKeys.values()].filter(({ name }) => !derived.has(name)),
]);

/** `brokers[1].rack` as the broker's place in the list and the member's name; null for other keys. */
export function brokerItem(name: string): { readonly index: number; readonly key: string } | null {
  const match = /^brokers\[(\d{1,4})\]\.(.+)$/.exec(name);
  return match === null ? null : { index: Number(match[1]), key: match[2]! };
}

export interface Member {
  readonly name: string;
  readonly value: KeyValue;
}

/** By the broker's place in the list, then by the member's name. */
export type Members = ReadonlyMap<number, ReadonlyMap<string, Member>>;

/** What was given; values that are none are left out. */
export function membersOf(values: ReadonlyMap<string, Effective>): Members {
  const members = new Map<number, Map<string, Member>>();
  for (const [name, { value }] of values) {
    const item = brokerItem(name);
    if (item === null || value === null) continue;
    const own = members.get(item.index) ?? new Map<string, Member>();
    own.set(item.key, { name, value });
    members.set(item.index, own);
  }
  return members;
}

/** Reports a problem of the key `name`. */
export type Report = (name: string, message: string) => void;
