#!/usr/bin/env node
/**
 * The start of `weir`: plain JavaScript for whatever Node (20 or later) runs it. On a Node that the
 * appliance can run on, it loads the program into this process; on an older one it looks for
 * another and runs itself with that. The program is the sources in a checkout, and the compiled
 * ones in an installed package.
 *
 * What was compiled, and stripped of its types, is kept in a folder of the user's own (what lies
 * there is run). It is told before the first TypeScript file is loaded: a process that finds all of
 * them there never loads the compiler, which is 25 MB of memory and a third of the start.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_MAJOR_MIN = 24;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Sources win, because a checkout may hold an old build, too. */
function programOf(folder) {
  const source = join(folder, 'src', 'main.ts');
  return existsSync(source) ? source : join(folder, 'dist', 'main.js');
}

/** Threads find the folder through the environment. */
function keepCompiled() {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = process.env.NODE_COMPILE_CACHE || join(caches, 'weir', 'compiled');
  const { directory } = module.enableCompileCache(folder);
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE = folder;
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
  const seen = new Set();
  for (const file of candidates()) {
    if (seen.has(file) || !existsSync(file)) continue;
    seen.add(file);
    if (majorOfFile(file) >= NODE_MAJOR_MIN) return file;
  }
  return null;
}

/** Runs this file again with `node`, and ends as it ends. */
function runWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
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
}

if (majorOf(process.version) >= NODE_MAJOR_MIN) {
  keepCompiled();
  await import(pathToFileURL(programOf(root)).href);
} else {
  const node = process.env.WEIR_NODE || findNode();
  if (node !== null) runWith(node);
  else {
    process.stderr.write(
      `weir: needs Node ${NODE_MAJOR_MIN} or later; this is ${process.version}, and no other was found.\n` +
        'Install the package with its optional dependencies (npm install --include=optional), which bring one along.\n',
    );
    process.exitCode = 1;
  }
}
