/**
 * A Kafka client: links to brokers and the metadata of topics, shared by producers, fetchers, group
 * members and admins.
 *
 * Brokers answer a connection's requests in order, so what may block (a fetch that waits for data,
 * a join that waits for members) gets a lane, that is a connection, of its own.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { nodeTransport } from '../base/node-transport.ts';
import { type Random, systemRandom } from '../base/random.ts';
import type { Transport } from '../base/transport.ts';
import type { ConnectionSecurity } from '../security/client-security.ts';
import type { Call } from './call.ts';
import { Connection } from './connection.ts';
import { Link } from './link.ts';
import { MetadataCache } from './metadata-cache.ts';
import { RefusalLog } from './refusal-log.ts';

export interface ClientOptions {
  /** `host:port`, several of them in a list or separated by commas. */
  readonly bootstrap: string | readonly string[];
  readonly clientId: string;
  readonly transport?: Transport;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** How long an answer may take. */
  readonly requestTimeoutMs?: number;
  /** After how long without an answer it is asked elsewhere whether the broker is still in charge. */
  readonly suspectAfterMs?: number;
  readonly connectTimeoutMs?: number;
  readonly reconnectBackoffMs?: number;
  readonly reconnectBackoffMaxMs?: number;
  readonly retryBackoffMs?: number;
  /** Age at which metadata of topics in use is asked for again. */
  readonly metadataMaxAgeMs?: number;
  readonly frameBytesMax?: number;
  /** TLS and SASL; null: neither. */
  readonly security?: ConnectionSecurity | null;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const PORT_DEFAULT = 9092;
const IN_FLIGHT_MAX = 1000;

/** Splits `host:port,[::1]:port`. Throws OperatingError `bad-address`. */
export function parseAddresses(bootstrap: string | readonly string[]): Address[] {
  const texts = typeof bootstrap === 'string' ? bootstrap.split(',') : bootstrap;
  const addresses = texts.map((text) => text.trim()).filter((text) => text !== '');
  if (addresses.length === 0) throw new OperatingError('bad-address', 'no broker address given');
  return addresses.map((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
    const port = Number(match?.[3] ?? PORT_DEFAULT);
    const host = match?.[1] ?? match?.[2];
    if (host === undefined || port > 0xffff) {
      throw new OperatingError('bad-address', `expected HOST:PORT, saw '${text}'`);
    }
    return { host, port };
  });
}

/** Requests of one lane share a connection to each broker. */
export type Lane = 'main' | 'produce' | `fetch-${number}` | `group-${number}`;

export class Client {
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly requestTimeoutMs: number;
  readonly suspectAfterMs: number;
  readonly retryBackoff: { readonly minMs: number; readonly maxMs: number };
  readonly metadata: MetadataCache;
  readonly #options: ClientOptions;
  readonly #transport: Transport;
  readonly #bootstrap: readonly Address[];
  /** By `host:port/lane`; as many as there are brokers, times the lanes. */
  readonly #links = new Map<string, Link>();
  readonly #refusals: RefusalLog;
  #nextLane = 1;
  /** Whose turn it is to be asked; see `next`. */
  #turn = 0;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#bootstrap = parseAddresses(options.bootstrap);
    this.#transport = options.transport ?? nodeTransport;
    this.clientId = options.clientId;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.logger = options.logger ?? silentLogger;
    this.#refusals = new RefusalLog(this.clock, this.logger);
    this.requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
    this.suspectAfterMs = options.suspectAfterMs ?? 2_000;
    this.retryBackoff = { minMs: options.retryBackoffMs ?? 100, maxMs: 1000 };
    this.metadata = new MetadataCache(this, options.metadataMaxAgeMs ?? 300_000);
  }

  /** The addresses that the client was given. */
  get bootstrap(): string {
    return this.#bootstrap.map(({ host, port }) => `${host}:${port}`).join(',');
  }
  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Sends one request to a broker, to any that answers, or to the next of them in turn (one that
   * lags behind the others must not be the only one that is asked), and resolves to its answer. Does
   * not retry. Rejects with OperatingError `no-broker`, `disconnected`, `request-timeout`,
   * `unsupported-version`, `unknown-broker`.
   */
  async request<Q, R>(
    broker: number | 'any' | 'next',
    call: Call<Q, R>,
    body: Q,
    options: { readonly lane?: Lane; readonly timeoutMs?: number; readonly version?: number } = {},
  ): Promise<R> {
    const connection = await this.connection(broker, options.lane);
    return connection.request(call, body, options);
  }

  /** An open connection. */
  async connection(broker: number | 'any' | 'next', lane: Lane = 'main'): Promise<Connection> {
    if (typeof broker === 'string') return this.#anyConnection(lane, broker === 'next');
    if (!this.metadata.brokers.has(broker)) await this.metadata.refresh();
    return this.link(broker, lane).connection();
  }

  /** The link to a broker of the metadata. Throws OperatingError `unknown-broker`. */
  link(broker: number, lane: Lane): Link {
    const address = this.metadata.brokers.get(broker);
    if (address === undefined) {
      throw new OperatingError('unknown-broker', `broker ${broker} is not in the metadata`);
    }
    return this.#linkTo(address, lane);
  }

  /** A lane that nobody else has; `releaseLane` closes its connections. */
  newLane<K extends 'fetch' | 'group'>(kind: K): `${K}-${number}` {
    return `${kind}-${this.#nextLane++}`;
  }
  releaseLane(lane: Lane): void {
    for (const [key, link] of this.#links) {
      if (!key.endsWith(`/${lane}`)) continue;
      link.close();
      this.#links.delete(key);
    }
  }

  close(): void {
    this.#closed = true;
    this.metadata.close();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkTo({ host, port }: Address, lane: Lane): Link {
    if (this.#closed) throw new OperatingError('client-closed', 'the client is closed');
    const key = `${host}:${port}/${lane}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new Link(() => this.#open(host, port), this.clock, this.random, {
        minMs: this.#options.reconnectBackoffMs ?? 50,
        maxMs: this.#options.reconnectBackoffMaxMs ?? 1000,
      });
      this.#links.set(key, link);
    }
    return link;
  }

  async #open(host: string, port: number): Promise<Connection> {
    try {
      return await this.#connect(host, port);
    } catch (error) {
      this.#refusals.tell(error, `${host}:${port}`);
      throw error;
    }
  }

  #connect(host: string, port: number): Promise<Connection> {
    return Connection.open({
      transport: this.#transport,
      clock: this.clock,
      clientId: this.clientId,
      host,
      port,
      connectTimeoutMs: this.#options.connectTimeoutMs ?? 10_000,
      requestTimeoutMs: this.requestTimeoutMs,
      inFlightMax: IN_FLIGHT_MAX,
      frameBytesMax: this.#options.frameBytesMax ?? 128 * 1024 * 1024,
      security: this.#options.security ?? null,
    });
  }

  /** Known brokers first, then the given addresses; those that have just failed come last. */
  async #anyConnection(lane: Lane, isNext: boolean): Promise<Connection> {
    const known = [...this.metadata.brokers.values()];
    if (isNext) known.unshift(...known.splice(this.#turn++ % Math.max(1, known.length)));
    const addresses = new Map<string, Address>();
    for (const address of [...known, ...this.#bootstrap]) {
      addresses.set(`${address.host}:${address.port}`, address);
    }
    const links = [...addresses.values()].map((address) => this.#linkTo(address, lane));
    if (!isNext) {
      const current = links.find((link) => link.current !== null)?.current;
      if (current !== null && current !== undefined) return current;
    }
    const restMs = (link: Link): number => (link.isResting ? link.retryAt : 0);
    links.sort((a, b) => restMs(a) - restMs(b));
    let last: unknown = null;
    for (const link of links) {
      try {
        return await link.connection();
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }
}
