import os from 'node:os';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Disk } from '../../base/disk.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RoleStatus } from '../../base/role.ts';
import { Balance, isTooLarge } from '../balance.ts';
import type { Collector, Tally } from '../collector.ts';
import type { AppendOptions, DeliveryReport, RecordSink, SinkFactory } from '../record-sink.ts';
import type { FilesSettings } from '../settings.ts';
import type { FileSystem } from './file-system.ts';
import { FollowedFiles } from './followed-files.ts';
import { LineRecords } from './line-records.ts';
import { joinerOf } from './multiline.ts';
import { Range, type Tail } from './tail.ts';

/**
 * Follows log files, each to its end and through its rotations, at least once.
 *
 * A file is its inode and its first bytes, not its name: renamed, it is read to its end; truncated,
 * from its start again; what lay between the last look and the truncation is lost, and said, and so
 * is what a file held that was compressed or removed before its end was seen. A line
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
/** Pause after the log has refused records. */
const REFUSED_PAUSE_MS = 1000;
const STOP_TIMEOUT_MS = 5000;
/** Files whose names the status tells. */
const PATHS_SHOWN = 50;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class FilesCollector implements Collector {
  readonly name = 'files';
  readonly balance = new Balance();
  readonly #options: FilesCollectorOptions;
  readonly #records: LineRecords;
  readonly #chunk: Buffer;
  readonly #append: AppendOptions = {};
  /** Joined lines wait for the next one, so they need a look when nothing grows. */
  readonly #joins: boolean;
  /** Null before `start`. */
  #files: FollowedFiles | null = null;
  #sink: RecordSink | null = null;
  #running: Promise<void> | null = null;
  #isStopping = false;
  #wake: (() => void) | null = null;
  #timer: Timer | null = null;
  #refusedUntilMs = 0;
  /** Records the log refused that will be read again: they were received once. */
  #owed = 0;
  /** Why the log refused them; '' since it has taken some. */
  #refusal = '';
  #rereads = 0;

  constructor(options: FilesCollectorOptions) {
    this.#options = options;
    const { settings } = options;
    const joiner = joinerOf(settings.multiline, settings.multilineStart);
    this.#joins = joiner !== null;
    this.#records = new LineRecords(settings.format, settings.lineBytesMax, joiner, os.hostname());
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES_MIN, settings.lineBytesMax + 1024));
  }

  start(): Promise<void> {
    const { settings, sinks } = this.#options;
    this.#sink = sinks({
      name: this.name,
      acks: settings.acks,
      delivery: (report) => this.#delivered(report),
    });
    this.#files = new FollowedFiles(this.#options);
    this.#running = this.#run(this.#files);
    return Promise.resolve();
  }

  /** One loop owns all files; it ends with `stop`. */
  async #run(files: FollowedFiles): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isStopping) {
      const isBusy = await this.#step(files, clock.monotonic());
      if (isBusy) await turn();
      else await this.#pause(files.dueMs);
    }
  }

  async #step(files: FollowedFiles, nowMs: number): Promise<boolean> {
    files.discover(nowMs);
    let isBusy = false;
    if (nowMs >= this.#refusedUntilMs) {
      for (const tail of files.due(nowMs)) {
        if (this.#isStopping) break;
        try {
          if (await this.#look(files, tail, nowMs)) isBusy = true;
        } catch (error) {
          files.failed(tail, error, nowMs);
        }
      }
    }
    files.checkpoint(nowMs);
    return isBusy;
  }

  #pause(untilMs: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    const { clock } = this.#options;
    const now = clock.monotonic();
    const delayMs = Math.max(untilMs, this.#refusedUntilMs, now + 5) - now;
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = clock.after(delayMs, resolve);
    });
  }

  /** Reads what there is of one file, a chunk at most; true when there may be more. */
  async #look(files: FollowedFiles, tail: Tail, nowMs: number): Promise<boolean> {
    const { settings } = this.#options;
    if (!files.look(tail, nowMs)) return false;
    const restingMs = nowMs - tail.grownMs;
    if (tail.position < tail.size && !tail.isFull) {
      const isOver = (tail.isGone || tail.isRenamed) && restingMs >= settings.rotateWaitMs;
      const isJoinOver = this.#joins && restingMs >= settings.multilineTimeoutMs;
      if (await this.#read(tail, isOver, isJoinOver)) return true;
    }
    files.rest(tail, nowMs);
    return false;
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
      this.#sink!.appendRange(
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
      void this.#sink!.drained().then(resolve);
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
    const { error } = report;
    // Read again it would be refused again, and everything behind it would wait for ever.
    const isLost = isTooLarge(error);
    if (error === null) {
      this.balance.stored += report.count;
      this.#refusal = '';
    } else if (isLost) this.#dropped(report);
    else this.#refused(report);
    let last: Tail | null = null;
    for (const tag of report.tags) {
      if (!(tag instanceof Range)) continue;
      tag.outstanding--;
      if (error !== null && !isLost) tag.isFailed = true;
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

  #dropped({ count, error, topic }: DeliveryReport): void {
    this.balance.drop('too_large', count);
    this.#options.logger.warn('a line of a log file is too large for the log; it is left out', {
      'kafka.topic': topic,
      'error.message': reasonOf(error),
    });
  }

  #refused({ count, error }: DeliveryReport): void {
    if (this.#isStopping) this.balance.drop('shutdown', count);
    else this.#owed += count;
    this.#refusedUntilMs = this.#options.clock.monotonic() + REFUSED_PAUSE_MS;
    const reason = reasonOf(error);
    if (reason !== this.#refusal) {
      this.#options.logger.warn('the log refused lines of files; they are read again', {
        'error.message': reason,
      });
    }
    this.#refusal = reason;
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#timer?.cancel();
    this.#wake?.();
    await this.#running;
    await this.#sink?.close(STOP_TIMEOUT_MS);
    this.#files?.save();
    this.#files?.closeAll();
  }

  status(): RoleStatus {
    const files = this.#files;
    const isRefused = this.#refusedUntilMs > this.#options.clock.monotonic();
    const reason = isRefused ? `the log refused lines: ${this.#refusal}` : (files?.fault ?? '');
    return {
      light: reason === '' ? 'green' : 'yellow',
      reason,
      details: {
        files: files?.size ?? 0,
        behindBytes: files?.behind ?? 0,
        paths: files?.paths(PATHS_SHOWN) ?? [],
      },
    };
  }

  *tallies(): Iterable<Tally> {
    const files = this.#files;
    yield ['files_truncated', files?.truncations ?? 0];
    yield ['bytes_unread_at_truncation', files?.truncatedBytes ?? 0];
    yield ['files_rotated', files?.rotations ?? 0];
    yield ['files_unfinished', files?.unfinished ?? 0];
    yield ['rereads', this.#rereads];
    yield ['checkpoints_written', files?.checkpointWrites ?? 0];
  }

  *gauges(): Iterable<Tally> {
    const files = this.#files;
    yield ['files', files?.size ?? 0];
    yield ['files_open', files?.open ?? 0];
    yield ['files_skipped', files?.skipped ?? 0];
    yield ['behind_bytes', files?.behind ?? 0];
    yield ['buffered_bytes', this.#sink?.bufferedBytes ?? 0];
  }
}
