import type { Terminal } from '../../../src/cli/command.ts';

export interface FakeTerminal extends Terminal {
  written(): string;
  errors(): string;
  interrupt(): void;
}

/** A terminal that remembers what was written to it. */
export function fakeTerminal(input = '', isTty = false): FakeTerminal {
  const out: Uint8Array[] = [];
  let err = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    isTty,
    errIsTty: isTty,
    columns: 80,
    out: (text) => {
      out.push(Buffer.from(text as string));
    },
    err: (text) => {
      err += text;
    },
    input: (async function* () {
      if (input !== '') yield Buffer.from(input);
    })(),
    interrupted: promise,
    interrupt: resolve,
    written: () => Buffer.concat(out).toString(),
    errors: () => err,
  };
}
