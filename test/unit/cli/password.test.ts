import { expect, it } from 'vitest';
import type { Terminal } from '../../../src/cli/command.ts';
import { readPassword } from '../../../src/cli/password.ts';
import { fakeTerminal } from './fake-terminal.ts';

/** Somebody types; what is typed is not shown. */
function typing(...keys: (string | Buffer)[]): Terminal & { isHidden: () => boolean } {
  let isHidden = false;
  return {
    ...fakeTerminal(),
    hideInput: () => {
      isHidden = true;
      return () => {
        isHidden = false;
      };
    },
    isHidden: () => isHidden,
    input: (async function* () {
      for (const key of keys) {
        await Promise.resolve();
        yield Buffer.from(key);
      }
    })(),
  };
}

it('takes the first line, whatever ends it', async () => {
  for (const end of ['\n', '\r', '\r\n', '\u0004', '']) {
    expect(await readPassword(fakeTerminal(`secret${end}`))).toBe('secret');
  }
});

it('takes back as many characters as it is told to', async () => {
  const del = '\u007f';
  expect(await readPassword(typing('abcd', del, del, 'x', '\r'))).toBe('abx');
  expect(await readPassword(typing('ab', '\b', '\b', '\b', 'xy', '\r'))).toBe('xy');
  expect(await readPassword(typing('a', '\u{1f600}', del, 'b', '\r'))).toBe('ab');
});

it('takes a character that comes in two pieces for what it is', async () => {
  const bytes = Buffer.from('pässwörd\n');
  expect(await readPassword(typing(bytes.subarray(0, 2), bytes.subarray(2)))).toBe('pässwörd');
});

it('shows what is typed again, also when somebody gives up', async () => {
  const terminal = typing('abc', '\u0003');
  await expect(readPassword(terminal)).rejects.toThrow('no password was given');
  expect(terminal.isHidden()).toBe(false);
});
