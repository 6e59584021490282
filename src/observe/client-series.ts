/**
 * What clients say of themselves (KIP-714), as Prometheus series: `kafka_client_…` with the client's
 * id and software as labels, and those attributes of a point whose number of values is bounded by
 * the cluster (topic, partition, node, …).
 *
 * A client that has not pushed for three of its intervals is gone, with its series. Everything is
 * limited, and what is left out is counted by reason.
 */
import type { Clock } from '../base/clock.ts';
import type { OtlpPoint } from './otlp-metrics.ts';

/** Clients that have series at once. */
export const CLIENTS_MAX = 500;
/** Series of one client, and of all of them. */
export const CLIENT_SERIES_MAX = 2_000;
export const SERIES_MAX = 50_000;
/** Names of metrics, over all clients. */
export const NAMES_MAX = 2_000;
/** Characters of a name, and of a label's value; longer ones are cut. */
const TEXT_MAX = 200;

/** A client is gone after so many intervals without a push. */
const INTERVALS_KEPT = 3;

export interface ClientIdentity {
  readonly clientId: string;
  readonly softwareName: string;
  readonly softwareVersion: string;
}

/** A point under the name and with the labels that it has for Prometheus. */
export interface ClientSample {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Readonly<Record<string, string>>;
}

export const seriesDropReasons = ['clients', 'client_series', 'series', 'names', 'value'] as const;
type SeriesDropReason = (typeof seriesDropReasons)[number];

interface Series {
  readonly name: string;
  readonly labels: string;
  value: number;
}

interface Client {
  readonly series: Map<string, Series>;
  expiresAtMs: number;
}

const PREFIX = /^(org\.apache\.kafka\.|kafka\.)/;

/** Attributes that become labels; all others have as many values as somebody likes. */
const labelled: ReadonlySet<string> = new Set([
  'group_id',
  'node_id',
  'partition',
  'request_type',
  'thread_id',
  'topic',
  'transactional_id',
]);

const cut = (text: string): string => (text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) : text);
const snake = (text: string): string => cut(text).replaceAll(/[^A-Za-z0-9_]/g, '_');

/** `org.apache.kafka.producer.record.send.total` is `kafka_client_producer_record_send_total`. */
export function sampleOf(point: OtlpPoint, client: ClientIdentity): ClientSample {
  const base = `kafka_client_${snake(point.name.replace(PREFIX, ''))}`;
  const name = point.type === 'counter' && !base.endsWith('_total') ? `${base}_total` : base;
  const labels: Record<string, string> = {
    client_id: cut(client.clientId),
    client_software_name: cut(client.softwareName),
    client_software_version: cut(client.softwareVersion),
  };
  for (const [key, value] of point.attributes) {
    const label = snake(key);
    if (labelled.has(label)) labels[label] = cut(value);
  }
  return { name, type: point.type, labels };
}

export class ClientSeries {
  readonly #clock: Clock;
  readonly #clients = new Map<string, Client>();
  readonly #types = new Map<string, 'counter' | 'gauge'>();
  /** Points that have no series, by reason. */
  readonly dropped: Record<SeriesDropReason, number> = {
    clients: 0,
    client_series: 0,
    series: 0,
    names: 0,
    value: 0,
  };
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }
  get clients(): number {
    return this.#clients.size;
  }

  /** One point of a client that pushes every `intervalMs`. */
  record(
    sample: ClientSample,
    point: Pick<OtlpPoint, 'value' | 'isDelta'>,
    client: ClientIdentity,
    intervalMs: number,
  ): void {
    if (Number.isNaN(point.value)) return this.#drop('value');
    const known = this.#client(client, intervalMs);
    if (known === null) return this.#drop('clients');
    const labels = textOf(sample.labels);
    const key = sample.name + labels;
    let series = known.series.get(key);
    if (series === undefined) {
      const reason = this.#whyNot(sample, known);
      if (reason !== null) return this.#drop(reason);
      series = { name: sample.name, labels, value: 0 };
      known.series.set(key, series);
      this.#size += 1;
    }
    series.value = point.isDelta ? series.value + point.value : point.value;
  }

  #whyNot({ name, type }: ClientSample, client: Client): SeriesDropReason | null {
    if (client.series.size >= CLIENT_SERIES_MAX) return 'client_series';
    if (this.#size >= SERIES_MAX) return 'series';
    const known = this.#types.get(name);
    if (known !== undefined) return known === type ? null : 'names';
    if (this.#types.size >= NAMES_MAX) return 'names';
    this.#types.set(name, type);
    return null;
  }

  #client(identity: ClientIdentity, intervalMs: number): Client | null {
    const key = `${identity.clientId}\n${identity.softwareName}\n${identity.softwareVersion}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      if (this.#clients.size >= CLIENTS_MAX) this.#expire();
      if (this.#clients.size >= CLIENTS_MAX) return null;
      client = { series: new Map(), expiresAtMs: 0 };
      this.#clients.set(key, client);
    }
    client.expiresAtMs = this.#clock.monotonic() + INTERVALS_KEPT * intervalMs;
    return client;
  }

  #drop(reason: SeriesDropReason): void {
    this.dropped[reason] += 1;
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [key, client] of this.#clients) {
      if (client.expiresAtMs > now) continue;
      this.#clients.delete(key);
      this.#size -= client.series.size;
    }
    // Names that nobody uses any more make room for others, and may change their type.
    if (this.#clients.size === 0) this.#types.clear();
  }

  /** Prometheus text, format 0.0.4: one family after another. */
  text(): string {
    this.#expire();
    const families = new Map<string, string[]>();
    for (const { series } of this.#clients.values()) {
      for (const { name, labels, value } of series.values()) {
        let lines = families.get(name);
        if (lines === undefined) families.set(name, (lines = []));
        lines.push(`${name}${labels} ${formatted(value)}`);
      }
    }
    return [...families]
      .map(
        ([name, lines]) =>
          `# HELP ${name} As clients tell it of themselves (KIP-714).\n# TYPE ${name} ${this.#types.get(name)}\n${lines.join('\n')}\n`,
      )
      .join('\n');
  }
}

const formatted = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);

function textOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
  );
  return `{${pairs.join(',')}}`;
}
