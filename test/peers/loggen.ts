import fs from 'node:fs';
import path from 'node:path';
import {
  cached,
  findProgram,
  mustRun,
  needProgram,
  runTool,
  type ToolOptions,
  type ToolResult,
} from './peer.ts';

/**
 * The package of syslog-ng can't be installed beside rsyslog's, so `loggen` is taken out of it
 * without installing.
 */
const unpacked = (): Promise<string> =>
  cached('loggen', async (directory) => {
    fs.chmodSync(directory, 0o755);
    await mustRun(needProgram('apt-get', 'apt'), ['download', '-q', 'syslog-ng-core'], {
      cwd: directory,
      timeoutMs: 120_000,
    });
    for (const name of fs.readdirSync(directory)) {
      if (!name.endsWith('.deb')) continue;
      await mustRun(needProgram('dpkg-deb', 'dpkg'), ['-x', name, 'root'], { cwd: directory });
      fs.rmSync(path.join(directory, name));
    }
  });

/**
 * Runs syslog-ng's load generator, for example `['--inet', '--dgram', '--rate', '1000',
 * '--interval', '5', '127.0.0.1', '5514']`, to its end.
 */
export async function loggen(
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const installed = findProgram('loggen');
  if (installed !== null) return runTool(installed, args, options);
  const root = path.join(await unpacked(), 'root', 'usr');
  const libraries = path.join(root, 'lib', 'syslog-ng');
  // Its plug-ins (socket, ssl) are looked up by an absolute path unless told.
  const plugins = fs
    .readdirSync(libraries)
    .map((name) => path.join(libraries, name, 'loggen'))
    .find((folder) => fs.existsSync(folder));
  const env = {
    ...options.env,
    LD_LIBRARY_PATH: libraries,
    ...(plugins === undefined ? {} : { SYSLOGNG_PREFIX: root }),
  };
  return runTool(path.join(root, 'bin', 'loggen'), args, { ...options, env });
}
