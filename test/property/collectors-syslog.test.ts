import { describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { EcsWriter } from '../../src/collectors/ecs-writer.ts';
import { SyslogFramer } from '../../src/collectors/syslog/framer.ts';
import { SyslogParser } from '../../src/collectors/syslog/syslog-parser.ts';
import { fuzzRounds, fuzzSeed } from '../support/fuzz.ts';

const ROUNDS = fuzzRounds(20_000);
const SEED = fuzzSeed(20_261_122);

const SAMPLES = [
  '<165>1 2003-10-11T22:14:15.003Z host app 1234 ID47 [a@1 b="c\\"d" e="f"][g@2] \uFEFFtext',
  "<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed",
  '<189>29: *Jan  1 03:13:14.663 UTC: %LINK-3-UPDOWN: Interface up',
  '<13>2026-11-22T10:00:00.123456+01:00 h app: m',
  '<13>Oct 11 22:14:15 [h] app: m',
  '<13>Oct 11 22:14:15 h] app: m',
  'no priority at all é漢🜁',
];

function mutate(text: string, random: Random): Buffer {
  let bytes = Buffer.from(text);
  for (let edits = below(random, 4); edits > 0; edits--) {
    const at = below(random, bytes.length + 1);
    const byte = Buffer.of(below(random, 256));
    const kind = below(random, 4);
    if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), byte, bytes.subarray(at)]);
    else if (kind === 1)
      bytes = Buffer.concat([bytes.subarray(0, at), byte, bytes.subarray(at + 1)]);
    else if (kind === 2)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 5))]);
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
}

describe('the syslog parser', () => {
  it('makes a valid record of anything, and reads nothing beyond the message', () => {
    const random = seededRandom(SEED);
    const writer = new EcsWriter();
    const parser = new SyslogParser(writer, 0);
    const peer = Buffer.from('peer');
    const parse = (bytes: Buffer, start: number, end: number, by = parser): string => {
      by.write(bytes, start, end, 1_763_823_845_000, peer);
      return writer.buffer.toString('utf8', 0, writer.pos);
    };
    for (let i = 0; i < ROUNDS; i++) {
      let bytes = mutate(SAMPLES[below(random, SAMPLES.length)]!, random);
      if (i % 10 === 0) {
        bytes = Buffer.alloc(below(random, 100));
        random.fill(bytes);
      }
      const text = parse(bytes, 0, bytes.length);
      const record = JSON.parse(text) as { '@timestamp': string; message: string };
      expect(Number.isNaN(Date.parse(record['@timestamp']))).toBe(false);
      expect(typeof record.message).toBe('string');
      // The same message between other bytes, and to one who has seen none before, is the same record.
      const noise = Buffer.alloc(40);
      random.fill(noise);
      const among = Buffer.concat([noise, bytes, noise]);
      const fresh = new SyslogParser(writer, 0);
      expect(parse(among, 40, 40 + bytes.length, fresh)).toBe(text);
    }
  });
});

describe('the syslog framer', () => {
  it('gives the same messages however the stream is cut', () => {
    const random = seededRandom(SEED + 1);
    const messagesOf = (chunks: Buffer[]): string[] => {
      const messages: string[] = [];
      const framer = new SyslogFramer(
        {
          message: (bytes, start, end, isCut) => {
            expect(end - start).toBeLessThanOrEqual(64);
            messages.push(bytes.toString('latin1', start, end) + (isCut ? '…' : ''));
            return true;
          },
        },
        64,
      );
      for (const chunk of chunks) framer.push(chunk);
      framer.end();
      return messages;
    };
    for (let i = 0; i < ROUNDS / 10; i++) {
      const parts: Buffer[] = [];
      for (let n = below(random, 8); n >= 0; n--) {
        const message = mutate(SAMPLES[below(random, SAMPLES.length)]!, random);
        const framed = below(random, 2) === 0 ? Buffer.from(`${message.length} `) : Buffer.alloc(0);
        parts.push(framed, message, framed.length === 0 ? Buffer.from('\n') : Buffer.alloc(0));
      }
      const stream = Buffer.concat(parts);
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        const size = 1 + below(random, 50);
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      expect(messagesOf(chunks)).toEqual(messagesOf([stream]));
    }
  });
});
