/** How commands say who they are. */
import { readSecret } from '../base/appliance-secret.ts';
import { systemClock } from '../base/clock.ts';
import { FatalError, OperatingError, reasonOf } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { nodeDisk } from '../base/node-disk.ts';
import { parseProperties } from '../base/properties.ts';
import { systemRandom } from '../base/random.ts';
import { type ConnectionSecurity, clientSecurity } from '../security/client-security.ts';
import { peerSecurity } from '../security/inter-broker.ts';

/** As a file of properties says, which may hold more than is looked at. Throws OperatingError. */
export function fileSecurity(path: string): ConnectionSecurity | null {
  const bytes = read(path);
  if (bytes === null) throw new OperatingError('no-file', `there is no file ${path}`);
  const properties = parseProperties(bytes.toString('utf8'));
  try {
    return clientSecurity((name) => properties.get(name), {
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    throw new OperatingError('bad-properties', `${path}: ${error.message}`);
  }
}

/** As a part of the appliance with that data folder, in plain text. Throws OperatingError. */
export function applianceSecurity(dataDir: string): ConnectionSecurity | null {
  const secret = readSecret({ readFile: read }, dataDir);
  if (secret === null) {
    throw new OperatingError('no-secret', `no Weir has started with the data folder ${dataDir}`);
  }
  return peerSecurity({ kind: 'secret', secret }, null, 'cli', systemRandom);
}

function read(path: string): Buffer | null {
  try {
    return nodeDisk.readFile(path);
  } catch (error) {
    throw new OperatingError('no-file', `can't read ${path}: ${reasonOf(error)}`);
  }
}
