/**
 * Everything storage may ask of a disk. Tests and simulations pass a faulty one; nothing else in
 * the program's storage code touches `node:fs`.
 *
 * Reads and writes are synchronous and go through the page cache: a write of one batch costs
 * microseconds, a hop to a thread pool costs more than that, and each broker has a thread of its
 * own, so a stalled disk stalls only the broker that owns it. Asynchronous is what takes
 * milliseconds: `sync` and `syncDirectoryLater`, which wait for the device, `removeLater`, which
 * gives back the blocks of whole segments, and `readLater`, for bytes that nobody needs yet. Those of
 * them that wait have blocking twins, for what must be over before anything else happens.
 *
 * Durability: a write is safe from a killed process as soon as it returns, and from power loss
 * after `sync` has resolved. A creation, rename or removal is safe after `syncDirectory`, or once
 * a `syncDirectoryLater` that began after it has resolved.
 */
export interface Disk {
  /** `read` fails when the file is absent; `create` makes it (and truncates nothing that exists). */
  open(path: string, mode: 'read' | 'create'): DiskFile;
  /** Files that may be kept open only because they may be needed again; absent: any number. */
  readonly idleFilesMax?: number;
  /** Throws EMFILE where what is open already needs the few files that may be opened yet. */
  assertDescriptors?(): void;
  /** Names (not paths) in a directory; an absent directory throws ENOENT. */
  list(directory: string): string[];
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  /** Removes a file; an absent one is no error. */
  remove(path: string): void;
  /** Removes a directory with everything in it; an absent one is no error. */
  removeDirectory(path: string): void;
  /** Removes a file, or a directory with everything in it, by another thread. An absent one is no error. */
  removeLater(path: string): Promise<void>;
  /** A whole small file (a checkpoint). Absent: null. */
  readFile(path: string): Buffer | null;
  /** Atomic and durable: temporary file, sync, rename, sync of the directory. */
  replaceFile(path: string, bytes: Uint8Array): void;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): void;
  /** The same, without blocking; what is changed after the call may not be in it. A new name is no matter. */
  syncDirectoryLater(path: string): Promise<void>;
  /** Modification time of a file in milliseconds since 1970. */
  modifiedAt(path: string): number;
  /** Free and total bytes of the filesystem that holds `path`. */
  space(path: string): { freeBytes: number; totalBytes: number };
}

export interface DiskFile {
  readonly path: string;
  /** Writes all chunks one after another from `position`, or throws; after a throw the tail is undefined. */
  write(chunks: readonly Uint8Array[], position: number): void;
  /** Reads up to `length` bytes at `position` into `into` at `offset`; returns how many (0 at the end). */
  read(into: Uint8Array, offset: number, length: number, position: number): number;
  /** The same, later, by another thread; `into` belongs to it until then, and so does the open file. */
  readLater(into: Uint8Array, length: number, position: number): Promise<number>;
  /**
   * Waits until everything written is on the device. After it has failed once, every later call
   * fails too: what a failed sync left behind is unknown, and a second one would report success.
   */
  sync(): Promise<void>;
  /** The same, blocking; for checkpoints and shutdown. */
  syncNow(): void;
  truncate(size: number): void;
  size(): number;
  /** Idempotent. */
  close(): void;
}
