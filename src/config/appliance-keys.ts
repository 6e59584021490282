/**
 * Every key of the appliance's own configuration. In the file, dots may be written as nesting.
 * `broker.` followed by any of Kafka's own broker names (`broker-keys.ts`) is valid, too.
 */
import { clientKeys } from './client-keys.ts';
import type { Key, KeyType } from './table.ts';

const PORT = { type: 'int', min: 0, max: 65_535 } as const;
const ACKS = { type: 'string', values: ['0', '1', 'all'] } as const;
const KIB = 1_024;
const MIB = 1_048_576;

const general = [
  {
    name: 'data.dir',
    type: 'list',
    default: ['weir-data'] as readonly string[],
    min: 1,
    doc: "Folder that holds everything the appliance keeps; made with mode 0700 when absent. Relative to the working directory. With several brokers, either one folder for all of them, or one for each, in the order of the brokers: the first one is also the appliance's own.",
  },
  {
    name: 'brokers',
    type: 'int',
    default: 1,
    min: 1,
    max: 64,
    doc: 'Brokers that keep the log together, with ids from 0. In the file it may also be a list with a mapping for each broker: `config keys brokers` names what it takes.',
  },
  {
    name: 'brokers.here',
    type: 'list',
    default: [] as readonly string[],
    doc: 'Ids of the brokers that run in this process, where others run the other ones; empty: all.',
  },
  {
    name: 'roles',
    type: 'list',
    default: ['broker', 'collectors', 'connectors', 'console'] as readonly string[],
    values: ['broker', 'collectors', 'connectors', 'console'],
    min: 1,
    doc: 'Parts that run in this process.',
  },
  {
    name: 'insecure',
    type: 'boolean',
    default: false,
    doc: 'Allows listeners beyond this machine without authentication. Each start warns of it.',
  },
  {
    name: 'engine.kafka.bootstrap',
    type: 'list',
    default: [] as readonly string[],
    doc: 'HOST:PORT of an Apache Kafka cluster that keeps the log instead of the embedded broker.',
  },
  {
    name: 'log.level',
    type: 'string',
    default: 'info',
    values: ['debug', 'info', 'warn', 'error'],
    doc: "Least level of the appliance's own log.",
  },
  {
    name: 'log.format',
    type: 'string',
    default: 'auto',
    values: ['auto', 'human', 'json'],
    doc: "Form of the appliance's own log: lines for people, ECS JSON, or by whether a terminal reads it.",
  },
  {
    name: 'log.to.topic',
    type: 'boolean',
    default: true,
    doc: "Whether the appliance's own log also goes into the topic of the collectors' logs.",
  },
  {
    name: 'metrics.labels',
    type: 'list',
    default: [] as readonly string[],
    doc: 'NAME=VALUE pairs that every series of /metrics bears, such as kafka_cluster=weir.',
  },
] as const satisfies readonly Key[];

const listeners = [
  {
    name: 'kafka.host',
    type: 'string',
    default: '127.0.0.1',
    doc: 'Address that Kafka clients connect to. `broker.listeners` replaces this and the port.',
  },
  {
    name: 'kafka.port',
    ...PORT,
    default: 9092,
    doc: 'Port that Kafka clients connect to; 0 takes any free one. With several brokers, each adds its id.',
  },
  {
    name: 'kafka.internal.port',
    ...PORT,
    default: 19_092,
    doc: "Port of loopback over which brokers and the appliance's own roles reach each other when the first of `listeners` is not plain text; with several brokers, each adds its id. inter.broker.listener.name names another listener for that.",
  },
  {
    name: 'kafka.advertised.host',
    type: 'string',
    default: null as string | null,
    doc: 'Name under which Kafka clients elsewhere reach this machine; the listening address when absent.',
  },
  {
    name: 'console.host',
    type: 'string',
    default: '127.0.0.1',
    doc: 'Address of the console, the API, /metrics and ingest over HTTP.',
  },
  { name: 'console.port', ...PORT, default: 8080, doc: 'Its port; 0 takes any free one.' },
  {
    name: 'console.token',
    type: 'password',
    default: null as string | null,
    doc: 'When set, every request but /healthz and /readyz must carry it: `Authorization: Bearer TOKEN`. Allows a console.host beyond this machine.',
  },
  {
    name: 'console.connections.max',
    type: 'int',
    default: 1_024,
    min: 1,
    max: 65_536,
    doc: 'Connections to the console at once; more are closed on arrival.',
  },
  {
    name: 'console.request.timeout',
    type: 'duration',
    default: 30_000,
    min: 1_000,
    max: 600_000,
    doc: 'Time a request may take to arrive whole, in milliseconds.',
  },
] as const satisfies readonly Key[];

const collectors = [
  {
    name: 'collectors.compression',
    type: 'string',
    default: 'lz4',
    values: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    doc: 'Compression of the batches that collectors send.',
  },
  {
    name: 'collectors.linger.ms',
    type: 'duration',
    default: 20,
    min: 0,
    max: 10_000,
    doc: 'How long a batch that is not full waits for more records, in milliseconds.',
  },
  {
    name: 'collectors.batch.bytes',
    type: 'bytes',
    default: 512 * KIB,
    min: KIB,
    max: 16 * MIB,
    doc: 'Size at which a batch is sent, before compression.',
  },
  {
    name: 'collectors.buffer.bytes',
    type: 'bytes',
    default: 32 * MIB,
    min: MIB,
    max: 4_096 * MIB,
    doc: 'Memory of each collector for records that wait for the log. When it is full, senders are refused or held.',
  },
  {
    name: 'collectors.http.enabled',
    type: 'boolean',
    default: true,
    doc: 'Serves /ingest on the console port.',
  },
  {
    name: 'collectors.http.acks',
    ...ACKS,
    default: '0',
    doc: 'What the log must say before a request is answered: 0 nothing, 1 appended, all on disk.',
  },
  {
    name: 'collectors.http.topic',
    type: 'string',
    default: 'logs',
    doc: 'Topic that its records go into.',
  },
  {
    name: 'collectors.http.body.bytes.max',
    type: 'bytes',
    default: 16 * MIB,
    min: KIB,
    max: 256 * MIB,
    doc: 'Longest body as it is sent; a longer one is answered 413.',
  },
  {
    name: 'collectors.http.decoded.bytes.max',
    type: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 1_024 * MIB,
    doc: 'Longest body after decompression; a longer one is answered 413.',
  },
  {
    name: 'collectors.http.in.flight.bytes.max',
    type: 'bytes',
    default: 64 * MIB,
    min: KIB,
    max: 4_096 * MIB,
    doc: 'Bytes of all bodies under way; beyond it requests are answered 429.',
  },
  {
    name: 'collectors.http.buffer.bytes.max',
    type: 'bytes',
    default: 24 * MIB,
    min: KIB,
    max: 4_096 * MIB,
    doc: 'Bytes waiting for the log; beyond it requests are answered 429.',
  },
  {
    name: 'collectors.http.request.timeout.ms',
    type: 'duration',
    default: 30_000,
    min: 100,
    max: 600_000,
    doc: 'A body that takes longer to arrive is answered 408.',
  },
  {
    name: 'collectors.http.answer.timeout.ms',
    type: 'duration',
    default: 30_000,
    min: 100,
    max: 600_000,
    doc: 'A log that takes longer to answer is reported as 503.',
  },
  {
    name: 'collectors.syslog.enabled',
    type: 'boolean',
    default: true,
    doc: 'Takes syslog (RFC 5424 and RFC 3164).',
  },
  {
    name: 'collectors.syslog.acks',
    ...ACKS,
    default: '0',
    doc: 'As collectors.http.acks; syslog has no answer, so 1 and all only slow a TCP sender down.',
  },
  {
    name: 'collectors.syslog.topic',
    type: 'string',
    default: 'logs',
    doc: 'Topic that its records go into.',
  },
  {
    name: 'collectors.syslog.host',
    type: 'string',
    default: '127.0.0.1',
    doc: 'Address that syslog listens on.',
  },
  {
    name: 'collectors.syslog.port',
    ...PORT,
    default: 5514,
    doc: 'Its port, for UDP and TCP; 0 takes any free one.',
  },
  {
    name: 'collectors.syslog.udp',
    type: 'boolean',
    default: true,
    doc: 'Whether it listens on UDP.',
  },
  {
    name: 'collectors.syslog.tcp',
    type: 'boolean',
    default: true,
    doc: 'Whether it listens on TCP.',
  },
  {
    name: 'collectors.syslog.message.bytes.max',
    type: 'bytes',
    default: 64 * KIB,
    min: 480,
    max: 16 * MIB,
    doc: 'Longer messages are cut and tagged `truncated`.',
  },
  {
    name: 'collectors.syslog.connections.max',
    type: 'int',
    default: 512,
    min: 1,
    max: 65_536,
    doc: 'TCP connections at once; more are closed on arrival.',
  },
  {
    name: 'collectors.syslog.idle.timeout.ms',
    type: 'duration',
    default: 0,
    min: 0,
    doc: 'A TCP connection that sends nothing for so long is closed; 0: never.',
  },
  {
    name: 'collectors.syslog.udp.buffer.bytes',
    type: 'bytes',
    default: 8 * MIB,
    min: 0,
    max: 1_024 * MIB,
    doc: "Wish for the kernel's receive buffer of the UDP socket.",
  },
  {
    name: 'collectors.syslog.timezone',
    type: 'string',
    default: 'local',
    doc: 'Zone of timestamps that have none: `local` or `+hh:mm`.',
  },
  { name: 'collectors.files.enabled', type: 'boolean', default: true, doc: 'Follows log files.' },
  {
    name: 'collectors.files.acks',
    ...ACKS,
    default: '0',
    doc: "What the log must say before a file's checkpoint moves: 0 nothing, 1 appended, all on disk.",
  },
  {
    name: 'collectors.files.topic',
    type: 'string',
    default: 'logs',
    doc: 'Topic that its records go into.',
  },
  {
    name: 'collectors.files.paths',
    type: 'list',
    default: [
      '/var/log/*.log',
      '/var/log/*/*.log',
      '/var/log/{syslog,messages,secure,maillog,cron,boot}',
    ] as readonly string[],
    doc: 'Absolute paths of the files to follow, with `*`, `?`, `**`, `[…]` and `{a,b}`. What is rotated is read to its end, whatever its name is then.',
  },
  {
    name: 'collectors.files.exclude',
    type: 'list',
    default: [] as readonly string[],
    doc: 'Files to leave alone, though paths match them.',
  },
  {
    name: 'collectors.files.format',
    type: 'string',
    default: 'auto',
    values: ['auto', 'text', 'json', 'syslog'],
    doc: 'auto: JSON objects are taken as such, syslog stamps are read, all else is text.',
  },
  {
    name: 'collectors.files.ignore.older.ms',
    type: 'duration',
    default: 86_400_000,
    min: 0,
    doc: 'Files that have not changed for so long are left alone when they are seen first.',
  },
  {
    name: 'collectors.files.initial.bytes.max',
    type: 'bytes',
    default: 8 * MIB,
    min: 0,
    doc: 'Of a file that is there at the very first start, at most so much is read, from its end.',
  },
  {
    name: 'collectors.files.line.bytes.max',
    type: 'bytes',
    default: 256 * KIB,
    min: KIB,
    max: 16 * MIB,
    doc: 'Longer lines become several records tagged `split`.',
  },
  {
    name: 'collectors.files.discovery.ms',
    type: 'duration',
    default: 5_000,
    min: 50,
    max: 3_600_000,
    doc: 'How often folders are looked through for new files.',
  },
  {
    name: 'collectors.files.poll.ms',
    type: 'duration',
    default: 250,
    min: 10,
    max: 3_600_000,
    doc: 'How often a file that is being written is looked at; one that rests, up to eight times less.',
  },
  {
    name: 'collectors.files.rotate.wait.ms',
    type: 'duration',
    default: 5_000,
    min: 0,
    max: 3_600_000,
    doc: 'A renamed or removed file is read on until it has rested for so long.',
  },
  {
    name: 'collectors.files.close.idle.ms',
    type: 'duration',
    default: 300_000,
    min: 1_000,
    doc: 'An idle file is closed, and watched by name only.',
  },
  {
    name: 'collectors.files.open.files.max',
    type: 'int',
    default: 1_024,
    min: 1,
    max: 65_536,
    doc: 'Files open at once; the others wait.',
  },
  {
    name: 'collectors.files.checkpoint.ms',
    type: 'duration',
    default: 1_000,
    min: 10,
    max: 3_600_000,
    doc: 'How often checkpoints are written.',
  },
  {
    name: 'collectors.files.multiline',
    type: 'string',
    default: 'off',
    values: ['off', 'indent', 'java', 'python', 'go', 'pattern'],
    doc: 'How lines are joined into one record.',
  },
  {
    name: 'collectors.files.multiline.start',
    type: 'string',
    default: '',
    doc: 'For `pattern`: a regular expression that the first line of a record matches.',
  },
  {
    name: 'collectors.files.multiline.timeout.ms',
    type: 'duration',
    default: 2_000,
    min: 10,
    max: 3_600_000,
    doc: 'Lines of one record arrive within so long.',
  },
  {
    name: 'collectors.scrape.enabled',
    type: 'boolean',
    default: true,
    doc: 'Scrapes Prometheus targets.',
  },
  { name: 'collectors.scrape.acks', ...ACKS, default: '0', doc: 'As collectors.http.acks.' },
  {
    name: 'collectors.scrape.topic',
    type: 'string',
    default: 'metrics',
    doc: 'Topic that its records go into.',
  },
  {
    name: 'collectors.scrape.targets',
    type: 'list',
    default: ['self'] as readonly string[],
    doc: "URLs of Prometheus text; `self` is the appliance's own /metrics.",
  },
  {
    name: 'collectors.scrape.interval.ms',
    type: 'duration',
    default: 60_000,
    min: 1_000,
    max: 86_400_000,
    doc: 'Time between two scrapes of a target.',
  },
  {
    name: 'collectors.scrape.timeout.ms',
    type: 'duration',
    default: 10_000,
    min: 100,
    max: 600_000,
    doc: 'A target that takes longer counts as down.',
  },
  {
    name: 'collectors.scrape.body.bytes.max',
    type: 'bytes',
    default: 16 * MIB,
    min: KIB,
    max: 1_024 * MIB,
    doc: 'Longest answer of a target.',
  },
] as const satisfies readonly Key[];

const connectors = [
  {
    name: 'connectors.elasticsearch.url',
    type: 'string',
    default: null as string | null,
    doc: 'URL of Elasticsearch or OpenSearch; the connector runs when it is set.',
  },
  {
    name: 'connectors.elasticsearch.topics',
    type: 'list',
    default: ['logs'] as readonly string[],
    min: 1,
    doc: 'Topics to ship.',
  },
  {
    name: 'connectors.elasticsearch.index',
    type: 'string',
    default: 'logs-weir-default',
    doc: 'Data stream that records go into.',
  },
  {
    name: 'connectors.elasticsearch.username',
    type: 'string',
    default: null as string | null,
    doc: 'User for basic authentication.',
  },
  {
    name: 'connectors.elasticsearch.password',
    type: 'password',
    default: null as string | null,
    doc: 'Its password.',
  },
  {
    name: 'connectors.elasticsearch.api.key',
    type: 'password',
    default: null as string | null,
    doc: 'API key, instead of user and password.',
  },
  {
    name: 'connectors.elasticsearch.ca.file',
    type: 'string',
    default: null as string | null,
    doc: "PEM file with the authority that signed the server's certificate.",
  },
  {
    name: 'connectors.elasticsearch.request.max.bytes',
    type: 'bytes',
    default: 8 * MIB,
    min: 64 * KIB,
    max: 100 * MIB,
    doc: 'Largest body of one bulk request.',
  },
  {
    name: 'connectors.elasticsearch.request.max.records',
    type: 'int',
    default: 10_000,
    min: 1,
    max: 100_000,
    doc: 'Most records in one bulk request.',
  },
  {
    name: 'connectors.elasticsearch.linger.ms',
    type: 'duration',
    default: 500,
    min: 0,
    max: 60_000,
    doc: 'How long a request that is not full waits for more records, in milliseconds.',
  },
  {
    name: 'connectors.elasticsearch.in.flight.max',
    type: 'int',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Bulk requests under way at once.',
  },
  {
    name: 'connectors.elasticsearch.group',
    type: 'string',
    default: 'weir-elasticsearch',
    doc: 'Consumer group that holds the offsets of what was shipped.',
  },
  {
    name: 'connectors.dead.letters.topic',
    type: 'string',
    default: 'dead-letters',
    doc: 'Topic for records that a destination refuses for good.',
  },
] as const satisfies readonly Key[];

/** How the roles reach an Apache Kafka that asks who they are: the clients' settings, by Kafka's names. */
const engine = clientKeys.map((key) => ({ ...key, name: `engine.kafka.${key.name}` as const }));

export const applianceKeys = [
  ...general,
  ...engine,
  ...listeners,
  ...collectors,
  ...connectors,
] as const;

type ApplianceKey = (typeof applianceKeys)[number];

type ValueOf<T extends KeyType> = T extends 'boolean'
  ? boolean
  : T extends 'list'
    ? readonly string[]
    : T extends 'string' | 'password'
      ? string
      : number;

/** The effective value of every key, by its dotted name. */
export type ApplianceValues = {
  readonly [K in ApplianceKey as K['name']]:
    | ValueOf<K['type']>
    | (null extends K['default'] ? null : never);
};
