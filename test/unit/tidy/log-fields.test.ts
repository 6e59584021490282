import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { indexTemplate } from '../../../src/connectors/elasticsearch/index-template.ts';

const root = path.resolve(import.meta.dirname, '../../../src');

/** Where dotted names in quotes are settings, and not fields of log lines. */
const notFields = /^(config\/|connectors\/elasticsearch\/(settings|index-template)\.ts$)/;

const logCall = /(?:\b(?:logger|printOnly)\??\.(?:debug|info|warn|error)|#log)\(/g;

/** The text of a call's arguments, from after its opening bracket. */
function argumentsAt(source: string, from: number): string {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < source.length; at++) {
    if ('([{'.includes(source[at]!)) depth++;
    else if (')]}'.includes(source[at]!)) depth--;
  }
  return source.slice(from, at - 1);
}

/** Names of fields in one file's log lines: every dotted key, and any key that stands in a call. */
function fieldsOf(source: string): Set<string> {
  const fields = new Set<string>();
  for (const [, name] of source.matchAll(/'([a-z_@]+(?:\.[a-z_]+)+)'\s*:/g)) fields.add(name!);
  for (const call of source.matchAll(logCall)) {
    const given = argumentsAt(source, call.index + call[0].length);
    for (const [literal] of given.matchAll(/\{[^{}]*\}/g)) {
      for (const [, quoted, bare] of literal.matchAll(
        /(?<=[{,]\s*)(?:'([\w.@]+)'|(\w+))(?=\s*[:,}])/g,
      )) {
        fields.add(quoted ?? bare!);
      }
    }
  }
  return fields;
}

/** Pairs of a leaf and a field below it: a search server's mapping takes one of them only. */
function conflicts(fields: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const field of fields) {
    const parts = field.split('.');
    for (let n = 1; n < parts.length; n++) {
      const above = parts.slice(0, n).join('.');
      if (fields.has(above)) found.push(`${above} and ${field}`);
    }
  }
  return found;
}

interface Mapping {
  readonly properties?: Readonly<Record<string, Mapping>>;
}

function* leaves(mapping: Mapping, prefix: string): Iterable<string> {
  for (const [name, inner] of Object.entries(mapping.properties ?? {})) {
    if (inner.properties === undefined) yield prefix + name;
    else yield* leaves(inner, `${prefix}${name}.`);
  }
}

test('no field of a log line is a leaf in one line and an object in another', () => {
  const { template } = indexTemplate('logs', 'elasticsearch') as {
    template: { mappings: Mapping };
  };
  const all = new Set(leaves(template.mappings, ''));
  let own = 0;
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || notFields.test(file)) continue;
    for (const field of fieldsOf(readFileSync(path.join(root, file), 'utf8'))) {
      all.add(field);
      own++;
    }
  }
  expect(own).toBeGreaterThan(100);
  expect(conflicts(all)).toEqual([]);
});

test('a field that is a leaf and an object is found, however it is written', () => {
  const lines = `logger.info('a', { 'kafka.group': group.id, error });
    this.#log('b', group, { ...more, 'kafka.group.state': 1 });
    const fields = { 'error.message': reasonOf(fault(1)) };`;
  expect(conflicts(fieldsOf(lines))).toEqual([
    'kafka.group and kafka.group.state',
    'error and error.message',
  ]);
});
