import { basename, join } from 'node:path';
import type { FileSystem } from './file-system.ts';

/**
 * Paths with `*`, `?`, `[…]`, `{a,b}` and `**` (any folders, itself included; does not follow
 * links). A leading dot is matched only by a dot.
 */

/** Folders below a `**`. */
const DEPTH_MAX = 16;
/** Folder entries that one expansion looks at. */
export const ENTRIES_MAX = 200_000;
/** Patterns that the braces of one pattern make. */
const ALTERNATIVES_MAX = 1024;

/** `a{b,c}` to `ab`, `ac`. */
export function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  let depth = 0;
  const cuts = [open];
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '{') depth++;
    else if (character === ',' && depth === 1) cuts.push(at);
    else if (character === '}' && --depth === 0) {
      cuts.push(at);
      const made = cuts
        .slice(1)
        .flatMap((cut, i) =>
          expandBraces(
            pattern.slice(0, open) + pattern.slice(cuts[i]! + 1, cut) + pattern.slice(at + 1),
          ),
        );
      return made.slice(0, ALTERNATIVES_MAX);
    }
  }
  return [pattern];
}

/** One part of a path as a regular expression, without back-references or nested repetition. */
function segmentExpression(segment: string): RegExp {
  let source = segment.startsWith('.') ? '' : '(?!\\.)';
  for (let at = 0; at < segment.length; at++) {
    const character = segment[at]!;
    const close = character === '[' ? segment.indexOf(']', at + 2) : -1;
    if (character === '*') {
      while (segment[at + 1] === '*') at++;
      source += '[^/]*';
    } else if (character === '?') source += '[^/]';
    else if (close > 0) {
      const set = segment
        .slice(at + 1, close)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\')
        .replaceAll('[', '\\[');
      source += `[${set}]`;
      at = close;
    } else source += character.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 'u');
}

const isMagic = (segment: string): boolean => /[*?[]/.test(segment);

export class Glob {
  readonly #alternatives: readonly (readonly (string | RegExp | null)[])[];
  #entries = 0;
  /** The last expansion has looked at as many entries as it may, and there were more. */
  isCut = false;

  readonly pattern: string;

  /** Throws SyntaxError when the pattern makes no sense. */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.#alternatives = expandBraces(pattern).map((alternative) =>
      alternative
        .split('/')
        .filter((segment) => segment !== '' && segment !== '.')
        .map((segment) =>
          segment === '**' ? null : isMagic(segment) ? segmentExpression(segment) : segment,
        ),
    );
  }

  /** Existing names that match, whatever they are. */
  *expand(files: FileSystem): Iterable<string> {
    this.#entries = 0;
    this.isCut = false;
    for (const segments of this.#alternatives) yield* this.#walk(files, '/', segments, 0, 0);
  }

  *#walk(
    files: FileSystem,
    folder: string,
    segments: readonly (string | RegExp | null)[],
    at: number,
    depth: number,
  ): Iterable<string> {
    const segment = segments[at];
    if (segment === undefined) return;
    const isLast = at === segments.length - 1;
    if (typeof segment === 'string') {
      const path = join(folder, segment);
      if (isLast) yield path;
      else yield* this.#walk(files, path, segments, at + 1, 0);
      return;
    }
    if (segment === null && !isLast) yield* this.#walk(files, folder, segments, at + 1, 0);
    for (const { name, isFolder } of files.list(folder)) {
      if (++this.#entries > ENTRIES_MAX) {
        this.isCut = true;
        return;
      }
      const path = join(folder, name);
      if (segment === null) {
        if (isLast && !isFolder) yield path;
        if (isFolder && !name.startsWith('.') && depth < DEPTH_MAX) {
          yield* this.#walk(files, path, segments, at, depth + 1);
        }
      } else if (segment.test(name)) {
        if (isLast) yield path;
        else yield* this.#walk(files, path, segments, at + 1, 0);
      }
    }
  }

  matches(path: string): boolean {
    const names = path.split('/').filter((name) => name !== '');
    return this.#alternatives.some((segments) => matchFrom(segments, 0, names, 0));
  }
}

function matchFrom(
  segments: readonly (string | RegExp | null)[],
  at: number,
  names: readonly string[],
  from: number,
): boolean {
  if (at === segments.length) return from === names.length;
  const segment = segments[at]!;
  if (segment === null) {
    for (let next = from; next <= names.length; next++) {
      if (matchFrom(segments, at + 1, names, next)) return true;
    }
    return at === segments.length - 1;
  }
  const name = names[from];
  if (name === undefined) return false;
  const isMatch = typeof segment === 'string' ? segment === name : segment.test(name);
  return isMatch && matchFrom(segments, at + 1, names, from + 1);
}

/** Rotated files that were compressed are never read again. */
const COMPRESSED = /\.(gz|zst|zstd|xz|bz2|lz4|lzma|zip|z|br)$/i;
export const isCompressedName = (path: string): boolean => COMPRESSED.test(basename(path));
