#!/usr/bin/env node
/**
 * The launcher behind `weir`: plain JavaScript for whatever Node (20 or later) runs it. It looks
 * for a Node that the appliance can run on, and runs the real program with it: the sources in a
 * checkout, the compiled ones in an installed package.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The program: sources win, because a checkout may hold an old build, too. */
function programOf(folder) {
  const source = join(folder, 'src', 'main.ts');
  return existsSync(source) ? source : join(folder, 'dist', 'main.js');
}

/** `node_modules/.bin/node` of the package and of every folder above it, then those of the PATH. */
function* candidates() {
  for (let folder = root; ; folder = dirname(folder)) {
    yield join(folder, 'node_modules', '.bin', 'node');
    if (dirname(folder) === folder) break;
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder !== '') yield join(folder, 'node');
  }
}

const majorOf = (version) => Number(version.replace(/^v/, '').split('.')[0]);

function majorOfFile(file) {
  const { stdout, status } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  return status === 0 ? majorOf(stdout) : 0;
}

function findNode() {
  if (process.env.WEIR_NODE) return process.env.WEIR_NODE;
  if (majorOf(process.version) >= NODE_MAJOR_MIN) return process.execPath;
  const seen = new Set();
  for (const file of candidates()) {
    if (seen.has(file) || !existsSync(file)) continue;
    seen.add(file);
    if (majorOfFile(file) >= NODE_MAJOR_MIN) return file;
  }
  return null;
}

const node = findNode();
if (node === null) {
  process.stderr.write(
    `weir: needs Node ${NODE_MAJOR_MIN} or later; this is ${process.version}, and no other was found.\n` +
      'Install the package with its optional dependencies (npm install --include=optional), which bring one along.\n',
  );
  process.exit(1);
}

const child = spawn(node, [programOf(root), ...process.argv.slice(2)], { stdio: 'inherit' });
// A terminal signals the whole group, so that the child has it already; others signal only us.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (error) => {
  process.stderr.write(`weir: can't run ${node}: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  // Die of the same: whoever waits for us wants to know.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
