/**
 * Apache Kafka: a one-node KRaft broker, its tools, and a compiler for small programs that use its
 * classes. From Maven's artefacts; a container where an engine answers and nobody asks for files.
 */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { findJava, mavenLibraries } from './java.ts';
import {
  cached,
  containersAnswer,
  freePort,
  hashOf,
  mustRun,
  PeerProcess,
  runTool,
  startContainer,
  type ToolOptions,
  type ToolResult,
  temporaryDirectory,
} from './peer.ts';

export const KAFKA_VERSION = '4.3.1';

const LIBRARIES = [
  `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
  `org.apache.kafka:kafka-tools:${KAFKA_VERSION}`,
  `org.apache.kafka:connect-runtime:${KAFKA_VERSION}`,
  `org.apache.kafka:connect-file:${KAFKA_VERSION}`,
  `org.apache.kafka:connect-mirror:${KAFKA_VERSION}`,
  `org.apache.kafka:kafka-streams:${KAFKA_VERSION}`,
  'org.apache.logging.log4j:log4j-slf4j-impl:2.25.1',
];

const LOG4J = `<Configuration status="ERROR">
  <Appenders><Console name="console" target="SYSTEM_ERR"><PatternLayout pattern="%d %p %c: %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
`;

const distribution = (): Promise<string> =>
  cached(`kafka-${KAFKA_VERSION}-${hashOf(...LIBRARIES, LOG4J)}`, async (directory) => {
    await mavenLibraries(LIBRARIES, directory);
    fs.writeFileSync(path.join(directory, 'log4j2.xml'), LOG4J);
  });

/** What `java -cp` takes: Kafka 4.3.1 with its tools, Connect, MirrorMaker and Streams. */
export const kafkaClasspath = async (): Promise<string> =>
  path.join(await distribution(), 'lib', '*');

/** Of a JVM with Kafka's classes behind `classpath`, whose warnings go to standard error. */
export async function javaArguments(heap: string, classpath: readonly string[]): Promise<string[]> {
  const directory = await distribution();
  return [
    `-Xmx${heap}`,
    `-Dlog4j2.configurationFile=${path.join(directory, 'log4j2.xml')}`,
    '-cp',
    [...classpath, path.join(directory, 'lib', '*')].join(':'),
  ];
}

export interface KafkaToolOptions extends ToolOptions {
  /** Folders and jars before Kafka's own, for example from `javac`. */
  readonly classpath?: readonly string[];
  /** Java's heap, 512m unless told. */
  readonly heap?: string;
}

/**
 * Runs a class with a `main`, for example `org.apache.kafka.tools.TopicCommand`, to its end.
 * Warnings of Kafka's own logging go to `stderr`.
 */
export async function kafkaTool(
  mainClass: string,
  args: readonly string[],
  options: KafkaToolOptions = {},
): Promise<ToolResult> {
  const java = path.join(findJava(17).home, 'bin', 'java');
  const before = await javaArguments(options.heap ?? '512m', options.classpath ?? []);
  // Tools are short: the first compiler alone halves their CPU time.
  return runTool(java, ['-XX:TieredStopAtLevel=1', ...before, mainClass, ...args], options);
}

export interface KafkaServerOptions {
  readonly name: string;
  readonly mainClass: string;
  /** Written into the file that is its only argument. */
  readonly properties: Readonly<Record<string, string | number | boolean>>;
  /** Java's heap. */
  readonly heap: string;
  readonly ready: () => Promise<boolean>;
  readonly startTimeoutMs: number;
}

/** Starts one of Kafka's servers that is configured by a file of properties: Connect, MirrorMaker. */
export async function startKafkaServer(options: KafkaServerOptions): Promise<PeerProcess> {
  const { name, mainClass, heap, ready, startTimeoutMs } = options;
  const directory = temporaryDirectory(name);
  const file = path.join(directory, `${name}.properties`);
  const lines = Object.entries(options.properties).map(([key, value]) => `${key}=${value}\n`);
  fs.writeFileSync(file, lines.join(''));
  return PeerProcess.start({
    name,
    command: path.join(findJava(17).home, 'bin', 'java'),
    args: ['-XX:+UseSerialGC', ...(await javaArguments(heap, [])), mainClass, file],
    cwd: directory,
    ready,
    startTimeoutMs,
    data: [directory],
  });
}

/** Compiles Java sources against Kafka's classes; the folder of classes is cached by content. */
export async function javac(sources: readonly string[]): Promise<string> {
  const compiler = path.join(findJava(17).home, 'bin', 'javac');
  const classpath = await kafkaClasspath();
  const contents = sources.map((source) => fs.readFileSync(source));
  return cached(`classes-${hashOf(KAFKA_VERSION, compiler, ...contents)}`, async (directory) => {
    await mustRun(compiler, ['-nowarn', '-cp', classpath, '-d', directory, ...sources], {
      timeoutMs: 120_000,
    });
  });
}

export interface KafkaOptions {
  /** Of the client listener; a free one unless told. */
  readonly port?: number;
  /** Added to (and stronger than) the server properties. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** A process of this machine is needed, because its files or its CPU time are looked at. */
  readonly local?: boolean;
  /** How many log directories it has, one unless told. */
  readonly logDirs?: number;
  /** Java's heap, 1g unless told. */
  readonly heap?: string;
  /** Of a cluster of several, which share it. */
  readonly clusterId?: string;
  /** More listeners on free ports: their names and security protocols. The first one stays plain. */
  readonly listeners?: Readonly<Record<string, string>>;
  /** Options of Java, before the class. */
  readonly javaOptions?: readonly string[];
}

export interface Kafka {
  readonly bootstrap: string;
  /** `HOST:PORT` of each of the listeners that were asked for. */
  readonly listeners: Readonly<Record<string, string>>;
  /** Of the Java process; 0 when it is elsewhere or not running. */
  readonly pid: number;
  /** Empty when it is elsewhere. */
  readonly logDirs: readonly string[];
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  /** Ends it as a request to stop would, and keeps its data. */
  halt(): Promise<void>;
  /** SIGKILL; keeps its data. */
  kill(): Promise<void>;
  /** Same port, same data. */
  restart(): Promise<void>;
}

function propertiesFor(
  port: number,
  controllerPort: number,
  logDirs: string,
): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDirs,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '5',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '5',
    'group.initial.rebalance.delay.ms': '0',
  };
}

/** An Apache Kafka that answers Metadata. `WEIR_PEER_KAFKA=host:port` names one that runs already. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const given = process.env['WEIR_PEER_KAFKA'];
  const needsFiles =
    options.local === true ||
    options.properties !== undefined ||
    options.logDirs !== undefined ||
    options.listeners !== undefined ||
    options.javaOptions !== undefined;
  if (given !== undefined && given !== '' && !needsFiles) return remoteKafka(given);
  const port = options.port ?? (await freePort());
  if (!needsFiles && (await containersAnswer())) return containerKafka(port);
  return localKafka(port, options);
}

function remoteKafka(bootstrap: string): Kafka {
  const impossible = (): Promise<void> =>
    Promise.reject(new Error('the Kafka in WEIR_PEER_KAFKA is not ours to end'));
  const stop = (): Promise<void> => Promise.resolve();
  return {
    bootstrap,
    listeners: {},
    pid: 0,
    logDirs: [],
    stop,
    halt: impossible,
    kill: impossible,
    restart: impossible,
  };
}

async function containerKafka(port: number): Promise<Kafka> {
  const properties = propertiesFor(9092, 9093, '/tmp/kraft-combined-logs');
  properties['listeners'] = 'PLAINTEXT://:9092,CONTROLLER://:9093';
  properties['advertised.listeners'] = `PLAINTEXT://127.0.0.1:${port}`;
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(properties)) {
    env[`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`] = value;
  }
  const container = await startContainer({
    image: `apache/kafka:${KAFKA_VERSION}`,
    env,
    // The broker connects to itself by the advertised address, so the port is the same inside.
    ports: new Map([[9092, port]]),
    ready: () => answersMetadata(port),
    startTimeoutMs: 120_000,
  });
  return { bootstrap: `127.0.0.1:${port}`, listeners: {}, pid: 0, logDirs: [], ...container };
}

async function localKafka(port: number, options: KafkaOptions): Promise<Kafka> {
  const directory = temporaryDirectory('kafka');
  const numbers = Array.from({ length: options.logDirs ?? 1 }, (_, i) => i);
  const logDirs = numbers.map((i) => path.join(directory, `data-${i}`)).join(',');
  const properties: Record<string, string> = propertiesFor(port, await freePort(), logDirs);
  const listeners: Record<string, string> = {};
  for (const [name, protocol] of Object.entries(options.listeners ?? {})) {
    const address = `127.0.0.1:${await freePort()}`;
    listeners[name] = address;
    properties['listeners'] += `,${name}://${address}`;
    properties['advertised.listeners'] += `,${name}://${address}`;
    properties['listener.security.protocol.map'] += `,${name}:${protocol}`;
  }
  for (const [key, value] of Object.entries(options.properties ?? {}))
    properties[key] = String(value);
  const file = path.join(directory, 'server.properties');
  fs.writeFileSync(file, propertiesText(properties));
  const clusterId = options.clusterId ?? clusterIdOf(directory);
  const formatted = await kafkaTool('kafka.tools.StorageTool', [
    'format',
    '-t',
    clusterId,
    '-c',
    file,
  ]);
  if (formatted.code !== 0) throw new Error(`kafka format: ${formatted.stdout}${formatted.stderr}`);
  const peer = await PeerProcess.start({
    name: 'kafka',
    command: path.join(findJava(17).home, 'bin', 'java'),
    args: [
      ...(options.javaOptions ?? []),
      ...(await javaArguments(options.heap ?? '1g', [])),
      'kafka.Kafka',
      file,
    ],
    ready: () => answersMetadata(port),
    startTimeoutMs: 90_000,
    data: [directory],
  });
  return {
    bootstrap: `127.0.0.1:${port}`,
    listeners,
    get pid() {
      return peer.pid;
    },
    logDirs: (properties['log.dirs'] ?? logDirs).split(','),
    stop: () => peer.stop(),
    halt: () => peer.halt(),
    kill: () => peer.kill(),
    restart: () => peer.restart(),
  };
}

/** A file of Java's properties; values of several lines (PEM) are written in one. */
export const propertiesText = (properties: Readonly<Record<string, string>>): string =>
  Object.entries(properties)
    .map(([key, value]) => `${key}=${value.replaceAll('\n', '\\n')}\n`)
    .join('');

function clusterIdOf(name: string): string {
  const uuid = Buffer.from(hashOf(name), 'hex');
  uuid[0]! &= 0x7f; // An id that begins with a dash looks like an option.
  return Buffer.concat([uuid, uuid]).toString('base64url');
}

/** Several brokers with replication factor 3 and two in sync at least, each a process of its own. */
export async function startKafkaCluster(
  count: number,
  given: NonNullable<KafkaOptions['properties']> = {},
): Promise<Kafka[]> {
  const ports: { client: number; controller: number }[] = [];
  for (let i = 0; i < count; i++) {
    ports.push({ client: await freePort(), controller: await freePort() });
  }
  const voters = ports.map(({ controller }, i) => `${i}@127.0.0.1:${controller}`).join(',');
  const clusterId = clusterIdOf(voters);
  const starting = ports.map(({ client, controller }, i) =>
    startKafka({
      local: true,
      port: client,
      clusterId,
      properties: {
        'node.id': i,
        'controller.quorum.voters': voters,
        listeners: `PLAINTEXT://127.0.0.1:${client},CONTROLLER://127.0.0.1:${controller}`,
        'default.replication.factor': 3,
        'min.insync.replicas': 2,
        'offsets.topic.replication.factor': 3,
        ...given,
      },
    }),
  );
  return Promise.all(starting);
}

/** Asks Metadata v1 about no topic; true when the answer lists a broker. */
function answersMetadata(port: number): Promise<boolean> {
  const request = Buffer.alloc(4 + 10 + 4);
  request.writeInt32BE(14, 0);
  request.writeInt16BE(3, 4); // Metadata
  request.writeInt16BE(1, 6);
  request.writeInt32BE(7, 8);
  request.writeInt16BE(-1, 12); // no client id; then an empty array of topics
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' }, () => socket.write(request));
    let answer: Buffer = Buffer.alloc(0);
    const done = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 12) done(answer.readInt32BE(4) === 7 && answer.readInt32BE(8) > 0);
    });
  });
}
