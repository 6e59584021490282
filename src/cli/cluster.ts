/** What the commands that ask a Kafka cluster share: the client, what went wrong, and progress. */
import { systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import { Client } from '../client/client.ts';
import type { ConnectionSecurity } from '../client/connection.ts';
import { errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { Arguments } from './arguments.ts';
import { usageError } from './arguments.ts';
import type { Terminal } from './command.ts';

const TIMEOUT_MS_MAX = 3_600_000;
const CONNECT_TIMEOUT_MS = 5000;
/** After this long people want to know that something is going on, and again every so often. */
const PROGRESS_MS = 1000;

/** Runs `work` with a client that has reached the cluster, and closes it. */
export async function withClient<T>(
  args: Arguments,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const bootstrap = args.required('bootstrap-server');
  const client = new Client({
    bootstrap: parsed(bootstrap),
    security: await accessOf(args),
    clientId: 'weir-cli',
    requestTimeoutMs: args.integer('timeout', 1, TIMEOUT_MS_MAX) ?? 30_000,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  client.metadata.allowAutoCreate = false;
  try {
    await withProgress(args.terminal, `waiting for ${bootstrap}`, client.metadata.refresh());
    return await work(client);
  } catch (error) {
    throw explained(error);
  } finally {
    client.close();
  }
}

/** How the client says who it is: as a part of the appliance, or as the file says. */
async function accessOf(args: Arguments): Promise<ConnectionSecurity | null> {
  const dataDir = args.text('data');
  const file = args.text('command-config');
  if (dataDir === undefined && file === undefined) return null;
  // Few need it, and everybody waits for what is loaded.
  const { fileSecurity, applianceSecurity } = await import('../client/cli-security.ts');
  return dataDir === undefined ? fileSecurity(file!) : applianceSecurity(dataDir, file);
}

/** A bad address is the user's mistake. */
function parsed(bootstrap: string): string {
  if (!/^[^\s]+$/.test(bootstrap)) {
    throw usageError(`--bootstrap-server takes HOST:PORT; saw '${bootstrap}'`);
  }
  return bootstrap;
}

function explained(error: unknown): unknown {
  if (error instanceof OperatingError && error.code === 'bad-address') {
    return usageError(`--bootstrap-server: ${error.message}`);
  }
  if (error instanceof OperatingError && error.code === 'no-broker') {
    return new OperatingError(error.code, `${error.message}; is \`npm start\` running?`, {
      cause: error,
    });
  }
  if (error instanceof ProtocolError && !error.message.includes(errorName(error.code))) {
    return new ProtocolError(error.code, `${error.message} (${errorName(error.code)})`);
  }
  return error;
}

/** Says on the error stream, from one second on, that `work` is still under way. */
export async function withProgress<T>(
  terminal: Terminal,
  what: string,
  work: Promise<T>,
): Promise<T> {
  const started = systemClock.monotonic();
  let shown = false;
  let done = false;
  const show = (): void => {
    if (done) return;
    const seconds = Math.round((systemClock.monotonic() - started) / 1000);
    if (terminal.errIsTty) terminal.err(`\r${what} … ${seconds} s`);
    else if (!shown) terminal.err(`${what} …\n`);
    shown = true;
    systemClock.after(PROGRESS_MS, show);
  };
  systemClock.after(PROGRESS_MS, show);
  try {
    return await work;
  } finally {
    done = true;
    if (shown && terminal.errIsTty) terminal.err(`\r${' '.repeat(what.length + 12)}\r`);
  }
}
