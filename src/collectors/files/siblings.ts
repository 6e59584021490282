import { basename, dirname, extname, join } from 'node:path';
import type { FileStat, FileSystem } from './file-system.ts';
import { ENTRIES_MAX, isCompressedName } from './glob.ts';

/**
 * The files that have names as the rotation of a log file gives them: those beside it, and those in
 * folders near it, where logrotate's `olddir` is. A folder is listed once, and each name looked at
 * once, until `renew`: many files of one folder are rotated at one time.
 */
export interface Sibling {
  readonly path: string;
  readonly stat: FileStat;
}

/** Folders near a file that are looked through. */
const FOLDERS_MAX = 256;

interface Folder {
  /** In order, so that those with one beginning lie together. */
  readonly names: readonly string[];
  readonly folders: readonly string[];
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

  /** Whether there is nothing in the file's folder; a disk that is not mounted shows nothing. */
  isFolderEmpty(path: string): boolean {
    const { names, folders } = this.#folderAt(dirname(path));
    return names.length + folders.length === 0;
  }

  /** Files beside it whose names a rotation of the file may have given them, itself included. */
  *beside(path: string): Iterable<Sibling> {
    yield* this.#within(dirname(path), path);
  }

  /** Those, and such in the folders below. */
  *besideAndBelow(path: string): Iterable<Sibling> {
    yield* this.beside(path);
    for (const folder of this.#below(dirname(path))) yield* this.#within(folder, path);
  }

  /** Those, and such in the folders beside the file's own. */
  *near(path: string): Iterable<Sibling> {
    yield* this.besideAndBelow(path);
    const own = dirname(path);
    for (const folder of this.#below(dirname(own))) {
      if (folder !== own) yield* this.#within(folder, path);
    }
  }

  #below(folder: string): string[] {
    return this.#folderAt(folder)
      .folders.slice(0, FOLDERS_MAX)
      .map((name) => join(folder, name));
  }

  *#within(at: string, path: string): Iterable<Sibling> {
    const folder = this.#folderAt(at);
    const original = basename(withoutNumber(path));
    const stem = withoutExtension(original);
    for (let n = lowerBound(folder.names, stem); n < folder.names.length; n++) {
      const name = folder.names[n]!;
      if (!name.startsWith(stem)) return;
      if (!isRotatedName(name, original)) continue;
      const sibling = join(at, name);
      const stat = this.#statOf(folder, sibling);
      if (stat?.isFile === true) yield { path: sibling, stat };
    }
  }

  #folderAt(at: string): Folder {
    let folder = this.#folders.get(at);
    if (folder === undefined) {
      const entries = this.#files.list(at).slice(0, ENTRIES_MAX);
      const names = (isFolder: boolean): string[] =>
        entries.filter((entry) => entry.isFolder === isFolder).map(({ name }) => name);
      folder = { names: names(false).sort(), folders: names(true), stats: new Map() };
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

/** Whether the file is in the folder of the other one, or in a folder of that. */
export function isBesideOrBelow(path: string, original: string): boolean {
  const [folder, own] = [dirname(path), dirname(original)];
  return folder === own || dirname(folder) === own;
}

/** `app.log.1`, `app.log-20261122`, `app-20261122.log` of `app.log`: names without folders. */
export function isRotatedName(name: string, original: string): boolean {
  if (name.startsWith(original)) return true;
  const extension = extname(original);
  const stem = withoutExtension(original);
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
 * Names without folders.
 */
export function isNumberedName(given: string, original: string): boolean {
  const name = isCompressedName(given) ? withoutExtension(given) : given;
  if (name === original) return false;
  if (name.replace(NUMBER_AT_END, '') === original) return true;
  const extension = extname(original);
  const stem = withoutExtension(original);
  return (
    extension !== '' &&
    name.startsWith(stem) &&
    name.endsWith(extension) &&
    DATE.test(name.slice(stem.length, name.length - extension.length))
  );
}
