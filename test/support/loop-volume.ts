/** A filesystem of its own in a file, which can lose its power, run full, and be mounted again. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { findProgram, needProgram } from '../peers/peer.ts';

export type FileSystem = 'ext4' | 'xfs';

/** What mkfs.xfs takes at least is 300 MiB. */
const SIZE_MIB = 512;

const mounted = new Set<LoopVolume>();
process.on('exit', () => {
  for (const volume of mounted) volume.remove();
});

export class LoopVolume {
  readonly kind: FileSystem;
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;

  private constructor(kind: FileSystem, directory: string, name: string) {
    this.kind = kind;
    this.#image = path.join(directory, `${name}.img`);
    this.path = path.join(directory, name);
  }

  static create(kind: FileSystem, directory: string, name: string): LoopVolume {
    const volume = new LoopVolume(kind, directory, name);
    fs.mkdirSync(volume.path, { recursive: true });
    fs.writeFileSync(volume.#image, '');
    fs.truncateSync(volume.#image, SIZE_MIB * 1024 * 1024);
    if (kind === 'xfs') run(needProgram('mkfs.xfs', 'xfsprogs'), ['-q', '-f', volume.#image]);
    else run(needProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-F', volume.#image]);
    volume.mount();
    return volume;
  }

  mount(): void {
    run(needProgram('mount', 'mount'), ['-o', 'loop', this.#image, this.path]);
    mounted.add(this);
  }

  /** What was not synced is gone; every use fails from now on, until `remount`. */
  cutPower(): void {
    // Without `-f` the log is not written either: as when the power goes.
    run(needProgram('xfs_io', 'xfsprogs'), ['-x', '-c', 'shutdown', this.path]);
  }

  /** Nobody may have files open there. */
  remount(): void {
    run('umount', [this.path]);
    mounted.delete(this);
    this.mount();
  }

  /** Takes all room that is left. */
  fill(): void {
    const { bavail, bsize } = fs.statfsSync(this.path);
    spawnSync(needProgram('fallocate', 'util-linux'), [
      '-l',
      String(bavail * bsize),
      path.join(this.path, 'ballast'),
    ]);
    // The rest that no large extent fits into; there may be none for even a name.
    let rest = -1;
    try {
      rest = fs.openSync(path.join(this.path, 'ballast-2'), 'w');
      for (const block of [Buffer.alloc(65_536), Buffer.alloc(4_096)]) {
        for (;;) if (fs.writeSync(rest, block) < block.length) break;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      if (rest >= 0) fs.closeSync(rest);
    }
  }
  empty(): void {
    for (const name of ['ballast', 'ballast-2']) {
      fs.rmSync(path.join(this.path, name), { force: true });
    }
  }

  remove(): void {
    if (mounted.delete(this)) spawnSync('umount', ['-l', this.path]);
    fs.rmSync(this.#image, { force: true });
  }
}

/** Null, or what keeps this machine from mounting files as filesystems. */
export function loopVolumesMissing(): string | null {
  if (process.platform !== 'linux') return 'Linux';
  for (const [program, debianPackage] of [
    ['mkfs.xfs', 'xfsprogs'],
    ['xfs_io', 'xfsprogs'],
    ['mkfs.ext4', 'e2fsprogs'],
  ] as const) {
    if (findProgram(program) === null) return `\`${program}\` (Debian package ${debianPackage})`;
  }
  return process.getuid?.() === 0 ? null : 'the right to mount files';
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
