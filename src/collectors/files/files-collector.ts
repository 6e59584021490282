import os from 'node:os';
import { join } from 'node:path';
import { type Clock, sleep, type Timer } from '../../base/clock.ts';
import type { Disk } from '../../base/disk.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RoleStatus } from '../../base/role.ts';
import { Balance } from '../balance.ts';
import type { Collector, Tally } from '../collector.ts';
import type { AppendOptions, DeliveryReport, RecordSink, SinkFactory } from '../record-sink.ts';
import type { FilesSettings } from '../settings.ts';
import { type Checkpoint, CheckpointFile } from './checkpoints.ts';
import { Discovery } from './discovery.ts';
import type { FileSystem } from './file-system.ts';
import { LineRecords } from './line-records.ts';
import { joinerOf } from './multiline.ts';
import { Range, type Tail } from './tail.ts';

/**
 * Follows log files, each to its end and through its rotations, at least once.
 *
 * A file is its inode and its first bytes, not its name: renamed, it is read to its end; truncated,
 * from its start again; what lay between the last look and the truncation is lost, and said. A line
 * is read when its newline is there. Positions are written to `files.json` only as far as the log
 * has what was read, so a kill makes some lines come twice, and none get lost.
 *
 * Nothing is kept per file but positions: a half line is read again when there is more of it.
 */
export interface FilesCollectorOptions {
  readonly settings: FilesSettings;
  readonly sinks: SinkFactory;
  readonly files: FileSystem;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder for `files.json`; nothing below `dataDir` is ever collected. */
  readonly stateDir: string;
  readonly dataDir: string;
}

const CHUNK_BYTES_MIN = 262_144;
/** How much longer the pause between looks at a resting file gets. */
const PAUSE_FACTOR_MAX = 8;
/** Pause after the log has refused records. */
const REFUSED_PAUSE_MS = 1000;
const STOP_TIMEOUT_MS = 5000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class FilesCollector implements Collector {
  readonly name = 'files';
  readonly balance = new Balance();
  readonly #options: FilesCollectorOptions;
  readonly #records: LineRecords;
  readonly #chunk: Buffer;
  readonly #append: AppendOptions = {};
  readonly #tails = new Map<string, Tail>();
  /** Joined lines wait for the next one, so they need a look when nothing grows. */
  readonly #joins: boolean;
  #checkpoints!: CheckpointFile;
  #discovery!: Discovery;
  #sink!: RecordSink;
  #running: Promise<void> | null = null;
  #isStopping = false;
  #wake: (() => void) | null = null;
  #timer: Timer | null = null;
  #nextDiscoveryMs = 0;
  #nextCheckpointMs = 0;
  #refusedUntilMs = 0;
  /** Records the log refused that will be read again: they were received once. */
  #owed = 0;
  #lastError = '';
  #truncations = 0;
  #truncatedBytes = 0;
  #rotations = 0;
  #rereads = 0;
  #checkpointWrites = 0;

  constructor(options: FilesCollectorOptions) {
    this.#options = options;
    const { settings } = options;
    const joiner = joinerOf(settings.multiline, settings.multilineStart);
    this.#joins = joiner !== null;
    this.#records = new LineRecords(settings.format, settings.lineBytesMax, joiner, os.hostname());
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES_MIN, settings.lineBytesMax + 1024));
  }

  start(): Promise<void> {
    const { settings, sinks, disk, stateDir, logger } = this.#options;
    this.#sink = sinks({
      name: this.name,
      acks: settings.acks,
      delivery: (report) => this.#delivered(report),
    });
    this.#checkpoints = new CheckpointFile(disk, join(stateDir, 'files.json'), logger);
    this.#discovery = new Discovery(this.#options, this.#tails, this.#checkpoints);
    this.#running = this.#run();
    return Promise.resolve();
  }

  /** One loop owns all files; it ends with `stop`. */
  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isStopping) {
      try {
        const isBusy = await this.#step(clock.monotonic());
        if (isBusy) await turn();
        else await this.#pause();
      } catch (error) {
        // A disk that fails in the middle; what was not confirmed is read again.
        this.#fail('log files could not be followed', error);
        await sleep(clock, REFUSED_PAUSE_MS);
      }
    }
  }

  #fail(what: string, error: unknown): void {
    const reason = reasonOf(error);
    if (reason !== this.#lastError) this.#options.logger.warn(what, { 'error.message': reason });
    this.#lastError = reason;
  }

  async #step(nowMs: number): Promise<boolean> {
    const { settings } = this.#options;
    if (nowMs >= this.#nextDiscoveryMs) {
      this.#nextDiscoveryMs = nowMs + settings.discoveryMs;
      this.#discovery.run();
    }
    let isBusy = false;
    if (nowMs >= this.#refusedUntilMs) {
      for (const tail of [...this.#tails.values()]) {
        if (this.#isStopping) break;
        if (tail.dueMs > nowMs) continue;
        if (await this.#look(tail, nowMs)) isBusy = true;
      }
    }
    if (nowMs >= this.#nextCheckpointMs) {
      this.#nextCheckpointMs = nowMs + settings.checkpointMs;
      this.#saveCheckpoints();
    }
    return isBusy;
  }

  #pause(): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    const { clock } = this.#options;
    const now = clock.monotonic();
    let dueMs = Math.min(this.#nextDiscoveryMs, this.#nextCheckpointMs);
    for (const tail of this.#tails.values()) if (tail.dueMs < dueMs) dueMs = tail.dueMs;
    const delayMs = Math.max(dueMs, this.#refusedUntilMs, now + 5) - now;
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = clock.after(delayMs, resolve);
    });
  }

  /** Reads what there is of one file, a chunk at most; true when there may be more. */
  async #look(tail: Tail, nowMs: number): Promise<boolean> {
    const { settings } = this.#options;
    const size = this.#open(tail, nowMs);
    if (size === null) return false;
    if (size !== tail.size) {
      this.#checkTruncation(tail, size, nowMs);
      tail.size = size;
      tail.grownMs = nowMs;
      tail.pauseMs = 0;
    }
    const isResting = nowMs - tail.grownMs;
    if (tail.position < size && !tail.isFull) {
      const isOver = (tail.isGone || tail.isRenamed) && isResting >= settings.rotateWaitMs;
      const isJoinOver = this.#joins && isResting >= settings.multilineTimeoutMs;
      if (await this.#read(tail, isOver, isJoinOver)) return true;
    }
    this.#rest(tail, nowMs, isResting);
    return false;
  }

  /** Opens the file if need be and returns its size; null when it is not there to be read. */
  #open(tail: Tail, nowMs: number): number | null {
    const { files, settings } = this.#options;
    if (tail.file !== null) return tail.file.size();
    const stat = files.stat(tail.path);
    if (stat === null || stat.key !== tail.key) {
      // Gone while it was closed, and everything of it had been read then.
      if (tail.isConfirmed) this.#letGo(tail);
      this.#nextDiscoveryMs = Math.min(this.#nextDiscoveryMs, nowMs);
      tail.dueMs = nowMs + settings.pollMs;
      return null;
    }
    // A new file is held open from the start, though empty: it may be renamed or removed any time.
    if (tail.wasOpened && stat.size === tail.size && tail.position >= stat.size) {
      this.#lengthenPause(tail, nowMs);
      return null;
    }
    if (!this.#makeRoom()) {
      tail.dueMs = nowMs + settings.pollMs;
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
    if (open < this.#options.settings.openFilesMax) return true;
    if (oldest === null) return false;
    this.#close(oldest);
    return true;
  }

  #checkTruncation(tail: Tail, size: number, nowMs: number): void {
    const file = tail.file;
    if (file === null || (size >= tail.position && !tail.startsDifferently(file))) return;
    this.#truncations++;
    const unread = Math.max(0, tail.size - tail.position);
    this.#truncatedBytes += unread;
    this.#options.logger.info('a log file was truncated; it is read from its start again', {
      'log.file.path': tail.path,
      'weir.bytes.read': tail.position,
    });
    tail.seenMs = this.#options.clock.now();
    const before = tail.lastCheckpoint;
    if (before !== null) this.#discovery.rememberCopy(before);
    this.#nextDiscoveryMs = Math.min(this.#nextDiscoveryMs, nowMs);
    tail.restart();
  }

  /** Nothing more to read now: look again later, close, or let go. */
  #rest(tail: Tail, nowMs: number, restingMs: number): void {
    const { files, settings } = this.#options;
    this.#lengthenPause(tail, nowMs);
    if (!tail.isGone) {
      const stat = files.stat(tail.path);
      if (stat === null || stat.key !== tail.key) {
        tail.isGone = true;
        tail.grownMs = nowMs;
        this.#rotations++;
        // The new file of that name must not wait for its turn, nor this one's new name.
        this.#nextDiscoveryMs = Math.min(this.#nextDiscoveryMs, nowMs);
      }
    }
    if (!tail.isConfirmed || tail.position < tail.size) return;
    if (tail.isGone && restingMs >= settings.rotateWaitMs) {
      this.#letGo(tail);
    } else if (restingMs >= settings.closeIdleMs) this.#close(tail);
  }

  /** Follows the file no more, but knows it should it come back. */
  #letGo(tail: Tail): void {
    this.#close(tail);
    this.#tails.delete(tail.key);
    tail.seenMs = this.#options.clock.now();
    const checkpoint = tail.lastCheckpoint;
    if (checkpoint !== null) this.#discovery.remember(checkpoint);
  }

  #close(tail: Tail): void {
    if (tail.file === null) return;
    tail.fingerprint(this.#options.files);
    tail.close();
  }

  #lengthenPause(tail: Tail, nowMs: number): void {
    const { pollMs } = this.#options.settings;
    tail.pauseMs = Math.min(Math.max(pollMs, tail.pauseMs * 1.5), pollMs * PAUSE_FACTOR_MAX);
    tail.dueMs = nowMs + tail.pauseMs;
  }

  /** Makes records of one chunk; true when something was read. */
  async #read(tail: Tail, isOver: boolean, isJoinOver: boolean): Promise<boolean> {
    const { clock } = this.#options;
    const chunk = this.#chunk;
    const length = tail.file!.read(chunk, 0, chunk.length, tail.position);
    if (length === 0) return false;
    if (tail.skipsLine) return this.#skipLine(tail, length);
    const isEnd = tail.position + length >= tail.size && length < chunk.length;
    // Joined lines that rest are whole, unless the last one has no newline.
    const isFinal = isEnd && (isOver || (isJoinOver && chunk[length - 1] === 0x0a));
    const range = tail.beginRange();
    const nowMs = clock.now();
    const append = this.#append;
    append.timestamp = nowMs;
    append.headers = tail.headers;
    append.tag = range;
    const done = this.#records.read(chunk, length, {
      parts: tail.parts,
      nowMs,
      isFinal,
      take: (bytes) => this.#take(range, bytes),
    });
    if (done > 0) tail.endRange(range, tail.position + done);
    if (this.#records.isRefused) await this.#room();
    return done > 0 || this.#records.isRefused;
  }

  #take(range: Range, sourceBytes: number): boolean {
    const { writer } = this.#records;
    // Counted first: the sink may report before the call returns.
    range.outstanding++;
    const isOwed = this.#owed > 0;
    if (isOwed) this.#owed--;
    else this.balance.received++;
    if (
      this.#sink.appendRange(
        this.#options.settings.topic,
        writer.buffer,
        0,
        writer.pos,
        this.#append,
      )
    ) {
      if (!isOwed) this.balance.receivedBytes += sourceBytes;
      return true;
    }
    range.outstanding--;
    if (isOwed) this.#owed++;
    else this.balance.received--;
    return false;
  }

  /** Waits until the sink has room, or the collector stops. */
  #room(): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      void this.#sink.drained().then(resolve);
    });
  }

  #skipLine(tail: Tail, length: number): boolean {
    const newline = this.#chunk.indexOf(0x0a);
    const isFound = newline >= 0 && newline < length;
    tail.skipsLine = !isFound;
    tail.position += isFound ? newline + 1 : length;
    tail.confirmed = tail.position;
    return true;
  }

  #delivered(report: DeliveryReport): void {
    if (report.error === null) this.balance.stored += report.count;
    else this.#refused(report);
    let last: Tail | null = null;
    for (const tag of report.tags) {
      if (!(tag instanceof Range)) continue;
      tag.outstanding--;
      if (report.error !== null) tag.isFailed = true;
      if (tag.tail === last) continue;
      if (last !== null) this.#settle(last);
      last = tag.tail;
    }
    if (last !== null) this.#settle(last);
  }

  #settle(tail: Tail): void {
    if (!tail.settle()) return;
    this.#rereads++;
    tail.dueMs = 0;
  }

  #refused(report: DeliveryReport): void {
    if (this.#isStopping) this.balance.drop('shutdown', report.count);
    else this.#owed += report.count;
    this.#refusedUntilMs = this.#options.clock.monotonic() + REFUSED_PAUSE_MS;
    this.#fail('the log refused lines of files; they are read again', report.error);
  }

  #saveCheckpoints(): void {
    const { clock, files } = this.#options;
    const nowMs = clock.now();
    const current: Checkpoint[] = [];
    for (const tail of this.#tails.values()) {
      try {
        tail.seenMs = nowMs;
        const checkpoint = tail.checkpoint(files);
        if (checkpoint !== null) current.push(checkpoint);
      } catch (error) {
        this.#fail(`the position in ${tail.path} could not be taken`, error);
      }
    }
    if (this.#checkpoints.save([...current, ...this.#discovery.unseen(this.#tails)], nowMs))
      this.#checkpointWrites++;
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#timer?.cancel();
    this.#wake?.();
    await this.#running;
    await this.#sink.close(STOP_TIMEOUT_MS);
    try {
      this.#saveCheckpoints();
    } catch (error) {
      this.#fail('the positions in log files could not be written', error);
    }
    for (const tail of this.#tails.values()) tail.close();
  }

  status(): RoleStatus {
    const behind = [...this.#tails.values()].reduce(
      (sum, tail) => sum + Math.max(0, tail.size - tail.confirmed),
      0,
    );
    const isRefused = this.#refusedUntilMs > this.#options.clock.monotonic();
    return {
      light: isRefused ? 'yellow' : 'green',
      reason: isRefused ? `the log refused lines: ${this.#lastError}` : '',
      details: {
        files: this.#tails.size,
        behindBytes: behind,
        paths: [...this.#tails.values()].slice(0, 50).map(({ path }) => path),
      },
    };
  }

  *tallies(): Iterable<Tally> {
    yield ['files_truncated', this.#truncations];
    yield ['bytes_unread_at_truncation', this.#truncatedBytes];
    yield ['files_rotated', this.#rotations];
    yield ['rereads', this.#rereads];
    yield ['checkpoints_written', this.#checkpointWrites];
  }

  *gauges(): Iterable<Tally> {
    let open = 0;
    let behind = 0;
    for (const tail of this.#tails.values()) {
      if (tail.file !== null) open++;
      behind += Math.max(0, tail.size - tail.confirmed);
    }
    yield ['files', this.#tails.size];
    yield ['files_open', open];
    yield ['files_skipped', this.#discovery?.skipped ?? 0];
    yield ['behind_bytes', behind];
    yield ['buffered_bytes', this.#sink?.bufferedBytes ?? 0];
  }
}
