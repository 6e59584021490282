/**
 * The process's own terminal: standard streams with backpressure, ends quietly when the reader
 * goes away (`weir consume … | head`), and turns SIGINT and SIGTERM into a promise.
 */
import { codeOf } from '../base/errors.ts';
import { ExitCode, type Terminal } from './command.ts';

const COLUMNS_DEFAULT = 80;

function hideInput(): () => void {
  process.stdin.setRawMode(true);
  return () => {
    process.stdin.setRawMode(false);
    process.stdin.pause();
  };
}

export function processTerminal(): Terminal {
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      // The second one ends at once: the first may be waiting for a broker that never answers.
      process.once(signal, () => {
        process.once(signal, () => process.exit(ExitCode.FAILURE));
        resolve();
      });
    }
  });
  process.stdout.on('error', (error) => {
    // Nobody reads any more, so nothing is left to do.
    if (codeOf(error) === 'EPIPE') process.exit(ExitCode.OK);
    // Whoever writes may wait for this stream, and is told nothing by it.
    process.stderr.write(`weir: what was to be written is lost: ${error.message}\n`);
    process.exit(ExitCode.FAILURE);
  });
  return {
    isTty: process.stdout.isTTY === true,
    errIsTty: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? COLUMNS_DEFAULT,
    out(text) {
      if (process.stdout.write(text)) return;
      return new Promise((resolve) => process.stdout.once('drain', resolve));
    },
    err(text) {
      process.stderr.write(text);
    },
    ...(process.stdin.isTTY ? { hideInput } : {}),
    input: process.stdin,
    interrupted,
  };
}
