/** How commands say who they are. */
import { readSecret } from '../base/appliance-secret.ts';
import { systemClock } from '../base/clock.ts';
import { FatalError, OperatingError, reasonOf } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { nodeDisk } from '../base/node-disk.ts';
import { parseProperties } from '../base/properties.ts';
import { systemRandom } from '../base/random.ts';
import type { TlsConnector } from '../base/transport.ts';
import {
  type ConnectionSecurity,
  clientSecurity,
  tlsConnector,
} from '../security/client-security.ts';
import { peerSecurity } from '../security/inter-broker.ts';

/** As a file of properties says, which may hold more than is looked at. Throws OperatingError. */
export function fileSecurity(path: string): ConnectionSecurity | null {
  const properties = propertiesOf(path);
  return named(path, () => clientSecurity((name) => properties.get(name), seams));
}

/**
 * As a part of the appliance with that data folder: in plain text, or within TLS where the file of
 * properties `path` has it for its `security.protocol`. Throws OperatingError.
 */
export function applianceSecurity(dataDir: string, path?: string): ConnectionSecurity | null {
  const secret = readSecret({ readFile: read }, dataDir);
  if (secret === null) {
    throw new OperatingError('no-secret', `no Weir has started with the data folder ${dataDir}`);
  }
  const tls = path === undefined ? null : fileTls(path);
  return peerSecurity({ kind: 'secret', secret }, tls, 'cli', systemRandom);
}

/** Only what the file says of TLS: who this is, the folder says. */
function fileTls(path: string): (() => Promise<TlsConnector>) | null {
  const properties = propertiesOf(path);
  const protocol = properties.get('security.protocol')?.toUpperCase() ?? 'PLAINTEXT';
  if (!protocol.endsWith('SSL')) return null;
  return named(path, () => tlsConnector((name) => properties.get(name), seams));
}

const seams = {
  disk: nodeDisk,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
};

function propertiesOf(path: string): Map<string, string> {
  const bytes = read(path);
  if (bytes === null) throw new OperatingError('no-file', `there is no file ${path}`);
  return parseProperties(bytes.toString('utf8'));
}

/** What is wrong in the file is the user's mistake. */
function named<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    throw new OperatingError('bad-properties', `${path}: ${error.message}`);
  }
}

function read(path: string): Buffer | null {
  try {
    return nodeDisk.readFile(path);
  } catch (error) {
    throw new OperatingError('no-file', `can't read ${path}: ${reasonOf(error)}`);
  }
}
