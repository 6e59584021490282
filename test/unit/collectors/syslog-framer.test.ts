import { describe, expect, it } from 'vitest';
import { SyslogFramer } from '../../../src/collectors/syslog/framer.ts';

function run(
  chunks: readonly (string | Buffer)[],
  bytesMax = 100,
): { messages: string[]; isBroken: boolean } {
  const messages: string[] = [];
  const framer = new SyslogFramer(
    {
      message: (bytes, start, end, isCut) => {
        messages.push(bytes.toString('latin1', start, end) + (isCut ? '…' : ''));
        return true;
      },
    },
    bytesMax,
  );
  for (const chunk of chunks) framer.push(Buffer.from(chunk));
  framer.end();
  return { messages, isBroken: framer.isBroken };
}

describe('SyslogFramer', () => {
  it('reads newline-framed and octet-counted messages, mixed', () => {
    expect(run(['<1>a\n5 <2>bb\n\n\r\n\u0000', '6 <3>c\nd', '<4>e\r\n<5>f']).messages).toEqual([
      '<1>a',
      '<2>bb',
      '<3>c\nd',
      '<4>e',
      '<5>f',
    ]);
  });

  it('does not take a line that starts with a number for an octet count', () => {
    expect(run(['12 monkeys\n2026-11-22 text\n7\n99999999999999 x\n']).messages).toEqual([
      '12 monkeys',
      '2026-11-22 text',
      '7',
      '99999999999999 x',
    ]);
  });

  it('cuts what is too long and goes on behind it', () => {
    const long = `<1>${'x'.repeat(297)}`;
    for (const size of [1, 7, 99, 100, 101, 1000]) {
      const stream = `${long}\n<2>b\n300 ${long}<3>c\n`;
      const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
        stream.slice(i * size, (i + 1) * size),
      );
      expect(run(chunks).messages).toEqual([
        `${long.slice(0, 100)}…`,
        '<2>b',
        `${long.slice(0, 100)}…`,
        '<3>c',
      ]);
    }
  });

  it('gives up on an absurd length', () => {
    expect(run(['<1>a\n', '99999999999 <2>', 'more\n<3>b\n'])).toEqual({
      messages: ['<1>a'],
      isBroken: true,
    });
    expect(run(['999', '99999999 <2>b\n']).isBroken).toBe(true);
  });

  it('hands on what a sender left unfinished', () => {
    expect(run(['<1>a\n<2>b']).messages).toEqual(['<1>a', '<2>b']);
    expect(run(['20 <1>half']).messages).toEqual(['<1>half…']);
    expect(run(['20']).messages).toEqual(['20']);
  });

  it('offers again what was refused, losing and doubling nothing', () => {
    const stream = Array.from({ length: 50 }, (_, i) =>
      i % 2 === 0 ? `<1>line ${i}\n` : `${5 + String(i).length} <1>x ${i}`,
    ).join('');
    const expected = run([stream]).messages;
    for (const size of [1, 3, 10, 64, 10_000]) {
      const messages: string[] = [];
      let offers = 0;
      const framer = new SyslogFramer(
        {
          message: (bytes, start, end) => {
            if (++offers % 3 !== 0) return false;
            messages.push(bytes.toString('latin1', start, end));
            return true;
          },
        },
        100,
      );
      for (let at = 0; at < stream.length; at += size) {
        framer.push(Buffer.from(stream.slice(at, at + size)));
        while (framer.isRefused) framer.resume();
      }
      framer.end();
      while (framer.isRefused) framer.resume();
      expect(messages).toEqual(expected);
    }
  });
});
