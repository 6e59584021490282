import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/base/bytes.ts';
import { OperatingError } from '../../../src/base/errors.ts';
import { below, seededRandom } from '../../../src/base/random.ts';
import { type Api, apiByName, apis } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/codec.ts';
import {
  FrameSplitter,
  readRequestHeader,
  readResponseHeader,
  writeRequest,
  writeResponse,
} from '../../../src/protocol/frame.ts';
import { randomBytes, randomMessage, versionsOf } from '../../property/random-message.ts';

const api = (name: string): Api => apiByName.get(name)!;

function sized(body: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function collect(maxBytes = 1 << 20): { splitter: FrameSplitter; frames: Buffer[] } {
  const frames: Buffer[] = [];
  return { splitter: new FrameSplitter(maxBytes, (frame) => frames.push(frame)), frames };
}

const codeOf = (action: () => void): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof OperatingError) return error.code;
    throw error;
  }
  return '';
};

describe('headers', () => {
  it('come back from every request and answer, in every version', () => {
    const random = seededRandom(7);
    for (const a of apis.values()) {
      for (const version of versionsOf(a.request)) {
        const clientId = version % 3 === 0 ? null : `client-${version}-é`;
        const request = randomMessage(a.request, version, random);
        const frame = Buffer.concat(writeRequest(a, version, version - 5, clientId, request));
        expect(frame.readInt32BE(0)).toBe(frame.length - 4);
        const reader = new ByteReader(frame, 4);
        expect(readRequestHeader(reader)).toEqual({
          apiKey: a.key,
          apiVersion: version,
          correlationId: version - 5,
          clientId,
        });
        expect(codec(a.request, version).read(reader)).toEqual(request);
        expect(reader.remaining).toBe(0);

        const response = randomMessage(a.response, version, random);
        const answer = Buffer.concat(writeResponse(a, version, version - 99, response));
        expect(answer.readInt32BE(0)).toBe(answer.length - 4);
        const back = new ByteReader(answer, 4);
        expect(readResponseHeader(back, a, version)).toBe(version - 99);
        expect(codec(a.response, version).read(back)).toEqual(response);
        expect(back.remaining).toBe(0);
      }
    }
  });

  it('have tags in flexible versions, and a client id with the classic length', () => {
    const body = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null };
    const head = (version: number): string =>
      Buffer.concat(writeRequest(api('Heartbeat'), version, 1, 'ab', body)).toString('hex', 4, 17);
    expect(head(3)).toBe('000c000300000001000261620001'.slice(0, 26));
    expect(head(4)).toBe('000c000400000001000261620002'.slice(0, 26));
    const frame = Buffer.concat(writeRequest(api('Heartbeat'), 4, 1, 'ab', body));
    expect(frame.toString('hex', 16, 19)).toBe('000267'); // No tags, then the compact group id.
  });

  it('of an ApiVersions answer never have tags', () => {
    const body = {
      errorCode: 35,
      apiKeys: [],
      throttleTimeMs: 0,
      supportedFeatures: [],
      finalizedFeaturesEpoch: -1,
      finalizedFeatures: [],
      zkMigrationReady: false,
    };
    const answer = Buffer.concat(writeResponse(api('ApiVersions'), 3, 9, body));
    expect(answer.toString('hex')).toBe(
      '0000000c' + '00000009' + '0023' + '01' + '00000000' + '00',
    );
    const heartbeat = { throttleTimeMs: 0, errorCode: 0 };
    const other = Buffer.concat(writeResponse(api('Heartbeat'), 4, 9, heartbeat));
    expect(other.toString('hex')).toBe('0000000c' + '00000009' + '00' + '00000000' + '0000' + '00');
  });

  it('are read for APIs and versions that we do not have', () => {
    const unknown = Buffer.from('7fff0003000000050001780102', 'hex');
    expect(readRequestHeader(new ByteReader(unknown))).toEqual({
      apiKey: 0x7fff,
      apiVersion: 3,
      correlationId: 5,
      clientId: 'x',
    });
    const future = Buffer.from('0012006300000005ffff0101020aff07', 'hex');
    const reader = new ByteReader(future);
    expect(readRequestHeader(reader).apiVersion).toBe(99);
    expect(reader.remaining).toBe(1); // The unknown tag was skipped.
  });

  it('are refused with a RangeError when cut anywhere', () => {
    const frame = Buffer.concat(
      writeRequest(api('ApiVersions'), 3, 1, 'somebody', {
        clientSoftwareName: 'n',
        clientSoftwareVersion: 'v',
        clusterId: null,
        nodeId: -1,
      }),
    ).subarray(4);
    for (let length = 0; length < 19; length++) {
      expect(() => readRequestHeader(new ByteReader(frame.subarray(0, length)))).toThrow(
        RangeError,
      );
    }
  });

  it('of random bytes are read or refused with a RangeError', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 20_000; round++) {
      const reader = new ByteReader(randomBytes(random, below(random, 30)));
      try {
        const header = readRequestHeader(reader);
        expect(Number.isInteger(header.correlationId)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});

describe('FrameSplitter', () => {
  it('gives the same frames for any cut of the stream', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 300; round++) {
      const sent = Array.from({ length: 1 + below(random, 6) }, () =>
        randomBytes(random, below(random, 2) * below(random, 300)),
      );
      const stream = Buffer.concat(sent.map(sized));
      const { splitter, frames } = collect();
      for (let pos = 0; pos < stream.length; ) {
        const chunk = Buffer.from(stream.subarray(pos, pos + 1 + below(random, 50)));
        splitter.push(chunk);
        chunk.fill(0xee); // Chunks are valid only during the call.
        pos += chunk.length;
      }
      expect(frames).toEqual(sent);
      expect(splitter.pendingBytes).toBe(0);
    }
  });

  it('waits for the rest of every truncated prefix', () => {
    const stream = sized(Buffer.from('some frame'));
    for (let length = 0; length < stream.length; length++) {
      const { splitter, frames } = collect();
      splitter.push(stream.subarray(0, length));
      expect(frames).toEqual([]);
      expect(splitter.pendingBytes).toBe(length);
      splitter.push(stream.subarray(length));
      expect(frames).toEqual([Buffer.from('some frame')]);
    }
  });

  it('refuses sizes below zero and above the limit before it buffers the body', () => {
    const size = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(value);
      return bytes;
    };
    const refusal = (value: number): string =>
      codeOf(() => collect(1000).splitter.push(size(value)));
    expect(refusal(-1)).toBe('frame-malformed');
    expect(refusal(-(2 ** 31))).toBe('frame-malformed');
    expect(refusal(2 ** 31 - 1)).toBe('frame-too-large');
    expect(refusal(1001)).toBe('frame-too-large');
    expect(refusal(1000)).toBe('');
    const { splitter, frames } = collect(1000);
    splitter.push(size(0));
    expect(frames).toEqual([Buffer.alloc(0)]);
  });

  it('stays refusing, and has delivered what came before', () => {
    const { splitter, frames } = collect(10);
    const stream = Buffer.concat([sized(Buffer.from('good')), sized(Buffer.alloc(11))]);
    expect(codeOf(() => splitter.push(stream))).toBe('frame-too-large');
    expect(frames).toEqual([Buffer.from('good')]);
    expect(codeOf(() => splitter.push(sized(Buffer.from('good'))))).toBe('frame-too-large');
    expect(frames.length).toBe(1);
  });

  it('takes an HTTP request for a frame that is too large', () => {
    const { splitter } = collect(100 << 20);
    expect(codeOf(() => splitter.push(Buffer.from('GET / HTTP/1.1\r\n\r\n')))).toBe(
      'frame-too-large',
    );
  });

  it('survives random streams: frames within the limit, or a refusal', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 2000; round++) {
      const { splitter, frames } = collect(64);
      const stream = randomBytes(random, below(random, 200));
      for (let i = 0; i < stream.length; i++) if (random.next() < 0.7) stream[i] = below(random, 3);
      const code = codeOf(() => splitter.push(stream));
      expect(['', 'frame-too-large', 'frame-malformed']).toContain(code);
      for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(64);
    }
  });
});

it('frames whose memory is used again come as they were sent, however they are cut', () => {
  const random = seededRandom(11);
  const sent: Buffer[] = [];
  const seen: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  const splitter = new FrameSplitter(
    10_000_000,
    (frame) => {
      seen.push(Buffer.from(frame));
      memory.add(frame.buffer);
    },
    { reuse: true },
  );
  const shared = Buffer.alloc(1_000);
  for (let n = 0; n < 400; n++) {
    const frame = Buffer.alloc(n === 30 ? 500_000 : below(random, 3_000));
    random.fill(frame);
    sent.push(frame);
    const size = Buffer.alloc(4);
    size.writeInt32BE(frame.length);
    let rest = Buffer.concat([size, frame]);
    while (rest.length > 0) {
      // As a socket does: into the place that was named, or into memory of its own.
      const into = splitter.target() ?? shared;
      const count = Math.min(rest.length, 1 + below(random, into.length));
      rest.copy(into, 0, 0, count);
      splitter.push(into.subarray(0, count));
      rest = rest.subarray(count);
    }
  }
  // An empty frame is complete with what comes behind it.
  expect(seen.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(seen).equals(Buffer.concat(sent))).toBe(true);
  expect(memory.size).toBeLessThanOrEqual(4);
});
