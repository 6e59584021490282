/**
 * One of two brokers that are asked the same, and what it answered.
 *
 * What has to differ (ids, ports, clocks) is replaced by names, the same on both sides, as it comes
 * in; the rest of each answer is kept as it is and compared by the test.
 */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import {
  attributes,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchSize,
  forEachRecord,
  isControl,
  isLogAppendTime,
  lastOffsetDelta,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  recordCount,
  valueOf,
  verifyCrc,
} from '../../../src/protocol/record-batch.ts';
import type { Message } from '../../../src/protocol/schema.ts';
import { type Loose, WireClient } from '../../unit/broker/fixture.ts';
import { NO_ANSWER } from './differences.ts';

const ANSWER_TIMEOUT_MS = 5_000;
const SETTLE_TIMEOUT_MS = 10_000;
const SETTLE_POLL_MS = 3;

const TOPIC_RESOURCE = 2;
/** Of a topic that no scene looks at, and nothing depends on. */
const BARRIER_SETTING = 'file.delete.delay.ms';

const LATE = Symbol('no answer in time');
const UUID_IN_MEMBER = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Between which times a record's must be, as a refusal tells it. */
const TIMES_ALLOWED = /(?<=should be within )\[-?\d+, -?\d+\]/;

const ASKED = /^(\w+) v(\d+)\b/;

export interface Entry {
  readonly what: string;
  readonly answer: unknown;
  /** The request was none that a client sends. */
  readonly odd: boolean;
}

/** Fields with a time of the broker's clock. */
const TIMES = new Set(['logAppendTimeMs', 'transactionStartTimeMs', 'lastTimestamp']);

const NUMERIC_IDS = new Map([
  ['producerId', 'producer'],
  ['sessionId', 'session'],
]);

class NoAnswer extends Error {}

const orNoAnswer = (error: unknown): string => {
  if (error instanceof NoAnswer) return NO_ANSWER;
  throw error;
};

/** Whether there is an answer that says nothing of an error, or of none in one place at least. */
function isSuccess(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null) return false;
  const codes: unknown[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return;
    for (const [key, item] of Object.entries(value)) {
      if (key === 'errorCode') codes.push(item);
      else collect(item);
    }
  };
  collect(answer);
  return codes.length === 0 || codes.includes(0);
}

export class Side {
  readonly name: string;
  readonly port: number;
  /** Milliseconds; the same on both sides, and a moment ago. */
  readonly base: number;
  entries: Entry[] = [];
  /** Paths, in the order of its configuration. */
  logDirs: readonly string[] = [];
  /** Versions of each API that a scene has asked in and got an answer that is no refusal. */
  readonly succeeded = new Map<string, Set<number>>();
  #client: WireClient | null = null;
  readonly #names = new Map<unknown, string>();
  readonly #topicIds = new Map<string, string[]>();
  #barriers = 0;

  constructor(name: string, port: number, base: number) {
    this.name = name;
    this.port = port;
    this.base = base;
  }

  #succeeded(api: string, version: number): void {
    let versions = this.succeeded.get(api);
    if (versions === undefined) this.succeeded.set(api, (versions = new Set()));
    versions.add(version);
  }

  /** From here on `value` reads `<name>` wherever it stands in an answer. */
  alias(value: unknown, name: string): void {
    this.#names.set(typeof value === 'number' ? `${name} ${value}` : value, `<${name}>`);
  }

  /** Its log directories: `makeTopic` puts partitions into the first one, so that it is known where they are. */
  livesIn(logDirs: readonly string[]): void {
    this.logDirs = logDirs;
    logDirs.forEach((path, i) => this.alias(path, `log dir ${i + 1}`));
  }

  async client(): Promise<WireClient> {
    if (this.#client === null || this.#client.isClosed) {
      this.#client = await WireClient.connect(this.port);
    }
    return this.#client;
  }

  newClient(): Promise<WireClient> {
    return WireClient.connect(this.port);
  }

  close(): void {
    void this.#client?.close();
  }

  /** Asks, and keeps the answer for the comparison. `null` when the connection was closed instead. */
  async ask(
    api: string,
    version: number,
    body: Loose = {},
    note = '',
    client?: WireClient,
  ): Promise<any> {
    const answer = await this.quietly(api, version, body, client).catch(orNoAnswer);
    this.keep(`${api} v${version}${note === '' ? '' : ` ${note}`}: ${brief(body)}`, answer);
    return answer;
  }

  /** Asks with a body that the API's own schema does not allow; `schema` writes it. */
  async askOddly(
    api: string,
    version: number,
    body: Loose,
    schema: Message<any>,
    note: string,
  ): Promise<void> {
    const send = (client: WireClient): Promise<any> =>
      client.tryRequest(api, version, body, schema);
    const answer = await this.#inTime(`${api} v${version}`, send).catch(orNoAnswer);
    this.keep(`${api} v${version} ${note}`, answer, true);
  }

  /** Sends a request whose bytes `change` ill-treats, on a connection of its own. */
  async askBroken(
    api: string,
    version: number,
    body: Loose,
    change: (frame: Buffer) => Buffer,
    note: string,
  ): Promise<void> {
    const client = await this.newClient();
    const frame = change(client.encode(api, version, body));
    const send = (): Promise<any> => client.tryFrame(api, version, frame);
    const answer = await this.#inTime(`${api} v${version}`, send, client).catch(orNoAnswer);
    await client.close();
    this.keep(`${api} v${version} ${note}`, answer, true);
  }

  /** The same in several versions. */
  async askEach(api: string, versions: readonly number[], body: Loose, note = ''): Promise<void> {
    for (const version of versions) await this.ask(api, version, body, note);
  }

  keep(what: string, answer: unknown, odd = false): void {
    this.#learn(answer);
    const asked = ASKED.exec(what);
    if (!odd && asked !== null && isSuccess(answer)) this.#succeeded(asked[1]!, Number(asked[2]));
    const masked = this.#masked('', EVERY_REPLICA.test(what) ? inOneList(answer) : answer);
    const inOrder = what.startsWith('DescribeTopicPartitions');
    const byContent = /^(DescribeAcls|DeleteAcls|(Describe|Alter)ClientQuotas) /.test(what);
    this.entries.push({
      what: String(this.#masked('', what)),
      answer: inOrder ? masked : byContent ? sortedByContent(masked) : sorted(masked),
      odd,
    });
  }

  quietly(api: string, version: number, body: Loose, client?: WireClient): Promise<any> {
    const send = (to: WireClient): Promise<any> => to.tryRequest(api, version, body);
    return this.#inTime(`${api} v${version}`, send, client);
  }

  async #inTime(
    what: string,
    send: (client: WireClient) => Promise<any>,
    client?: WireClient,
  ): Promise<any> {
    const connection = client ?? (await this.client());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(() => resolve(LATE), ANSWER_TIMEOUT_MS);
    });
    const answer = await Promise.race([send(connection), late]);
    clearTimeout(timer);
    if (answer === LATE) {
      if (connection === this.#client) this.#client = null;
      void connection.close();
      throw new NoAnswer(`${this.name} does not answer ${what}`);
    }
    return answer;
  }

  /** Repeats a question, unseen, until its answer is as it should be. */
  async settle(
    api: string,
    version: number,
    body: Loose,
    good: (answer: any) => boolean,
  ): Promise<any> {
    const until = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      const answer = await this.quietly(api, version, body);
      if (answer !== null && good(answer)) return answer;
      if (performance.now() > until) {
        throw new Error(`${this.name} does not settle: ${api} ${JSON.stringify(answer)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
    }
  }

  /** Creates a topic and waits until its partitions can be used; returns its id. */
  async makeTopic(
    name: string,
    numPartitions = 1,
    configs: Record<string, string> = {},
  ): Promise<string> {
    const [home] = this.logDirs;
    if (home !== undefined) {
      // Of what is not there yet, the wish is remembered.
      const partitions = Array.from({ length: numPartitions }, (_, i) => i);
      const topics = [{ name, partitions }];
      await this.quietly('AlterReplicaLogDirs', 2, { dirs: [{ path: home, topics }] });
    }
    const answer = await this.quietly('CreateTopics', 7, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
    });
    if (answer.topics[0].errorCode !== 0) throw new Error(JSON.stringify(answer.topics[0]));
    this.#learn(answer);
    await this.topicReady(name, numPartitions);
    return answer.topics[0].topicId;
  }

  async topicReady(name: string, numPartitions: number): Promise<void> {
    const metadata = { topics: [{ name }], allowAutoTopicCreation: false };
    await this.settle(
      'Metadata',
      9,
      metadata,
      (a) => a.topics[0].partitions.length === numPartitions,
    );
    const partitions = Array.from({ length: numPartitions }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: -1,
    }));
    await this.settle('ListOffsets', 4, { replicaId: -1, topics: [{ name, partitions }] }, (a) =>
      a.topics[0].partitions.every((p: any) => p.errorCode === 0),
    );
  }

  async topicGone(name: string): Promise<void> {
    const metadata = { topics: [{ name }], allowAutoTopicCreation: false };
    await this.settle('Metadata', 9, metadata, (a) => a.topics[0].errorCode === 3);
    const partitions = [{ partitionIndex: 0, timestamp: -1 }];
    await this.settle('ListOffsets', 4, { replicaId: -1, topics: [{ name, partitions }] }, (a) =>
      a.topics[0].partitions.every((p: any) => p.errorCode === 3),
    );
  }

  /**
   * Waits until what the controller has answered so far is what the broker knows: the metadata log is
   * applied in its order, so a setting changed last shows all before it.
   */
  async caughtUp(topic: string): Promise<void> {
    const value = String(++this.#barriers);
    const resource = { resourceType: TOPIC_RESOURCE, resourceName: topic };
    const change = { name: BARRIER_SETTING, configOperation: 0, value };
    const changed = await this.quietly('IncrementalAlterConfigs', 1, {
      resources: [{ ...resource, configs: [change] }],
    });
    if (changed.responses[0].errorCode !== 0) throw new Error(JSON.stringify(changed));
    await this.settle(
      'DescribeConfigs',
      4,
      { resources: [{ ...resource, configurationKeys: [BARRIER_SETTING] }] },
      (a) => a.results[0].configs[0]?.value === value,
    );
  }

  /** Gives every topic id a name by the topic it came with, and a name to what is new. */
  #learn(value: unknown): void {
    const { errorCode, producerId, sessionId } = (value ?? {}) as Record<string, unknown>;
    if (errorCode === 0 && Number(producerId) > 0) this.alias(producerId, 'producer');
    if (errorCode === 0 && Number(sessionId) > 0) this.alias(sessionId, 'session');
    this.#learnIds(value);
  }

  #learnIds(value: unknown): void {
    if (Array.isArray(value)) for (const item of value) this.#learnIds(item);
    else if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
      const { name, topicId } = value as { name?: unknown; topicId?: unknown };
      if (typeof topicId === 'string' && topicId !== ZERO_UUID && typeof name === 'string') {
        if (!this.#names.has(topicId)) {
          const ids = this.#topicIds.get(name) ?? [];
          ids.push(topicId);
          this.#topicIds.set(name, ids);
          this.alias(topicId, `id ${ids.length} of ${name}`);
        }
      }
      for (const item of Object.values(value)) this.#learnIds(item);
    }
  }

  #masked(key: string, value: unknown): unknown {
    // Small numbers stand in many places and are ids in few.
    const kind = NUMERIC_IDS.get(key);
    const name = this.#names.get(kind === undefined ? value : `${kind} ${String(value)}`);
    if (name !== undefined && (typeof value !== 'number' || kind !== undefined)) return name;
    if (key === 'records') return this.#batches(value as Buffer | null);
    if (Buffer.isBuffer(value)) return value.toString('latin1');
    if (Array.isArray(value)) return value.map((item) => this.#masked(key, item));
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([field, item]) => [field, this.#masked(field, item)]),
      );
    }
    if (value === this.port) return '<port>';
    if (TIMES.has(key) && (value as number) > 0) return '<time>';
    if (key.endsWith('Bytes') && (value as number) > 0) return '<bytes>';
    if (typeof value === 'string') {
      let text = value
        .replace(/x{20,}/g, (text) => `x…${text.length}`)
        .replace(TIMES_ALLOWED, '[<time>, <time>]')
        .replace(UUID_IN_MEMBER, '<uuid>')
        .replaceAll(String(this.port), '<port>');
      for (const [known, word] of this.#names) {
        if (typeof known === 'string' && known.length > 3) text = text.replaceAll(known, word);
      }
      return text;
    }
    return value;
  }

  /** What a reader sees of batches; half a batch at the end is as good as none. */
  #batches(bytes: Buffer | null): unknown {
    if (bytes === null) return null;
    const seen: unknown[] = [];
    for (let at = 0; at + 61 <= bytes.length && at + batchSize(bytes, at) <= bytes.length; ) {
      const values: (string | null)[] = [];
      forEachRecord(bytes, at, (record) => {
        values.push(valueOf(record)?.toString('latin1').slice(0, 40) ?? null);
      });
      // A control batch has the time of the broker, too.
      const stamped = isLogAppendTime(attributes(bytes, at)) || isControl(attributes(bytes, at));
      seen.push({
        baseOffset: baseOffset(bytes, at),
        size: batchSize(bytes, at),
        lastOffsetDelta: lastOffsetDelta(bytes, at),
        leaderEpoch: partitionLeaderEpoch(bytes, at),
        attributes: attributes(bytes, at),
        baseTimestamp: stamped ? '<time>' : baseTimestamp(bytes, at) - this.base,
        producerId: this.#masked('producerId', producerId(bytes, at)),
        producerEpoch: producerEpoch(bytes, at),
        baseSequence: baseSequence(bytes, at),
        recordCount: recordCount(bytes, at),
        crc: verifyCrc(bytes, at),
        values,
      });
      at += batchSize(bytes, at);
    }
    return seen;
  }
}

const EVERY_REPLICA = /^DescribeLogDirs .*topics.{0,3}null/;

/** All replicas as those of the first directory: where they are made depends on what was made before. */
function inOneList(answer: any): unknown {
  const [first, ...others] = answer?.results ?? [];
  if (first === undefined) return answer;
  const topics = new Map<string, any>();
  for (const { name, partitions } of [first, ...others].flatMap((result: any) => result.topics)) {
    const before = topics.get(name)?.partitions ?? [];
    topics.set(name, { name, partitions: [...before, ...partitions] });
  }
  const empty = others.map((result: any) => ({ ...result, topics: [] }));
  return { ...answer, results: [{ ...first, topics: [...topics.values()] }, ...empty] };
}

const KEYS = [
  'memberId',
  'name',
  'topic',
  'topicId',
  'groupId',
  'transactionalId',
  'resourceName',
  'user',
  'resourceType',
  'partitionIndex',
  'partition',
  'index',
  'key',
  'apiKey',
  'mechanism',
  'logDir',
];

/** What names an item of an array; null: nothing does. */
function keyOf(item: unknown): string | null {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return null;
  const present = KEYS.filter((key) => key in item);
  if (present.length === 0) return null;
  return present.map((key) => String((item as Record<string, string | number>)[key])).join('/');
}

/** Kafka takes answers out of hash tables, and nobody relies on their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const keyed = value.map((item) => [keyOf(item), sorted(item)] as const);
    if (
      keyed.every(([key]) => key !== null) &&
      new Set(keyed.map(([key]) => key)).size === value.length
    ) {
      return Object.fromEntries(keyed);
    }
    return keyed
      .map(([key, item]) => [key ?? '', item] as const)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([, item]) => item);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sorted(item)]));
}

/** The same where nothing has a name: as text. Filters are answered in their order. */
function sortedByContent(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => sortedByContent(item));
    if (name === 'filterResults') return items;
    const text = (item: unknown): string => JSON.stringify(item) ?? '';
    return items.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, sortedByContent(item, key)]),
  );
}

const brief = (body: Loose): string =>
  JSON.stringify(body, (_, v) =>
    v !== null && typeof v === 'object' && v.type === 'Buffer' ? `${v.data.length} bytes` : v,
  )
    .replace(/x{20,}/g, 'x…')
    .slice(0, 400);
