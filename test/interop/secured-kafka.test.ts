/**
 * Our own clients, roles and commands on an Apache Kafka that asks who they are: SCRAM and PLAIN over
 * TLS, certificates, and bearer tokens that end while they are in use.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { systemRandom } from '../../src/base/random.ts';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { clientSecurity } from '../../src/security/client-security.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, kafkaTool, propertiesText, startKafka } from '../peers/kafka.ts';
import { runTool, type ToolResult } from '../peers/peer.ts';
import { Authority } from '../support/certificates.ts';
import { TokenServer } from '../support/token-server.ts';
import { root, WeirProcess } from '../support/weir-process.ts';
import { FakeServer } from '../unit/connectors/fake-server.ts';

const MODULES = 'org.apache.kafka.common.security';
const VALIDATOR = `${MODULES}.oauthbearer.OAuthBearerValidatorCallbackHandler`;

/** As far as it is looked at. */
interface Status {
  readonly light: string;
  readonly topics: readonly { readonly name: string }[];
  readonly roles: readonly {
    readonly name: string;
    readonly details: { readonly connectors?: readonly object[] };
  }[];
}

describeWithPeers(['kafka'], 'on an Apache Kafka with TLS and users', () => {
  const authority = new Authority();
  const server = authority.issue({ subject: [['CN', 'kafka']] });
  const alice = authority.issue({ subject: [['CN', 'alice']] });
  const ca = authority.file('ca.pem', authority.certificate);
  const aliceStore = authority.file('alice.pem', alice.key + alice.certificate);
  let kafka: Kafka;
  let tokens: TokenServer;
  let search: FakeServer;
  let weir: WeirProcess | null = null;
  const clients: Client[] = [];
  const told: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields = {}) => told.push(`${message}: ${String(fields['error.message'])}`),
  };

  beforeAll(async () => {
    tokens = await TokenServer.start();
    search = await FakeServer.start();
    const secure = 'listener.name.secure';
    kafka = await startKafka({
      listeners: { SECURE: 'SASL_SSL', MUTUAL: 'SSL' },
      javaOptions: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.url}/keys`],
      properties: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.key': server.key,
        'ssl.keystore.certificate.chain': server.certificate,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': authority.certificate,
        'listener.name.mutual.ssl.client.auth': 'required',
        'sasl.enabled.mechanisms': 'SCRAM-SHA-512,PLAIN,OAUTHBEARER',
        [`${secure}.scram-sha-512.sasl.jaas.config`]: `${MODULES}.scram.ScramLoginModule required;`,
        [`${secure}.plain.sasl.jaas.config`]: `${MODULES}.plain.PlainLoginModule required user_bob="bob secret";`,
        [`${secure}.oauthbearer.sasl.jaas.config`]: `${MODULES}.oauthbearer.OAuthBearerLoginModule required;`,
        [`${secure}.oauthbearer.sasl.server.callback.handler.class`]: VALIDATOR,
        'sasl.oauthbearer.jwks.endpoint.url': `${tokens.url}/keys`,
        'sasl.oauthbearer.expected.audience': 'weir',
        'sasl.oauthbearer.expected.issuer': 'https://issuer.example',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:carol;User:bob;User:CN=alice;User:service-user',
      },
    });
    const { code, stderr } = await kafkaTool('kafka.admin.ConfigCommand', [
      ...['--bootstrap-server', kafka.bootstrap, '--alter', '--entity-type', 'users'],
      ...['--entity-name', 'carol', '--add-config', 'SCRAM-SHA-512=[password=carol secret]'],
    ]);
    expect(code, stderr).toBe(0);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await weir?.stop();
    weir = null;
  });
  afterAll(async () => {
    tokens?.stop();
    await search?.stop();
    authority.remove();
    await kafka?.stop();
  });

  const tls = { 'ssl.truststore.location': ca };
  const login = (mechanism: string, name: string, password: string): Record<string, string> => ({
    'security.protocol': 'SASL_SSL',
    ...tls,
    'sasl.mechanism': mechanism,
    'sasl.username': name,
    'sasl.password': password,
  });
  const carol = login('SCRAM-SHA-512', 'carol', 'carol secret');
  const certified = {
    'security.protocol': 'SSL',
    ...tls,
    'ssl.keystore.location': aliceStore,
  };
  const bearer = {
    'security.protocol': 'SASL_SSL',
    ...tls,
    'sasl.mechanism': 'OAUTHBEARER',
    'sasl.oauthbearer.client.credentials.client.id': 'service',
    'sasl.oauthbearer.client.credentials.client.secret': 'client secret',
  };

  const startWeir = async (
    listener: 'SECURE' | 'MUTUAL',
    given: Record<string, string>,
  ): Promise<WeirProcess> => {
    weir = await WeirProcess.start({
      roles: 'collectors,connectors,console',
      settings: [
        `engine.kafka.bootstrap=${kafka.listeners[listener]}`,
        `connectors.elasticsearch.url=${search.url}`,
        `connectors.elasticsearch.group=of-${listener}`,
        ...Object.entries(given).map(([key, value]) => `engine.kafka.${key}=${value}`),
      ],
    });
    return weir;
  };
  const command = (
    args: readonly string[],
    listener: 'SECURE' | 'MUTUAL',
    given: Record<string, string>,
  ): Promise<ToolResult> => {
    const file = authority.file('command.properties', propertiesText(given));
    return runTool(
      process.execPath,
      [
        ...[path.join(root, 'src/main.ts'), ...args],
        ...['--bootstrap-server', kafka.listeners[listener]!, '--command-config', file],
      ],
      { timeoutMs: 60_000 },
    );
  };
  const ingest = async (to: WeirProcess, message: string): Promise<number> => {
    const answer = await fetch(`${to.url}/ingest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message }),
    });
    await answer.text();
    return answer.status;
  };
  const connect = (given: Record<string, string>): Client => {
    const seams = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger };
    const client = new Client({
      bootstrap: kafka.listeners['SECURE']!,
      clientId: 'test',
      security: clientSecurity((name) => given[name], seams),
      logger,
    });
    clients.push(client);
    return client;
  };

  it.each([
    ['a password (SCRAM)', 'SECURE', carol],
    ['a certificate', 'MUTUAL', certified],
  ] as const)(
    'with %s the appliance collects logs and ships them, and commands read them',
    async (how, at, given) => {
      const refused = `refused with ${how}`;
      search.script = () => ({
        kind: 'items',
        item: ({ source }) =>
          source.includes(refused) ? { status: 400, type: 'document_parsing_exception' } : null,
      });
      const running = await startWeir(at, given);
      const line = `shipped with ${how}`;
      expect(await ingest(running, line)).toBe(200);
      expect(await ingest(running, refused)).toBe(200);
      const reads = ['consume', 'logs', '--from-beginning', '--timeout-ms', '3000'];
      const { code, stdout, stderr } = await command(reads, at, given);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(line);
      const status = async () => {
        const answer = await fetch(`${running.url}/api/v1/status`);
        return (await answer.json()) as Status;
      };
      const connector = async () =>
        (await status()).roles.find(({ name }) => name === 'connectors')?.details.connectors?.[0];
      await expect
        .poll(connector, { timeout: 20_000 })
        .toMatchObject({ state: 'RUNNING', deadLetters: 1, lag: 0 });
      expect([...search.documents.values()].join('\n')).toContain(line);
      const { light, topics } = await status();
      expect(light).not.toBe('red');
      expect(topics.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['logs', 'dead-letters']),
      );
    },
  );

  it('commands log in by PLAIN, and say plainly what is wrong', async () => {
    const plain = login('PLAIN', 'bob', 'bob secret');
    expect(await command(['topic', 'list'], 'SECURE', plain)).toMatchObject({ code: 0 });
    const failing = async (
      at: 'SECURE' | 'MUTUAL',
      given: Record<string, string>,
    ): Promise<string> => {
      const { code, stderr } = await command(['topic', 'list'], at, given);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await failing('SECURE', { ...plain, 'sasl.password': 'wrong' })).toContain(
      'does not let this client in: Authentication failed: Invalid username or password',
    );
    expect(await failing('SECURE', { ...carol, 'sasl.password': 'wrong' })).toContain(
      'does not let this client in: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512',
    );
    expect(await failing('MUTUAL', { 'security.protocol': 'SSL', ...tls })).toMatch(/certificate/);
    const stranger = new Authority('Somebody else');
    const trust = { 'ssl.truststore.location': stranger.file('ca.pem', stranger.certificate) };
    expect(await failing('SECURE', { ...carol, ...trust })).toMatch(/TLS: .*certificate/);
    stranger.remove();
  });

  it('a role with a wrong password says so, once', async () => {
    const running = await startWeir('SECURE', { ...carol, 'sasl.password': 'wrong' });
    await expect
      .poll(() => running.output, { timeout: 10_000 })
      .toContain('does not let this client in');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const lines = running.output.split('\n').filter((l) => l.includes('does not let this client'));
    // One of each role that has a client, and one of the connectors' group.
    expect(lines.length).toBeLessThanOrEqual(4);
    // It would wait for the log, which is not there.
    await running.kill();
  });

  it('bearer tokens of an endpoint are renewed before they end, and sessions with them', async () => {
    tokens.lifetimeSeconds = 3;
    const client = connect({
      ...bearer,
      'sasl.oauthbearer.token.endpoint.url': `${tokens.url}/token`,
      'sasl.oauthbearer.scope': 'kafka',
    });
    await new Admin(client).createTopics([{ name: 'by-token', partitions: 1 }]);
    const producer = new Producer(client, { acks: -1 });
    const until = performance.now() + 6_500;
    let sent = 0;
    while (performance.now() < until) {
      expect(producer.append('by-token', Buffer.from(String(sent)))).toBe(true);
      await producer.flush();
      sent += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await producer.close();
    const [end] = await new Admin(client).listOffsets(
      [{ topic: 'by-token', partition: 0 }],
      'latest',
    );
    expect(end!.offset).toBe(sent);
    expect(tokens.given.length).toBeGreaterThan(2);
    expect(tokens.given[0]).toBe('grant_type=client_credentials&scope=kafka');
    expect(told).toEqual([]);
  });

  it('a client that gets no token says where, and one whose token is bad is told', async () => {
    const wrong = connect({
      ...bearer,
      'sasl.oauthbearer.client.credentials.client.secret': 'wrong',
      'sasl.oauthbearer.token.endpoint.url': `${tokens.url}/token`,
    });
    await expect(wrong.metadata.refresh()).rejects.toThrow(
      `no bearer token to log in with: ${tokens.url}/token: status 401`,
    );
    const file = authority.file('token', await tokens.token('somebody else', 60));
    const foreign = connect({ ...bearer, 'sasl.oauthbearer.token.endpoint.url': `file://${file}` });
    await expect(foreign.metadata.refresh()).rejects.toThrow(/does not let this client in/);
    expect(told).toHaveLength(2);
  });
});
