/** The Elasticsearch connector of the configuration, put together: log, task, dead letters. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { FatalError, reasonOf } from '../base/errors.ts';
import { Admin } from '../client/admin.ts';
import { Client } from '../client/client.ts';
import { Producer } from '../client/producer.ts';
import { roleSecurity } from '../client/role-security.ts';
import type { Settings } from '../config/settings.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Connector, ConnectorsSeams } from './connectors-role.ts';
import { DeadLetters } from './dead-letters.ts';
import { ElasticsearchDestination } from './elasticsearch/elasticsearch-destination.ts';
import { type ElasticsearchSettings, readElasticsearchSettings } from './elasticsearch/settings.ts';
import { KafkaSource } from './kafka-source.ts';
import { SinkTask } from './sink-task.ts';

const NAME = 'elasticsearch';
const CLASS_NAME = 'ElasticsearchSinkConnector';

/** Room for the largest record of the log and the headers that a dead letter adds. */
const LETTER_BYTES_MAX = 16 * 1024 * 1024;
const LETTER_BUFFER_BYTES = 32 * 1024 * 1024;
const LETTERS_CLOSE_MS = 2_000;

/** Starts it; the log and the destination may both be away. Throws FatalError on bad settings. */
export async function startElasticsearchConnector(
  settings: Settings,
  url: string,
  seams: ConnectorsSeams,
): Promise<Connector> {
  const { values, bootstrap, version } = settings;
  const { clock, random, logger } = seams;
  const sink = sinkSettings(settings, url, seams);
  const client = new Client({
    bootstrap,
    clientId: 'weir-connectors',
    security: roleSecurity(settings, 'connectors', seams),
    clock,
    random,
    logger,
  });
  const producer = new Producer(client, {
    acks: -1,
    requestBytesMax: LETTER_BYTES_MAX,
    bufferBytes: LETTER_BUFFER_BYTES,
  });
  const topic = values['connectors.dead.letters.topic'];
  const letters = new DeadLetters(topic, producer, seams, () => makeTopic(client, topic));
  let fatal = '';
  const source = new KafkaSource(client, {
    group: values['connectors.elasticsearch.group'],
    topics: values['connectors.elasticsearch.topics'],
    instanceId: instanceOf(settings.dataDir),
    onFatal: (error) => {
      fatal = `consumer group: ${error.message}`;
      logger.error('the connector can not read the log', { 'error.message': error.message });
    },
  });
  const destination = new ElasticsearchDestination(sink, seams);
  const options = { ...sink, connector: NAME, task: 0, destinationClass: CLASS_NAME };
  const task = new SinkTask(options, source, destination, letters, seams);
  await task.start();
  return {
    name: NAME,
    className: CLASS_NAME,
    version,
    task,
    letters,
    bulk: destination.probe,
    fatal: () => fatal,
    product: () => destination.product,
    async stop() {
      await task.stop();
      await producer.close(LETTERS_CLOSE_MS);
      client.close();
    },
  };
}

/**
 * The same at every start of this appliance and no other's: after a kill it goes on at once,
 * instead of when the session of its former self has expired.
 */
const instanceOf = (dataDirectory: string): string => {
  const place = `${hostname()}\0${resolve(dataDirectory)}`;
  return `weir-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`;
};

function sinkSettings(
  { values }: Settings,
  url: string,
  { disk }: ConnectorsSeams,
): ElasticsearchSettings {
  const file = values['connectors.elasticsearch.ca.file'];
  const ca = file === null ? null : disk.readFile(file);
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

/** Makes the topic of dead letters with room for what no other topic would take. */
async function makeTopic(client: Client, name: string): Promise<void> {
  const configs = { 'max.message.bytes': String(LETTER_BYTES_MAX) };
  const [made] = await new Admin(client).createTopics([{ name, configs }]);
  const error = made?.error ?? null;
  if (error !== null && error.code !== ErrorCode.TOPIC_ALREADY_EXISTS) throw error;
}
