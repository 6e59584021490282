import type { Checkpoint } from './checkpoints.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { type Fingerprint, fingerprintOf, headMatches } from './fingerprint.ts';
import { type FileParts, fileParts } from './line-records.ts';

/**
 * One file that is followed: where reading is, and how much is handed over for good.
 *
 * `position` is where the next read starts, always the start of a record. `confirmed` is the
 * position that a checkpoint may name: everything before it is in the log (or, at acks=0, at its
 * socket). Between the two lie the `ranges` that wait for the log, oldest first. When one fails,
 * reading goes back to `confirmed`.
 */

/** Ranges that may wait; reading stops until some are confirmed. */
const RANGES_MAX = 256;

/** Part of a file whose records are on their way; the tag of its records. */
export class Range {
  readonly tail: Tail;
  /** Position behind the part; set when all its records are appended. */
  end = -1;
  outstanding = 0;
  isFailed = false;

  constructor(tail: Tail) {
    this.tail = tail;
  }
}

export class Tail {
  /** Name the file has now; records keep the first one. */
  path: string;
  readonly firstPath: string;
  /** Where the name that patterns yield leads, when it is a link. */
  target: string | null = null;
  key: string;
  readonly parts: FileParts;
  readonly headers: Uint8Array;
  file: OpenFile | null = null;
  wasOpened = false;
  position: number;
  confirmed: number;
  /** The name leads to another file or nowhere: this one gets no more lines soon. */
  isGone = false;
  /** It was rotated to a name that no pattern yields. */
  isOutside = false;
  /** The name led to another file or nowhere while this one was closed: it has to be looked for. */
  isMissing = false;
  /** Size when it was looked at last. */
  size = 0;
  /** Monotonic milliseconds of the last growth. */
  grownMs: number;
  /** Monotonic milliseconds of the next look. */
  dueMs: number;
  /** Pause between looks. */
  pauseMs = 0;
  /** The first line started before the position: skip to the next. */
  skipsLine = false;
  /** Why it can't be read now; '' while it can. */
  fault = '';
  seenMs = 0;
  /** The one that was taken last. */
  lastFingerprint: Fingerprint | null = null;
  #ranges: Range[] = [];

  constructor(
    path: string,
    key: string,
    position: number,
    host: string,
    headers: Uint8Array,
    nowMs: number,
    firstPath = path,
  ) {
    this.path = path;
    this.firstPath = firstPath;
    this.key = key;
    this.position = position;
    this.confirmed = position;
    this.parts = fileParts(firstPath, host);
    this.headers = headers;
    this.grownMs = nowMs;
    this.dueMs = nowMs;
  }

  get isRenamed(): boolean {
    return this.path !== this.firstPath;
  }
  get isConfirmed(): boolean {
    return this.#ranges.length === 0 && this.confirmed === this.position;
  }
  get isFull(): boolean {
    return this.#ranges.length >= RANGES_MAX;
  }

  beginRange(): Range {
    return new Range(this);
  }

  /** All records of the part up to `end` are appended. */
  endRange(range: Range, end: number): void {
    range.end = end;
    this.position = end;
    // A range whose reports came before it ended, or that made no record, may be the only one.
    this.#ranges.push(range);
    this.settle();
  }

  /** Moves `confirmed`; true when a range failed and reading went back. */
  settle(): boolean {
    let done = 0;
    for (const range of this.#ranges) {
      if (range.isFailed) {
        this.goBack();
        return true;
      }
      if (range.outstanding > 0) break;
      this.confirmed = range.end;
      done++;
    }
    if (done > 0) this.#ranges.splice(0, done);
    return false;
  }

  goBack(): void {
    this.#ranges = [];
    this.position = this.confirmed;
  }

  /** The file was truncated: what it had before is gone. */
  restart(): void {
    this.goBack();
    this.position = 0;
    this.confirmed = 0;
    this.skipsLine = false;
    this.lastFingerprint = null;
  }

  /** Of the confirmed position; taken anew when that has moved. Null: not readable now. */
  fingerprint(files: FileSystem): Fingerprint | null {
    if (this.lastFingerprint?.at === this.confirmed) return this.lastFingerprint;
    const file = this.file ?? files.open(this.path);
    try {
      return (this.lastFingerprint = fingerprintOf(file, this.confirmed));
    } finally {
      if (file !== this.file) file.close();
    }
  }

  /** Whether the file starts differently than it did. */
  startsDifferently(file: OpenFile): boolean {
    return this.lastFingerprint !== null && !headMatches(file, this.lastFingerprint);
  }

  close(): void {
    this.file?.close();
    this.file = null;
  }

  /** The name that rotation changes. */
  get place(): string {
    return this.target ?? (this.isOutside ? this.firstPath : this.path);
  }

  /** It has a name that patterns yield, a link to `target` or none. */
  named(path: string, target: string | null): void {
    this.path = path;
    this.target = target;
    this.isGone = false;
    this.isOutside = false;
    this.isMissing = false;
  }

  /** It was rotated out of the patterns: it is read to its end under its new name. */
  rotatedTo(path: string, nowMs: number): void {
    this.path = path;
    this.isGone = true;
    this.isOutside = true;
    this.isMissing = false;
    // Its writer may not know yet.
    this.grownMs = nowMs;
    this.dueMs = nowMs;
  }

  /** What a checkpoint says; null when the file can't be recognised by it. */
  checkpoint(files: FileSystem): Checkpoint | null {
    return this.fingerprint(files) === null ? null : this.lastCheckpoint;
  }

  /** The same without looking at the file: its fingerprint may be of an earlier position. */
  get lastCheckpoint(): Checkpoint | null {
    const { path, firstPath, target, key, confirmed, lastFingerprint, seenMs } = this;
    if (lastFingerprint === null) return null;
    return {
      path,
      ...(this.isOutside ? { foundAs: firstPath } : {}),
      ...(target === null ? {} : { target }),
      key,
      position: confirmed,
      fingerprint: lastFingerprint,
      seenMs,
    };
  }
}
