import fs from 'node:fs';
import { codeOf } from '../../base/errors.ts';

/**
 * What the files collector asks of the files of others: identity, size, bytes. Injected, so that a
 * test can rename, truncate and fail at will.
 */
export interface FileSystem {
  /** Names in a folder; empty when it is absent or may not be read. */
  list(folder: string): readonly FolderEntry[];
  /** Of the file that the name leads to; null when there is none, or it may not be looked at. */
  stat(path: string): FileStat | null;
  /** Where a link leads in the end; null when the name is no link, or leads nowhere. */
  linkTarget(path: string): string | null;
  /** Throws the system's error. */
  open(path: string): OpenFile;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface FileStat {
  /** Device and inode: the file itself, whatever its name. */
  readonly key: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly isFile: boolean;
}

export interface OpenFile {
  /** Reads up to `length` bytes at `position`; returns how many (0 at the end). */
  read(into: Buffer, offset: number, length: number, position: number): number;
  size(): number;
  close(): void;
}

class NodeOpenFile implements OpenFile {
  readonly #fd: number;
  constructor(fd: number) {
    this.#fd = fd;
  }
  read(into: Buffer, offset: number, length: number, position: number): number {
    return fs.readSync(this.#fd, into, offset, length, position);
  }
  size(): number {
    return fs.fstatSync(this.#fd).size;
  }
  close(): void {
    fs.closeSync(this.#fd);
  }
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP']);

export const nodeFileSystem: FileSystem = {
  list(folder) {
    try {
      return fs
        .readdirSync(folder, { withFileTypes: true })
        .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
    } catch (error) {
      if (ABSENT.has(codeOf(error))) return [];
      throw error;
    }
  },
  stat(path) {
    try {
      // Inodes of some filesystems do not fit a number.
      const stats = fs.statSync(path, { bigint: true });
      return {
        key: `${stats.dev}:${stats.ino}`,
        size: Number(stats.size),
        modifiedMs: Number(stats.mtimeMs),
        isFile: stats.isFile(),
      };
    } catch (error) {
      if (ABSENT.has(codeOf(error))) return null;
      throw error;
    }
  },
  linkTarget(path) {
    try {
      return fs.lstatSync(path).isSymbolicLink() ? fs.realpathSync.native(path) : null;
    } catch (error) {
      if (ABSENT.has(codeOf(error))) return null;
      throw error;
    }
  },
  open: (path) =>
    new NodeOpenFile(fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)),
};
