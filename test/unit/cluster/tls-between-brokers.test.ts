import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { calls } from '../../../src/client/call.ts';
import { Client } from '../../../src/client/client.ts';
import { Producer } from '../../../src/client/producer.ts';
import { NetworkPeers } from '../../../src/cluster/peers.ts';
import type { KeyValue } from '../../../src/config/table.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type ConnectionSecurity, clientSecurity } from '../../../src/security/client-security.ts';
import { BROKER } from '../../../src/security/principal.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { TestCluster } from '../../support/cluster.ts';
import { startBroker } from '../broker/fixture.ts';

const authority = new Authority();
const stranger = new Authority('Somebody else');
const trust = authority.file('trust.pem', authority.certificate);

const issue = (id: number, by = authority, elsewhere = false): Certificate =>
  by.issue({ subject: [['CN', `broker-${id}`]], names: ['elsewhere.example'], elsewhere });
const keystore = (id: number): string => trust.replace(/trust\.pem$/, `broker-${id}.pem`);
/** Gives a broker a certificate, which it takes the next time that it looks. */
const give = (id: number, { key, certificate }: Certificate): void => {
  authority.file(`broker-${id}.pem`, key + certificate);
};

let cluster: TestCluster;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await cluster.stop();
});
afterAll(() => {
  authority.remove();
  stranger.remove();
});

type Given = Record<string, KeyValue>;

const tls: Given = {
  'ssl.truststore.location': trust,
  'ssl.client.auth': 'required',
  'ssl.principal.mapping.rules': 'RULE:^CN=broker-.*$/broker/,DEFAULT',
  'connection.failed.authentication.delay.ms': 10,
};
const byCertificate = { 'sasl.mechanism.inter.broker.protocol': 'EXTERNAL' };
const jaas =
  'org.apache.kafka.common.security.plain.PlainLoginModule required username="inner" password="inner secret";';

/** The listener between the brokers is also that of clients, who need a certificate as well. */
async function start(
  protocol: 'SSL' | 'SASL_SSL',
  given: Given = {},
  certificates = [0, 1, 2].map((id) => issue(id)),
): Promise<void> {
  certificates.forEach((certificate, id) => give(id, certificate));
  cluster = await TestCluster.start(
    3,
    { ...tls, ...given, 'listener.security.protocol.map': [`BROKERS:${protocol}`] },
    ({ id, port }) => ({
      listeners: [`BROKERS://127.0.0.1:${port}`],
      'ssl.keystore.location': keystore(id),
    }),
  );
}

function securityOf(given: Record<string, string>): ConnectionSecurity | null {
  const alice = authority.issue({ subject: [['CN', 'alice']] });
  const all: Record<string, string> = {
    'security.protocol': 'SSL',
    'ssl.truststore.certificates': authority.certificate,
    'ssl.keystore.key': alice.key,
    'ssl.keystore.certificate.chain': alice.certificate,
    ...given,
  };
  return clientSecurity((name) => all[name], {
    disk: nodeDisk,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
}

function connect(given: Record<string, string> = {}): Client {
  const { bootstrap } = cluster;
  const client = new Client({ bootstrap, clientId: 'test', security: securityOf(given) });
  clients.push(client);
  return client;
}

const PARTITIONS = 3;
const RECORDS = 30;

/** Forwards by way of every broker, and replicates to every one. */
async function works(client: Client, prefix: string): Promise<void> {
  await client.metadata.refresh();
  for (const { id } of cluster.members) {
    const topic = {
      name: `${prefix}-${id}`,
      numPartitions: PARTITIONS,
      replicationFactor: 3,
      assignments: [],
      configs: [],
    };
    const body = { topics: [topic], timeoutMs: 5_000, validateOnly: false };
    const { topics } = await client.request(id, calls.createTopics, body);
    expect(topics[0]).toMatchObject({ errorCode: 0, errorMessage: null });
  }
  const name = `${prefix}-0`;
  const producer = new Producer(client, { acks: -1 });
  for (let i = 0; i < RECORDS; i++) producer.append(name, Buffer.from(`record ${i}`));
  await producer.close();
  for (const { services } of cluster.running) {
    const held = [...services.partitions.all()].filter(({ topic }) => topic === name);
    expect(held).toHaveLength(PARTITIONS);
    await expect.poll(() => held.reduce((sum, { log }) => sum + log.logEndOffset, 0)).toBe(RECORDS);
  }
}

/** With a certificate of the other authority, and trust in that one. */
function connectByStranger(): Client {
  const alice = stranger.issue({ subject: [['CN', 'alice']] });
  return connect({
    'ssl.truststore.certificates': stranger.certificate,
    'ssl.keystore.key': alice.key,
    'ssl.keystore.certificate.chain': alice.certificate,
  });
}

const connections = () =>
  cluster.running.flatMap((broker) =>
    broker.openListeners.flatMap((listener) => [...listener.connections]),
  );

const logged = (pattern: RegExp, broker: number): boolean =>
  cluster.logged.some(
    (line) =>
      line.broker === broker && pattern.test(`${line.message} ${JSON.stringify(line.fields)}`),
  );

const refusals = (): number =>
  cluster.logged.filter(({ message }) => message === 'no TLS handshake').length;

/** The brokers look at their files now. */
async function reload(): Promise<void> {
  for (const broker of cluster.running) {
    for (const { security } of broker.openListeners) await security.reload();
  }
}

const password = (mechanism: string) => ({
  'sasl.enabled.mechanisms': ['SCRAM-SHA-512', 'PLAIN'],
  'sasl.mechanism.inter.broker.protocol': mechanism,
  'sasl.jaas.config': jaas,
});
const inner = (mechanism: string): Record<string, string> => ({
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': mechanism,
  'sasl.username': 'inner',
  'sasl.password': 'inner secret',
});

describe('brokers with TLS between them', () => {
  it.each([
    ['by the secret of the appliance', 'SSL', {}, {}],
    ['by their certificates', 'SSL', byCertificate, {}],
    ['by a password (SCRAM)', 'SASL_SSL', password('SCRAM-SHA-512'), inner('SCRAM-SHA-512')],
    ['by a password (PLAIN)', 'SASL_SSL', password('PLAIN'), inner('PLAIN')],
  ] as const)('know each other %s, replicate and forward', async (_, protocol, given, login) => {
    await start(protocol, given);
    expect(connections().length).toBeGreaterThan(5);
    expect(connections().every(({ info }) => info.principal === BROKER)).toBe(true);
    await works(connect(login), 'made');
    const others = connections().filter(({ info }) => info.principal !== BROKER);
    // With the brokers' own password a client is one of them.
    expect(others.length > 0).toBe(protocol === 'SSL');
    expect(others.every(({ info }) => info.principal.text === 'User:CN=alice')).toBe(true);
  });

  it.each([
    [
      'a certificate of another name',
      'SSL',
      byCertificate,
      {},
      ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ],
    [
      'another password',
      'SASL_SSL',
      password('SCRAM-SHA-512'),
      { ...inner('SCRAM-SHA-512'), 'sasl.password': 'another' },
      /does not let this client in/,
    ],
  ] as const)(
    'take nobody for one of them who has %s',
    async (_, protocol, given, login, refusal) => {
      await start(protocol, given);
      const peers = new NetworkPeers({
        nodeId: 9,
        transport: nodeTransport,
        clock: systemClock,
        security: securityOf(login),
        logger: silentLogger,
      });
      peers.setAddress(0, '127.0.0.1', cluster.members[0]!.port);
      const heartbeat = {
        ...{ brokerId: 1, brokerEpoch: 5, currentMetadataOffset: 0, offlineLogDirs: [] },
        ...{ wantFence: false, wantShutDown: false },
      };
      const answer = peers.send(0, 'control', calls.brokerHeartbeat, heartbeat, 5_000);
      if (typeof refusal === 'number') {
        expect((await answer).errorCode).toBe(refusal);
      } else {
        await expect(answer).rejects.toThrow(refusal);
        expect(logged(/authentication failed.*inner/, 0)).toBe(true);
      }
      peers.close();
    },
  );

  it('refuse one whose certificate they do not trust, say so, and take it when it has a better one', async () => {
    await start('SSL', byCertificate);
    await cluster.stopBroker(2);
    give(2, issue(2, stranger));
    const starting = cluster.startBroker(2);
    for (const id of [0, 1]) {
      await expect.poll(() => logged(/no TLS handshake.*not trusted/, id)).toBe(true);
    }
    expect(logged(/do not trust each other.*does not take the certificate of this side/, 2)).toBe(
      true,
    );
    // It does not try again and again.
    const before = refusals();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(refusals() - before).toBeLessThan(20);
    const [other] = cluster.members;
    expect(other!.broker!.services.image.brokers.get(2)?.fenced).not.toBe(false);
    give(2, issue(2));
    await reload();
    await starting;
    await works(connect(), 'again');
  });

  it('reach each other only where the certificate names the host, unless they are told not to look', async () => {
    await start('SSL');
    await cluster.stopBroker(2);
    give(2, issue(2, authority, true));
    // It reaches the others, but they don't follow what it leads.
    await cluster.startBroker(2);
    const client = connect();
    const topic = {
      name: 'led-by-2',
      ...{ numPartitions: -1, replicationFactor: -1, configs: [] },
      assignments: [{ partitionIndex: 0, brokerIds: [2, 0, 1] }],
    };
    const body = { topics: [topic], timeoutMs: 5_000, validateOnly: false };
    const { topics } = await client.request(0, calls.createTopics, body);
    expect(topics[0]).toMatchObject({ errorCode: 0 });
    for (const id of [0, 1]) {
      await expect.poll(() => logged(/do not trust each other.*altnames/, id)).toBe(true);
    }
    await cluster.stop();
    const elsewhere = [0, 1, 2].map((id) => issue(id, authority, true));
    await start('SSL', { 'ssl.endpoint.identification.algorithm': 'none' }, elsewhere);
    await works(connect({ 'ssl.endpoint.identification.algorithm': 'none' }), 'anywhere');
  });

  it('go on while all certificates and who signs them are replaced', async () => {
    await start('SSL', byCertificate);
    const before = connections();
    authority.file('trust.pem', authority.certificate + stranger.certificate);
    await reload();
    for (let id = 0; id < 3; id++) give(id, issue(id, stranger));
    await reload();
    // What stands goes on.
    expect(connections().filter((connection) => before.includes(connection))).toHaveLength(
      before.length,
    );
    authority.file('trust.pem', stranger.certificate);
    await reload();
    // New connections: the old authority is worth nothing any more, on neither side.
    await cluster.stopBroker(2);
    await cluster.startBroker(2);
    await works(connectByStranger(), 'renewed');
    await expect(connect().metadata.refresh()).rejects.toThrow(/certificate/);
    authority.file('trust.pem', authority.certificate);
  });
});

describe('brokers whose certificates came as settings while they ran', () => {
  /** Sets one of each broker's stores, and waits until it has it. */
  async function set(store: 'keystore' | 'truststore', fileOf: (id: number) => string) {
    const name = `listener.name.brokers.ssl.${store}.location`;
    const { controller } = cluster.broker(cluster.controllerId).services;
    for (const { id } of cluster.members) {
      const resource = { resourceType: 4, resourceName: String(id) };
      await controller.alterConfigs(resource, () => [{ name, value: fileOf(id) }], false);
    }
    const has = (id: number): boolean =>
      cluster
        .broker(id)
        .openListeners.every(
          ({ security }) => security.tls?.settings[store].location === fileOf(id),
        );
    await expect.poll(() => cluster.members.every(({ id }) => has(id))).toBe(true);
  }

  it('know each other, also when one of them starts again', async () => {
    await start('SSL', byCertificate);
    const both = authority.file('both.pem', authority.certificate + stranger.certificate);
    const others = authority.file('others.pem', stranger.certificate);
    const renewed = cluster.members.map(({ id }) => {
      const { key, certificate } = issue(id, stranger);
      return authority.file(`renewed-${id}.pem`, key + certificate);
    });
    await set('truststore', () => both);
    await set('keystore', (id) => renewed[id]!);
    await set('truststore', () => others);
    await cluster.stopBroker(2);
    await cluster.startBroker(2);
    await works(connectByStranger(), 'again');
  });
});

describe('how brokers know each other', () => {
  it.each([
    [
      { ...byCertificate, 'ssl.client.auth': 'requested' },
      'SSL',
      /EXTERNAL needs a listener of SSL with ssl.client.auth=required/,
    ],
    [byCertificate, 'SASL_SSL', /EXTERNAL needs a listener of SSL/],
    [password('PLAIN'), 'SSL', /PLAIN needs a listener of SASL_SSL or SASL_PLAINTEXT, saw SSL/],
    [
      { ...password('PLAIN'), 'sasl.jaas.config': null },
      'SASL_SSL',
      /PLAIN needs username and password in sasl.jaas.config/,
    ],
    [
      { 'sasl.mechanism.inter.broker.protocol': 'PLAIN' },
      'SASL_SSL',
      /must be one of sasl.enabled.mechanisms/,
    ],
    [
      { ...byCertificate, 'ssl.principal.mapping.rules': 'RULE:^CN=nobody$/x/' },
      'SSL',
      /matches the broker's own certificate/,
    ],
  ] as const)('must fit the listener: %j', async (given, protocol, reason) => {
    give(0, issue(0));
    await expect(
      startBroker({
        ...tls,
        listeners: ['BROKERS://127.0.0.1:0'],
        'ssl.keystore.location': keystore(0),
        ...(given as Given),
        'listener.security.protocol.map': [`BROKERS:${protocol}`],
      }),
    ).rejects.toThrow(reason);
  });
});
