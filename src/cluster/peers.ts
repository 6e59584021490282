/**
 * Requests to the other brokers: at most one connection for each (peer, channel), opened when
 * something is to be sent, pipelined, answered in order.
 *
 * What may wait long at the peer has a channel of its own, so that nothing urgent stands behind it.
 * There are no retries here and no queue but what is in flight: after an attempt to connect has
 * failed, sends fail at once for a short while, and who sends decides when to try again.
 */
import type { Clock } from '../base/clock.ts';
import { countedTransport, type Traffic } from '../base/counted-transport.ts';
import { OperatingError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Transport } from '../base/transport.ts';
import type { Call } from '../client/call.ts';
import { Connection, type ConnectionSecurity, PEER_SOFTWARE_NAME } from '../client/connection.ts';
import { isRefusal, RefusalLog } from '../client/refusal-log.ts';

/**
 * `quorum`: votes and announcements of leaders; `metadata`: fetches of the metadata log, which wait
 * at the leader; `control`: requests to the active controller; `fetch`: the replication of partitions;
 * `produce`: records that a broker has of its own; `transactions`: between coordinators of transactions
 * and leaders of partitions; `offsets`: where the logs of others begin and end, for metrics; `repair`: what
 * a damaged log lacks.
 */
export type Channel =
  | 'quorum'
  | 'metadata'
  | 'control'
  | 'fetch'
  | 'produce'
  | 'transactions'
  | 'offsets'
  | 'repair';

/** What keeping the quorum has cost: Kafka's metrics of the raft channel. */
export class QuorumTraffic implements Traffic {
  receivedBytes = 0;
  sentBytes = 0;
  requests = 0;
  responses = 0;
}

export interface Peers {
  /**
   * Resolves to the answer, whose byte strings nobody else uses. Rejects with OperatingError
   * `no-broker`, `disconnected`, `request-timeout`: what became of the request is unknown then.
   */
  send<Q, R>(
    nodeId: number,
    channel: Channel,
    call: Call<Q, R>,
    body: Q,
    timeoutMs: number,
  ): Promise<R>;
  /** Calls it when a connection to a peer that was open is lost, but for those that we close. */
  onLost(listener: (nodeId: number, channel: Channel) => void): void;
  /** Address book; from configuration (`cluster.brokers`) first, from registrations later. */
  setAddress(nodeId: number, host: string, port: number): void;
  close(): void;
}

export interface NetworkPeersOptions {
  readonly nodeId: number;
  readonly transport: Transport;
  readonly clock: Clock;
  /** How this broker says who it is. */
  readonly security: ConnectionSecurity | null;
  readonly logger: Logger;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Time for a connection to stand, and for the peer's list of versions. */
const CONNECT_MS_MAX = 2_000;
/** After a failed attempt to connect, sends fail for that long without another one. */
const REST_MS = 20;
/** The same after a peer has refused us, or we it: that takes people to change, and handshakes cost. */
const REFUSED_REST_MS = 1_000;
const IN_FLIGHT_MAX = 1_000;
const FRAME_BYTES_MAX = 128 * 1024 * 1024;

const ofQuorum: ReadonlySet<Channel> = new Set(['quorum', 'metadata']);

export class NetworkPeers implements Peers {
  /** Over the channels `quorum` and `metadata`, as far as this broker asked. */
  readonly traffic = new QuorumTraffic();
  readonly #options: NetworkPeersOptions;
  readonly #counted: NetworkPeersOptions;
  readonly #refusals: RefusalLog;
  readonly #addresses = new Map<number, Address>();
  /** With which peers are registered. */
  readonly #epochs = new Map<number, number>();
  /** By `id/channel`. */
  readonly #ways = new Map<string, Way>();
  readonly #lost: ((nodeId: number, channel: Channel) => void)[] = [];
  #closed = false;

  constructor(options: NetworkPeersOptions) {
    this.#options = options;
    this.#refusals = new RefusalLog(options.clock, options.logger);
    const transport = countedTransport(options.transport, this.traffic);
    this.#counted = { ...options, transport };
  }

  async send<Q, R>(
    nodeId: number,
    channel: Channel,
    call: Call<Q, R>,
    body: Q,
    timeoutMs: number,
  ): Promise<R> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + timeoutMs;
    const way = this.#way(nodeId, channel);
    const connection = way.current ?? (await this.#within(way.open(), nodeId, timeoutMs));
    const left = Math.max(deadline - clock.monotonic(), 1);
    if (!ofQuorum.has(channel)) return connection.request(call, body, { timeoutMs: left });
    this.traffic.requests += 1;
    const answer = await connection.request(call, body, { timeoutMs: left });
    this.traffic.responses += 1;
    return answer;
  }

  onLost(listener: (nodeId: number, channel: Channel) => void): void {
    this.#lost.push(listener);
  }

  setAddress(nodeId: number, host: string, port: number): void {
    const known = this.#addresses.get(nodeId);
    if (known?.host === host && known.port === port) return;
    this.#addresses.set(nodeId, { host, port });
    this.#leave(nodeId, () => true);
  }

  /**
   * The peer is registered with `epoch`. Where it was with an earlier one, it has begun a new life, and
   * the one before may have ended without a word (its machine lost power): what was asked of that one
   * fails now, and not when its time is over. The quorum finds out by itself, and sooner. Returns
   * whether it has begun one.
   */
  registered(nodeId: number, epoch: number): boolean {
    const before = this.#epochs.get(nodeId);
    this.#epochs.set(nodeId, epoch);
    if (before === undefined || before >= epoch) return false;
    this.#leave(nodeId, (channel) => !ofQuorum.has(channel));
    return true;
  }

  #leave(nodeId: number, isMeant: (channel: Channel) => boolean): void {
    for (const [key, way] of this.#ways) {
      if (!key.startsWith(`${nodeId}/`) || !isMeant(way.channel)) continue;
      this.#ways.delete(key);
      way.close();
    }
  }

  close(): void {
    this.#closed = true;
    for (const way of this.#ways.values()) way.close();
    this.#ways.clear();
  }

  #way(nodeId: number, channel: Channel): Way {
    if (this.#closed) throw new OperatingError('disconnected', 'this broker is stopping');
    const key = `${nodeId}/${channel}`;
    let way = this.#ways.get(key);
    if (way === undefined) {
      const address = this.#addresses.get(nodeId);
      if (address === undefined) {
        throw new OperatingError('no-broker', `broker ${nodeId} has no known address`);
      }
      const options = ofQuorum.has(channel) ? this.#counted : this.#options;
      way = new Way(options, address, channel, this.#refusals, () => {
        for (const listener of this.#lost) listener(nodeId, channel);
      });
      this.#ways.set(key, way);
    }
    return way;
  }

  #within<T>(opening: Promise<T>, nodeId: number, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(timeoutMs, () => {
        const text = `no connection to broker ${nodeId} within ${timeoutMs} ms`;
        reject(new OperatingError('request-timeout', text));
      });
      opening.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** To one peer, for one channel. */
class Way {
  readonly #options: NetworkPeersOptions;
  readonly #address: Address;
  readonly channel: Channel;
  readonly #refusals: RefusalLog;
  readonly #onLost: () => void;
  #connection: Connection | null = null;
  #opening: Promise<Connection> | null = null;
  #failure: { readonly error: unknown; readonly untilMs: number } | null = null;
  #closed = false;

  constructor(
    options: NetworkPeersOptions,
    address: Address,
    channel: Channel,
    refusals: RefusalLog,
    onLost: () => void,
  ) {
    this.#options = options;
    this.#address = address;
    this.channel = channel;
    this.#refusals = refusals;
    this.#onLost = onLost;
  }

  get current(): Connection | null {
    return this.#connection;
  }

  open(): Promise<Connection> {
    if (this.#opening !== null) return this.#opening;
    if (this.#failure !== null && this.#options.clock.monotonic() < this.#failure.untilMs) {
      return Promise.reject(this.#failure.error);
    }
    this.#opening = this.#connect().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  async #connect(): Promise<Connection> {
    const { transport, clock, nodeId, security } = this.#options;
    let connection: Connection;
    try {
      connection = await Connection.open({
        ...this.#address,
        transport,
        clock,
        security,
        clientId: `broker-${nodeId}`,
        softwareName: PEER_SOFTWARE_NAME,
        connectTimeoutMs: CONNECT_MS_MAX,
        requestTimeoutMs: CONNECT_MS_MAX,
        inFlightMax: IN_FLIGHT_MAX,
        frameBytesMax: FRAME_BYTES_MAX,
        // One fetch at a time, whose records are in the log before the next one.
        reuseFrames: this.channel === 'fetch',
      });
    } catch (error) {
      this.#refusals.tell(error, `${this.#address.host}:${this.#address.port}`);
      const restMs = isRefusal(error) ? REFUSED_REST_MS : REST_MS;
      this.#failure = { error, untilMs: clock.monotonic() + restMs };
      throw error;
    }
    this.#failure = null;
    if (this.#closed) connection.close();
    if (!connection.isOpen) throw new OperatingError('disconnected', 'the connection was closed');
    this.#connection = connection;
    connection.onClose = () => {
      this.#connection = null;
      if (!this.#closed) this.#onLost();
    };
    return connection;
  }
}
