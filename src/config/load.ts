/**
 * Makes the effective configuration: defaults, then the file, then `WEIR_*` of the environment,
 * then `--set key=value`. Every value remembers where it came from, and every problem is found in
 * one go: a user mends the file once.
 */
import { nearest } from '../base/nearest.ts';
import { BROKER_PREFIX } from './broker-list.ts';
import { brokerItem, brokerItemTable } from './broker-members.ts';
import { listenerKey } from './security-keys.ts';
import { type Key, type KeyValue, parseValue } from './table.ts';
import type { FileContent, Place, Problem } from './yaml-file.ts';

export type Origin =
  | { readonly source: 'default' }
  | { readonly source: 'file'; readonly place: Place }
  | { readonly source: 'environment'; readonly variable: string }
  | { readonly source: 'option'; readonly option: string };

export interface Effective {
  readonly key: Key;
  readonly value: KeyValue;
  readonly origin: Origin;
}

export interface Given {
  /** Every key that exists, by name. */
  readonly table: ReadonlyMap<string, Key>;
  readonly file: FileContent | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--set` and the options that stand for one, in order; the last one counts. */
  readonly options: readonly {
    readonly name: string;
    readonly value: string;
    readonly option: string;
  }[];
}

export interface Loaded {
  readonly values: ReadonlyMap<string, Effective>;
  readonly problems: readonly Problem[];
  /** What is suspicious, but stops nothing: a `WEIR_*` variable that is no key. */
  readonly warnings: readonly Problem[];
}

/** Variables that steer the launcher and the tests, and are no keys. */
const reservedVariables: ReadonlySet<string> = new Set(['WEIR_CONFIG', 'WEIR_NODE']);

export const variableOf = (name: string): string =>
  `WEIR_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

export function loadConfig(given: Given): Loaded {
  const { table, file, environment, options } = given;
  const values = new Map<string, Effective>();
  const problems: Problem[] = [...(file?.problems ?? [])];
  const warnings: Problem[] = [];

  const take = (name: string, value: unknown, origin: Origin, places: Places): void => {
    const item = brokerItem(name);
    const key = item === null ? (table.get(name) ?? ofListener(name)) : memberOf(name, item.key);
    if (key === undefined) {
      const hint = item === null ? suggestion(name, table) : memberSuggestion(name, item.key);
      const message = `${places.what}unknown key ${name}${hint}`;
      problems.push({ message, place: places.key });
      return;
    }
    const parsed = parseValue(key, value);
    if ('value' in parsed) values.set(name, { key, value: parsed.value, origin });
    else problems.push({ message: `${places.what}${name} ${parsed.problem}`, place: places.value });
  };

  for (const key of table.values()) {
    if (key.name.startsWith('broker.')) continue;
    values.set(key.name, { key, value: key.default, origin: { source: 'default' } });
  }
  for (const { name, value, keyPlace, valuePlace } of file?.entries ?? []) {
    const places = { what: '', key: keyPlace, value: valuePlace };
    take(name, value, { source: 'file', place: valuePlace }, places);
  }
  const variables = variablesOf(table.keys());
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('WEIR_') || text === undefined || text === '') continue;
    const name = variables.get(variable);
    if (name !== undefined) {
      take(name, text, { source: 'environment', variable }, nowhere(`${variable}: `));
    } else if (!reservedVariables.has(variable)) {
      const near = nearest(variable, variables.keys());
      const hint = near === null ? '' : `; did you mean ${near}?`;
      warnings.push({ message: `environment variable ${variable} is no key${hint}`, place: null });
    }
  }
  for (const { name, value, option } of options) {
    take(name, value, { source: 'option', option }, nowhere(`${option}: `));
  }
  return { values, problems, warnings };
}

/** A connector's variables do without the section's name, too: `WEIR_ELASTICSEARCH_URL`. */
function variablesOf(names: Iterable<string>): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const name of names) {
    variables.set(variableOf(name), name);
    if (name.startsWith('connectors.')) {
      variables.set(variableOf(name.slice('connectors.'.length)), name);
    }
  }
  return variables;
}

interface Places {
  /** Says where a value that has no place comes from. */
  readonly what: string;
  readonly key: Place | null;
  readonly value: Place | null;
}

const nowhere = (what: string): Places => ({ what, key: null, value: null });

function memberOf(name: string, member: string): Key | undefined {
  const key = brokerItemTable.get(member) ?? listenerKey(member);
  return key === undefined ? undefined : { ...key, name };
}

/** `broker.listener.name.…`: there are as many as there are listeners. */
function ofListener(name: string): Key | undefined {
  if (!name.startsWith(BROKER_PREFIX)) return undefined;
  const key = listenerKey(name.slice(BROKER_PREFIX.length));
  return key === undefined ? undefined : { ...key, name };
}

function memberSuggestion(name: string, member: string): string {
  const near = nearest(member, brokerItemTable.keys()) ?? bySuffix(member, brokerItemTable);
  return near === null ? '' : `; did you mean ${name.slice(0, -member.length)}${near}?`;
}

function suggestion(name: string, table: ReadonlyMap<string, Key>): string {
  const near = nearest(name, table.keys()) ?? bySuffix(name, table);
  return near === null ? '' : `; did you mean ${near}?`;
}

/** A key written without, or with a wrong, section: `log.retention.ms`, `http.port`. */
function bySuffix(name: string, table: ReadonlyMap<string, Key>): string | null {
  for (const candidate of table.keys()) if (candidate.endsWith(`.${name}`)) return candidate;
  return null;
}
