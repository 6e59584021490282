import { type Change, Image } from '../support/disk-image.ts';

/** A file apart from its names: what programs see, and what the device has for certain. */
export class Inode {
  readonly current = new Image();
  readonly synced = new Image();
  changes: Change[] = [];
  modifiedAt = 0;
  /** A sync that failed once fails for ever, until the machine starts anew. */
  syncFailed: Error | null = null;

  apply(change: Change): void {
    this.current.apply(change);
    this.changes.push(change);
  }
  /** The device has the first `count` changes. */
  synchronise(count: number): void {
    const done = Math.min(count, this.changes.length);
    for (let i = 0; i < done; i++) this.synced.apply(this.changes[i]!);
    this.changes.splice(0, done);
  }
}
