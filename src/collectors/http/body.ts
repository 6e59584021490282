import type { Readable } from 'node:stream';
import zlib from 'node:zlib';
import type { Clock } from '../../base/clock.ts';
import { codeOf, OperatingError, reasonOf } from '../../base/errors.ts';

/**
 * Request bodies: read under a cap and a deadline, decompressed and made UTF-8 under a cap. All
 * refusals are `OperatingError`s: `body-too-large`, `body-timeout`, `body-incomplete`,
 * `body-malformed`, `encoding-unsupported`, `charset-unsupported`, `overload`.
 */

/** Bytes of all bodies that are held at one time. */
export class BodyBudget {
  used = 0;
  readonly max: number;
  constructor(max: number) {
    this.max = max;
  }
  take(bytes: number): void {
    if (this.used + bytes > this.max) {
      throw new OperatingError('overload', `more than ${this.max} bytes of bodies are under way`);
    }
    this.used += bytes;
  }
  give(bytes: number): void {
    this.used -= bytes;
  }
}

export interface BodyLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly budget: BodyBudget;
}

const tooLarge = (max: number): OperatingError =>
  new OperatingError('body-too-large', `the body is longer than ${max} bytes`);

/**
 * Reads the whole body, as it was sent. What it holds is taken from the budget while reading; the
 * caller gives `body.length` back when done with it.
 */
export function readBody(stream: Readable, declared: number, limits: BodyLimits): Promise<Buffer> {
  const { bytesMax, timeoutMs, clock, budget } = limits;
  if (declared > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let settled = false;
    const settle = (error: Error | null): void => {
      if (settled) return;
      settled = true;
      deadline.cancel();
      stream.off('data', onData);
      if (error === null) return resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      budget.give(size);
      stream.resume(); // What still comes is thrown away until the answer closes the connection.
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      if (size + chunk.length > bytesMax) return settle(tooLarge(bytesMax));
      try {
        budget.take(chunk.length);
      } catch (error) {
        return settle(error as Error);
      }
      size += chunk.length;
      chunks.push(chunk);
    };
    const incomplete = (): void =>
      settle(new OperatingError('body-incomplete', `the sender left after ${size} bytes`));
    const deadline = clock.after(timeoutMs, () =>
      settle(
        new OperatingError('body-timeout', `${size} bytes of the body came in ${timeoutMs} ms`),
      ),
    );
    stream.on('data', onData);
    stream.on('end', () => settle(null));
    stream.on('aborted', incomplete);
    stream.on('close', incomplete);
    stream.on('error', incomplete);
  });
}

/** What `info: true` gets besides the bytes: the types of Node do not know of it. */
interface Inflated {
  readonly buffer: Buffer;
  /** `bytesWritten`: those that were read of the body. */
  readonly engine: { readonly bytesWritten: number };
}
type Inflate = (
  body: Buffer,
  options: zlib.ZlibOptions,
  done: (error: Error | null, inflated: Inflated) => void,
) => void;
const [gunzip, inflate, inflateRaw, unzstd] = [
  zlib.gunzip,
  zlib.inflate,
  zlib.inflateRaw,
  zlib.zstdDecompress,
] as unknown as readonly [Inflate, Inflate, Inflate, Inflate];

/** Low four bits of a zlib stream's first byte; raw deflate, which some send, starts otherwise. */
const ZLIB_METHOD = 8;

function decoderOf(encoding: string, body: Buffer): Inflate | null {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return gunzip;
    case 'zstd':
      return unzstd;
    case 'deflate':
      return body.length > 1 && (body[0]! & 15) === ZLIB_METHOD && body.readUInt16BE(0) % 31 === 0
        ? inflate
        : inflateRaw;
    default:
      return null;
  }
}

const nameOf = (encoding: string): string => encoding.trim().toLowerCase();

/** Whether a body of that `Content-Encoding` is what was meant, as it was sent. */
export function isIdentity(encoding: string): boolean {
  const name = nameOf(encoding);
  return name === '' || name === 'identity';
}

/** Undoes `Content-Encoding`; concatenated gzip members and zstd frames are one body. */
export async function decodeBody(
  encoding: string,
  body: Buffer,
  bytesMax: number,
): Promise<Buffer> {
  if (isIdentity(encoding)) {
    if (body.length > bytesMax) throw tooLarge(bytesMax);
    return body;
  }
  const name = nameOf(encoding);
  const decode = decoderOf(name, body);
  if (decode === null) {
    throw new OperatingError(
      'encoding-unsupported',
      `Content-Encoding ${JSON.stringify(name.slice(0, 40))}: expected gzip, zstd, deflate or identity`,
    );
  }
  const { promise, resolve, reject } = Promise.withResolvers<Inflated>();
  decode(body, { maxOutputLength: bytesMax, info: true }, (error, inflated) =>
    error === null ? resolve(inflated) : reject(error),
  );
  try {
    const { buffer, engine } = await promise;
    // Zeros behind the last member are padding to gzip, and anything else it refuses by itself.
    if (decode === gunzip || engine.bytesWritten === body.length) return buffer;
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw new OperatingError('body-malformed', `the body is not ${name}: ${reasonOf(error)}`);
  }
  throw new OperatingError('body-malformed', `the body is not ${name} up to its end`);
}

/** Whose bytes are taken as they come; what is not UTF-8 in them is repaired and tagged. */
const UTF_8 = new Set(['', 'utf-8', 'utf8', 'us-ascii', 'ascii']);

/** The body as UTF-8, from the charset that its media type names. */
export function asUtf8(charset: string, body: Buffer, bytesMax: number): Buffer {
  const label = nameOf(charset);
  if (UTF_8.has(label)) return body;
  const isBigEndian = label === 'utf-16' && body[0] === 0xfe && body[1] === 0xff;
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(isBigEndian ? 'utf-16be' : label);
  } catch {
    throw new OperatingError(
      'charset-unsupported',
      `charset ${JSON.stringify(label.slice(0, 40))} is not known`,
    );
  }
  const text = Buffer.from(decoder.decode(body));
  if (text.length > bytesMax) throw tooLarge(bytesMax);
  return text;
}

/** Without the mark that some write in front of UTF-8, which is neither JSON nor text. */
export const withoutMark = (body: Buffer): Buffer =>
  body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body;
