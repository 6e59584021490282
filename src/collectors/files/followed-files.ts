import { join } from 'node:path';
import { codeOf, reasonOf } from '../../base/errors.ts';
import type { FilesSettings } from '../settings.ts';
import { type Checkpoint, CheckpointFile } from './checkpoints.ts';
import { Discovery } from './discovery.ts';
import type { FilesCollectorOptions } from './files-collector.ts';
import type { Tail } from './tail.ts';

/**
 * The files that are followed: which there are, when each is looked at, which of them are open, and
 * how far all of them have come, in `files.json`.
 *
 * A file that can't be read waits and is tried again, and no other one waits for it. One that may
 * not be opened at all is left alone until it grows.
 */

/** How much longer the pause between looks at a resting file gets. */
const PAUSE_FACTOR_MAX = 8;
/** Pause between looks at a file that can't be read. */
const FAULT_PAUSE_MS = 1000;

/** A file that has not grown for so long may be one that is written once: at each boot, say. */
const RESTING_MS = 3_600_000;

const FORBIDDEN = new Set(['EACCES', 'EPERM']);

export class FollowedFiles {
  readonly #options: FilesCollectorOptions;
  readonly #settings: FilesSettings;
  readonly #tails = new Map<string, Tail>();
  readonly #checkpoints: CheckpointFile;
  readonly #discovery: Discovery;
  #nextDiscoveryMs = 0;
  #nextCheckpointMs = 0;
  /** Why the positions can't be written; '' while they can. */
  #checkpointFault = '';
  truncations = 0;
  truncatedBytes = 0;
  #rotations = 0;
  checkpointWrites = 0;

  /** Throws the disk's error. */
  constructor(options: FilesCollectorOptions) {
    this.#options = options;
    this.#settings = options.settings;
    const { disk, stateDir, logger } = options;
    this.#checkpoints = new CheckpointFile(disk, join(stateDir, 'files.json'), logger);
    this.#discovery = new Discovery(options, this.#tails, this.#checkpoints);
  }

  get size(): number {
    return this.#tails.size;
  }
  get open(): number {
    let open = 0;
    for (const tail of this.#tails.values()) if (tail.file !== null) open++;
    return open;
  }
  get skipped(): number {
    return this.#discovery.starts.skipped;
  }
  get rotations(): number {
    return this.#rotations + this.#discovery.rotated.found;
  }
  /** Files that were compressed or replaced before their end was seen. */
  get unfinished(): number {
    return this.#discovery.rotated.unfinished;
  }
  /** Bytes that are not handed over. */
  get behind(): number {
    let behind = 0;
    for (const tail of this.#tails.values()) behind += Math.max(0, tail.size - tail.confirmed);
    return behind;
  }
  /** Names of the first `count`. */
  paths(count: number): string[] {
    return [...this.#tails.values()].slice(0, count).map(({ path }) => path);
  }
  /** What goes wrong now, '' when nothing does. */
  get fault(): string {
    for (const { fault } of this.#tails.values()) if (fault !== '') return fault;
    return this.#checkpointFault;
  }

  /** When the next of all there is to do is due. */
  get dueMs(): number {
    let dueMs = Math.min(this.#nextDiscoveryMs, this.#nextCheckpointMs);
    for (const tail of this.#tails.values()) if (tail.dueMs < dueMs) dueMs = tail.dueMs;
    return dueMs;
  }
  /** Those to be looked at now. */
  due(nowMs: number): Tail[] {
    return [...this.#tails.values()].filter(({ dueMs }) => dueMs <= nowMs);
  }

  /** Looks for new files when it is time. */
  discover(nowMs: number): void {
    if (nowMs < this.#nextDiscoveryMs) return;
    this.#nextDiscoveryMs = nowMs + this.#settings.discoveryMs;
    for (const tail of this.#discovery.run()) this.#letGo(tail);
  }

  #discoverSoon(nowMs: number): void {
    this.#nextDiscoveryMs = Math.min(this.#nextDiscoveryMs, nowMs);
  }

  /**
   * Opens the file if need be and notes how long it is; false when there is nothing to be read of it
   * now. Throws the system's error.
   */
  look(tail: Tail, nowMs: number): boolean {
    const size = this.#sizeOf(tail, nowMs);
    if (size === null) return false;
    if (size !== tail.size) {
      this.#checkTruncation(tail, size, nowMs);
      tail.size = size;
      tail.grownMs = nowMs;
      tail.pauseMs = 0;
    }
    return true;
  }

  /** Opens the file if need be and returns its size; null when it is not there to be read. */
  #sizeOf(tail: Tail, nowMs: number): number | null {
    const { files } = this.#options;
    if (tail.file !== null) return tail.file.size();
    const stat = files.stat(tail.path);
    if (stat === null || stat.key !== tail.key) {
      // Renamed or removed while it was closed, and it may have grown before.
      if (!tail.isMissing) this.#discoverSoon(nowMs);
      tail.isMissing = true;
      tail.dueMs = nowMs + this.#settings.pollMs;
      return null;
    }
    // A new file is held open from the start, though empty: it may be renamed or removed any time.
    const isUnchanged = stat.size === tail.size && tail.position >= stat.size;
    // One that was renamed, too: its name may go any time, and it is let go when it has rested.
    if (tail.wasOpened && isUnchanged && !tail.isGone) {
      this.#lengthenPause(tail, nowMs);
      return null;
    }
    if (!this.#makeRoom()) {
      tail.dueMs = nowMs + this.#settings.pollMs;
      return null;
    }
    tail.file = files.open(tail.path);
    tail.wasOpened = true;
    return tail.file.size();
  }

  /** Closes the file that has rested longest when too many are open. */
  #makeRoom(): boolean {
    let open = 0;
    let oldest: Tail | null = null;
    for (const tail of this.#tails.values()) {
      if (tail.file === null) continue;
      open++;
      const canClose = tail.isConfirmed && tail.position >= tail.size && !tail.isGone;
      if (canClose && (oldest === null || tail.grownMs < oldest.grownMs)) oldest = tail;
    }
    if (open < this.#settings.openFilesMax) return true;
    if (oldest === null) return false;
    this.#close(oldest);
    return true;
  }

  #checkTruncation(tail: Tail, size: number, nowMs: number): void {
    const file = tail.file;
    if (file === null || (size >= tail.position && !tail.startsDifferently(file))) return;
    this.truncations++;
    const unread = Math.max(0, tail.size - tail.position);
    this.truncatedBytes += unread;
    this.#options.logger.info('a log file was truncated; it is read from its start again', {
      'log.file.path': tail.path,
      'weir.bytes.read': tail.position,
    });
    tail.seenMs = this.#options.clock.now();
    const before = tail.lastCheckpoint;
    if (before !== null) this.#discovery.remembered.addCopy(before);
    this.#discoverSoon(nowMs);
    tail.restart();
  }

  /** Nothing more to read now: look again later, close, or let go. */
  rest(tail: Tail, nowMs: number): void {
    const { files } = this.#options;
    const { rotateWaitMs, closeIdleMs } = this.#settings;
    const restingMs = nowMs - tail.grownMs;
    tail.fault = '';
    this.#lengthenPause(tail, nowMs);
    if (!tail.isGone) {
      const stat = files.stat(tail.path);
      if (stat === null || stat.key !== tail.key) {
        tail.isGone = true;
        tail.grownMs = nowMs;
        this.#rotations++;
        // The new file of that name must not wait for its turn, nor this one's new name.
        this.#discoverSoon(nowMs);
      }
    }
    if (!tail.isConfirmed || tail.position < tail.size) return;
    if (tail.isGone) {
      if (restingMs >= rotateWaitMs) this.#letGo(tail);
    } else if (restingMs >= closeIdleMs) this.#close(tail);
  }

  /** The file could not be opened, looked at or read: later. */
  failed(tail: Tail, error: unknown, nowMs: number): void {
    const reason = reasonOf(error);
    const fields = { 'log.file.path': tail.path, 'error.message': reason };
    const { logger } = this.#options;
    if (!tail.wasOpened && FORBIDDEN.has(codeOf(error))) {
      logger.debug('a log file can not be read', fields);
      this.#discovery.starts.skip(tail);
      this.#letGo(tail);
      return;
    }
    tail.dueMs = nowMs + FAULT_PAUSE_MS;
    const fault = `${tail.path} can not be read: ${reason}`;
    if (fault !== tail.fault) {
      logger.warn('a log file can not be read; it is tried again', fields);
    }
    tail.fault = fault;
  }

  /** Follows the file no more, but knows it should it come back. */
  #letGo(tail: Tail): void {
    this.#close(tail);
    this.#tails.delete(tail.key);
    tail.seenMs = this.#options.clock.now();
    const checkpoint = tail.lastCheckpoint;
    if (checkpoint !== null) this.#discovery.remembered.add({ ...checkpoint, isFinished: true });
  }

  #close(tail: Tail): void {
    if (tail.file === null) return;
    try {
      tail.fingerprint(this.#options.files);
    } finally {
      tail.close();
    }
  }

  #lengthenPause(tail: Tail, nowMs: number): void {
    const { pollMs } = this.#settings;
    tail.pauseMs = Math.min(Math.max(pollMs, tail.pauseMs * 1.5), pollMs * PAUSE_FACTOR_MAX);
    tail.dueMs = nowMs + tail.pauseMs;
  }

  /** Writes the positions down when it is time. What keeps them from the disk is told. */
  checkpoint(nowMs: number): void {
    if (nowMs < this.#nextCheckpointMs) return;
    this.#nextCheckpointMs = nowMs + this.#settings.checkpointMs;
    this.save();
  }

  /** Writes the positions down now. */
  save(): void {
    const { clock, files } = this.#options;
    const nowMs = clock.now();
    const restsSinceMs = clock.monotonic() - RESTING_MS;
    const current: Checkpoint[] = [];
    for (const tail of this.#tails.values()) {
      tail.seenMs = nowMs;
      const checkpoint = checkpointOf(tail, files);
      if (checkpoint === null) continue;
      const isResting = tail.confirmed === tail.size && tail.grownMs <= restsSinceMs;
      current.push(isResting ? { ...checkpoint, isResting } : checkpoint);
    }
    try {
      const all = [...current, ...this.#discovery.remembered.except(this.#tails)];
      if (this.#checkpoints.save(all, nowMs)) this.checkpointWrites++;
      const { left } = this.#checkpoints;
      this.#checkpointsFail(
        left === 0 ? '' : `the positions in ${left} log files are not kept: there are too many`,
      );
    } catch (error) {
      this.#checkpointsFail(`the positions in log files can not be written: ${reasonOf(error)}`);
    }
  }

  #checkpointsFail(fault: string): void {
    if (fault !== '' && fault !== this.#checkpointFault) this.#options.logger.error(fault);
    this.#checkpointFault = fault;
  }

  closeAll(): void {
    for (const tail of this.#tails.values()) tail.close();
  }
}

/** One that can't be read is known by what it was when it could be. */
function checkpointOf(tail: Tail, files: FilesCollectorOptions['files']): Checkpoint | null {
  try {
    return tail.checkpoint(files);
  } catch {
    // `look` meets the same fault, and tells of it.
    return tail.lastCheckpoint;
  }
}
