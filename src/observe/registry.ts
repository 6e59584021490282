/**
 * The metrics of one thread. Components keep plain numbers and typed arrays; a family's `collect`
 * copies them when somebody scrapes, and the hot path never sees a label.
 *
 * prom-client writes the exposition. Its index is not loaded, because that pulls in `node:cluster`
 * and an HTTP client, which cost each thread some eight megabytes; its registry alone costs none.
 */
import { createRequire } from 'node:module';
import { eventLoopUtilization } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Metric, MetricObjectWithValues, MetricValue, Registry } from 'prom-client';
import { type Clock, systemClock } from '../base/clock.ts';
import { type LatencyHistogram, quantiles, secondsBounds } from './latency.ts';

const PromRegistry = createRequire(import.meta.url)(
  'prom-client/lib/registry.js',
) as typeof Registry;

export interface FamilySpec {
  /** A name of `catalogue.ts`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence, with the unit. */
  readonly help: string;
  readonly labels?: readonly string[];
}

/** One series: its value, and the values of the family's labels in their order. */
export type Emit = (value: number, ...labelValues: string[]) => void;

export type EmitLatency = (latency: LatencyHistogram, ...labelValues: string[]) => void;

export interface LatencySpec {
  /** Kafka's name: gauges in milliseconds by `quantile`, and a counter of the same name + `_count`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Name of the same as a classic histogram in seconds, when there is to be one. */
  readonly histogram?: string;
}

export interface RegistryOptions {
  /** The role whose thread this is: adds `weir_role_*` of this thread. */
  readonly role?: string;
  readonly clock?: Clock;
}

export class MetricsRegistry {
  readonly #registry = new PromRegistry();
  readonly #clock: Clock;
  readonly #texts: (() => string)[] = [];

  constructor(options: RegistryOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    if (options.role !== undefined) this.#addThread(options.role);
  }

  /** Throws when the name is taken: two components would hide each other's numbers. */
  family(spec: FamilySpec, collect: (emit: Emit) => void): void {
    const names = spec.labels ?? [];
    this.#register(spec, () => {
      const values: MetricValue<string>[] = [];
      collect((value, ...labelValues) => {
        values.push({ value, labels: labelled(spec.name, names, labelValues) });
      });
      return values;
    });
  }

  /** Quantile gauges, their count and, when named, a histogram, from the same arrays. */
  latency(spec: LatencySpec, collect: (emit: EmitLatency) => void): void {
    const labels = spec.labels ?? [];
    const { name, help } = spec;
    this.family({ name, type: 'gauge', help, labels: [...labels, 'quantile'] }, (emit) => {
      const now = this.#clock.monotonic();
      collect((latency, ...values) => {
        const ms = latency.windowMs(now);
        quantiles.forEach(([quantile], i) => emit(ms[i]!, ...values, quantile));
      });
    });
    this.family({ name: `${name}_count`, type: 'counter', help, labels }, (emit) => {
      collect((latency, ...values) => emit(latency.count, ...values));
    });
    if (spec.histogram === undefined) return;
    this.histogram({ ...spec, name: spec.histogram }, collect);
  }

  /** A classic histogram in seconds. */
  histogram(spec: Omit<LatencySpec, 'histogram'>, collect: (emit: EmitLatency) => void): void {
    const { name, help } = spec;
    const names = spec.labels ?? [];
    this.#register({ name, type: 'histogram', help }, () => {
      const values: HistogramValue[] = [];
      collect((latency, ...labelValues) => {
        const labels = labelled(name, names, labelValues);
        latency.cumulative().forEach((value, i) => {
          const le = String(secondsBounds[i]);
          values.push({ value, labels: { ...labels, le }, metricName: `${name}_bucket` });
        });
        const { count, sumSeconds } = latency;
        values.push(
          { value: count, labels: { ...labels, le: '+Inf' }, metricName: `${name}_bucket` },
          { value: sumSeconds, labels, metricName: `${name}_sum` },
          { value: count, labels, metricName: `${name}_count` },
        );
      });
      return values;
    });
  }

  /** Families whose names nobody knows beforehand, as text. */
  appendText(source: () => string): void {
    this.#texts.push(source);
  }

  /** Prometheus text, format 0.0.4. Rejects when a `collect` throws: a bug, not a scrape's luck. */
  async text(): Promise<string> {
    const text = await this.#registry.metrics();
    return [text, ...this.#texts.map((source) => source())]
      .filter((part) => part !== '')
      .join('\n');
  }

  #register(spec: FamilySpec, collect: () => MetricValue<string>[]): void {
    const { name, help, type } = spec;
    // The registry only reads `name` and calls `get`; prom-client's own classes would keep, hash
    // and check every series a second time.
    const metric = {
      name,
      get: async (): Promise<MetricObjectWithValues<MetricValue<string>>> =>
        ({ name, help, type, values: collect(), aggregator: 'sum' }) as never,
    };
    this.#registry.registerMetric(metric as unknown as Metric);
  }

  #addThread(role: string): void {
    const labels = ['role'];
    let before = eventLoopUtilization();
    this.family(
      {
        name: 'weir_role_event_loop_utilization',
        type: 'gauge',
        help: 'Share of time (0 to 1) that the thread of the role was busy since the last scrape.',
        labels,
      },
      (emit) => {
        const now = eventLoopUtilization();
        emit(eventLoopUtilization(now, before).utilization, role);
        before = now;
      },
    );
    this.family(
      {
        name: 'weir_role_heap_used_bytes',
        type: 'gauge',
        help: 'JavaScript heap in use by the thread of the role.',
        labels,
      },
      (emit) => emit(getHeapStatistics().used_heap_size, role),
    );
    this.family(
      {
        name: 'weir_role_external_bytes',
        type: 'gauge',
        help: 'Memory outside the JavaScript heap that the thread of the role holds, such as buffers.',
        labels,
      },
      (emit) => emit(getHeapStatistics().external_memory, role),
    );
  }
}

/** What prom-client reads of a value; its types leave `metricName` out. */
type HistogramValue = MetricValue<string> & { metricName: string };

function labelled(
  name: string,
  names: readonly string[],
  values: readonly string[],
): Record<string, string> {
  if (names.length !== values.length) {
    throw new TypeError(
      `${name} has ${names.length} labels, but ${values.length} values were given`,
    );
  }
  const labels: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) labels[names[i]!] = values[i]!;
  return labels;
}
