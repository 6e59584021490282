import { createHash } from 'node:crypto';
import zlib from 'node:zlib';
import type { OpenFile } from './file-system.ts';

/**
 * How a file is recognised besides its inode, which systems use again: by its first bytes, and by
 * the bytes right before the position that was reached.
 */
export const HEAD_BYTES_MAX = 1024;
export const BEFORE_BYTES_MAX = 256;
/** A copy is taken for the same file only when it starts with at least so many bytes of it. */
export const COPY_HEAD_BYTES_MIN = 64;

export interface Fingerprint {
  /** Bytes from the start that `head` is of; grows with the file up to HEAD_BYTES_MAX. */
  readonly length: number;
  readonly head: string;
  /** A position that was reached. */
  readonly at: number;
  /** Of the bytes right before `at`. */
  readonly before: string;
}

const scratch = Buffer.allocUnsafeSlow(HEAD_BYTES_MAX);

const hashOf = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('base64url');

function hashAt(file: OpenFile, position: number, length: number): string | null {
  if (file.read(scratch, 0, length, position) < length) return null;
  return hashOf(scratch.subarray(0, length));
}

const beforeStart = (position: number): number => Math.max(0, position - BEFORE_BYTES_MAX);

/** Null when the file has become shorter than `position`. */
export function fingerprintOf(file: OpenFile, position: number): Fingerprint | null {
  const length = Math.min(HEAD_BYTES_MAX, position);
  const head = hashAt(file, 0, length);
  const start = beforeStart(position);
  const before = hashAt(file, start, position - start);
  return head === null || before === null ? null : { length, head, at: position, before };
}

/** Whether the file starts as the one that the fingerprint is of. */
export const headMatches = (file: OpenFile, print: Fingerprint): boolean =>
  hashAt(file, 0, print.length) === print.head;

/** Whether it also has the same bytes before the position: the same file, or a copy. */
export function fullyMatches(file: OpenFile, print: Fingerprint): boolean {
  const start = beforeStart(print.at);
  return headMatches(file, print) && hashAt(file, start, print.at - start) === print.before;
}

/** Compressed bytes that hold HEAD_BYTES_MAX for certain. */
const ZIPPED_HEAD_BYTES = 4096;

/**
 * How long the file was, modulo 2³², that was compressed to this one with gzip; null when this is
 * not gzip's, or starts differently.
 */
export function lengthBeforeGzip(file: OpenFile, print: Fingerprint): number | null {
  const zipped = Buffer.alloc(ZIPPED_HEAD_BYTES);
  const n = file.read(zipped, 0, zipped.length, 0);
  let head: Buffer;
  try {
    // What there is of a stream that is cut off.
    head = zlib.gunzipSync(zipped.subarray(0, n), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  } catch {
    return null;
  }
  if (head.length < print.length || hashOf(head.subarray(0, print.length)) !== print.head)
    return null;
  const size = Buffer.alloc(4);
  return file.read(size, 0, 4, file.size() - 4) < 4 ? null : size.readUInt32LE(0);
}

const MAGICS = [
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  [0x42, 0x5a, 0x68],
  [0x50, 0x4b, 0x03, 0x04],
];

/** Whether the file is compressed, whatever its name. */
export function isCompressed(file: OpenFile): boolean {
  const n = file.read(scratch, 0, 5, 0);
  return MAGICS.some((magic) => n >= magic.length && magic.every((byte, i) => scratch[i] === byte));
}
