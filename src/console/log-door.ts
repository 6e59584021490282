/**
 * What the main thread itself wants of the log, as a Kafka client like any other: it hands over
 * what came in over HTTP and the appliance's own log, and asks for the topics.
 */
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { nodeDisk } from '../base/node-disk.ts';
import { systemRandom } from '../base/random.ts';
import type { RoleStatus } from '../base/role.ts';
import { Client } from '../client/client.ts';
import { Producer } from '../client/producer.ts';
import { roleSecurity } from '../client/role-security.ts';
import { type HttpCollector, httpCollector } from '../collectors/http/http-collector.ts';
import { registerCollectorMetrics } from '../collectors/metrics.ts';
import { producerSinks } from '../collectors/producer-sink.ts';
import { collectorDefaults, type HttpSettings } from '../collectors/settings.ts';
import { type Settings, section } from '../config/settings.ts';
import type { OwnLog } from '../observe/own-log.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import type { CompressionName } from '../protocol/compression.ts';
import { CachedTopics, logTopics, type TopicSummary } from './topics.ts';

/** Memory for the appliance's own lines that wait for the log. */
const OWN_LOG_BUFFER_BYTES = 1_048_576;
const OWN_LOG_LINGER_MS = 500;
/** Within this, the log has our own last lines, or they are given up. */
const OWN_LOG_CLOSE_MS = 1_000;

export interface LogDoorOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  /** Lines about carrying lines: they must not travel. */
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  /** Null: the appliance's own log stays at home. */
  readonly ownLog: OwnLog | null;
}

export class LogDoor {
  readonly #client: Client;
  readonly #topics: CachedTopics;
  readonly #collector: HttpCollector | null;
  readonly #ownProducer: Producer | null;

  constructor(options: LogDoorOptions) {
    const { settings, clock, logger, registry, ownLog } = options;
    this.#client = new Client({
      bootstrap: settings.bootstrap,
      clientId: 'weir-console',
      security: roleSecurity(settings, 'console', {
        disk: nodeDisk,
        clock,
        random: systemRandom,
        logger,
      }),
      clock,
      logger,
    });
    this.#topics = new CachedTopics(logTopics(this.#client), clock);
    const collector = this.#makeCollector(settings, clock, logger);
    if (collector !== null) registerCollectorMetrics(registry, () => [collector]);
    this.#collector = collector;
    const topic = settings.values['collectors.http.topic'];
    this.#ownProducer = ownLog === null ? null : this.#carry(ownLog, topic);
  }

  /** Routes for the console's server. */
  get plugins(): readonly ((server: FastifyInstance) => Promise<void>)[] {
    const collector = this.#collector;
    if (collector === null) return [];
    return [async (server) => collector.plugin(server, {})];
  }

  async start(): Promise<void> {
    await this.#collector?.start();
  }

  topics(): Promise<readonly TopicSummary[]> {
    return this.#topics.topics();
  }

  status(): RoleStatus {
    return this.#collector?.status() ?? { light: 'green', reason: '', details: {} };
  }

  /** Hands over what is buffered, for a few seconds at most. */
  async stop(): Promise<void> {
    await this.#collector?.stop();
    await this.#ownProducer?.close(OWN_LOG_CLOSE_MS);
    this.#client.close();
  }

  #makeCollector(settings: Settings, clock: Clock, logger: Logger): HttpCollector | null {
    const { values } = settings;
    const http = httpSettings(settings);
    if (!http.enabled) return null;
    const sinks = producerSinks(this.#client, {
      compression: values['collectors.compression'] as CompressionName,
      lingerMs: values['collectors.linger.ms'],
      batchBytes: values['collectors.batch.bytes'],
      bufferBytes: values['collectors.buffer.bytes'],
    });
    return httpCollector({ settings: http, sinks, clock, logger });
  }

  #carry(ownLog: OwnLog, topic: string): Producer {
    const producer = new Producer(this.#client, {
      acks: 1,
      compression: 'lz4',
      lingerMs: OWN_LOG_LINGER_MS,
      bufferBytes: OWN_LOG_BUFFER_BYTES,
      delivery: ({ error, count }) => {
        if (error !== null) ownLog.lost(count);
      },
    });
    ownLog.connect((value, timestamp) =>
      producer.append(topic, value, { timestamp, headers: ownHeaders }),
    );
    return producer;
  }
}

const ownHeaders = [{ key: 'weir.source', value: Buffer.from('weir') }];

function httpSettings({ values }: Settings): HttpSettings {
  const given = section(values, 'collectors.http.');
  const acks = given['acks'] === 'all' ? 'all' : given['acks'] === '1' ? 1 : 0;
  return { ...collectorDefaults.http, ...given, acks };
}
