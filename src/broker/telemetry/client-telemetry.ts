/**
 * Which clients push which of their metrics, and how often (KIP-714), as Kafka's
 * ClientMetricsManager does it.
 *
 * Subscriptions are settings in the metadata; here is, for each client instance that has asked, what
 * it was told, and when it came last. Nothing of that outlives the broker: a client that is not known
 * any more is told so by its subscription's id, and asks again.
 */

import { ZERO_UUID } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { Random } from '../../base/random.ts';
import type { Configs } from '../../cluster/configs.ts';
import { type MetadataImage, ResourceType } from '../../cluster/metadata-image.ts';
import { METADATA_TOPIC_ID } from '../../cluster/quorum/bodies.ts';
import { randomUuid } from '../../cluster/uuid.ts';
import {
  type ClientPatterns,
  type ClientSelector,
  PUSH_INTERVAL_MS_DEFAULT,
  parseClientPatterns,
} from '../../config/client-metrics-keys.ts';
import { CompressionType } from '../../protocol/compression.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';

/** Client instances that are remembered; the one that was quiet the longest is forgotten first. */
export const INSTANCES_MAX = 16_384;
/** A quiet instance is remembered for so many of its intervals, and this long at least. */
const INTERVALS_KEPT = 3;
const KEPT_MS_MIN = 60_000;
/** Characters of what a client says of itself that patterns are matched with. */
const MATCHED_CHARS_MAX = 256;

/** All metrics. */
const ALL = '*';

/** In the order of preference. */
export const acceptedCompressions: readonly number[] = [
  CompressionType.zstd,
  CompressionType.lz4,
  CompressionType.gzip,
  CompressionType.snappy,
];

/** What a client says of itself, and where it comes from. */
export type TelemetryClient = Readonly<
  Record<Exclude<ClientSelector, 'client_instance_id'>, string>
> & {
  readonly connectionId: number;
};

interface Subscription {
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  readonly patterns: ClientPatterns;
}

interface Instance {
  readonly id: string;
  readonly client: TelemetryClient;
  readonly subscriptionId: number;
  /** Of the subscriptions, when it was told. */
  readonly version: number;
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  askedAtMs: number;
  pushedAtMs: number;
  lastError: number;
  isTerminating: boolean;
  expiresAtMs: number;
}

export interface Push {
  readonly clientInstanceId: string;
  readonly subscriptionId: number;
  readonly terminating: boolean;
  readonly compressionType: number;
  readonly metrics: Buffer;
}

export interface ClientTelemetryOptions {
  readonly image: MetadataImage;
  readonly configs: Configs;
  readonly clock: Clock;
  readonly random: Random;
}

export class ClientTelemetry {
  readonly #options: ClientTelemetryOptions;
  /** In the order of their last request. */
  readonly #instances = new Map<string, Instance>();
  readonly #byConnection = new Map<number, string>();
  readonly #subscriptions = new Map<string, Subscription>();
  #version = 0;
  /** Requests refused, as Kafka counts them. */
  readonly counts = { unknownSubscription: 0, throttled: 0, exported: 0, failed: 0 };

  constructor(options: ClientTelemetryOptions) {
    this.#options = options;
  }

  get instances(): number {
    this.#expire();
    return this.#instances.size;
  }

  /** Largest push that is taken, compressed, in bytes. */
  get maxBytes(): number {
    return this.#options.configs.number('telemetry.max.bytes');
  }

  /** Reads subscriptions anew whose settings have changed. */
  subscriptionsChanged(names: Iterable<string>): void {
    const { image } = this.#options;
    for (const name of names) {
      const isThere = image.settings(ResourceType.clientMetrics, name).size > 0;
      if (isThere) this.#subscriptions.set(name, this.#subscription(name));
      else this.#subscriptions.delete(name);
      this.#version += 1;
    }
  }

  #subscription(name: string): Subscription {
    const value = (key: string) => this.#options.configs.clientMetrics(name, key);
    const parsed = parseClientPatterns(value('match') as readonly string[]);
    return {
      metrics: value('metrics') as readonly string[],
      intervalMs: value('interval.ms') as number,
      // It was checked when it was set.
      patterns: 'patterns' in parsed ? parsed.patterns : new Map(),
    };
  }

  /** What the client is to push. Throws ProtocolError when it asks too soon. */
  ask(clientInstanceId: string, client: TelemetryClient): Instance {
    const id = clientInstanceId === ZERO_UUID ? randomUuid(this.#options.random) : clientInstanceId;
    const instance = this.#instance(id, client);
    const now = this.#options.clock.monotonic();
    const last = Math.max(instance.askedAtMs, instance.pushedAtMs);
    if (now - last >= instance.intervalMs) instance.askedAtMs = now;
    else if (!asksAgain.has(instance.lastError)) throw this.#tooSoon(id);
    instance.lastError = ErrorCode.NONE;
    return instance;
  }

  /** Takes the push; throws ProtocolError when it is refused. Its metrics are still to be read. */
  accept(push: Push, client: TelemetryClient): Instance {
    const id = push.clientInstanceId;
    if (id === ZERO_UUID || id === METADATA_TOPIC_ID) {
      throw invalid(`Invalid request from the client [${id}], invalid client instance id`);
    }
    const instance = this.#instance(id, client);
    try {
      this.#check(push, instance);
      instance.lastError = ErrorCode.NONE;
      return instance;
    } catch (error) {
      if (error instanceof ProtocolError) instance.lastError = error.code;
      throw error;
    } finally {
      instance.isTerminating = push.terminating;
    }
  }

  #check(push: Push, instance: Instance): void {
    const { id } = instance;
    if (instance.isTerminating) {
      throw invalid(
        `Client [${id}] sent the previous request with state terminating to TRUE, can not accept any requests after that`,
      );
    }
    const now = this.#options.clock.monotonic();
    const isFirst = instance.askedAtMs > instance.pushedAtMs;
    const isDue = isFirst || now - instance.pushedAtMs >= instance.intervalMs;
    if (isDue) instance.pushedAtMs = now;
    else if (!push.terminating) throw this.#tooSoon(id);
    if (push.subscriptionId !== instance.subscriptionId) {
      this.counts.unknownSubscription += 1;
      throw new ProtocolError(
        ErrorCode.UNKNOWN_SUBSCRIPTION_ID,
        `Unknown client subscription id for the client [${id}]`,
      );
    }
    const { compressionType } = push;
    if (compressionType < 0 || compressionType > CompressionType.zstd) {
      throw new ProtocolError(
        ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        `Unknown compression type [${compressionType}] is received in telemetry request from [${id}]`,
      );
    }
    if (push.metrics.length > this.maxBytes) {
      throw new ProtocolError(
        ErrorCode.TELEMETRY_TOO_LARGE,
        `Telemetry request from [${id}] is larger than the maximum allowed size [${this.maxBytes}]`,
      );
    }
  }

  /** The metrics of an accepted push could not be read. */
  failed(instance: Instance): void {
    this.counts.failed += 1;
    instance.lastError = ErrorCode.INVALID_RECORD;
  }

  #tooSoon(id: string): ProtocolError {
    this.counts.throttled += 1;
    return new ProtocolError(
      ErrorCode.THROTTLING_QUOTA_EXCEEDED,
      `Request from the client [${id}] arrived before the next push interval time`,
    );
  }

  /** A client whose connection is closed begins anew. */
  disconnected(connectionId: number): void {
    const id = this.#byConnection.get(connectionId);
    if (id === undefined) return;
    this.#byConnection.delete(connectionId);
    this.#instances.delete(id);
  }

  #instance(id: string, client: TelemetryClient): Instance {
    this.#expire();
    const known = this.#instances.get(id);
    const isCurrent = known?.version === this.#version;
    const instance =
      known !== undefined && isCurrent ? known : this.#made(id, known?.client ?? client);
    this.#instances.delete(id);
    this.#instances.set(id, instance);
    this.#byConnection.set(client.connectionId, id);
    const keptMs = Math.max(KEPT_MS_MIN, INTERVALS_KEPT * instance.intervalMs);
    instance.expiresAtMs = this.#options.clock.monotonic() + keptMs;
    return instance;
  }

  #made(id: string, client: TelemetryClient): Instance {
    let intervalMs = PUSH_INTERVAL_MS_DEFAULT;
    const metrics = new Set<string>();
    for (const subscription of this.#subscriptions.values()) {
      if (!matches(id, client, subscription.patterns)) continue;
      for (const name of subscription.metrics) metrics.add(name);
      intervalMs = Math.min(intervalMs, subscription.intervalMs);
    }
    const told = metrics.has(ALL) ? [ALL] : [...metrics].sort();
    const never = Number.NEGATIVE_INFINITY;
    return {
      id,
      client,
      subscriptionId: subscriptionId(id, told, intervalMs),
      version: this.#version,
      metrics: told,
      intervalMs,
      askedAtMs: never,
      pushedAtMs: never,
      lastError: ErrorCode.NONE,
      isTerminating: false,
      expiresAtMs: 0,
    };
  }

  #expire(): void {
    const now = this.#options.clock.monotonic();
    for (const [id, { expiresAtMs, client }] of this.#instances) {
      // In the order of the last request, which is nearly that of the ends.
      if (expiresAtMs > now && this.#instances.size < INSTANCES_MAX) return;
      this.#instances.delete(id);
      if (this.#byConnection.get(client.connectionId) === id) {
        this.#byConnection.delete(client.connectionId);
      }
    }
  }
}

/** Whoever was told that it is wrong may ask what is right at once. */
const asksAgain: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_SUBSCRIPTION_ID,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
]);

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

function matches(id: string, client: TelemetryClient, patterns: ClientPatterns): boolean {
  for (const [selector, pattern] of patterns) {
    const text = selector === 'client_instance_id' ? id : client[selector];
    if (text.length > MATCHED_CHARS_MAX || !pattern.matches(text)) return false;
  }
  return true;
}

/** The same for the same subscriptions, another one for others: the checksum of what was told. */
const subscriptionId = (id: string, metrics: readonly string[], intervalMs: number): number =>
  crc32c(Buffer.from(`${id} ${metrics.join(',')} ${intervalMs}`)) | 0;
