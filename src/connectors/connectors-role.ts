/**
 * The role that runs the connectors of the configuration. It starts whether or not the log and the
 * destinations are there: what is missing is a light and a reason, and everything goes on when it
 * comes.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Role, RoleStatus } from '../base/role.ts';
import { Admin } from '../client/admin.ts';
import { Client } from '../client/client.ts';
import { Producer } from '../client/producer.ts';
import type { Settings } from '../config/settings.ts';
import { MetricsRegistry } from '../observe/registry.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { DeadLetters } from './dead-letters.ts';
import { ElasticsearchDestination } from './elasticsearch/elasticsearch-destination.ts';
import { readElasticsearchSettings } from './elasticsearch/settings.ts';
import { KafkaSource } from './kafka-source.ts';
import { type MeasuredConnector, registerSinkMetrics } from './sink-metrics.ts';
import { SinkTask } from './sink-task.ts';

export interface ConnectorsSeams {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
}

/** Of the connector that the configuration describes. */
const ELASTICSEARCH = 'elasticsearch';
const CLASS_NAME = 'ElasticsearchSinkConnector';

/** Room for the largest record of the log and the headers that a dead letter adds. */
const LETTER_BYTES_MAX = 16 * 1024 * 1024;
const LETTER_BUFFER_BYTES = 32 * 1024 * 1024;
const LETTERS_CLOSE_MS = 2_000;

export class ConnectorsRole implements Role {
  readonly #settings: Settings;
  readonly #seams: ConnectorsSeams;
  readonly #registry: MetricsRegistry;
  readonly #connectors: MeasuredConnector[] = [];
  #client: Client | null = null;
  #producer: Producer | null = null;
  #fatal = '';

  constructor(settings: Settings, seams: ConnectorsSeams) {
    this.#settings = settings;
    this.#seams = seams;
    this.#registry = new MetricsRegistry({ role: 'connectors', clock: seams.clock });
    registerSinkMetrics(this.#registry, () => this.#connectors);
  }

  /** Rejects with a FatalError on a configuration that can not work. */
  async start(): Promise<void> {
    const { values } = this.#settings;
    const url = values['connectors.elasticsearch.url'];
    if (url === null) return;
    const { clock, random, logger } = this.#seams;
    const client = new Client({
      bootstrap: this.#settings.bootstrap,
      clientId: 'weir-connectors',
      clock,
      random,
      logger,
    });
    const producer = new Producer(client, {
      acks: -1,
      requestBytesMax: LETTER_BYTES_MAX,
      bufferBytes: LETTER_BUFFER_BYTES,
    });
    this.#client = client;
    this.#producer = producer;
    const settings = this.#elasticsearchSettings(url);
    const topic = values['connectors.dead.letters.topic'];
    const letters = new DeadLetters(topic, producer, this.#seams, () => makeTopic(client, topic));
    const source = new KafkaSource(client, {
      group: values['connectors.elasticsearch.group'],
      topics: values['connectors.elasticsearch.topics'],
      onFatal: (error) => {
        this.#fatal = `consumer group: ${error.message}`;
        logger.error('the connector can not read the log', { 'error.message': error.message });
      },
    });
    const destination = new ElasticsearchDestination(settings, { clock, logger });
    const task = new SinkTask(
      {
        connector: ELASTICSEARCH,
        task: 0,
        destinationClass: CLASS_NAME,
        lingerMs: settings.lingerMs,
        inFlightMax: settings.inFlightMax,
        retryBackoffMs: settings.retryBackoffMs,
        malformed: settings.malformed,
        nullValues: settings.nullValues,
      },
      source,
      destination,
      letters,
      this.#seams,
    );
    const { version } = this.#settings;
    const name = ELASTICSEARCH;
    const bulk = destination.probe;
    this.#connectors.push({ name, className: CLASS_NAME, version, task, letters, bulk });
    await task.start();
  }

  #elasticsearchSettings(url: string): ReturnType<typeof readElasticsearchSettings> {
    const { values } = this.#settings;
    const file = values['connectors.elasticsearch.ca.file'];
    const ca = file === null ? null : this.#seams.disk.readFile(file);
    if (file !== null && ca === null) {
      throw new FatalError(`connectors.elasticsearch.ca.file: expected a PEM file at ${file}`);
    }
    try {
      return readElasticsearchSettings(
        {
          'connection.url': url,
          'connection.username': values['connectors.elasticsearch.username'],
          'connection.password': values['connectors.elasticsearch.password'],
          'connection.api.key': values['connectors.elasticsearch.api.key'],
          index: values['connectors.elasticsearch.index'],
          'bulk.size.bytes': values['connectors.elasticsearch.request.max.bytes'],
          'batch.size': values['connectors.elasticsearch.request.max.records'],
          'linger.ms': values['connectors.elasticsearch.linger.ms'],
          'max.in.flight.requests': values['connectors.elasticsearch.in.flight.max'],
        },
        ca?.toString('utf8') ?? null,
      );
    } catch (error) {
      throw new FatalError(`connectors.elasticsearch: ${reasonOf(error)}`);
    }
  }

  async stop(): Promise<void> {
    for (const { task } of this.#connectors) await task.stop();
    await this.#producer?.close(LETTERS_CLOSE_MS);
    this.#client?.close();
    this.#producer = null;
    this.#client = null;
  }

  metrics(): Promise<string> {
    return this.#registry.text();
  }

  status(): RoleStatus {
    const [connector] = this.#connectors;
    if (connector === undefined) return { light: 'green', reason: '', details: { connectors: [] } };
    const { name, task } = connector;
    const { written, duplicates, deadLetters, ignored } = task.probe;
    const fault = this.#fatal === '' ? task.fault : this.#fatal;
    let lag = 0;
    for (const { highWatermark, committable } of task.assignment.offsets()) {
      lag += Math.max(0, highWatermark - committable);
    }
    return {
      light: this.#fatal === '' ? task.light : 'red',
      reason: fault === '' ? '' : `${name}: ${fault}`,
      details: {
        connectors: [
          {
            name,
            state: task.state,
            fault,
            isOpen: task.shipping.isOpen,
            written,
            duplicates,
            deadLetters,
            ignored,
            lag,
          },
        ],
      },
    };
  }
}

/** Makes the topic of dead letters with room for what no other topic would take. */
async function makeTopic(client: Client, name: string): Promise<void> {
  const configs = { 'max.message.bytes': String(LETTER_BYTES_MAX) };
  const [made] = await new Admin(client).createTopics([{ name, configs }]);
  const error = made?.error ?? null;
  if (error !== null && error.code !== ErrorCode.TOPIC_ALREADY_EXISTS) throw error;
}
