/** A password that is given to a command: typed, on standard input, or in the environment. */
import { Buffer } from 'node:buffer';
import { type Arguments, usageError } from './arguments.ts';
import type { Terminal } from './command.ts';

/** Longest password that is taken, in bytes. */
const PASSWORD_BYTES_MAX = 1024;

/** What a terminal that shows nothing hands on of the keys for "take back" and "give up". */
const TAKEN_BACK = /[^\u007f\b][\u007f\b]/u;
const GIVEN_UP = '\u0003';

/**
 * From `--password-env`, or the first line of the input. Never from the command line, which
 * everybody on the machine can read.
 */
export async function passwordOf(args: Arguments): Promise<string> {
  const variable = args.text('password-env');
  const given = variable === undefined ? await readPassword(args.terminal) : process.env[variable];
  if (given === undefined) throw usageError(`--password-env: there is no variable ${variable}`);
  if (given === '') throw usageError('the password is empty');
  if (Buffer.byteLength(given) > PASSWORD_BYTES_MAX) {
    throw usageError(`the password is longer than ${PASSWORD_BYTES_MAX} bytes`);
  }
  return given;
}

/** Asked for, and not shown, where somebody types it. */
export async function readPassword(terminal: Terminal): Promise<string> {
  const show = terminal.hideInput?.() ?? null;
  if (show !== null) terminal.err('Password: ');
  try {
    const line = await firstLine(terminal.input);
    return show === null ? line : edited(line);
  } finally {
    show?.();
    if (show !== null) terminal.err('\n');
  }
}

async function firstLine(input: AsyncIterable<Uint8Array>): Promise<string> {
  // A character may come in two pieces.
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of input) {
    text += decoder.decode(chunk, { stream: true });
    const end = /[\r\n\u0003\u0004]/.exec(text);
    if (end === null && text.length <= PASSWORD_BYTES_MAX) continue;
    if (end?.[0] === GIVEN_UP) throw usageError('no password was given');
    return text.slice(0, end?.index);
  }
  return text;
}

/** Each key that takes back takes one character, however many of them come in a row. */
function edited(typed: string): string {
  let text = typed;
  while (TAKEN_BACK.test(text)) text = text.replace(TAKEN_BACK, '');
  return text.replaceAll(/[\u007f\b]/g, '');
}
