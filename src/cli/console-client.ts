/** Asks the console of a running appliance over HTTP. */
import { OperatingError, reasonOf } from '../base/errors.ts';
import { type Arguments, usageError } from './arguments.ts';
import type { Option } from './command.ts';
import { Progress } from './progress.ts';

const TIMEOUT_MS = 10_000;

export const consoleOptions: readonly Option[] = [
  { name: 'url', value: 'URL', default: 'http://127.0.0.1:8080', doc: 'Console of the appliance.' },
  { name: 'token', value: 'TOKEN', doc: 'Its console.token; WEIR_CONSOLE_TOKEN when absent.' },
];

/** Resolves to the body. Rejects with an OperatingError that says what to look at. */
export async function askConsole(args: Arguments, path: string): Promise<string> {
  const url = args.required('url').replace(/\/+$/, '');
  if (!/^https?:\/\/./.test(url) || !URL.canParse(url)) {
    throw usageError(`--url takes http://HOST:PORT; saw '${args.required('url')}'`);
  }
  const token = args.text('token') ?? process.env['WEIR_CONSOLE_TOKEN'];
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  let answer: Response;
  try {
    const asked = fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    answer = await new Progress(args.terminal, `waiting for ${url}`).of(asked);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new OperatingError(
      'no-console',
      `no console answers at ${url} (${reasonOf(cause)}); is it running (weir up), and is --url right?`,
    );
  }
  if (answer.status === 401) {
    throw new OperatingError('no-token', `${url} wants its token: --token TOKEN`);
  }
  if (!answer.ok) {
    throw new OperatingError('console-error', `${url}${path} answered ${answer.status}`);
  }
  return answer.text();
}
