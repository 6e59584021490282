import type { Disk } from '../../src/base/disk.ts';
import { formatCluster } from '../../src/cluster/quorum/format.ts';
import { SimProcess } from './simulation.ts';
import type { World } from './world.ts';

/** Several disks as one: the first part of a path says which. */
class MountedDisks implements Disk {
  readonly #disks: ReadonlyMap<string, Disk>;

  constructor(disks: ReadonlyMap<string, Disk>) {
    this.#disks = disks;
  }

  #at(path: string): Disk {
    const disk = this.#disks.get(path.split('/')[1] ?? '');
    if (disk === undefined) throw new Error(`no disk is mounted at ${path}`);
    return disk;
  }

  open(path: string, mode: 'read' | 'create') {
    return this.#at(path).open(path, mode);
  }
  list(directory: string): string[] {
    return this.#at(directory).list(directory);
  }
  exists(path: string): boolean {
    return this.#at(path).exists(path);
  }
  makeDirectory(path: string): void {
    this.#at(path).makeDirectory(path);
  }
  rename(from: string, to: string): void {
    this.#at(from).rename(from, to);
  }
  remove(path: string): void {
    this.#at(path).remove(path);
  }
  removeDirectory(path: string): void {
    this.#at(path).removeDirectory(path);
  }
  removeLater(path: string): Promise<void> {
    return this.#at(path).removeLater(path);
  }
  readFile(path: string): Buffer | null {
    return this.#at(path).readFile(path);
  }
  replaceFile(path: string, bytes: Uint8Array): void {
    this.#at(path).replaceFile(path, bytes);
  }
  syncDirectory(path: string): void {
    this.#at(path).syncDirectory(path);
  }
  syncDirectoryLater(path: string): Promise<void> {
    return this.#at(path).syncDirectoryLater(path);
  }
  modifiedAt(path: string): number {
    return this.#at(path).modifiedAt(path);
  }
  space(path: string): { freeBytes: number; totalBytes: number } {
    return this.#at(path).space(path);
  }
}

/** Prepares the disks of a new cluster, or those that are new in an old one; `part`: of the chance. */
export function formatDisks(world: World, part = 'format'): void {
  const { nodes } = world;
  const process = new SimProcess('format', -1);
  const disks = new Map<string, Disk>();
  for (const { directories, disk } of nodes) {
    for (const directory of directories) disks.set(directory.slice(1), disk.viewFor(process));
  }
  const brokers = nodes.map(({ id, directories }) => ({ id, dirs: directories }));
  formatCluster({ disk: new MountedDisks(disks), random: world.chance(part), brokers });
}
