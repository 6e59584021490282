import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { FatalError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { parseProperties } from '../../../src/base/properties.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Admin } from '../../../src/client/admin.ts';
import { Client } from '../../../src/client/client.ts';
import { Producer } from '../../../src/client/producer.ts';
import { UserAdmin } from '../../../src/client/user-admin.ts';
import { clientSecurity } from '../../../src/security/client-security.ts';
import { Authority } from '../../support/certificates.ts';
import { TokenServer } from '../../support/token-server.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { fakeTerminal } from '../cli/fake-terminal.ts';

const authority = new Authority();
const server = authority.issue({ subject: [['CN', 'server']] });
const foreign = new Authority('Somebody else');
const seams = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger: silentLogger };

let running: RunningBroker;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await running.stop();
});
afterAll(() => {
  authority.remove();
  foreign.remove();
});

async function start(given: Record<string, string | number | string[]> = {}): Promise<void> {
  running = await startBroker({
    listeners: ['INSIDE://127.0.0.1:0', 'SECURE://127.0.0.1:0'],
    'listener.security.protocol.map': ['INSIDE:PLAINTEXT', 'SECURE:SASL_SSL'],
    'ssl.keystore.key': server.key,
    'ssl.keystore.certificate.chain': server.certificate,
    'sasl.enabled.mechanisms': ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    'connection.failed.authentication.delay.ms': 20,
    ...given,
  });
  const users = new UserAdmin(connect(0, {}));
  expect(await users.put('alice', 'a, secret=', 'SCRAM-SHA-512', 4096)).toMatchObject({
    error: null,
  });
}

const bootstrap = (listener: number): string =>
  `127.0.0.1:${running.broker.listeners[listener]!.port}`;

function connect(listener: number, given: Record<string, string>): Client {
  const client = new Client({
    bootstrap: bootstrap(listener),
    clientId: 'test',
    security: clientSecurity((name) => given[name], seams),
  });
  clients.push(client);
  return client;
}

const secured = {
  'security.protocol': 'SASL_SSL',
  'ssl.truststore.certificates': authority.certificate,
  'sasl.mechanism': 'SCRAM-SHA-512',
  'sasl.username': 'alice',
  'sasl.password': 'a, secret=',
};

describe('a client of a broker that asks who it is', () => {
  it.each(['SCRAM-SHA-512', 'PLAIN'])('logs in by %s over TLS', async (mechanism) => {
    await start();
    const admin = new Admin(connect(1, { ...secured, 'sasl.mechanism': mechanism }));
    expect(await admin.listTopics()).toEqual([]);
  });

  it('is told plainly why it is not let in', async () => {
    await start();
    const wrong = connect(1, { ...secured, 'sasl.password': 'wrong' });
    await expect(wrong.metadata.refresh()).rejects.toThrow(
      /does not let this client in: Authentication failed during authentication/,
    );
    const other = connect(1, { ...secured, 'sasl.mechanism': 'SCRAM-SHA-256' });
    await expect(other.metadata.refresh()).rejects.toThrow(/does not let this client in/);
    const untrusting = connect(1, {
      ...secured,
      'ssl.truststore.certificates': foreign.certificate,
    });
    await expect(untrusting.metadata.refresh()).rejects.toThrow(/127.0.0.1.*TLS: .*certificate/);
    expect(JSON.stringify(running.logged)).not.toContain('wrong"');
  });

  it('renews its session under load, and loses nothing', async () => {
    await start({ 'connections.max.reauth.ms': 1_400 });
    const client = connect(1, secured);
    await new Admin(client).createTopics([{ name: 'renewed', partitions: 1 }]);
    const producer = new Producer(client, { acks: -1 });
    const until = performance.now() + 3_000;
    let sent = 0;
    while (performance.now() < until) {
      expect(producer.append('renewed', Buffer.from(String(sent)))).toBe(true);
      await producer.flush();
      sent += 1;
    }
    await producer.close();
    const { connectionStats } = running.broker;
    expect(connectionStats.reauthentications).toBeGreaterThan(1);
    expect(connectionStats.expiredSessions).toBe(0);
    const [end] = await new Admin(client).listOffsets(
      [{ topic: 'renewed', partition: 0 }],
      'latest',
    );
    expect(end!.offset).toBe(sent);
  });

  it('tries seldom while it is not let in, and says once why', async () => {
    await start();
    const told: unknown[] = [];
    const logger = {
      ...silentLogger,
      error: (_: string, fields: Record<string, unknown> = {}) => told.push(fields),
    };
    const given: Record<string, string> = { ...secured, 'sasl.password': 'wrong' };
    const client = new Client({
      bootstrap: bootstrap(1),
      clientId: 'test',
      security: clientSecurity((name) => given[name], seams),
      logger,
    });
    clients.push(client);
    client.metadata.requestRefresh();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const { failedAuthentications } = running.broker.connectionStats;
    expect(failedAuthentications).toBeGreaterThan(1);
    expect(failedAuthentications).toBeLessThan(5);
    expect(told).toEqual([
      {
        'server.address': bootstrap(1),
        'error.message': expect.stringContaining('does not let this client in'),
      },
    ]);
  });

  it('shows tokens of an endpoint, and the next one before the session of the last ends', async () => {
    const tokens = await TokenServer.start();
    tokens.lifetimeSeconds = 3;
    await start({
      'listener.name.secure.sasl.enabled.mechanisms': ['OAUTHBEARER'],
      'sasl.oauthbearer.jwks.endpoint.url': `${tokens.url}/keys`,
      'sasl.oauthbearer.expected.audience': ['weir'],
      'sasl.oauthbearer.clock.skew.seconds': 0,
    });
    const client = connect(1, {
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.certificates': authority.certificate,
      'sasl.mechanism': 'OAUTHBEARER',
      'sasl.oauthbearer.token.endpoint.url': `${tokens.url}/token`,
      'sasl.oauthbearer.client.credentials.client.id': 'service',
      'sasl.oauthbearer.client.credentials.client.secret': 'client secret',
    });
    const admin = new Admin(client);
    const until = performance.now() + 3_200;
    while (performance.now() < until) {
      expect(await admin.listTopics()).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    tokens.stop();
    const { connectionStats, openListeners } = running.broker;
    const [connection] = openListeners[1]!.connections;
    expect(connection!.info.principal.text).toBe('User:service-user');
    expect(connectionStats.reauthentications).toBeGreaterThan(0);
    expect(connectionStats.expiredSessions).toBe(0);
    expect(tokens.given.length).toBe(1 + connectionStats.reauthentications);
  });

  it.each([
    [{ 'security.protocol': 'TLS' }, /security.protocol: expected one of/],
    [{ 'security.protocol': 'SASL_SSL' }, /sasl.mechanism: missing/],
    [{ ...secured, 'sasl.mechanism': 'GSSAPI' }, /sasl.mechanism: expected one of/],
    [{ 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'PLAIN' }, /sasl.jaas.config: missing/],
    [{ ...secured, 'sasl.mechanism': 'OAUTHBEARER' }, /token.endpoint.url: missing/],
    [{ ...secured, 'sasl.jaas.config': 'x' }, /sasl.jaas.config: expected/],
  ])('needs to know how: %j', async (given, reason) => {
    running = await startBroker();
    expect(() => connect(0, given as Record<string, string>)).toThrow(FatalError);
    expect(() => connect(0, given as Record<string, string>)).toThrow(reason);
  });
});

describe('weir user', () => {
  const run = async (
    args: string[],
    input = '',
  ): Promise<{ code: number; out: string; err: string }> => {
    const terminal = fakeTerminal(input);
    const code = await runCommand(commands, args, terminal);
    return { code, out: terminal.written(), err: terminal.errors() };
  };

  it('gives users passwords, lists them, and takes them away', async () => {
    await start();
    const at = ['--bootstrap-server', bootstrap(0)];
    expect(await run(['user', 'create', 'bob', ...at], 'bob secret\n')).toMatchObject({
      code: 0,
      out: 'user bob has a password for SCRAM-SHA-512\n',
    });
    const { out } = await run(['user', 'list', '--json', ...at]);
    expect(out).toContain('bob');
    expect(out).not.toContain('secret');
    const file = authority.file(
      'client.properties',
      `security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nssl.truststore.location=${authority.file('ca.pem', authority.certificate)}\n` +
        'sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username="bob" password="bob secret";\n',
    );
    const secure = ['--bootstrap-server', bootstrap(1), '--command-config', file];
    expect(await run(['user', 'describe', 'bob', ...secure])).toMatchObject({ code: 0 });
    expect(await run(['user', 'delete', 'bob', ...at])).toMatchObject({ code: 0 });
    expect(await run(['user', 'describe', 'bob', ...at])).toMatchObject({ code: 1 });
    expect((await run(['topic', 'list', ...secure])).err).toContain('does not let this client in');
    expect(await run(['user', 'create', 'bob', ...at], '\n')).toMatchObject({ code: 2 });
  });
});

describe('properties', () => {
  it('are read as Java reads them', () => {
    const text = '# c\n! c\na=1\n b : 2 \nc 3\nd=x\\\n   y\ne=\\u0041\\n\nf\\ g=h\n\nk=\n';
    expect([...parseProperties(text)]).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
      ['d', 'xy'],
      ['e', 'A\n'],
      ['f g', 'h'],
      ['k', ''],
    ]);
  });
});
