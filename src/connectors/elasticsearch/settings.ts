/**
 * The options of the Elasticsearch connector under the names of Kafka Connect's Elasticsearch sink,
 * so that a configuration made for that one is taken as it is. What we do not do is refused with a
 * reason, not ignored.
 */
import { type Key, parseValue } from '../../config/table.ts';
import type { ServerOptions } from './server.ts';

const MIB = 1_048_576;

export const elasticsearchKeys = [
  {
    name: 'connection.url',
    type: 'list',
    default: null,
    min: 1,
    doc: 'URLs of the nodes of Elasticsearch or OpenSearch.',
  },
  {
    name: 'connection.username',
    type: 'string',
    default: null,
    doc: 'User, basic authentication.',
  },
  { name: 'connection.password', type: 'password', default: null, doc: 'Its password.' },
  {
    name: 'connection.api.key',
    type: 'password',
    default: null,
    doc: 'API key, instead of user and password.',
  },
  {
    name: 'connection.ca.file',
    type: 'string',
    default: null,
    doc: "PEM file of the authority that signed the server's certificate.",
  },
  {
    name: 'connection.compression',
    type: 'boolean',
    default: false,
    doc: 'Whether requests are compressed with gzip.',
  },
  {
    name: 'index',
    type: 'string',
    default: 'logs-weir-default',
    doc: 'Data stream that records go into.',
  },
  {
    name: 'bulk.size.bytes',
    type: 'bytes',
    default: 8 * MIB,
    min: 1_024,
    max: 100 * MIB,
    doc: 'Largest body of one bulk request, before compression.',
  },
  {
    name: 'batch.size',
    type: 'int',
    default: 10_000,
    min: 1,
    max: 100_000,
    doc: 'Most records in one bulk request.',
  },
  {
    name: 'linger.ms',
    type: 'duration',
    default: 500,
    min: 0,
    max: 60_000,
    doc: 'How long a request that is not full waits for more records, in milliseconds.',
  },
  {
    name: 'max.in.flight.requests',
    type: 'int',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Most bulk requests under way at once.',
  },
  {
    name: 'read.timeout.ms',
    type: 'duration',
    default: 60_000,
    min: 100,
    max: 3_600_000,
    doc: 'Time an answer may take, in milliseconds.',
  },
  {
    name: 'retry.backoff.ms',
    type: 'duration',
    default: 100,
    min: 1,
    max: 60_000,
    doc: 'Upper bound of the first delay before something is tried again; it doubles, up to 30 s.',
  },
  {
    name: 'key.ignore',
    type: 'boolean',
    default: true,
    doc: 'Ids are made from topic, partition and offset. Only true.',
  },
  {
    name: 'schema.ignore',
    type: 'boolean',
    default: true,
    doc: 'Mappings come from the index template. Only true.',
  },
  {
    name: 'write.method',
    type: 'string',
    default: 'insert',
    values: ['insert'],
    doc: 'Documents are created once and never changed.',
  },
  {
    name: 'behavior.on.malformed.documents',
    type: 'string',
    default: 'dead-letter',
    values: ['dead-letter', 'ignore', 'warn'],
    doc: 'What happens to a record that the destination refuses for good; ignored ones are counted.',
  },
  {
    name: 'behavior.on.null.values',
    type: 'string',
    default: 'dead-letter',
    values: ['dead-letter', 'ignore'],
    doc: 'What happens to a record without a value; ignored ones are counted.',
  },
] as const satisfies readonly Key[];

export interface ElasticsearchSettings {
  readonly server: ServerOptions;
  readonly index: string;
  readonly compression: boolean;
  readonly requestBytesMax: number;
  readonly requestRecordsMax: number;
  readonly lingerMs: number;
  readonly inFlightMax: number;
  readonly retryBackoffMs: number;
  readonly malformed: 'dead-letter' | 'ignore' | 'warn';
  readonly nullValues: 'dead-letter' | 'ignore';
}

/** Keys of a Connect configuration that concern the framework, not the destination. */
const FRAMEWORK =
  /^(name|connector\.class|tasks\.max|topics|(key|value|header)\.converter(\..*)?|errors\..*|consumer\.override\..*|max\.retries)$/;

type Values = { [K in (typeof elasticsearchKeys)[number]['name']]: unknown };

/**
 * Reads a Connect configuration (all values are strings there; JSON's own types are taken, too).
 * Throws a RangeError that names every problem. `ca` is the text of `connection.ca.file`.
 */
export function readElasticsearchSettings(
  config: Readonly<Record<string, unknown>>,
  ca: string | null,
): ElasticsearchSettings {
  const problems: string[] = [];
  const known = new Set<string>(elasticsearchKeys.map((key) => key.name));
  for (const name of Object.keys(config)) {
    if (!known.has(name) && !FRAMEWORK.test(name)) problems.push(`${name} is not known here`);
  }
  const values: Partial<Values> = {};
  for (const key of elasticsearchKeys) {
    const given = config[key.name];
    if (given === undefined || given === null) {
      values[key.name] = key.default;
      continue;
    }
    const result = parseValue(key, given);
    if ('problem' in result) problems.push(`${key.name} ${result.problem}`);
    else values[key.name] = result.value;
  }
  const v = values as Values;
  if (v['connection.url'] === null) problems.push('connection.url must be given');
  if (v['key.ignore'] === false) problems.push('key.ignore must be true: ids come from offsets');
  if (v['schema.ignore'] === false) problems.push('schema.ignore must be true');
  const index = String(v.index);
  if (!isIndexName(index)) problems.push(`index '${index}' is no valid name`);
  for (const url of (v['connection.url'] as readonly string[] | null) ?? []) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      problems.push('connection.url must hold http:// or https:// URLs only');
    }
  }
  if (problems.length > 0) throw new RangeError(problems.join('; '));
  return {
    server: {
      urls: v['connection.url'] as readonly string[],
      username: v['connection.username'] as string | null,
      password: v['connection.password'] as string | null,
      apiKey: v['connection.api.key'] as string | null,
      ca,
      connectionsMax: v['max.in.flight.requests'] as number,
      timeoutMs: v['read.timeout.ms'] as number,
    },
    index,
    compression: v['connection.compression'] as boolean,
    requestBytesMax: v['bulk.size.bytes'] as number,
    requestRecordsMax: v['batch.size'] as number,
    lingerMs: v['linger.ms'] as number,
    inFlightMax: v['max.in.flight.requests'] as number,
    retryBackoffMs: v['retry.backoff.ms'] as number,
    malformed: v['behavior.on.malformed.documents'] as ElasticsearchSettings['malformed'],
    nullValues: v['behavior.on.null.values'] as ElasticsearchSettings['nullValues'],
  };
}

/** Elasticsearch's rules for names, without anything that a request path could misread. */
const isIndexName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9._-]*$/.test(name) && name.length <= 255 && !name.includes('..');
