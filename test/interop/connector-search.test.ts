/**
 * The Elasticsearch connector between Apache Kafka and real search servers: every record is a
 * document exactly once or a dead letter, though both sides of the connector are ended meanwhile.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { systemRandom } from '../../src/base/random.ts';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { type ApplianceValues, applianceKeys } from '../../src/config/appliance-keys.ts';
import type { Settings } from '../../src/config/settings.ts';
import { ConnectorsRole } from '../../src/connectors/connectors-role.ts';
import { startElasticsearch } from '../peers/elasticsearch.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, startKafka } from '../peers/kafka.ts';
import { kcat } from '../peers/kcat.ts';
import { showPeersOnFailure } from '../peers/on-failure.ts';
import { startOpenSearch } from '../peers/opensearch.ts';
import { sleep } from '../peers/peer.ts';
import type { SearchServer } from '../peers/search-server.ts';

const PARTITIONS = 3;
const RECORDS = 20_000;
/** Every so many records one has text where ECS has an object: the usual conflict of mappings. */
const POISON_EVERY = 500;
const STREAM = 'logs-weir-test';

showPeersOnFailure();

let kafka: Kafka;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(async () => {
  await kafka?.stop();
});

const groupOf = (topic: string): string => `group-${topic}`;

function settingsFor(url: string, topic: string, group: string): Settings {
  const values: Record<string, unknown> = {};
  for (const key of applianceKeys) values[key.name] = key.default;
  values['connectors.elasticsearch.url'] = url;
  values['connectors.elasticsearch.index'] = STREAM;
  values['connectors.elasticsearch.topics'] = [topic];
  values['connectors.elasticsearch.group'] = group;
  values['connectors.elasticsearch.linger.ms'] = 50;
  values['connectors.elasticsearch.request.max.records'] = 1_000;
  values['connectors.dead.letters.topic'] = `dead-${topic}`;
  return {
    version: '0.0.0',
    dataDir: '/nowhere',
    roles: ['connectors'],
    secret: null,
    interBroker: null,
    bootstrap: [kafka.bootstrap],
    values: values as ApplianceValues,
    brokers: [],
    broker: {},
  };
}

async function startRole(
  url: string,
  topic: string,
  group = groupOf(topic),
): Promise<ConnectorsRole> {
  const role = new ConnectorsRole(settingsFor(url, topic, group), {
    clock: systemClock,
    random: systemRandom,
    disk: nodeDisk,
    logger: silentLogger,
  });
  await role.start();
  return role;
}

const eventually = async <T>(what: string, probe: () => Promise<T | null>): Promise<T> => {
  const deadline = performance.now() + 90_000;
  for (;;) {
    const found = await probe();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(100);
  }
};

async function produce(client: Client, topic: string, from: number, to: number): Promise<void> {
  const producer = new Producer(client, { acks: -1, compression: 'lz4', lingerMs: 5 });
  for (let n = from; n < to; n++) {
    const host = n % POISON_EVERY === 7 ? '"web-1"' : '{"name":"web-1"}';
    const value = `{"@timestamp":"2026-11-22T10:00:00.000Z","message":"line ${n}","host":${host},"labels":{"n":"${n}"}}`;
    while (!producer.append(topic, Buffer.from(value), { partition: n % PARTITIONS })) {
      await producer.drained();
    }
  }
  await producer.flush();
  await producer.close();
}

async function countOf(server: SearchServer): Promise<number> {
  await server.call('POST', `/${STREAM}/_refresh`, undefined, true);
  const answer = await server.call('GET', `/${STREAM}/_count`, undefined, true);
  return answer.status === 200 ? (answer.body.count as number) : 0;
}

const poisonIn = (count: number): number =>
  Array.from({ length: count }, (_, n) => n).filter((n) => n % POISON_EVERY === 7).length;

for (const [name, flavour, start] of [
  ['Elasticsearch', 'elasticsearch', startElasticsearch],
  ['OpenSearch', 'opensearch', startOpenSearch],
] as const) {
  describeWithPeers([flavour, 'kafka', 'kcat'], `connector to ${name}`, () => {
    let server: SearchServer;
    let client: Client;
    const topic = `logs-${name.toLowerCase()}`;
    const roles: ConnectorsRole[] = [];

    beforeAll(async () => {
      server = await start();
      client = new Client({ bootstrap: kafka.bootstrap, clientId: 'test' });
      const [made] = await new Admin(client).createTopics([
        { name: topic, partitions: PARTITIONS },
      ]);
      expect(made?.error).toBeNull();
    });
    afterAll(async () => {
      for (const role of roles) await role.stop();
      client?.close();
      await server?.stop();
    });

    const restarts = 'makes every record a document once or a dead letter, across restarts of both';
    it(restarts, { timeout: 300_000 }, async () => {
      const first = await startRole(server.url, topic);
      roles.push(first);
      await produce(client, topic, 0, RECORDS / 4);
      await eventually('documents', async () => ((await countOf(server)) > 1_000 ? true : null));

      const producing = produce(client, topic, RECORDS / 4, RECORDS);
      await server.kill();
      await eventually('a red light', () =>
        Promise.resolve(first.status().light === 'red' ? true : null),
      );
      await producing;
      // Nothing is given up while the server is away, and a connector that ends loses nothing.
      await first.stop();
      const second = await startRole(server.url, topic);
      roles.push(second);
      await eventually('a red light again', () =>
        Promise.resolve(second.status().light === 'red' ? true : null),
      );
      await server.restart();

      const admin = new Admin(client);
      await eventually('everything is committed', async () => {
        const offsets = await admin.groupOffsets(groupOf(topic));
        const total = offsets.reduce((sum, { offset }) => sum + offset, 0);
        return total === RECORDS ? true : null;
      });
      expect(await countOf(server)).toBe(RECORDS - poisonIn(RECORDS));
      expect(second.status()).toMatchObject({ light: 'green', reason: '' });

      const letters = await kcat(kafka.bootstrap, [
        ...['-C', '-t', `dead-${topic}`, '-o', 'beginning', '-e', '-q', '-f', '%h\\t%s\\n'],
      ]);
      const lines = letters.stdout.trim().split('\n');
      const distinct = new Set(lines.map((line) => line.split('\t')[1]));
      expect(distinct.size).toBe(poisonIn(RECORDS));
      for (const line of lines) {
        expect(line).toContain(`__connect.errors.topic=${topic}`);
        expect(line).toMatch(/__connect\.errors\.exception\.class\.name=\w*parsing_exception/);
      }
      const text = await second.metrics();
      expect(text).toContain('weir_connector_up{connector="elasticsearch"} 1');
      expect(text).toContain(
        'kafka_connect_connector_status{connector="elasticsearch",status="running"} 1',
      );
    });

    it('maps log records as ECS says', async () => {
      const mapping = await server.call('GET', `/${STREAM}/_mapping`);
      const [index] = Object.values(mapping.body) as {
        mappings: { properties: Record<string, unknown> };
      }[];
      expect(Object.keys(mapping.body as object)[0]).toMatch(/^\.ds-logs-weir-test-/);
      expect(index?.mappings.properties).toMatchObject({
        '@timestamp': { type: 'date' },
        message: { type: 'text' },
        log: { properties: { level: { type: 'keyword' } } },
        labels: { properties: { n: { type: 'keyword' } } },
      });
    });

    it('makes no document twice though the stream has rolled over before it is sent again', async () => {
      await Promise.all(roles.splice(0).map((role) => role.stop()));
      const rolled = await server.call('POST', `/${STREAM}/_rollover`);
      const before = await countOf(server);
      expect(rolled.body).toMatchObject({ rolled_over: true });
      await produce(client, topic, RECORDS, RECORDS + 1_000);
      // As after a kill before the first commit.
      const group = `${groupOf(topic)}-again`;
      const role = await startRole(server.url, topic, group);
      roles.push(role);
      await eventually('everything is committed', async () => {
        const offsets = await new Admin(client).groupOffsets(group);
        const total = offsets.reduce((sum, { offset }) => sum + offset, 0);
        return total === RECORDS + 1_000 ? true : null;
      });
      expect(await countOf(server)).toBe(before + 1_000 - poisonIn(1_000));
      const newest = await server.call('GET', `/${rolled.body.new_index}/_count`);
      expect(newest.body.count).toBe(1_000 - poisonIn(1_000));
    });

    it('leaves a template that a user changed alone', async () => {
      const where = `/_index_template/weir-${STREAM}`;
      const before = (await server.call('GET', where)).body.index_templates[0].index_template;
      before.template.settings = { index: { refresh_interval: '7s' } };
      delete before.created_date;
      delete before.created_date_millis;
      delete before.modified_date;
      delete before.modified_date_millis;
      await server.call('PUT', where, before);
      const role = await startRole(server.url, topic);
      roles.push(role);
      await eventually('open', () =>
        Promise.resolve(
          (role.status().details['connectors'] as { isOpen: boolean }[])[0]?.isOpen === true
            ? true
            : null,
        ),
      );
      const after = (await server.call('GET', where)).body.index_templates[0].index_template;
      expect(after.template.settings).toEqual({ index: { refresh_interval: '7s' } });
    });
  });
}
