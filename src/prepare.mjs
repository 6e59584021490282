/**
 * What `npm ci` and `npm install` run last in a checkout: one start of the appliance and its stop,
 * on free ports and in a folder that is thrown away. What a start loads is stripped of its types and
 * compiled then (`weir.mjs` says where that is kept), so that the user's first start is as short as
 * the later ones. Plain JavaScript for whatever Node runs npm.
 *
 * It is for speed alone: where it can't be done, it says so and the installation goes on.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const UP = 'appliance is up';
const MS_MAX = 30_000;

const launcher = fileURLToPath(new URL('./weir.mjs', import.meta.url));

/** The user's environment without what is meant for the appliance, but the Node to run it with. */
const environment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !key.startsWith('WEIR_') || key === 'WEIR_NODE'),
  );

/** Resolves to null when the appliance was up and has ended in order, else to what it said. */
function rehearse(folder) {
  const settings = {
    'kafka.port': 0,
    'console.port': 0,
    'collectors.syslog.port': 0,
    'collectors.files.paths': join(folder, '*.log'),
    'log.format': 'json',
  };
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const child = spawn(process.execPath, [launcher, 'up', '--data', join(folder, 'data'), ...set], {
    cwd: folder,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const late = setTimeout(() => child.kill('SIGTERM'), MS_MAX);
  let said = '';
  let wasUp = false;
  const hear = (chunk) => {
    said += chunk;
    if (wasUp || !said.includes(UP)) return;
    wasUp = true;
    child.kill('SIGTERM');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => {
      clearTimeout(late);
      resolve(wasUp && code === 0 ? null : said);
    });
    // Whatever does not even stop keeps nobody from installing.
    setTimeout(() => resolve(`it did not stop\n${said}`), 2 * MS_MAX).unref();
  });
}

async function prepare() {
  const folder = mkdtempSync(join(tmpdir(), 'weir-prepare-'));
  try {
    return await rehearse(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// Packing goes through here, too, and leaves all this out.
if (process.env.npm_command !== 'pack' && process.env.npm_command !== 'publish') {
  const failure = await prepare().catch((error) => error.message);
  if (failure !== null) {
    process.stderr.write(
      `weir: could not be started ahead; its first start takes longer, or fails the same way:\n${failure}\n`,
    );
  }
}
process.exit();
