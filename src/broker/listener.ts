/**
 * One address that clients connect to. Accepts up to the limits and closes what is more at once, so
 * that descriptors are left for logs; knows its connections, and drains them when it stops.
 */
import type { Clock } from '../base/clock.ts';
import { codeOf, FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { TimerWheel } from '../base/timer-wheel.ts';
import type { Listening, Stream, Transport } from '../base/transport.ts';
import type { EndPoint } from '../cluster/metadata-image.ts';
import type { BufferPool } from '../log/buffer-pool.ts';
import { ANONYMOUS } from '../security/principal.ts';
import { Connection } from './connection.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { ConnectionPlaces } from './connection-places.ts';
import type { ConnectionRates } from './connection-rates.ts';
import type { ConnectionStats } from './connection-stats.ts';
import type { Dispatcher } from './dispatch.ts';
import type { ConnectionInfo } from './handler.ts';
import { type ListenerAddress, securityProtocols } from './listener-address.ts';
import type { ListenerSecurity } from './listener-security.ts';
import type { RequestMemory } from './request-memory.ts';
import { SaslSession } from './sasl-session.ts';

/** Refused connections are logged at most this often. */
const REFUSAL_LOG_MS = 10_000;

const ANOTHER_PORT = 'stop it, or take another port with `--set kafka.port=PORT`';

export interface ListenerOptions {
  readonly address: ListenerAddress;
  readonly security: ListenerSecurity;
  readonly transport: Transport;
  readonly dispatcher: Dispatcher;
  readonly limits: ConnectionLimits;
  readonly stats: ConnectionStats;
  readonly pool: BufferPool;
  readonly memory: RequestMemory;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly logger: Logger;
  readonly places: ConnectionPlaces;
  readonly rates: ConnectionRates;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

let lastConnectionId = 0;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  /** Connections whose time has not come, and how to forget them. */
  readonly #held = new Map<Stream, () => void>();
  #listening: Listening | null = null;
  #refusedSince = 0;
  #lastRefusalMs = Number.NEGATIVE_INFINITY;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.address.name;
  }
  get security(): ListenerSecurity {
    return this.#options.security;
  }
  /** Where it listens once it has started; the port is the real one. */
  get bound(): { host: string; port: number } {
    const { host, port } = this.#listening ?? this.#options.address;
    return { host, port };
  }
  /** What other brokers and their clients are told of it. */
  get endPoint(): EndPoint {
    const { name, advertised, protocol } = this.#options.address;
    const securityProtocol = securityProtocols.indexOf(protocol);
    return { name, ...(advertised ?? this.bound), securityProtocol };
  }
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }
  /** Connections, those whose time has not come included. */
  get open(): number {
    return this.#connections.size + this.#held.size;
  }

  async start(): Promise<void> {
    const { address, transport, security } = this.#options;
    try {
      this.#listening = await transport.listen(
        address.host,
        address.port,
        (stream) => this.#accept(stream),
        security.acceptor,
      );
      this.#listening.onError = (error) => this.#notAccepted(codeOf(error), '?');
    } catch (error) {
      const isTaken = codeOf(error) === 'EADDRINUSE';
      const reason = isTaken ? `another program has that port; ${ANOTHER_PORT}` : reasonOf(error);
      throw new FatalError(
        `the Kafka listener ${address.name} cannot listen on ${address.host}:${address.port}: ${reason}`,
        { cause: error },
      );
    }
  }

  /** Takes no more connections and no more requests. */
  async drain(): Promise<void> {
    await this.#listening?.close();
    for (const [stream, forget] of [...this.#held]) {
      forget();
      stream.destroy();
    }
    for (const connection of this.#connections) connection.drain();
  }

  /** Closes what is left. */
  stop(): void {
    for (const connection of this.#connections) connection.stop();
  }

  #accept(stream: Stream): void {
    const options = this.#options;
    const { stats } = options;
    const ip = hostOf(stream.remote);
    const refusal = options.places.take(this, ip);
    if (refusal !== null) return this.#refuse(stream, refusal);
    stats.open += 1;
    stats.opened += 1;
    const { waitMs, isRefused } = options.rates.admit(ip);
    if (waitMs === 0) return this.#begin(stream, ip);
    this.#holdBack(stream, ip, waitMs, isRefused);
  }

  /** It is open, and counts; nothing is read from it until its time has come. */
  #holdBack(stream: Stream, ip: string, waitMs: number, isRefused: boolean): void {
    const { clock } = this.#options;
    stream.pause();
    let isGone = false;
    const gone = (): void => {
      if (isGone) return;
      isGone = true;
      timer.cancel();
      this.#held.delete(stream);
      this.#forget(ip);
    };
    stream.onClose = gone;
    this.#held.set(stream, gone);
    const timer = clock.after(waitMs, () => {
      this.#held.delete(stream);
      isGone = true;
      if (!isRefused) {
        this.#begin(stream, ip);
        stream.resume();
        return;
      }
      this.#forget(ip);
      this.#refuse(stream, 'connection-rate-per-ip');
    });
  }

  #begin(stream: Stream, ip: string): void {
    const options = this.#options;
    const { security } = options;
    const connection = new Connection({
      ...options,
      stream,
      info: this.#infoOf(stream, ip),
      onSecured:
        security.acceptor === null ? null : (info, secured) => security.secured(info, secured),
      onClosed: (closed) => this.#closed(closed, ip),
    });
    this.#connections.add(connection);
  }

  #infoOf(stream: Stream, ip: string): ConnectionInfo {
    const { address, security, stats, clock, logger } = this.#options;
    const info: Mutable<ConnectionInfo> = {
      id: ++lastConnectionId,
      remote: stream.remote,
      clientHost: ip,
      listener: address.name,
      advertised: address.advertised ?? plainAddress(stream.local),
      principal: ANONYMOUS,
      rights: null,
      meters: null,
      sasl: null,
      softwareName: '',
      softwareVersion: '',
      softwareKey: '',
      onClosed: new Map(),
    };
    const rules = security.sasl;
    if (rules !== null) info.sasl = new SaslSession({ rules, info, stats, clock, logger });
    return info;
  }

  #closed(connection: Connection, ip: string): void {
    const { stats } = this.#options;
    this.#connections.delete(connection);
    this.#forget(ip);
    const { softwareKey } = connection.info;
    if (softwareKey === '') return;
    const same = (stats.software.get(softwareKey) ?? 1) - 1;
    if (same === 0) stats.software.delete(softwareKey);
    else stats.software.set(softwareKey, same);
  }

  #forget(ip: string): void {
    const { stats, places } = this.#options;
    stats.open -= 1;
    stats.closed += 1;
    places.leave(ip);
  }

  #refuse(stream: Stream, reason: string): void {
    stream.destroy();
    this.#notAccepted(reason, stream.remote);
  }

  #notAccepted(reason: string, remote: string): void {
    const { stats, clock, logger, address } = this.#options;
    stats.countClose(reason);
    this.#refusedSince += 1;
    const now = clock.monotonic();
    if (now - this.#lastRefusalMs < REFUSAL_LOG_MS) return;
    this.#lastRefusalMs = now;
    logger.warn('connections refused', {
      'event.reason': reason,
      'client.address': remote,
      'weir.listener': address.name,
      'weir.connections.refused': this.#refusedSince,
    });
    this.#refusedSince = 0;
  }
}

const hostOf = (remote: string): string => {
  const host = remote.slice(0, remote.lastIndexOf(':'));
  return host.startsWith('::ffff:') ? host.slice('::ffff:'.length) : host;
};

/** The address by which the client reached us; IPv4 as such. */
const plainAddress = (local: { host: string; port: number }): { host: string; port: number } =>
  local.host.startsWith('::ffff:') ? { ...local, host: local.host.slice('::ffff:'.length) } : local;
