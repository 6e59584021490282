/**
 * A network that only its test has: hosts, each a network namespace with one address, joined by a
 * bridge in a namespace of its own. The machine's own interfaces, routes and rules stay untouched.
 *
 * What is cut is cut silently, as when a cable is drawn or a firewall forgets a connection: packets
 * are dropped where they would arrive, and nobody is told. Programs of the machine reach the hosts
 * through doors: ports of loopback whose connections a process on the last host, `outside`, passes on.
 *
 * Namespaces live until `remove`, or the end of this process; those of a process that was killed are
 * removed by the next one.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { findProgram, needProgram } from '../peers/peer.ts';

const PREFIX = 'weir-test-';
const FOLDER = '/run/netns';
const SUBNET = '10.77.0';
const DOOR = path.join(import.meta.dirname, 'door-child.ts');

const networks = new Set<Network>();
process.on('exit', () => {
  for (const network of networks) network.remove();
});

let made = 0;

export class Network {
  /** Number of the host that doors lead through. */
  readonly outside: number;
  readonly #name: string;
  readonly #doors: net.Server[] = [];
  #doorkeeper: ChildProcess | null = null;

  private constructor(hosts: number) {
    this.outside = hosts;
    this.#name = `${PREFIX}${process.pid}-${made++}`;
  }

  /** Hosts `0` to `hosts - 1`, and one more for those who come from outside. */
  static create(hosts: number): Network {
    const lacking = networksMissing();
    if (lacking !== null) throw new Error(`a network of its own needs ${lacking}`);
    removeStale();
    const network = new Network(hosts);
    networks.add(network);
    try {
      network.#build();
    } catch (error) {
      network.remove();
      throw error;
    }
    return network;
  }

  address(host: number): string {
    return `${SUBNET}.${host + 1}`;
  }
  /** What stands in front of a program and its arguments to run it on that host. */
  on(host: number): readonly string[] {
    const namespace = path.join(FOLDER, this.#namespace(host));
    return [needProgram('nsenter', 'util-linux'), `--net=${namespace}`, '--'];
  }

  /** From now on `host` hears nothing of what `from` sends. */
  deafen(host: number, from: number): void {
    this.#rule(host, ['-s', this.address(from)]);
  }
  /** Neither hears the other one. */
  cut(one: number, other: number): void {
    this.deafen(one, other);
    this.deafen(other, one);
  }
  /** Drops, for good, what belongs to the connections that these two have just now; new ones pass. */
  forgetConnections(one: number, other: number): number {
    const found = this.#run(one, [
      'ss',
      '-Htn',
      'state',
      'established',
      'dst',
      this.address(other),
    ]);
    const lines = found.trim() === '' ? [] : found.trim().split('\n');
    for (const line of lines) {
      const [here, there] = line
        .trim()
        .split(/\s+/)
        .slice(2)
        .map((address) => address.slice(address.lastIndexOf(':') + 1)) as [string, string];
      this.#rule(one, ['-s', this.address(other), '-p', 'tcp', '--sport', there, '--dport', here]);
      this.#rule(other, ['-s', this.address(one), '-p', 'tcp', '--sport', here, '--dport', there]);
    }
    return lines.length;
  }
  /** How many connections of the host with the other one the system itself asks whether they live. */
  probed(one: number, other: number): number {
    const found = this.#run(one, [
      'ss',
      '-Htno',
      'state',
      'established',
      'dst',
      this.address(other),
    ]);
    return found.split('timer:(keepalive,').length - 1;
  }
  /** Everybody hears everybody again. */
  heal(): void {
    for (let host = 0; host <= this.outside; host++) this.#run(host, ['iptables', '-F', 'INPUT']);
  }

  /** A port of loopback that leads to that port of the host. */
  async door(host: number, port: number): Promise<number> {
    const keeper = (this.#doorkeeper ??= this.#engage());
    const to = { host: this.address(host), port };
    // What waits in it is read by the other process.
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      keeper.send(to, socket);
    });
    this.#doors.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return (server.address() as net.AddressInfo).port;
  }

  /** Whoever still runs on the hosts has no network any more. */
  remove(): void {
    if (!networks.delete(this)) return;
    for (const door of this.#doors) door.close();
    this.#doorkeeper?.kill('SIGKILL');
    for (const name of namespaces()) {
      if (name.startsWith(`${this.#name}-`)) spawnSync(ip(), ['netns', 'delete', name]);
    }
  }

  #build(): void {
    const hub = `${this.#name}-hub`;
    run(ip(), ['netns', 'add', hub]);
    run(ip(), ['-n', hub, 'link', 'add', 'hub', 'type', 'bridge']);
    run(ip(), ['-n', hub, 'link', 'set', 'hub', 'up']);
    for (let host = 0; host <= this.outside; host++) {
      const name = this.#namespace(host);
      const port = `port${host}`;
      run(ip(), ['netns', 'add', name]);
      run(ip(), [
        ...['link', 'add', port, 'netns', hub],
        ...['type', 'veth', 'peer', 'name', 'eth0', 'netns', name],
      ]);
      run(ip(), ['-n', hub, 'link', 'set', port, 'master', 'hub', 'up']);
      run(ip(), ['-n', name, 'address', 'add', `${this.address(host)}/24`, 'dev', 'eth0']);
      run(ip(), ['-n', name, 'link', 'set', 'eth0', 'up']);
      run(ip(), ['-n', name, 'link', 'set', 'lo', 'up']);
    }
  }

  #engage(): ChildProcess {
    const [program, ...args] = this.on(this.outside) as [string, ...string[]];
    return spawn(program, [...args, process.execPath, DOOR], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  #namespace(host: number): string {
    return `${this.#name}-${host}`;
  }
  #rule(host: number, match: readonly string[]): void {
    this.#run(host, ['iptables', '-A', 'INPUT', ...match, '-j', 'DROP']);
  }
  #run(host: number, command: readonly string[]): string {
    return run(ip(), ['netns', 'exec', this.#namespace(host), ...command]);
  }
}

/** Null, or what keeps this machine from having networks of its own. */
export function networksMissing(): string | null {
  if (process.platform !== 'linux') return 'Linux';
  for (const [program, debianPackage] of [
    ['ip', 'iproute2'],
    ['ss', 'iproute2'],
    ['iptables', 'iptables'],
    ['nsenter', 'util-linux'],
  ] as const) {
    if (findProgram(program) === null) return `\`${program}\` (Debian package ${debianPackage})`;
  }
  const name = `${PREFIX}${process.pid}-try`;
  if (spawnSync(ip(), ['netns', 'add', name]).status !== 0) {
    return 'the right to make network namespaces';
  }
  spawnSync(ip(), ['netns', 'delete', name]);
  return null;
}

const ip = (): string => needProgram('ip', 'iproute2');

const namespaces = (): string[] => (fs.existsSync(FOLDER) ? fs.readdirSync(FOLDER) : []);

function removeStale(): void {
  for (const name of namespaces()) {
    const pid = /^weir-test-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`)) {
      spawnSync(ip(), ['netns', 'delete', name]);
    }
  }
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}
