import fs from 'node:fs';
import path from 'node:path';
import { bounds, outOfDescriptors } from './descriptors.ts';
import type { Disk, DiskFile } from './disk.ts';
import { codeOf, OperatingError } from './errors.ts';
import { makeDirectory } from './make-directory.ts';

/** Files of the appliance are its user's alone. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Most buffers in one `writev`; the system's limit (IOV_MAX) is 1,024. */
const CHUNKS_PER_WRITE_MAX = 512;

class NodeFile implements DiskFile {
  readonly path: string;
  #fd: number;
  #failedSync: Error | null = null;

  constructor(filePath: string, fd: number) {
    this.path = filePath;
    this.#fd = fd;
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    for (let first = 0; first < chunks.length; first += CHUNKS_PER_WRITE_MAX) {
      const some = chunks.slice(first, first + CHUNKS_PER_WRITE_MAX);
      let expected = 0;
      for (const chunk of some) expected += chunk.length;
      const written =
        some.length === 1
          ? fs.writeSync(this.#fd, some[0]!, 0, expected, position)
          : fs.writevSync(this.#fd, some, position);
      if (written !== expected) {
        // A full disk takes what fits and reports success; only the next call would say ENOSPC.
        throw new OperatingError(
          'ENOSPC',
          `short write to ${this.path}: expected ${expected} bytes, wrote ${written}`,
        );
      }
      position += expected;
    }
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const n = fs.readSync(this.#fd, into, offset + done, length - done, position + done);
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  readLater(into: Uint8Array, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, into, 0, length, position, (error, read) => {
        if (error === null) resolve(read);
        else reject(error);
      });
    });
  }

  sync(): Promise<void> {
    if (this.#failedSync !== null) return Promise.reject(this.#failedSync);
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => {
        if (error === null) return resolve();
        this.#failedSync = error;
        reject(error);
      });
    });
  }

  syncNow(): void {
    if (this.#failedSync !== null) throw this.#failedSync;
    try {
      fs.fdatasyncSync(this.#fd);
    } catch (error) {
      this.#failedSync = error as Error;
      throw error;
    }
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }

  size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    fs.closeSync(fd);
  }
}

/** The machine's own filesystem. */
export const nodeDisk: Disk = {
  open(filePath, mode) {
    const flags =
      mode === 'read' ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT;
    return new NodeFile(filePath, fs.openSync(filePath, flags, FILE_MODE));
  },
  idleFilesMax: bounds.idle,
  assertDescriptors() {
    if (!Number.isFinite(bounds.logs)) return;
    const next = fs.openSync('/', fs.constants.O_RDONLY);
    fs.closeSync(next);
    if (next >= bounds.logs) throw outOfDescriptors();
  },
  list: (directory) => fs.readdirSync(directory),
  exists: (filePath) => fs.existsSync(filePath),
  makeDirectory(directory) {
    makeDirectory(directory, DIRECTORY_MODE);
  },
  rename(from, to) {
    fs.renameSync(from, to);
  },
  remove(filePath) {
    fs.rmSync(filePath, { force: true });
  },
  removeDirectory(directory) {
    fs.rmSync(directory, { force: true, recursive: true });
  },
  removeLater(filePath) {
    return new Promise((resolve, reject) => {
      fs.rm(filePath, { force: true, recursive: true }, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  },
  readFile(filePath) {
    try {
      return fs.readFileSync(filePath);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  },
  replaceFile(filePath, bytes) {
    const temporary = `${filePath}.tmp`;
    const fd = fs.openSync(temporary, 'w', FILE_MODE);
    try {
      fs.writeFileSync(fd, bytes);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, filePath);
    nodeDisk.syncDirectory(path.dirname(filePath));
  },
  syncDirectory(directory) {
    const fd = fs.openSync(directory, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
  syncDirectoryLater(directory) {
    return new Promise((resolve, reject) => {
      // At once: what has this name now may have another one soon.
      const fd = fs.openSync(directory, 'r');
      fs.fsync(fd, (error) => {
        fs.closeSync(fd);
        if (error === null) resolve();
        else reject(error);
      });
    });
  },
  modifiedAt: (filePath) => fs.statSync(filePath).mtimeMs,
  space(filePath) {
    const stats = fs.statfsSync(filePath);
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
  },
};
