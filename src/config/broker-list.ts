/**
 * The brokers of the appliance, made of `brokers`, `brokers[0].…`, `data.dir`, `kafka.*` and
 * `broker.*`: who they are, where they listen, where their data is, and with which of Kafka's
 * settings they run.
 *
 * A lone broker is what it always was: everything that exists only because of other brokers
 * (`cluster.brokers`, defaults of replication) is set from two brokers on.
 */
import { resolve } from 'node:path';
import { applianceKeys } from './appliance-keys.ts';
import { brokerFolders } from './broker-folders.ts';
import { brokerKey, brokerKeys } from './broker-keys.ts';
import { type Members, membersOf, type Report } from './broker-members.ts';
import { interBrokerName } from './inter-broker-listener.ts';
import { bracketed, nameOf, reachable } from './listener-text.ts';
import type { Effective, Origin } from './load.ts';
import { type Key, type KeyValue, tableOf } from './table.ts';
import type { Place, Problem } from './yaml-file.ts';

export const BROKER_PREFIX = 'broker.';

/** More replicas than this need somebody's wish. */
const REPLICAS_DEFAULT_MAX = 3;

const PORT_MAX = 65_535;

export interface BrokerSettings {
  readonly id: number;
  /** Name of its role: `broker` when it is alone, else `broker-ID`. */
  readonly role: string;
  /** Whether it runs in this process. */
  readonly here: boolean;
  /** Its `log.dirs`, absolute. */
  readonly dirs: readonly string[];
  /** `HOST:PORT` where our own roles and the other brokers reach it; port 0: any free one. */
  readonly address: string;
  /** `HOST:PORT` for clients, and what is spoken there, where that is not plain text. */
  readonly clients: string;
  /** Kafka's settings by name, for its thread: what somebody gave, and what follows from the rest. */
  readonly given: Readonly<Record<string, KeyValue>>;
}

type Values = ReadonlyMap<string, Effective>;

export interface BrokerList {
  readonly brokers: readonly BrokerSettings[];
  readonly problems: readonly Problem[];
}

/** Never throws; with problems, the brokers are good for nothing but more checks. */
export function brokersOf(values: Values, workingDirectory: string): BrokerList {
  if (isExternal(values)) return { brokers: [], problems: [] };
  const problems: Problem[] = [];
  const report = (name: string, message: string): void => {
    problems.push({ message: `${name}: ${message}`, place: placeOf(values.get(name)?.origin) });
  };
  const count = Number(valueOf(values, 'brokers') ?? 1);
  const members = membersOf(values);
  for (const [index, given] of members) {
    if (index < count) continue;
    const brokers = count === 1 ? 'is only one broker' : `are only ${count} brokers`;
    for (const { name } of given.values()) report(name, `there ${brokers} (brokers)`);
  }
  const plan = new Plan(values, workingDirectory, count, members, report);
  return { brokers: plan.make(), problems };
}

interface Internal {
  readonly address: string;
  /** One that nobody has asked for; null: there is none. */
  readonly listener: readonly string[] | null;
  readonly settings: Readonly<Record<string, KeyValue>>;
}

const INTERNAL_LISTENER = 'INTERNAL';
const PROTOCOL_MAP = 'listener.security.protocol.map';
const PROTOCOL_MAP_DEFAULT = brokerKeys.get(PROTOCOL_MAP)?.default ?? [];

class Plan {
  readonly #values: Values;
  readonly #count: number;
  readonly #members: Members;
  readonly #report: Report;
  /** Resolved against the working directory. */
  readonly #resolve: (folder: string) => string;

  constructor(
    values: Values,
    workingDirectory: string,
    count: number,
    members: Members,
    report: Report,
  ) {
    this.#values = values;
    this.#count = count;
    this.#members = members;
    this.#report = report;
    this.#resolve = (folder) => resolve(workingDirectory, folder);
  }

  make(): BrokerSettings[] {
    const indexes = Array.from({ length: this.#count }, (_, i) => i);
    const ids = indexes.map((i) => this.#id(i));
    this.#checkIds(ids);
    this.#checkGlobals();
    const names = ids.map((id, i) => `broker-${this.#folderId(i, id)}`);
    const folders = brokerFolders(
      {
        shared: listOf(this.#values, 'data.dir'),
        lone: this.#count === 1 ? valueOf(this.#values, 'broker.log.dirs') : null,
        members: this.#members,
        names,
        resolve: this.#resolve,
      },
      this.#report,
    );
    const here = this.#here(ids);
    const given = indexes.map((i) => this.#listeners(i, ids[i]!));
    const inner = given.map((listeners, i) => this.#internal(i, ids[i]!, listeners));
    const listeners = given.map((own, i) => [...own, ...(inner[i]!.listener ?? [])]);
    const addresses = inner.map(({ address }) => address);
    // Brokers with one id have one port: said already.
    const distinct = new Set(ids).size === ids.length;
    if (distinct) this.#checkAddresses(addresses, here.size < ids.length);
    const cluster = ids.map((id, i) => `${id}@${addresses[i]!}`);
    return indexes.map((i): BrokerSettings => {
      const id = ids[i]!;
      return {
        id,
        role: this.#count === 1 ? 'broker' : `broker-${id}`,
        here: here.has(id),
        dirs: folders[i]!,
        address: addresses[i]!,
        clients: this.#clients(i, given[i]!),
        given: {
          ...this.#given(i, id, listeners[i]!, folders[i]!, cluster),
          ...inner[i]!.settings,
        },
      };
    });
  }

  #member(index: number, key: string): KeyValue {
    return this.#members.get(index)?.get(key)?.value ?? null;
  }

  /** A lone broker that is not named in a list has the id that Kafka's own key gives. */
  #id(index: number): number {
    const given = this.#member(index, 'id');
    if (given !== null) return Number(given);
    const alone = this.#count === 1 ? valueOf(this.#values, 'broker.node.id') : null;
    return Number(alone ?? index);
  }

  #checkIds(ids: readonly number[]): void {
    ids.forEach((id, i) => {
      const first = ids.indexOf(id);
      if (first === i) return;
      const key = this.#members.get(i)?.has('id') === true ? i : first;
      this.#report(`brokers[${key}].id`, `two brokers have the id ${id}`);
    });
  }

  /** Names of one broker that stand where those of all brokers stand. */
  #checkGlobals(): void {
    if (this.#count === 1) return;
    const remedies = {
      'broker.listeners': 'use kafka.host and kafka.port, or listeners in the list `brokers`',
      'broker.advertised.listeners': 'use kafka.advertised.host, or the list `brokers`',
      'broker.log.dirs': 'use data.dir, or data in the list `brokers`',
      'broker.node.id': 'use id in the list `brokers`',
    };
    for (const [key, remedy] of Object.entries(remedies)) {
      if (this.#values.has(key)) {
        this.#report(key, `${this.#count} brokers can't share it; ${remedy}`);
      }
    }
    if (this.#values.has('broker.cluster.brokers')) {
      this.#report('broker.cluster.brokers', 'follows from the list `brokers`');
    }
  }

  /** A lone broker's folder has always been `broker-0`, whatever `broker.node.id` says. */
  #folderId(index: number, id: number): number {
    const named = this.#count > 1 || this.#members.get(index)?.has('id') === true;
    return named ? id : index;
  }

  #here(ids: readonly number[]): ReadonlySet<number> {
    const here = listOf(this.#values, 'brokers.here');
    for (const text of here) {
      if (!ids.some((id) => String(id) === text)) {
        this.#report('brokers.here', `no broker has the id ${text}; there are ${ids.join(', ')}`);
      }
    }
    return new Set(ids.filter((id) => here.length === 0 || here.includes(String(id))));
  }

  #listeners(index: number, id: number): readonly string[] {
    const own = this.#member(index, 'listeners');
    const all = this.#count === 1 ? valueOf(this.#values, 'broker.listeners') : null;
    const given = own ?? all;
    if (given !== null) return given as readonly string[];
    return [`PLAINTEXT://${bracketed(this.#host(index))}:${this.#port(index, id)}`];
  }

  /** A setting of the broker: its own, or that of all of them. */
  #setting(index: number, key: string): KeyValue {
    return this.#member(index, key) ?? valueOf(this.#values, `${BROKER_PREFIX}${key}`);
  }

  #protocolOf(index: number, listener: string): string {
    const name = nameOf(listener);
    const pairs = (this.#setting(index, PROTOCOL_MAP) ?? []) as readonly string[];
    const pair = pairs.find((text) => text.split(':')[0]?.trim().toUpperCase() === name);
    return pair?.split(':')[1]?.trim().toUpperCase() ?? name;
  }

  #clients(index: number, [first = '']: readonly string[]): string {
    const protocol = this.#protocolOf(index, first);
    return protocol === 'PLAINTEXT' ? reachable(first) : `${reachable(first)} (${protocol})`;
  }

  /**
   * Where parts of the appliance reach the broker: by the listener that is named for it, by the first
   * one, or, where that is not plain text, by one more, of loopback and for nobody else.
   */
  #internal(index: number, id: number, listeners: readonly string[]): Internal {
    const setting = (key: string): KeyValue => this.#setting(index, key);
    const name = interBrokerName(setting);
    if (name !== null) {
      const isByProtocol = setting('inter.broker.listener.name') === null;
      const key = isByProtocol ? 'security.inter.broker.protocol' : 'inter.broker.listener.name';
      if (!isByProtocol && setting('security.inter.broker.protocol') !== null) {
        this.#report(
          'broker.security.inter.broker.protocol',
          'stands beside inter.broker.listener.name; give one of them',
        );
      }
      const listener = listeners.find((text) => nameOf(text) === name);
      if (listener === undefined) {
        this.#report(`broker.${key}`, `there is no listener ${name}`);
      }
      return { address: reachable(listener ?? ''), listener: null, settings: {} };
    }
    const [first = ''] = listeners;
    if (this.#protocolOf(index, first) === 'PLAINTEXT') {
      return { address: reachable(first), listener: null, settings: {} };
    }
    const port = Number(valueOf(this.#values, 'kafka.internal.port'));
    const address = `127.0.0.1:${port === 0 ? 0 : port + this.#folderId(index, id)}`;
    const map = (this.#setting(index, PROTOCOL_MAP) ?? PROTOCOL_MAP_DEFAULT) as readonly string[];
    return {
      address,
      listener: [`${INTERNAL_LISTENER}://${address}`],
      settings: {
        'inter.broker.listener.name': INTERNAL_LISTENER,
        [PROTOCOL_MAP]: [...map, `${INTERNAL_LISTENER}:SASL_PLAINTEXT`],
        // Users are known elsewhere.
        [`listener.name.${INTERNAL_LISTENER.toLowerCase()}.sasl.enabled.mechanisms`]: [],
      },
    };
  }

  #host(index: number): string {
    return String(this.#member(index, 'host') ?? valueOf(this.#values, 'kafka.host'));
  }

  #port(index: number, id: number): number {
    const own = this.#member(index, 'port');
    if (own !== null) return Number(own);
    const first = Number(valueOf(this.#values, 'kafka.port'));
    // A lone broker that is in no list has the port, whatever its id.
    const port = first === 0 ? 0 : first + this.#folderId(index, id);
    if (port > PORT_MAX) {
      this.#report('kafka.port', `broker ${id} would listen on ${port}; choose a lower one`);
    }
    return port;
  }

  #checkAddresses(addresses: readonly string[], isSplit: boolean): void {
    addresses.forEach((address, i) => {
      const port = Number(address.slice(address.lastIndexOf(':') + 1));
      const name = this.#nameOfPort(i);
      if (port === 0) {
        if (isSplit) this.#report(name, 'must not be 0 where brokers run in several processes');
      } else if (addresses.indexOf(address) !== i) {
        this.#report(name, `${address} is another broker's already`);
      }
    });
  }

  /** The key that says where broker `index` listens. */
  #nameOfPort(index: number): string {
    const own = this.#members.get(index);
    for (const key of ['listeners', 'port', 'host']) {
      if (own?.has(key) === true) return `brokers[${index}].${key}`;
    }
    return 'kafka.port';
  }

  #given(
    index: number,
    id: number,
    listeners: readonly string[],
    dirs: readonly string[],
    cluster: readonly string[],
  ): Record<string, KeyValue> {
    const advertised =
      this.#member(index, 'advertised.host') ?? valueOf(this.#values, 'kafka.advertised.host');
    const port = this.#port(index, id);
    const result: Record<string, KeyValue> = {
      'advertised.listeners':
        advertised === null
          ? []
          : [`${nameOf(listeners[0] ?? '')}://${bracketed(String(advertised))}:${port}`],
      ...this.#replication(),
    };
    for (const [name, { value }] of this.#values) {
      if (name.startsWith(BROKER_PREFIX)) result[name.slice(BROKER_PREFIX.length)] = value;
    }
    for (const [key, { value }] of this.#members.get(index) ?? []) {
      if (brokerKey(key) !== undefined) result[key] = value;
    }
    const rack = this.#member(index, 'rack');
    if (rack !== null) result['broker.rack'] = rack;
    const isNamed = this.#count > 1 || this.#members.get(index)?.has('id') === true;
    if (isNamed) result['node.id'] = id;
    if (this.#count > 1) result['cluster.brokers'] = cluster;
    return { ...result, listeners, 'log.dirs': dirs };
  }

  /** What follows from the number of brokers, where nobody says otherwise. */
  #replication(): Record<string, KeyValue> {
    if (this.#count === 1) return {};
    const replicas = Math.min(REPLICAS_DEFAULT_MAX, this.#count);
    return {
      'default.replication.factor': replicas,
      'offsets.topic.replication.factor': replicas,
      'transaction.state.log.replication.factor': replicas,
      ...(this.#count >= REPLICAS_DEFAULT_MAX ? { 'min.insync.replicas': 2 } : {}),
    };
  }
}

/** The brokers with the ports that were really taken, in the order of `brokers`. */
export function withPorts(
  brokers: readonly BrokerSettings[],
  ports: readonly number[],
): BrokerSettings[] {
  const ported = (text: string, i: number): string => text.replace(/:0$/, `:${ports[i]!}`);
  const cluster = brokers.map(({ id, address }, i) => `${id}@${ported(address, i)}`);
  return brokers.map((broker, i) => {
    // Others take any port by themselves.
    const list = (name: string): KeyValue =>
      ((broker.given[name] ?? []) as readonly string[]).map((text) =>
        reachable(text) === broker.address ? ported(text, i) : text,
      );
    const given = {
      ...broker.given,
      listeners: list('listeners'),
      'advertised.listeners': list('advertised.listeners'),
      'cluster.brokers': cluster,
    };
    const address = ported(broker.address, i);
    const clients = broker.clients === broker.address ? address : broker.clients;
    return { ...broker, address, clients, given };
  });
}

/** Whether Apache Kafka keeps the log. */
const isExternal = (values: Values): boolean => listOf(values, 'engine.kafka.bootstrap').length > 0;

const defaults = tableOf<Key>([...applianceKeys]);

const valueOf = (values: Values, name: string): KeyValue =>
  values.get(name)?.value ?? defaults.get(name)?.default ?? null;

function listOf(values: Values, name: string): readonly string[] {
  const value = valueOf(values, name);
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

const placeOf = (origin: Origin | undefined): Place | null =>
  origin?.source === 'file' ? origin.place : null;
