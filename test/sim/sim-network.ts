/**
 * The network between processes: TCP connections with delays, and what goes wrong with them.
 *
 * Bytes of one connection stay in order; connections know nothing of each other. A link that is
 * blocked holds bytes back, as TCP does, until it is open again; nobody is told. A process that dies
 * has its connections closed by the system, and the peer hears of it if the link is open; a machine
 * that loses power says nothing, and answers with a reset once it runs again.
 */
import type { Random } from '../../src/base/random.ts';
import type { Listening, Stream, Transport } from '../../src/base/transport.ts';
import { between, chance } from './sim-random.ts';
import { SimStream } from './sim-stream.ts';
import type { SimProcess, Simulation } from './simulation.ts';

interface Listener {
  readonly process: SimProcess;
  readonly accept: (stream: Stream) => void;
}

/** One direction between two nodes. */
export interface LinkState {
  blocked: boolean;
  /** Added to every delay. */
  extraMs: number;
}

const REFUSED = (port: number): Error =>
  Object.assign(new Error(`connect ECONNREFUSED 127.0.0.1:${port}`), { code: 'ECONNREFUSED' });

/** A lost SYN is sent again after this time. */
const SYN_RETRY_MS = 1000;
const EPHEMERAL_PORT = 40_000;
/** More than there are. */
const NODES_MAX = 1000;

export class SimNetwork {
  readonly simulation: Simulation;
  readonly random: Random;
  readonly #listeners = new Map<number, Listener>();
  readonly #owners = new Map<number, number>();
  readonly #down = new Set<number>();
  readonly #links = new Map<number, LinkState>();
  readonly streams = new Set<SimStream>();
  readonly counters = { connects: 0, deliveries: 0, bytes: 0 };
  #nextPort = EPHEMERAL_PORT;
  /** Delay of one way, least and most. */
  delayMs: readonly [number, number] = [0.05, 0.6];

  constructor(simulation: Simulation, random: Random) {
    this.simulation = simulation;
    this.random = random;
  }

  link(from: number, to: number): LinkState {
    const key = from * NODES_MAX + to;
    let state = this.#links.get(key);
    if (state === undefined) {
      state = { blocked: false, extraMs: 0 };
      this.#links.set(key, state);
    }
    return state;
  }
  block(from: number, to: number): void {
    this.link(from, to).blocked = true;
  }
  /** Opens every link; what was held back is sent again, sooner or later. */
  heal(): void {
    for (const state of this.#links.values()) {
      state.blocked = false;
      state.extraMs = 0;
    }
    for (const stream of this.streams) stream.unblocked();
  }
  unblock(from: number, to: number): void {
    this.link(from, to).blocked = false;
    for (const stream of this.streams) stream.unblocked();
  }

  oneWayMs(from: number, to: number): number {
    return between(this.random, ...this.delayMs) + this.link(from, to).extraMs;
  }

  transportFor(process: SimProcess): Transport {
    return {
      listen: (host, port, accept) => this.#listen(process, host, port, accept),
      connect: (host, port, timeoutMs) => this.#connect(process, host, port, timeoutMs),
    };
  }

  /** Closes a random connection that meets `which`; false: there is none. */
  dropOne(which: (stream: SimStream) => boolean): boolean {
    const open = [...this.streams].filter((stream) => stream.isOpen && which(stream));
    if (open.length === 0) return false;
    open[Math.floor(this.random.next() * open.length)]!.reset();
    return true;
  }

  /** The power of a node is cut: its connections end without a word to the peers. */
  silence(nodeId: number): void {
    this.#down.add(nodeId);
    for (const stream of this.streams) if (stream.nodeId === nodeId) stream.vanish();
  }

  #listen(
    process: SimProcess,
    host: string,
    port: number,
    accept: (stream: Stream) => void,
  ): Promise<Listening> {
    if (this.#listeners.has(port)) {
      return Promise.reject(Object.assign(new Error('EADDRINUSE'), { code: 'EADDRINUSE' }));
    }
    const listener = { process, accept };
    this.#listeners.set(port, listener);
    const close = (): void => {
      if (this.#listeners.get(port) === listener) this.#listeners.delete(port);
    };
    process.onDeath.push(close);
    return Promise.resolve({
      host,
      port,
      close: () => {
        close();
        return Promise.resolve();
      },
    });
  }

  #connect(process: SimProcess, host: string, port: number, timeoutMs: number): Promise<Stream> {
    this.counters.connects += 1;
    const { simulation } = this;
    return new Promise((resolve, reject) => {
      let open = true;
      const timeout = simulation.after(process, timeoutMs, 'connect-timeout', () => {
        open = false;
        reject(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`));
      });
      const fail = (error: Error): void => {
        timeout.action = null;
        open = false;
        reject(error);
      };
      const attempt = (): void => {
        if (!open) return;
        const serverId = this.#nodeOf(port);
        const isBlocked =
          this.isDown(serverId) ||
          this.link(process.nodeId, serverId).blocked ||
          this.link(serverId, process.nodeId).blocked;
        if (isBlocked) {
          simulation.after(process, SYN_RETRY_MS, 'syn', attempt);
          return;
        }
        const rtt =
          this.oneWayMs(process.nodeId, serverId) + this.oneWayMs(serverId, process.nodeId);
        simulation.after(process, rtt, 'connect', () => {
          if (!open) return;
          const listener = this.#listeners.get(port);
          if (listener === undefined) return fail(REFUSED(port));
          timeout.action = null;
          open = false;
          resolve(this.#establish(process, listener, host, port));
        });
      };
      attempt();
    });
  }

  /** Whose port it is, whether it listens or not. */
  assign(port: number, nodeId: number): void {
    this.#owners.set(port, nodeId);
  }
  #nodeOf(port: number): number {
    return this.#owners.get(port) ?? -1;
  }
  isDown(nodeId: number): boolean {
    return this.#down.has(nodeId);
  }
  /** The node has power again: it answers, if only with resets. */
  powered(nodeId: number): void {
    this.#down.delete(nodeId);
  }

  #establish(process: SimProcess, listener: Listener, host: string, port: number): Stream {
    const clientPort = this.#nextPort++;
    const client = new SimStream(
      this,
      process,
      `${host}:${port}`,
      { host, port: clientPort },
      true,
    );
    const server = new SimStream(
      this,
      listener.process,
      `${host}:${clientPort}`,
      { host, port },
      false,
    );
    client.peer = server;
    server.peer = client;
    for (const stream of [client, server]) {
      this.streams.add(stream);
      stream.process.onDeath.push(() => stream.ownerDied());
    }
    this.simulation.after(listener.process, 0, 'accept', () => {
      if (server.isOpen) listener.accept(server);
      server.accepted();
    });
    return client;
  }

  /** Whether a piece of bytes arrives in two reads. */
  splits(): boolean {
    return chance(this.random, 0.05);
  }
}
