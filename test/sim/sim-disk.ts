/**
 * A disk in memory that is slow, fills up, fails and loses power.
 *
 * What a program has written is in the page cache: it outlives the program (kill -9), but not the
 * power. A power cut keeps what was synced and some of the rest: nothing, a beginning, or any
 * subset of a file's writes, the last of them cut or garbled. Changes of names are kept in the
 * order in which they were made, up to some point, as a journal does.
 */
import path from 'node:path';
import type { Disk, DiskFile } from '../../src/base/disk.ts';
import { OperatingError } from '../../src/base/errors.ts';
import { below, type Random } from '../../src/base/random.ts';
import type { Change } from '../support/disk-image.ts';
import { Inode } from './sim-file.ts';
import { chance, waitOf } from './sim-random.ts';
import type { SimProcess, Simulation } from './simulation.ts';

/** A change of names that the device does not have for certain yet. */
type NameChange =
  | { readonly kind: 'link'; readonly at: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly at: string }
  | { readonly kind: 'rename'; readonly from: string; readonly at: string }
  | { readonly kind: 'mkdir'; readonly at: string }
  | { readonly kind: 'rmdir'; readonly at: string };

/** What fails, and where: paths that begin with `prefix`. */
export interface DiskFault {
  readonly operation: 'write' | 'sync' | 'read';
  readonly prefix: string;
  readonly probability: number;
}

export const systemError = (code: string, what: string): Error =>
  Object.assign(new Error(`${code}: ${what}`), { code });

/** Names and what they name. */
class Tree {
  readonly files = new Map<string, Inode>();
  readonly directories = new Set<string>(['/']);

  apply(change: NameChange): void {
    const { files, directories } = this;
    if (change.kind === 'link') files.set(change.at, change.inode);
    else if (change.kind === 'unlink') files.delete(change.at);
    else if (change.kind === 'mkdir') directories.add(change.at);
    else if (change.kind === 'rmdir') this.#removeDirectory(change.at);
    else this.#rename(change.from, change.at);
  }
  #rename(from: string, to: string): void {
    const inode = this.files.get(from);
    if (inode !== undefined) {
      this.files.delete(from);
      this.files.set(to, inode);
      return;
    }
    this.directories.delete(from);
    this.directories.add(to);
    for (const [name, moved] of [...this.files]) {
      if (!name.startsWith(`${from}/`)) continue;
      this.files.delete(name);
      this.files.set(to + name.slice(from.length), moved);
    }
  }
  #removeDirectory(directory: string): void {
    this.directories.delete(directory);
    for (const name of [...this.files.keys()]) {
      if (name.startsWith(`${directory}/`)) this.files.delete(name);
    }
  }
  become(other: Tree): void {
    this.files.clear();
    for (const [name, inode] of other.files) this.files.set(name, inode);
    this.directories.clear();
    for (const name of other.directories) this.directories.add(name);
  }
}

const SYNC_MEAN_MS = 0.4;

/** Time of a read or a removal that nobody waits for. */
const LATER_MS = 0.1;

export class SimDisk {
  readonly #simulation: Simulation;
  readonly #random: Random;
  #seen = new Tree();
  #durable = new Tree();
  #journal: NameChange[] = [];
  usedBytes = 0;
  capacityBytes = 1e12;
  /** Mean time of a sync. */
  syncMs = SYNC_MEAN_MS;
  faults: DiskFault[] = [];
  readonly counters = { syncs: 0, writes: 0, writtenBytes: 0 };
  now: () => number = () => 0;

  constructor(simulation: Simulation, random: Random) {
    this.#simulation = simulation;
    this.#random = random;
  }

  /** The disk as one process has it; useless once that is dead. */
  viewFor(process: SimProcess): Disk {
    return new DiskView(this, process);
  }

  get tree(): Tree {
    return this.#seen;
  }

  change(change: NameChange): void {
    this.#seen.apply(change);
    this.#journal.push(change);
  }

  /** The journal is written up to the last change of this directory. */
  syncDirectory(directory: string): void {
    this.failing('sync', directory);
    this.#writeJournal(this.#lastChangeOf(directory));
  }

  /** The same, for `process`; what is changed while the device works may or may not be in it: here it is not. */
  syncDirectoryLater(directory: string, process: SimProcess): Promise<void> {
    const last = this.#lastChangeOf(directory);
    return this.later(process, this.syncDelayMs(), 'sync', () => {
      this.failing('sync', directory);
      this.#writeJournal(last);
    });
  }

  #lastChangeOf(directory: string): NameChange | undefined {
    return this.#journal.findLast(
      (c) =>
        path.dirname(c.at) === directory ||
        (c.kind === 'rename' && path.dirname(c.from) === directory),
    );
  }

  /** Up to `last`, if another sync has not taken it along. */
  #writeJournal(last: NameChange | undefined): void {
    const count = last === undefined ? 0 : this.#journal.indexOf(last) + 1;
    for (const change of this.#journal.splice(0, count)) this.#durable.apply(change);
  }

  /** Does something for `process`, if that still lives after `delayMs`. */
  later<T>(process: SimProcess, delayMs: number, what: string, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#simulation.after(process, delayMs, what, () => {
        try {
          resolve(action());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  /** Throws what the faults ask for. */
  failing(operation: DiskFault['operation'], filePath: string): void {
    for (const fault of this.faults) {
      if (fault.operation !== operation || !filePath.startsWith(fault.prefix)) continue;
      if (chance(this.#random, fault.probability))
        throw systemError('EIO', `${operation} ${filePath}`);
    }
  }

  get hasFailed(): boolean {
    return this.faults.length > 0;
  }

  syncDelayMs(): number {
    return 0.05 + waitOf(this.#random, this.syncMs);
  }

  room(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  /** Faults of the device are over. */
  heal(): void {
    this.faults = [];
    this.syncMs = SYNC_MEAN_MS;
    this.capacityBytes = 1e12;
  }

  /** The program starts anew: it opens files that others' failed syncs do not concern. */
  reopened(): void {
    for (const inode of this.#seen.files.values()) inode.syncFailed = null;
  }

  powerCut(): void {
    const random = this.#random;
    const kept = chance(random, 0.3) ? 0 : below(random, this.#journal.length + 1);
    for (const change of this.#journal.slice(0, kept)) this.#durable.apply(change);
    this.#journal = [];
    this.#seen.become(this.#durable);
    const mood = below(random, 3);
    this.usedBytes = 0;
    for (const inode of new Set(this.#seen.files.values())) {
      this.#crash(inode, mood);
      this.usedBytes += inode.current.size;
    }
  }

  #crash(inode: Inode, mood: number): void {
    const random = this.#random;
    inode.syncFailed = null;
    if (inode.changes.length === 0) return;
    let kept: Change[] = [];
    if (mood === 1) kept = inode.changes.slice(0, below(random, inode.changes.length + 1));
    else if (mood === 2) kept = inode.changes.filter(() => chance(random, 0.7));
    kept.forEach((change, i) => {
      inode.synced.apply(i === kept.length - 1 ? damaged(change, random) : change);
    });
    inode.changes = [];
    inode.current.become(inode.synced);
  }

  /** All is gone: another disk is in its place. */
  replace(): void {
    this.#seen = new Tree();
    this.#durable = new Tree();
    this.#journal = [];
    this.usedBytes = 0;
    this.heal();
  }

  /** Names of all files, for those who look from outside. */
  paths(): string[] {
    return [...this.#seen.files.keys()];
  }
  /** A byte on the device is not what it was. */
  overwrite(filePath: string, position: number, byte: number): void {
    const inode = this.#seen.files.get(filePath)!;
    for (const image of [inode.current, inode.synced]) image.write(position, Buffer.of(byte));
  }
  content(filePath: string): Buffer | null {
    return this.#seen.files.get(filePath)?.current.toBuffer() ?? null;
  }
}

function damaged(change: Change, random: Random): Change {
  if (change.kind === 'truncate' || chance(random, 0.3)) return change;
  const bytes = Buffer.from(change.bytes.subarray(0, below(random, change.bytes.length + 1)));
  if (bytes.length > 0 && chance(random, 0.5)) bytes[below(random, bytes.length)]! ^= 0xff;
  return { ...change, bytes };
}

class DiskView implements Disk {
  readonly #disk: SimDisk;
  readonly process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.process = process;
  }

  /** Nothing of a dead program may run any more; if it does, the simulation is at fault. */
  #tree(): Tree {
    if (!this.process.isAlive) throw new Error(`${this.process.name} is dead and uses its disk`);
    return this.#disk.tree;
  }

  open(filePath: string, mode: 'read' | 'create'): DiskFile {
    const tree = this.#tree();
    let inode = tree.files.get(filePath);
    if (inode === undefined) {
      if (mode === 'read' || !tree.directories.has(path.dirname(filePath))) {
        throw systemError('ENOENT', filePath);
      }
      inode = new Inode();
      inode.modifiedAt = this.#disk.now();
      this.#disk.change({ kind: 'link', at: filePath, inode });
    }
    return new SimDiskFile(this.#disk, this.process, filePath, inode);
  }

  list(directory: string): string[] {
    const tree = this.#tree();
    if (!tree.directories.has(directory)) throw systemError('ENOENT', directory);
    const names = new Set<string>();
    const prefix = `${directory}/`;
    for (const all of [tree.files.keys(), tree.directories.values()]) {
      for (const name of all) {
        if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split('/')[0]!);
      }
    }
    return [...names].sort();
  }

  exists(filePath: string): boolean {
    const tree = this.#tree();
    return tree.files.has(filePath) || tree.directories.has(filePath);
  }

  makeDirectory(directory: string): void {
    const tree = this.#tree();
    const missing: string[] = [];
    for (let at = directory; !tree.directories.has(at); at = path.dirname(at)) missing.unshift(at);
    for (const at of missing) this.#disk.change({ kind: 'mkdir', at });
  }

  rename(from: string, to: string): void {
    const tree = this.#tree();
    if (!tree.files.has(from) && !tree.directories.has(from)) throw systemError('ENOENT', from);
    this.#forget(tree.files.get(to));
    this.#disk.change({ kind: 'rename', from, at: to });
  }

  remove(filePath: string): void {
    const inode = this.#tree().files.get(filePath);
    if (inode === undefined) return;
    this.#forget(inode);
    this.#disk.change({ kind: 'unlink', at: filePath });
  }
  #forget(inode: Inode | undefined): void {
    if (inode !== undefined) this.#disk.usedBytes -= inode.current.size;
  }

  removeDirectory(directory: string): void {
    const tree = this.#tree();
    for (const [name, inode] of tree.files) {
      if (name.startsWith(`${directory}/`)) this.#forget(inode);
    }
    if (tree.directories.has(directory)) this.#disk.change({ kind: 'rmdir', at: directory });
  }

  removeLater(filePath: string): Promise<void> {
    return this.#disk.later(this.process, LATER_MS, 'remove-later', () => {
      if (this.#tree().directories.has(filePath)) this.removeDirectory(filePath);
      else this.remove(filePath);
    });
  }

  readFile(filePath: string): Buffer | null {
    const inode = this.#tree().files.get(filePath);
    if (inode === undefined) return null;
    this.#disk.failing('read', filePath);
    return inode.current.toBuffer();
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
    this.#tree();
    this.#disk.syncDirectory(directory);
  }

  syncDirectoryLater(directory: string): Promise<void> {
    this.#tree();
    return this.#disk.syncDirectoryLater(directory, this.process);
  }

  modifiedAt(filePath: string): number {
    const inode = this.#tree().files.get(filePath);
    if (inode === undefined) throw systemError('ENOENT', filePath);
    return inode.modifiedAt;
  }

  space(): { freeBytes: number; totalBytes: number } {
    return { freeBytes: this.#disk.room(), totalBytes: this.#disk.capacityBytes };
  }
}

class SimDiskFile implements DiskFile {
  readonly path: string;
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  readonly #inode: Inode;
  #isOpen = true;

  constructor(disk: SimDisk, process: SimProcess, filePath: string, inode: Inode) {
    this.path = filePath;
    this.#disk = disk;
    this.#process = process;
    this.#inode = inode;
  }

  #assertUsable(): void {
    if (!this.#isOpen) throw systemError('EBADF', this.path);
    if (!this.#process.isAlive) throw new Error(`${this.#process.name} is dead and uses its disk`);
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    this.#assertUsable();
    this.#disk.failing('write', this.path);
    const bytes = Buffer.concat(chunks);
    const growth = Math.max(0, position + bytes.length - this.#inode.current.size);
    const fits = bytes.length - Math.max(0, growth - this.#disk.room());
    if (fits > 0) {
      const before = this.#inode.current.size;
      this.#inode.apply({ kind: 'write', position, bytes: bytes.subarray(0, fits) });
      this.#inode.modifiedAt = this.#disk.now();
      this.#disk.usedBytes += this.#inode.current.size - before;
    }
    this.#disk.counters.writes += 1;
    this.#disk.counters.writtenBytes += bytes.length;
    if (fits < bytes.length) throw new OperatingError('ENOSPC', `short write to ${this.path}`);
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertUsable();
    this.#disk.failing('read', this.path);
    return this.#inode.current.read(into, offset, length, position);
  }

  readLater(into: Uint8Array, length: number, position: number): Promise<number> {
    this.#assertUsable();
    return this.#disk.later(this.#process, LATER_MS, 'read-later', () =>
      this.read(into, 0, length, position),
    );
  }

  sync(): Promise<void> {
    this.#assertUsable();
    // What is written while the device works may or may not be in it: here it is not.
    const inode = this.#inode;
    const before = inode.changes.length;
    const applied = before === 0 ? null : inode.changes[before - 1]!;
    return this.#disk.later(this.#process, this.#disk.syncDelayMs(), 'sync', () =>
      // Another sync may have taken some of them along.
      this.#sync(applied === null ? 0 : inode.changes.indexOf(applied) + 1),
    );
  }
  syncNow(): void {
    this.#assertUsable();
    this.#sync(this.#inode.changes.length);
  }
  #sync(count: number): void {
    const inode = this.#inode;
    if (inode.syncFailed !== null) throw inode.syncFailed;
    this.#disk.counters.syncs += 1;
    try {
      this.#disk.failing('sync', this.path);
    } catch (error) {
      inode.syncFailed = error as Error;
      throw error;
    }
    inode.synchronise(count);
  }

  truncate(size: number): void {
    this.#assertUsable();
    this.#disk.failing('write', this.path);
    this.#disk.usedBytes += size - this.#inode.current.size;
    this.#inode.apply({ kind: 'truncate', size });
  }
  size(): number {
    this.#assertUsable();
    return this.#inode.current.size;
  }
  close(): void {
    this.#isOpen = false;
  }
}
