/**
 * What all peers (real servers and tools of others that we test against) share.
 *
 * A peer comes from, in this order: an address in an environment variable; a container, where a
 * container engine answers (`WEIR_PEER_ENGINE=local` leaves it out); a local process of software
 * that is kept under `~/.cache/weir-peers`, one folder a version. A peer that can't be had is an
 * error that says what is missing: a test never passes by not running.
 *
 * Every local process leads a process group of its own, which is killed when this process ends,
 * however it ends. Its output is kept in a file under the system's temporary folder; the last
 * lines of it are part of every error of starting, and `peerLogs()` gives all of them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** Lines of a peer's output that an error shows. */
const LOG_TAIL_LINES = 60;
/** Output of a tool that is kept; beyond it a tool is killed, it has run away. */
const TOOL_OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** Time between SIGTERM and SIGKILL. */
const STOP_TIMEOUT_MS = 20_000;
const READY_INTERVAL_MS = 100;
const RUN_KEPT_MS = 24 * 3600_000;

export const cacheDirectory = path.join(os.homedir(), '.cache', 'weir-peers');

/** Unlike the cache, a folder that every user may pass through. */
export const runRoot = path.join(os.tmpdir(), 'weir-peers');

/** Data and logs of this run. Those of runs of earlier days are removed. */
const runDirectory = (() => {
  fs.mkdirSync(runRoot, { recursive: true, mode: 0o755 });
  for (const name of fs.readdirSync(runRoot)) {
    const old = path.join(runRoot, name);
    const modifiedAt = fs.statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - modifiedAt > RUN_KEPT_MS) fs.rmSync(old, { recursive: true, force: true });
  }
  const directory = fs.mkdtempSync(path.join(runRoot, 'run-'));
  fs.chmodSync(directory, 0o755); // Peers that run as another user pass through.
  return directory;
})();

/** A new empty folder of this run. */
export const temporaryDirectory = (name: string): string =>
  fs.mkdtempSync(path.join(runDirectory, `${name}-`));

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

export const hashOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
};

/**
 * The folder `key` of the cache; `build` fills it when it is absent. What a failed or parallel
 * build leaves is never seen: one process builds, and the folder appears whole, by a rename.
 */
export const cached = (key: string, build: (directory: string) => Promise<void>): Promise<string> =>
  placed(path.join(cacheDirectory, key), build);

/** The same for any folder. */
export async function placed(
  directory: string,
  build: (directory: string) => Promise<void>,
): Promise<string> {
  if (fs.existsSync(directory)) return directory;
  const parent = path.dirname(directory);
  fs.mkdirSync(parent, { recursive: true });
  // One build at a time on the machine: Maven's own repository takes no more.
  const release = await lock(path.join(cacheDirectory, '.lock'));
  try {
    if (fs.existsSync(directory)) return directory;
    const temporary = fs.mkdtempSync(path.join(parent, '.build-'));
    try {
      await build(temporary);
      fs.chmodSync(temporary, 0o755);
      fs.renameSync(temporary, directory);
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true });
    }
  } finally {
    release();
  }
  return directory;
}

/** Takes a lock between processes; that of a process that is gone counts for nothing. */
async function lock(file: string): Promise<() => void> {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (;;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => fs.rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : 0);
    if (holder > 0 && !isAlive(holder)) fs.rmSync(file, { force: true });
    else await sleep(READY_INTERVAL_MS);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A port that nobody listens on, on loopback. Below the range of outgoing connections. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 21_000 + Math.floor(Math.random() * 9_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port between 21000 and 30000');
}

/** Path of a program, or null. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const file = path.join(folder, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return file;
    } catch {
      // Not here; look on.
    }
  }
  return null;
}

/** Path of a program that a Debian package brings; the error names the package. */
export function needProgram(name: string, debianPackage: string): string {
  const found = findProgram(name);
  if (found === null) {
    throw new Error(`\`${name}\` is not installed: apt-get install ${debianPackage}`);
  }
  return found;
}

export interface ToolResult {
  /** Exit code, or -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly stdin?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. Rejects when it can't start or does not end in `timeoutMs` (60 s). */
export function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? runDirectory,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    groups.add(child);
    const output: [Buffer[], Buffer[]] = [[], []];
    let bytes = 0;
    const text = (index: 0 | 1): string => Buffer.concat(output[index]).toString();
    const keep = (index: 0 | 1) => (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > TOOL_OUTPUT_BYTES_MAX) signalGroup(child, 'SIGKILL');
      else output[index].push(chunk);
    };
    child.stdout.on('data', keep(0));
    child.stderr.on('data', keep(1));
    child.stdin.on('error', () => {}); // The program may end without reading; its code says so.
    child.stdin.end(options.stdin ?? '');
    const line = `${path.basename(command)} ${args.join(' ').slice(0, 300)}`;
    const timer = setTimeout(() => {
      signalGroup(child, 'SIGKILL');
      reject(new Error(`${line}: not done in ${timeoutMs} ms\n${text(0)}\n${text(1)}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      groups.delete(child);
      reject(new Error(`${line}: ${error.message}`));
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      groups.delete(child);
      resolve({ code: code ?? -1, stdout: text(0), stderr: text(1) });
    });
  });
}

/** `runTool`, where any exit code but 0 is an error. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const result = await runTool(command, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${path.basename(command)} ${args.join(' ').slice(0, 300)}: exit code ${result.code}\n` +
        `${result.stdout.slice(-4_000)}\n${result.stderr.slice(-4_000)}`,
    );
  }
  return result;
}

/** Leaders of the process groups that live. */
const groups = new Set<ChildProcess>();

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}

const killAll = (): void => {
  for (const child of groups) signalGroup(child, 'SIGKILL');
};
process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}

export interface PeerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another user, for servers that refuse to run as root. */
  readonly uid?: number;
  /** True when the peer serves. Polled; an error means not yet. */
  readonly ready: () => Promise<boolean>;
  readonly startTimeoutMs: number;
  /** Removed by `stop` (not by `kill`, after which `restart` finds its data). */
  readonly data?: readonly string[];
}

const peers: PeerProcess[] = [];

/** A server as a local process. */
export class PeerProcess {
  readonly #spec: PeerSpec;
  readonly logFile: string;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();

  private constructor(spec: PeerSpec) {
    this.#spec = spec;
    this.logFile = path.join(runDirectory, `${spec.name}-${peers.length}.log`);
    peers.push(this);
  }

  /** Resolves when the peer serves; rejects with the end of its output when it does not in time. */
  static async start(spec: PeerSpec): Promise<PeerProcess> {
    const peer = new PeerProcess(spec);
    await peer.#launch();
    return peer;
  }

  get name(): string {
    return this.#spec.name;
  }
  /** Leader of the process group; 0 when not running. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Last lines of the peer's output. */
  logTail(lines = LOG_TAIL_LINES): string {
    const text = fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : '';
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  async #launch(): Promise<void> {
    const spec = this.#spec;
    const log = fs.openSync(this.logFile, 'a');
    // With the parent's death the kernel kills the leader: no peer outlives a killed test run.
    const setpriv = process.platform === 'linux' ? findProgram('setpriv') : null;
    const user =
      spec.uid === undefined
        ? []
        : [`--reuid=${spec.uid}`, `--regid=${spec.uid}`, '--clear-groups'];
    if (setpriv === null && user.length > 0) needProgram('setpriv', 'util-linux');
    const [command, args] =
      setpriv === null
        ? [spec.command, spec.args]
        : [setpriv, [...user, '--pdeathsig=KILL', '--', spec.command, ...spec.args]];
    const child = spawn(command, args, {
      cwd: spec.cwd ?? runDirectory,
      env: { ...process.env, ...spec.env },
      detached: true,
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    groups.add(child);
    this.#child = child;
    let gone: string | null = null;
    this.#exited = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        gone = error.message;
        resolve();
      });
      child.once('exit', (code, signal) => {
        gone = `ended with ${signal ?? `exit code ${code}`}`;
        resolve();
      });
    }).then(() => {
      signalGroup(child, 'SIGKILL'); // What the leader left behind.
      groups.delete(child);
      if (this.#child === child) this.#child = null;
    });
    const deadline = performance.now() + spec.startTimeoutMs;
    while (!(await spec.ready().catch(() => false))) {
      const late = performance.now() > deadline;
      if (gone === null && !late) {
        await sleep(READY_INTERVAL_MS);
        continue;
      }
      await this.kill();
      throw new Error(
        `${spec.name} does not serve: ${gone ?? `not ready in ${spec.startTimeoutMs} ms`}\n` +
          `${command} ${args.join(' ').slice(0, 1_000)}\n--- ${this.logFile}\n${this.logTail()}`,
      );
    }
  }

  /** SIGTERM, then SIGKILL after 20 s. Leaves the data for `restart`. */
  async halt(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    signalGroup(child, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** `halt`, and the data is removed. Idempotent. */
  async stop(): Promise<void> {
    await this.halt();
    for (const directory of this.#spec.data ?? []) {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }

  /** SIGKILL to the whole group. Leaves the data for `restart`. */
  async kill(): Promise<void> {
    if (this.#child !== null) signalGroup(this.#child, 'SIGKILL');
    await this.#exited;
  }

  /** Starts again on the same ports and data; halts first when it runs. */
  async restart(): Promise<void> {
    await this.halt();
    await this.#launch();
  }
}

/** The ends of the outputs of all peers of this process, to be shown when a test fails. */
export const peerLogs = (): string =>
  peers.map((peer) => `--- ${peer.name} (${peer.logFile})\n${peer.logTail()}`).join('\n');

/** True when something accepts connections there. */
export const accepts = (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ port, host });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Whether to take containers: an engine answers, and `WEIR_PEER_ENGINE` is not `local`. */
export const containersAnswer: () => Promise<boolean> = (() => {
  let answer: Promise<boolean> | null = null;
  const ask = async (): Promise<boolean> => {
    if (process.env['WEIR_PEER_ENGINE'] === 'local' || findProgram('docker') === null) return false;
    const args = ['version', '--format', '{{.Server.Version}}'];
    const result = await runTool('docker', args, { timeoutMs: 10_000 }).catch(() => null);
    return result !== null && result.code === 0 && result.stdout.trim() !== '';
  };
  return () => {
    answer ??= ask();
    return answer;
  };
})();

export interface ContainerSpec {
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  /** Container port to host port. */
  readonly ports: ReadonlyMap<number, number>;
  readonly ready: () => Promise<boolean>;
  readonly startTimeoutMs: number;
}

export interface ContainerPeer {
  halt(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** The same server from an image, on fixed ports of this machine. */
export async function startContainer(spec: ContainerSpec): Promise<ContainerPeer> {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(spec.image)
    .withEnvironment({ ...spec.env })
    .withExposedPorts(...[...spec.ports].map(([inside, host]) => ({ container: inside, host })))
    .start();
  const ready = async (): Promise<void> => {
    const deadline = performance.now() + spec.startTimeoutMs;
    while (!(await spec.ready().catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`${spec.image}: not ready in time`);
      await sleep(READY_INTERVAL_MS);
    }
  };
  await ready();
  const id = container.getId();
  return {
    halt: async () => void (await mustRun('docker', ['stop', id])),
    stop: async () => void (await container.stop()),
    kill: async () => void (await mustRun('docker', ['kill', id])),
    async restart() {
      await mustRun('docker', ['restart', id]);
      await ready();
    },
  };
}
