/**
 * Everything that clients and other brokers connect to (Kafka: SocketServer): the listeners, what
 * protects each of them, and what their connections share: deadlines, buffers, limits and counts.
 *
 * `secure` reads keys and certificates, so that a missing one ends a start early; nobody can connect
 * before `start`. A stop drains, waits until what had come is answered, and closes what is left.
 */
import { type Clock, sleep } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { TimerWheel } from '../base/timer-wheel.ts';
import type { Transport } from '../base/transport.ts';
import type { Configs } from '../cluster/configs.ts';
import type { EndPoint, MetadataImage } from '../cluster/metadata-image.ts';
import { interBrokerName } from '../config/inter-broker-listener.ts';
import { BufferPool } from '../log/buffer-pool.ts';
import type { ConnectionSecurity } from '../security/client-security.ts';
import type { TlsSettings } from '../security/tls-settings.ts';
import { connectionLimits } from './broker-settings.ts';
import { ConnectionPlaces } from './connection-places.ts';
import { ConnectionRates } from './connection-rates.ts';
import { ConnectionStats } from './connection-stats.ts';
import type { Dispatcher } from './dispatch.ts';
import { Listener } from './listener.ts';
import { type ListenerAddress, listenerAddresses } from './listener-address.ts';
import { ListenerSecurity } from './listener-security.ts';
import { RequestMemory } from './request-memory.ts';

/** Idle buffers of requests that are kept for the next ones, in bytes. */
const REQUEST_POOL_BYTES_MAX = 16 * 1024 * 1024;

/** Between two looks whether every request is answered. */
const DRAIN_POLL_MS = 20;

/** Resolution of the deadlines of connections. */
const CONNECTION_TICK_MS = 100;

export interface SocketServerOptions {
  readonly configs: Configs;
  readonly image: MetadataImage;
  /** Of the appliance; null: there is none. */
  readonly secret: string | null;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly logger: Logger;
  /** Told of the TLS of the listener between brokers, from the start on and after every change. */
  readonly onPeerTls?: ((settings: TlsSettings) => void) | undefined;
}

export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #addresses: readonly ListenerAddress[];
  /** Name of the listener for brokers and other parts of the appliance. */
  readonly #internal: string;
  /** In the order of the addresses, as the listeners. */
  readonly #securities: ListenerSecurity[] = [];
  readonly #timers: TimerWheel;
  /** None before the start. */
  #listeners: readonly Listener[] = [];
  readonly stats = new ConnectionStats();
  readonly memory: RequestMemory;

  /** Throws FatalError when the addresses are wrong, or open to others without being meant to. */
  constructor(options: SocketServerOptions) {
    this.#options = options;
    const { configs, clock, logger } = options;
    const { addresses, open, internal } = listenerAddresses({
      listeners: configs.list('listeners'),
      advertised: configs.list('advertised.listeners'),
      protocols: configs.list('listener.security.protocol.map'),
      insecure: configs.boolean('insecure'),
      internal: interBrokerName((key) => configs.broker(key)),
      setting: (listener, key) => configs.listener(listener, key),
    });
    for (const { name, host, port } of open) {
      logger.warn('this listener is open to everybody who reaches it', {
        'weir.listener': name,
        'server.address': host,
        'server.port': port,
      });
    }
    this.#addresses = addresses;
    this.#internal = internal;
    this.#timers = new TimerWheel(clock, { tickMs: CONNECTION_TICK_MS, slots: 512 });
    this.memory = new RequestMemory(configs.number('queued.max.request.bytes'));
  }

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }
  /** What other brokers and their clients are told of the listeners. */
  get endPoints(): EndPoint[] {
    return this.#listeners.map((listener) => listener.endPoint);
  }
  /** `host:port` of the first listener, as far as it is known. */
  get address(): string {
    const [first] = this.#listeners;
    return first === undefined ? ':0' : addressOf(first);
  }
  /** Where parts of the appliance reach the broker. */
  get internalAddress(): string | undefined {
    const listener = this.#listeners.find(({ name }) => name === this.#internal);
    return listener && addressOf(listener);
  }
  /** Of the listeners that speak TLS. */
  get certificates(): { readonly listener: string; readonly expiresAtMs: number }[] {
    return this.#securities.flatMap(({ name, tls }) => {
      const expiresAtMs = tls?.certificate?.expiresAtMs;
      return expiresAtMs === undefined ? [] : [{ listener: name, expiresAtMs }];
    });
  }

  /** Reads what the listeners need to know their clients. Rejects with FatalError. */
  async secure(): Promise<void> {
    const { configs, image, secret, disk, clock, random, logger } = this.#options;
    for (const address of this.#addresses) {
      const isInternal = address.name === this.#internal;
      this.#securities.push(
        await ListenerSecurity.open({
          ...{ address, configs, image, isInternal, secret, disk, clock, random, logger },
        }),
      );
    }
  }

  /** How this broker, called `name`, comes in by the listener between brokers of another one. */
  securityOfPeer(name: string): ConnectionSecurity | null {
    return this.#internalSecurity.ofPeer(name);
  }

  get #internalSecurity(): ListenerSecurity {
    return this.#securities.find((security) => security.name === this.#internal)!;
  }

  /** Listens from here on. Rejects with FatalError when it can't. */
  async start(dispatcher: Dispatcher): Promise<void> {
    const { configs, image, transport, clock, logger } = this.#options;
    const shared = {
      ...{ dispatcher, transport, clock, logger, stats: this.stats, memory: this.memory },
      timers: this.#timers,
      limits: connectionLimits(configs),
      pool: new BufferPool(REQUEST_POOL_BYTES_MAX),
      rates: new ConnectionRates(configs, image, clock),
      places: new ConnectionPlaces(configs, this.#internal, () => this.#listeners),
    };
    this.#listeners = this.#addresses.map(
      (address, i) => new Listener({ address, security: this.#securities[i]!, ...shared }),
    );
    for (const listener of this.#listeners) await listener.start();
  }

  /**
   * After settings have changed: keys and certificates are taken anew. Never rejects: what can't be
   * used is logged, and the old ones go on.
   */
  async reload(): Promise<void> {
    await Promise.all(this.#securities.map((security) => security.reload()));
    const { tls } = this.#internalSecurity;
    if (tls !== null) this.#options.onPeerTls?.(tls.settings);
  }

  /** Takes no more connections and no more requests. */
  async drain(): Promise<void> {
    for (const listener of this.#listeners) await listener.drain();
  }

  /** Waits until every request that had come is answered, for a while. */
  async drained(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + timeoutMs;
    const isBusy = (): boolean =>
      this.#listeners.some(({ connections }) =>
        [...connections].some((connection) => connection.isBusy),
      );
    while (isBusy() && clock.monotonic() < deadline) await sleep(clock, DRAIN_POLL_MS);
  }

  /** Closes what is left. */
  stop(): void {
    for (const listener of this.#listeners) listener.stop();
    for (const security of this.#securities) security.stop();
    this.#timers.clear();
  }
}

const addressOf = ({ bound: { host, port } }: Listener): string => `${host}:${port}`;
