/**
 * Reads the configuration file into flat dotted keys, each with the place it stands at. Nothing is
 * judged here but the YAML itself and the `${NAME}`s in it.
 *
 * A list of mappings gives its length under its own name, and the members of each mapping under
 * `name[0].member`.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  readonly message: string;
  readonly place: Place | null;
}

export interface FileEntry {
  readonly name: string;
  /** A scalar, or an array of scalars. */
  readonly value: unknown;
  readonly keyPlace: Place;
  readonly valuePlace: Place;
}

export interface FileContent {
  readonly entries: readonly FileEntry[];
  readonly problems: readonly Problem[];
}

/** Nested maps and dotted names give the same keys; a key that stands twice is a problem. */
export function readYaml(
  file: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): FileContent {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: Problem[] = [];
  const entries: FileEntry[] = [];
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  for (const error of [...document.errors, ...document.warnings]) {
    problems.push({ message: error.message, place: placeAt(error.pos[0]) });
  }
  const placeOf = (node: Node | null): Place => placeAt(node?.range?.[0] ?? 0);

  const scalar = (node: unknown, name: string): unknown => {
    if (!isScalar(node)) {
      problems.push({ message: `${name}: expected a value`, place: placeOf(node as Node | null) });
      return undefined;
    }
    if (typeof node.value !== 'string') return node.value;
    const filled = interpolate(node.value, environment);
    for (const missing of filled.missing) {
      const message = `${name}: environment variable ${missing} is not set (a default is written \${${missing}:-value})`;
      problems.push({ message, place: placeOf(node) });
    }
    return filled.text;
  };

  const walk = (node: unknown, prefix: string): void => {
    if (node === null || (isScalar(node) && node.value === null)) return;
    if (!isMap(node)) {
      const what = prefix === '' ? 'the file' : prefix;
      problems.push({
        message: `${what} must be a mapping of keys to values`,
        place: placeOf(node as Node | null),
      });
      return;
    }
    for (const pair of node.items as Pair<Node, Node | null>[]) visit(pair, prefix);
  };

  const visit = ({ key, value }: Pair<Node, Node | null>, prefix: string): void => {
    const keyPlace = placeOf(key);
    if (!isScalar(key)) {
      problems.push({ message: 'a key must be plain text', place: keyPlace });
      return;
    }
    const name = prefix === '' ? String(key.value) : `${prefix}.${String(key.value)}`;
    if (isMap(value)) {
      walk(value, name);
      return;
    }
    const list = isSeq(value);
    if (list && value.items.some(isMap)) {
      value.items.forEach((item, i) => walk(item, `${name}[${i}]`));
      add(name, value.items.length, keyPlace, value);
      return;
    }
    const read = list
      ? value.items.map((item) => scalar(item, name))
      : value === null
        ? null
        : scalar(value, name);
    if (read === undefined || (list && (read as unknown[]).includes(undefined))) return;
    add(name, read, keyPlace, value);
  };

  const add = (name: string, value: unknown, keyPlace: Place, node: Node | null): void => {
    const twice = entries.find((entry) => entry.name === name);
    if (twice !== undefined) {
      const message = `${name} stands twice; first in line ${twice.keyPlace.line}`;
      problems.push({ message, place: keyPlace });
      return;
    }
    entries.push({ name, value, keyPlace, valuePlace: node ? placeOf(node) : keyPlace });
  };

  walk(document.contents, '');
  return { entries, problems };
}

/** `${NAME}` and `${NAME:-default}`; `$$` is a dollar sign. An empty variable counts as not set for a default. */
export function interpolate(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly text: string; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const filled = text.replace(
    /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (whole, name: string | undefined, fallback: string | undefined) => {
      if (name === undefined) return '$';
      const value = environment[name];
      if (value !== undefined && (value !== '' || fallback === undefined)) return value;
      if (fallback !== undefined) return fallback;
      missing.push(name);
      return whole;
    },
  );
  return { text: filled, missing };
}
