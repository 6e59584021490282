import path from 'node:path';
import type { Clock } from '../../src/base/clock.ts';
import type { Disk, DiskFile } from '../../src/base/disk.ts';
import { OperatingError } from '../../src/base/errors.ts';
import { below, type Random } from '../../src/base/random.ts';
import { type Change, Image } from './disk-image.ts';

/** A change of a directory that the device does not have for certain yet. */
type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'renameDirectory'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string };

class Inode {
  current = new Image();
  synced = new Image();
  changes: Change[] = [];
  modifiedAt = 0;
  syncFailed: Error | null = null;

  apply(change: Change): void {
    this.current.apply(change);
    this.changes.push(change);
  }
  sync(): void {
    for (const change of this.changes) this.synced.apply(change);
    this.changes = [];
  }
}

/** One call of the disk, for tests that let some of them fail. */
export interface DiskCall {
  readonly number: number;
  readonly operation: string;
  readonly path: string;
}

/** An error to throw, `short` to write half and report no room, or null to let it be. */
export type Fault = (call: DiskCall) => Error | 'short' | null;

export const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: injected`), { code });

/**
 * A disk in memory that can lose power, fill up and fail.
 *
 * Each file has the image that the device has for certain and the changes since; directories have
 * a list of changes of their own. `crash` keeps a random part of both.
 */
export class FaultyDisk implements Disk {
  readonly #clock: Clock;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  readonly #directories = new Set<string>(['/']);
  #calls = 0;
  /** Asked before every call that can fail. */
  fault: Fault = () => null;
  /** Bytes that fit; what goes beyond is written in part and answered with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Called with every call, for tests that watch. */
  watch: (call: DiskCall) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }
  get usedBytes(): number {
    let bytes = 0;
    for (const inode of this.#names.values()) bytes += inode.current.size;
    return bytes;
  }

  /** Throws the injected error; true asks for a short write. */
  call(operation: string, filePath: string): boolean {
    const call = { number: ++this.#calls, operation, path: filePath };
    this.watch(call);
    const fault = this.fault(call);
    if (fault instanceof Error) throw fault;
    return fault === 'short';
  }

  inodeOf(filePath: string): Inode | undefined {
    return this.#names.get(filePath);
  }
  now(): number {
    return this.#clock.now();
  }

  open(filePath: string, mode: 'read' | 'create'): DiskFile {
    this.call('open', filePath);
    let inode = this.#names.get(filePath);
    if (inode === undefined) {
      if (mode === 'read' || !this.#directories.has(path.dirname(filePath))) {
        throw systemError('ENOENT');
      }
      inode = new Inode();
      inode.modifiedAt = this.now();
      this.#link(filePath, inode);
    }
    return new FaultyFile(this, filePath, inode);
  }

  #link(filePath: string, inode: Inode): void {
    this.#names.set(filePath, inode);
    this.#nameChanges.push({ kind: 'link', path: filePath, inode });
  }

  list(directory: string): string[] {
    this.call('list', directory);
    if (!this.#directories.has(directory)) throw systemError('ENOENT');
    const names = new Set<string>();
    const prefix = `${directory}/`;
    for (const name of [...this.#names.keys(), ...this.#directories]) {
      if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split('/')[0]!);
    }
    return [...names].sort();
  }

  exists(filePath: string): boolean {
    return this.#names.has(filePath) || this.#directories.has(filePath);
  }

  makeDirectory(directory: string): void {
    this.call('makeDirectory', directory);
    for (let at = directory; !this.#directories.has(at); at = path.dirname(at)) {
      this.#directories.add(at);
    }
  }

  rename(from: string, to: string): void {
    this.call('rename', from);
    if (this.#directories.has(from)) return this.#renameDirectory(from, to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError('ENOENT');
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#nameChanges.push({ kind: 'rename', from, to });
  }

  #renameDirectory(from: string, to: string): void {
    if (this.#directories.has(to)) throw systemError('ENOTEMPTY');
    this.#directories.delete(from);
    this.#directories.add(to);
    const change = { kind: 'renameDirectory', from, to } as const;
    applyName(this.#names, change);
    this.#nameChanges.push(change);
  }

  remove(filePath: string): void {
    this.call('remove', filePath);
    if (!this.#names.delete(filePath)) return;
    this.#nameChanges.push({ kind: 'unlink', path: filePath });
  }

  removeDirectory(directory: string): void {
    this.call('removeDirectory', directory);
    this.#directories.delete(directory);
    for (const names of [this.#names, this.#syncedNames]) {
      for (const name of names.keys()) if (name.startsWith(`${directory}/`)) names.delete(name);
    }
  }

  async removeLater(filePath: string): Promise<void> {
    await Promise.resolve();
    if (this.#directories.has(filePath)) this.removeDirectory(filePath);
    else this.remove(filePath);
  }

  readFile(filePath: string): Buffer | null {
    this.call('readFile', filePath);
    return this.#names.get(filePath)?.current.toBuffer() ?? null;
  }

  replaceFile(filePath: string, bytes: Uint8Array): void {
    const temporary = `${filePath}.tmp`;
    const file = this.open(temporary, 'create');
    file.truncate(0);
    file.write([bytes], 0);
    file.syncNow();
    file.close();
    this.rename(temporary, filePath);
    this.syncDirectory(path.dirname(filePath));
  }

  syncDirectory(directory: string): void {
    this.call('syncDirectory', directory);
    this.#syncNames(directory, this.#nameChanges.length);
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    // What is changed while the device works may or may not be in it: here it is not.
    const last = this.#nameChanges.at(-1);
    await Promise.resolve();
    this.call('syncDirectory', directory);
    // Another sync may have taken some of them along.
    this.#syncNames(directory, last === undefined ? 0 : this.#nameChanges.indexOf(last) + 1);
  }

  /** Of the first `count` changes. */
  #syncNames(directory: string, count: number): void {
    const later = this.#nameChanges.splice(count);
    // A directory's new name comes with all that was done before, as with a journal.
    const renamed = this.#nameChanges.findLastIndex(
      ({ kind, ...change }) =>
        kind === 'renameDirectory' &&
        'to' in change &&
        (change.to === directory || path.dirname(change.to) === directory),
    );
    const volume = renamed < 0 ? '' : volumeOf(this.#nameChanges[renamed]!);
    this.#nameChanges = this.#nameChanges.filter((change, i) => {
      if (i > renamed || volumeOf(change) !== volume) return true;
      applyName(this.#syncedNames, change);
      return false;
    });
    const stay: NameChange[] = [];
    for (const change of this.#nameChanges) {
      const where = 'to' in change ? change.to : change.path;
      if (path.dirname(where) === directory) applyName(this.#syncedNames, change);
      else stay.push(change);
    }
    this.#nameChanges = [...stay, ...later];
  }

  modifiedAt(filePath: string): number {
    const inode = this.#names.get(filePath);
    if (inode === undefined) throw systemError('ENOENT');
    return inode.modifiedAt;
  }

  space(): { freeBytes: number; totalBytes: number } {
    const totalBytes = this.capacityBytes;
    return { freeBytes: Math.max(0, totalBytes - this.usedBytes), totalBytes };
  }

  /** How much of `bytes` more fits. */
  room(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  /**
   * Power is lost: of what was not synced a random part survives, the last write of a file perhaps
   * cut or garbled. Directory changes survive up to a random one, in order, as with a journal; each
   * directory of the root is a disk with a journal of its own.
   */
  crash(random: Random): void {
    for (const changes of Map.groupBy(this.#nameChanges, volumeOf).values()) {
      const kept = below(random, changes.length + 1);
      for (const change of changes.slice(0, kept)) applyName(this.#syncedNames, change);
    }
    this.#nameChanges = [];
    this.#names = new Map(this.#syncedNames);
    this.#keepDirectories();
    for (const inode of new Set(this.#names.values())) crashInode(inode, random);
    this.fault = () => null;
  }

  /** Names of directories that were lost, or came back, with what is in them. */
  #keepDirectories(): void {
    for (const name of this.#names.keys()) this.#directories.add(path.dirname(name));
    for (const directory of this.#directories) {
      const isInUse = [...this.#names.keys()].some((name) => name.startsWith(`${directory}/`));
      if (!isInUse && path.dirname(directory) !== '/' && directory !== '/') {
        this.#directories.delete(directory);
      }
    }
  }

  /** The process ended and another one opens the files: faults and failed syncs are history. */
  restart(): void {
    this.fault = () => null;
    this.capacityBytes = Number.POSITIVE_INFINITY;
    for (const inode of this.#names.values()) inode.syncFailed = null;
  }

  /** Whole content of a file, for assertions and for damaging it. */
  content(filePath: string): Buffer {
    const inode = this.#names.get(filePath);
    if (inode === undefined) throw systemError('ENOENT');
    return inode.current.toBuffer();
  }
  /** Replaces the content as it lies on the device. */
  setContent(filePath: string, bytes: Uint8Array): void {
    const inode = this.#names.get(filePath) ?? new Inode();
    if (!this.#names.has(filePath)) {
      this.#names.set(filePath, inode);
      this.#syncedNames.set(filePath, inode);
    }
    inode.changes = [];
    inode.current = new Image();
    inode.current.write(0, bytes);
    inode.synced = Image.copyOf(inode.current);
  }

  /** An equal disk that goes its own way from here on. */
  clone(): FaultyDisk {
    const copy = new FaultyDisk(this.#clock);
    for (const directory of this.#directories) copy.#directories.add(directory);
    const inodes = new Map<Inode, Inode>();
    const copied = (inode: Inode): Inode => {
      let twin = inodes.get(inode);
      if (twin === undefined) {
        twin = new Inode();
        twin.current = Image.copyOf(inode.current);
        twin.synced = Image.copyOf(inode.synced);
        twin.changes = [...inode.changes];
        twin.modifiedAt = inode.modifiedAt;
        inodes.set(inode, twin);
      }
      return twin;
    };
    for (const [name, inode] of this.#names) copy.#names.set(name, copied(inode));
    for (const [name, inode] of this.#syncedNames) copy.#syncedNames.set(name, copied(inode));
    for (const change of this.#nameChanges) {
      const twin = change.kind === 'link' ? { ...change, inode: copied(change.inode) } : change;
      copy.#nameChanges.push(twin);
    }
    copy.capacityBytes = this.capacityBytes;
    return copy;
  }
}

const volumeOf = (change: NameChange): string =>
  ('to' in change ? change.to : change.path).split('/')[1] ?? '';

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'renameDirectory') {
    const { from, to } = change;
    for (const [name, inode] of [...names]) {
      if (!name.startsWith(`${from}/`)) continue;
      names.delete(name);
      names.set(to + name.slice(from.length), inode);
    }
    return;
  }
  if (change.kind === 'link') names.set(change.path, change.inode);
  else if (change.kind === 'unlink') names.delete(change.path);
  else {
    const inode = names.get(change.from);
    names.delete(change.from);
    if (inode !== undefined) names.set(change.to, inode);
  }
}

function crashInode(inode: Inode, random: Random): void {
  const kept = inode.changes.filter(() => random.next() < 0.7);
  kept.forEach((change, i) => {
    const isLast = i === kept.length - 1;
    inode.synced.apply(isLast ? damaged(change, random) : change);
  });
  inode.changes = [];
  inode.current = Image.copyOf(inode.synced);
  inode.syncFailed = null;
}

function damaged(change: Change, random: Random): Change {
  if (change.kind === 'truncate' || random.next() < 0.3) return change;
  const bytes = Buffer.from(change.bytes.subarray(0, below(random, change.bytes.length + 1)));
  if (random.next() < 0.5 && bytes.length > 0) bytes[below(random, bytes.length)]! ^= 0xff;
  return { ...change, bytes };
}

class FaultyFile implements DiskFile {
  readonly path: string;
  readonly #disk: FaultyDisk;
  readonly #inode: Inode;
  #open = true;

  constructor(disk: FaultyDisk, filePath: string, inode: Inode) {
    this.path = filePath;
    this.#disk = disk;
    this.#inode = inode;
  }

  #assertOpen(): void {
    if (!this.#open) throw systemError('EBADF');
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    this.#assertOpen();
    const short = this.#disk.call('write', this.path);
    const bytes = Buffer.concat(chunks);
    const growth = Math.max(0, position + bytes.length - this.#inode.current.size);
    const missing = Math.max(0, growth - this.#disk.room());
    const fits = short ? Math.floor(bytes.length / 2) : bytes.length - missing;
    if (fits > 0) {
      this.#inode.apply({ kind: 'write', position, bytes: bytes.subarray(0, fits) });
      this.#inode.modifiedAt = this.#disk.now();
    }
    if (fits < bytes.length) throw new OperatingError('ENOSPC', `short write to ${this.path}`);
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen();
    this.#disk.call('read', this.path);
    return this.#inode.current.read(into, offset, length, position);
  }

  readLater(into: Uint8Array, length: number, position: number): Promise<number> {
    this.#assertOpen();
    return Promise.resolve().then(() => this.read(into, 0, length, position));
  }

  sync(): Promise<void> {
    this.#assertOpen();
    // What is written while the device works may or may not be in it: here it is not.
    const before = this.#inode.changes.length;
    return Promise.resolve().then(() => this.#sync(before));
  }
  syncNow(): void {
    this.#assertOpen();
    this.#sync(this.#inode.changes.length);
  }
  #sync(count: number): void {
    const inode = this.#inode;
    if (inode.syncFailed !== null) throw inode.syncFailed;
    try {
      this.#disk.call('sync', this.path);
    } catch (error) {
      inode.syncFailed = error as Error;
      throw error;
    }
    const rest = inode.changes.slice(count);
    inode.changes = inode.changes.slice(0, count);
    inode.sync();
    inode.changes = rest;
  }

  truncate(size: number): void {
    this.#assertOpen();
    this.#disk.call('truncate', this.path);
    this.#inode.apply({ kind: 'truncate', size });
  }
  size(): number {
    this.#assertOpen();
    this.#disk.call('size', this.path);
    return this.#inode.current.size;
  }
  close(): void {
    this.#open = false;
  }
}
