/**
 * Frames: a 4-byte size, a header, a body. `FrameSplitter` cuts them out of a stream; the functions
 * write and read headers by API and version.
 *
 * Header versions (RequestHeader.json, ResponseHeader.json): a request of a flexible version has header
 * 2, any other header 1; an answer has header 1 or 0 likewise, but ApiVersions always 0. The client id
 * keeps its 2-byte length in header 2. Nothing of a refused frame's body is buffered.
 */
import { type ByteReader, ByteWriter } from '../base/bytes.ts';
import { OperatingError } from '../base/errors.ts';
import type { Api } from './apis.ts';
import { apis } from './apis.ts';
import { codec } from './codec.ts';

const API_VERSIONS = 18;
const SIZE_BYTES = 4;

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/**
 * Reads the header of a request; the reader then stands at the body. An API or version that is not in
 * the table is read as far as the correlation id and client id, which are the same in every version.
 * ApiVersions above our highest is taken for flexible, because every version to come is.
 */
export function readRequestHeader(reader: ByteReader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const length = reader.stringLength(false);
  const clientId = length < 0 ? null : reader.utf8(length);
  const api = apis.get(apiKey);
  if (api !== undefined && apiVersion >= api.flexible) reader.skipTags();
  return { apiKey, apiVersion, correlationId, clientId };
}

/** A whole request frame, its size included. */
export function writeRequest<T>(
  api: Api,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: T,
): Uint8Array[] {
  const writer = new ByteWriter();
  writer.int32(0); // The size, known at the end.
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(correlationId);
  if (clientId === null) writer.nullString(false);
  else writer.string(clientId, false);
  if (version >= api.flexible) writer.uvarint(0);
  codec(api.request, version).write(writer, body);
  return sized(writer);
}

/** A whole answer frame, its size included. Long byte strings of `body` are referenced, not copied. */
export function writeResponse<T>(
  api: Api,
  version: number,
  correlationId: number,
  body: T,
): Uint8Array[] {
  const writer = new ByteWriter();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasTaggedResponseHeader(api, version)) writer.uvarint(0);
  codec(api.response, version).write(writer, body);
  return sized(writer);
}

/** Reads the header of an answer and returns its correlation id; the reader then stands at the body. */
export function readResponseHeader(reader: ByteReader, api: Api, version: number): number {
  const correlationId = reader.int32();
  if (hasTaggedResponseHeader(api, version)) reader.skipTags();
  return correlationId;
}

const hasTaggedResponseHeader = (api: Api, version: number): boolean =>
  version >= api.flexible && api.key !== API_VERSIONS;

function sized(writer: ByteWriter): Uint8Array[] {
  writer.patchInt32(0, writer.length - SIZE_BYTES);
  return writer.chunks();
}

/** Memory for frames that is used again; a longer one shrinks back when it is not needed. */
const SCRATCH_BYTES_MIN = 64 * 1024;
/** Frames in a row that must be short for that. */
const SCRATCH_FRAMES = 64;

/**
 * Assembles frames out of chunks that are valid only during the call of `push`. A frame that lies
 * whole in one chunk is copied once; one that spans chunks is gathered in one allocation, and its
 * rest can be read straight into its place (`target`). The frame handed to `onFrame` is without its
 * size and belongs to the receiver; with `reuse` only until the next frame begins, and then no
 * memory is allocated for frames that come and go.
 */
export class FrameSplitter {
  readonly #maxBytes: number;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #size = Buffer.alloc(SIZE_BYTES);
  #sizeFilled = 0;
  #frame: Buffer | null = null;
  #frameFilled = 0;
  /** Null: each frame has memory of its own. */
  #scratch: Buffer | null;
  /** Of the frames since the scratch memory was looked at. */
  #frames = 0;
  #longest = 0;

  /** `maxBytes` bounds one frame without its size (`socket.request.max.bytes`). */
  constructor(
    maxBytes: number,
    onFrame: (frame: Buffer) => void,
    options: { readonly reuse?: boolean } = {},
  ) {
    this.#maxBytes = maxBytes;
    this.#onFrame = onFrame;
    this.#scratch = options.reuse === true ? Buffer.alloc(0) : null;
  }

  /** Bytes of a frame that has not arrived whole. */
  get pendingBytes(): number {
    return this.#frame === null ? this.#sizeFilled : SIZE_BYTES + this.#frameFilled;
  }

  /** Where the rest of the frame under way belongs: bytes read to there need no copy. */
  target(): Buffer | null {
    const frame = this.#frame;
    if (frame === null || this.#frameFilled === frame.length) return null;
    return frame.subarray(this.#frameFilled);
  }

  /** Throws OperatingError `frame-too-large` or `frame-malformed`; the stream is then of no use. */
  push(chunk: Buffer): void {
    let pos = 0;
    while (pos < chunk.length) {
      if (this.#frame === null) {
        const n = Math.min(SIZE_BYTES - this.#sizeFilled, chunk.length - pos);
        chunk.copy(this.#size, this.#sizeFilled, pos, pos + n);
        this.#sizeFilled += n;
        pos += n;
        if (this.#sizeFilled < SIZE_BYTES) return;
        this.#begin(this.#size.readInt32BE(0));
      }
      pos += this.#fill(chunk, pos);
    }
  }

  #begin(size: number): void {
    if (size < 0) throw new OperatingError('frame-malformed', `frame of ${size} bytes`);
    if (size > this.#maxBytes) {
      throw new OperatingError(
        'frame-too-large',
        `frame of ${size} bytes, at most ${this.#maxBytes} are taken`,
      );
    }
    this.#frame = this.#scratch === null ? Buffer.allocUnsafe(size) : this.#scratchFor(size);
    this.#frameFilled = 0;
  }

  #scratchFor(size: number): Buffer {
    this.#longest = Math.max(this.#longest, size);
    this.#frames += 1;
    const isLook = this.#frames === SCRATCH_FRAMES;
    const have = this.#scratch!.length;
    const needed = Math.max(isLook ? this.#longest : size, SCRATCH_BYTES_MIN);
    if (have < size || (isLook && have > 2 * needed)) {
      this.#scratch = Buffer.allocUnsafeSlow(needed);
    }
    if (isLook) {
      this.#frames = 0;
      this.#longest = 0;
    }
    return this.#scratch!.subarray(0, size);
  }

  #fill(chunk: Buffer, pos: number): number {
    const frame = this.#frame!;
    const n = Math.min(frame.length - this.#frameFilled, chunk.length - pos);
    // What was read to its place is there.
    const isThere =
      chunk.buffer === frame.buffer &&
      chunk.byteOffset + pos === frame.byteOffset + this.#frameFilled;
    if (!isThere) chunk.copy(frame, this.#frameFilled, pos, pos + n);
    this.#frameFilled += n;
    if (this.#frameFilled === frame.length) {
      this.#frame = null;
      this.#sizeFilled = 0;
      this.#onFrame(frame);
    }
    return n;
  }
}
