/** What the commands that ask a Kafka cluster share: the client, and what went wrong. */
import { OperatingError, reasonOf } from '../base/errors.ts';
import { Client, parseAddresses } from '../client/client.ts';
import type { ConnectionSecurity } from '../client/connection.ts';
import { errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { Arguments } from './arguments.ts';
import { usageError } from './arguments.ts';
import { Progress } from './progress.ts';

const TIMEOUT_MS_MAX = 3_600_000;
const CONNECT_TIMEOUT_MS = 5000;

/** Runs `work` with a client that has reached the cluster, and closes it. */
export async function withClient<T>(
  args: Arguments,
  work: (client: Client, progress: Progress) => Promise<T>,
): Promise<T> {
  const bootstrap = args.required('bootstrap-server');
  checkAddresses(bootstrap);
  const client = new Client({
    bootstrap,
    security: await accessOf(args),
    clientId: 'weir-cli',
    requestTimeoutMs: args.integer('timeout', 1, TIMEOUT_MS_MAX) ?? 30_000,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  client.metadata.allowAutoCreate = false;
  const progress = new Progress(args.terminal, `waiting for ${bootstrap}`);
  try {
    await progress.of(client.metadata.refresh());
    return await work(client, progress);
  } catch (error) {
    throw explained(error);
  } finally {
    client.close();
  }
}

/** The same with an administrator, whose every answer is waited for with a word about that. */
export const withAdministrator = <A extends object, T>(
  args: Arguments,
  Administrator: new (client: Client) => A,
  work: (administrator: A) => Promise<T>,
): Promise<T> =>
  withClient(args, (client, progress) => work(progress.with(new Administrator(client))));

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
function checkAddresses(bootstrap: string): void {
  if (!/^[^\s]+$/.test(bootstrap)) {
    throw usageError(`--bootstrap-server takes HOST:PORT; saw '${bootstrap}'`);
  }
  try {
    parseAddresses(bootstrap);
  } catch (error) {
    throw usageError(`--bootstrap-server: ${reasonOf(error)}`);
  }
}

function explained(error: unknown): unknown {
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
