/**
 * How many connections may be open: over all listeners (`max.connections`), on one of them
 * (`listener.name.NAME.max.connections`), and from one address (`max.connections.per.ip`). As in
 * Kafka, clients can not keep brokers out: where these have a listener of their own, one more of
 * them takes the place of a client.
 */
import type { Configs } from '../cluster/configs.ts';
import type { Connection } from './connection.ts';
import type { Listener } from './listener.ts';

const KEY = 'max.connections';

/** Why a connection is not taken, as it is counted. */
export type Refusal = 'max-connections' | 'max-connections-per-ip';

export class ConnectionPlaces {
  readonly #configs: Configs;
  /** Name of the listener between brokers. */
  readonly #internal: string;
  readonly #listeners: () => readonly Listener[];
  readonly #byIp = new Map<string, number>();
  #overrides: readonly string[] = [];
  #limits: ReadonlyMap<string, number> = new Map();

  constructor(configs: Configs, internal: string, listeners: () => readonly Listener[]) {
    this.#configs = configs;
    this.#internal = internal;
    this.#listeners = listeners;
  }

  /**
   * Takes a place for a connection of the listener from that address, and closes another one for it
   * where it must; or returns why there is none.
   */
  take(listener: Listener, ip: string): Refusal | null {
    const open = this.#byIp.get(ip) ?? 0;
    if (open >= this.#mostFrom(ip)) return 'max-connections-per-ip';
    if (!this.#haveRoom(listener)) return 'max-connections';
    // Another look: the one that was closed may be from there.
    this.#byIp.set(ip, (this.#byIp.get(ip) ?? 0) + 1);
    return null;
  }

  /** The place is free again. */
  leave(ip: string): void {
    const left = (this.#byIp.get(ip) ?? 1) - 1;
    if (left === 0) this.#byIp.delete(ip);
    else this.#byIp.set(ip, left);
  }

  #haveRoom(listener: Listener): boolean {
    const { name, open } = listener;
    if (open >= Number(this.#configs.listener(name, KEY))) return false;
    const listeners = this.#listeners();
    const all = listeners.reduce((sum, other) => sum + other.open, 0);
    if (all < this.#configs.number(KEY)) return true;
    if (name !== this.#internal || listeners.length === 1) return false;
    const silent = longestSilent(listeners.filter((other) => other !== listener));
    silent?.close('displaced', 'all connections are taken, and another broker needs one');
    return true;
  }

  #mostFrom(ip: string): number {
    const overrides = this.#configs.list('max.connections.per.ip.overrides');
    if (overrides !== this.#overrides) {
      this.#overrides = overrides;
      this.#limits = new Map(
        overrides.map((text) => {
          const colon = text.lastIndexOf(':');
          return [text.slice(0, colon), Number(text.slice(colon + 1))];
        }),
      );
    }
    return this.#limits.get(ip) ?? this.#configs.number('max.connections.per.ip');
  }
}

function longestSilent(listeners: readonly Listener[]): Connection | null {
  let found: Connection | null = null;
  for (const { connections } of listeners) {
    for (const connection of connections) {
      if (found === null || connection.lastRequestAtMs < found.lastRequestAtMs) found = connection;
    }
  }
  return found;
}
