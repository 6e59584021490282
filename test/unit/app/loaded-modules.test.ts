/**
 * What an appliance that idles has in memory is mostly code: a module costs six to eight times its
 * source on each thread that loads it, for as long as the process lives. So what serves a command, a
 * configuration or a request that most appliances never see is loaded when the first one comes, and
 * stands in the list below.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const launcher = resolve(import.meta.dirname, '../../../src/weir.mjs');

/** No thread of an appliance as it comes loads these. */
const onDemand: readonly RegExp[] = [
  /\/src\/cli\/(topic|group|broker|produce|consume|tail|status|metrics|config)\.ts$/,
  /\/src\/connectors\//,
  /\/node_modules\/@elastic\//,
  /\/node_modules\/re2js\//,
  /\/node_modules\/typescript\//,
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-modules-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('an appliance that idles has loaded nothing that is for others', async () => {
  const preload = join(folder, 'preload.mjs');
  const loaded = join(folder, 'loaded');
  writeFileSync(
    preload,
    `import { appendFileSync } from 'node:fs';
     import { registerHooks } from 'node:module';
     import { threadId } from 'node:worker_threads';
     registerHooks({
       load(url, context, next) {
         appendFileSync(\`${loaded}-\${threadId}\`, url + '\\n');
         return next(url, context);
       },
     });`,
  );
  const settings = ['kafka.port=0', 'console.port=0', 'collectors.syslog.port=0'];
  const data = ['--data', join(folder, 'data'), '--set', 'collectors.files.paths='];
  const child = spawn(
    process.execPath,
    [launcher, 'up', ...data, ...settings.flatMap((setting) => ['--set', setting])],
    {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: `--import ${preload}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise((done) => child.once('exit', done));
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.includes('/metrics')) break;
  }
  child.kill('SIGTERM');
  await ended;
  const threads = readdirSync(folder).filter((name) => name.startsWith('loaded-'));
  const urls = threads.map((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
  // The main thread, the broker's and the collectors'.
  expect(urls).toHaveLength(3);
  expect(Math.min(...urls.map(({ length }) => length))).toBeGreaterThan(50);
  const wrong = urls.flat().filter((url) => onDemand.some((pattern) => pattern.test(url)));
  expect(wrong).toEqual([]);
});
