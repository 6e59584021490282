import { basename, dirname, extname, join } from 'node:path';
import type { FileStat, FileSystem } from './file-system.ts';
import { ENTRIES_MAX, isCompressedName } from './glob.ts';

/**
 * The files beside a log file that have names as rotation gives them. A folder is listed once, and
 * each name looked at once, until `renew`: many files of one folder are rotated at one time.
 */
export interface Sibling {
  readonly path: string;
  readonly stat: FileStat;
}

interface Folder {
  /** In order, so that those with one beginning lie together. */
  readonly names: readonly string[];
  readonly stats: Map<string, FileStat | null>;
}

export class Siblings {
  readonly #files: FileSystem;
  readonly #folders = new Map<string, Folder>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Forgets what the folders looked like. */
  renew(): void {
    this.#folders.clear();
  }

  /** Whether there is anything in the file's folder; a disk that is not mounted shows nothing. */
  isFolderEmpty(path: string): boolean {
    return this.#folderOf(path).names.length === 0;
  }

  /** Files whose names a rotation of the file may have given them, itself included. */
  *of(path: string): Iterable<Sibling> {
    const folder = this.#folderOf(path);
    const original = withoutNumber(path);
    const first = basename(original);
    const stem = withoutExtension(first);
    for (let at = lowerBound(folder.names, stem); at < folder.names.length; at++) {
      const name = folder.names[at]!;
      if (!name.startsWith(stem)) return;
      const sibling = join(dirname(path), name);
      if (!isRotatedName(sibling, original)) continue;
      const stat = this.#statOf(folder, sibling);
      if (stat?.isFile === true) yield { path: sibling, stat };
    }
  }

  #folderOf(path: string): Folder {
    const at = dirname(path);
    let folder = this.#folders.get(at);
    if (folder === undefined) {
      const entries = this.#files.list(at).slice(0, ENTRIES_MAX);
      const names = entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name);
      folder = { names: names.sort(), stats: new Map() };
      this.#folders.set(at, folder);
    }
    return folder;
  }

  #statOf({ stats }: Folder, path: string): FileStat | null {
    let stat = stats.get(path);
    if (stat === undefined) {
      stat = this.#files.stat(path);
      stats.set(path, stat);
    }
    return stat;
  }
}

/** Where the first name stands that is not before the text. */
function lowerBound(names: readonly string[], text: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `app.log.1`, `app.log-20261122`, `app-20261122.log` of `app.log`. */
export function isRotatedName(path: string, original: string): boolean {
  if (dirname(path) !== dirname(original)) return false;
  const name = basename(path);
  const first = basename(original);
  if (name.startsWith(first)) return true;
  const extension = extname(first);
  const stem = withoutExtension(first);
  return (
    extension !== '' &&
    name.endsWith(extension) &&
    (name.startsWith(`${stem}-`) || name.startsWith(`${stem}.`))
  );
}

const NUMBER_AT_END = /(?<=.)(?:\.\d|[-_]\d{4})[-\d_.T:]*$/;
const DATE = /^[-_.]\d{4}[-\d_.T:]*$/;

/** `app.log` of `app.log.1` and `app.log-20261122`. */
export function withoutNumber(path: string): string {
  return join(dirname(path), basename(path).replace(NUMBER_AT_END, ''));
}

/** `app.log.1` of `app.log.1.gz`. */
export const withoutExtension = (path: string): string =>
  path.slice(0, path.length - extname(path).length);

/**
 * Whether the name is the original's with a number or date, and nothing else: the file is of the
 * same log for certain, though nothing is known of what it holds. `app-2.log` may be another log.
 */
export function isNumberedName(path: string, original: string): boolean {
  const name = isCompressedName(path) ? withoutExtension(path) : path;
  if (name === original || dirname(name) !== dirname(original)) return false;
  if (withoutNumber(name) === original) return true;
  const extension = extname(original);
  const stem = withoutExtension(original);
  return (
    extension !== '' &&
    name.startsWith(stem) &&
    name.endsWith(extension) &&
    DATE.test(name.slice(stem.length, name.length - extension.length))
  );
}
