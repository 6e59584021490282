/**
 * Clients that others wrote, over TLS and SASL: Apache Kafka's Java tools with PEM, PKCS#12 and JKS
 * stores and every mechanism, and kcat (librdkafka, OpenSSL).
 */

import fs from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { UserAdmin } from '../../src/client/user-admin.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { kcat } from '../peers/kcat.ts';
import { mustRun, needProgram, temporaryDirectory } from '../peers/peer.ts';
import { Authority, type Certificate } from '../support/certificates.ts';
import { TokenServer } from '../support/token-server.ts';
import { type RunningBroker, startBroker } from '../unit/broker/fixture.ts';

const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const PERFORMANCE = 'org.apache.kafka.tools.ProducerPerformance';

const STORE_PASSWORD = 'store secret';
const LISTENERS = ['INSIDE', 'PEM', 'STORES', 'SASL', 'SECURE'] as const;
type Listener = (typeof LISTENERS)[number];

describeWithPeers(['kafka', 'kcat', 'openssl'], 'clients over TLS and SASL', () => {
  const authority = new Authority();
  const server = authority.issue({ subject: [['CN', 'server']] });
  const alice = authority.issue({
    subject: [
      ['O', 'Weir'],
      ['CN', 'alice'],
    ],
  });
  const folder = temporaryDirectory('security');
  const file = (name: string): string => `${folder}/${name}`;
  let tokens: TokenServer;
  let running: RunningBroker;

  const keytool = (...args: string[]) =>
    mustRun(needProgram('keytool', 'openjdk-17-jre-headless'), args, { cwd: folder });

  /** A PKCS#12 store made by OpenSSL. */
  async function pkcs12(name: string, { key, certificate }: Certificate): Promise<string> {
    fs.writeFileSync(file(`${name}.pem`), key + certificate);
    const out = file(`${name}.p12`);
    await mustRun(needProgram('openssl', 'openssl'), [
      ...['pkcs12', '-export', '-in', file(`${name}.pem`), '-name', name],
      ...['-out', out, '-passout', `pass:${STORE_PASSWORD}`],
    ]);
    return out;
  }

  /** A truststore made by Java. */
  async function truststore(name: string, type: string): Promise<string> {
    fs.writeFileSync(file('ca.pem'), authority.certificate);
    const store = file(name);
    await keytool(
      ...['-importcert', '-noprompt', '-alias', 'ca', '-file', file('ca.pem')],
      ...['-storetype', type, '-keystore', store, '-storepass', STORE_PASSWORD],
    );
    return store;
  }

  beforeAll(async () => {
    tokens = await TokenServer.start();
    fs.writeFileSync(file('server.pem'), server.key + server.certificate);
    const jaas =
      'org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="bob secret";';
    running = await startBroker({
      listeners: LISTENERS.map((name) => `${name}://127.0.0.1:0`),
      'listener.security.protocol.map': [
        'INSIDE:PLAINTEXT',
        'PEM:SSL',
        'STORES:SSL',
        'SASL:SASL_PLAINTEXT',
        'SECURE:SASL_SSL',
      ],
      'ssl.keystore.location': file('server.pem'),
      'listener.name.stores.ssl.keystore.location': await pkcs12('server', server),
      'listener.name.stores.ssl.keystore.password': STORE_PASSWORD,
      'listener.name.stores.ssl.truststore.location': await truststore('trust.p12', 'PKCS12'),
      'listener.name.stores.ssl.truststore.password': STORE_PASSWORD,
      'listener.name.stores.ssl.client.auth': 'required',
      'listener.name.stores.ssl.principal.mapping.rules': 'RULE:^CN=([^,]+),.*$/$1/',
      'sasl.enabled.mechanisms': ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
      'listener.name.sasl.plain.sasl.jaas.config': jaas,
      'listener.name.sasl.scram-sha-512.connections.max.reauth.ms': 1_500,
      'sasl.oauthbearer.jwks.endpoint.url': `${tokens.url}/keys`,
      'sasl.oauthbearer.expected.audience': ['weir'],
      'sasl.oauthbearer.expected.issuer': 'https://issuer.example',
      'group.initial.rebalance.delay.ms': 0,
    });
  });
  afterAll(async () => {
    tokens.stop();
    authority.remove();
    await running.stop();
  });

  const bootstrap = (listener: Listener): string => {
    const { host, port } = running.broker.listeners[LISTENERS.indexOf(listener)]!;
    return `${host}:${port}`;
  };

  const properties = (given: Record<string, string>): string => {
    const path = file(`client-${Math.random()}.properties`);
    const lines = Object.entries(given).map(
      ([key, value]) => `${key}=${value.replaceAll('\n', '\\n')}\n`,
    );
    fs.writeFileSync(path, lines.join(''));
    return path;
  };

  interface Run {
    readonly stdin?: string;
    readonly allowedUrls?: string;
  }
  const tool = (
    main: string,
    listener: Listener,
    given: Record<string, string>,
    args: readonly string[],
    { stdin = '', allowedUrls }: Run = {},
  ) =>
    kafkaTool(
      main,
      [
        ...['--bootstrap-server', bootstrap(listener), '--command-config', properties(given)],
        ...args,
      ],
      {
        stdin,
        timeoutMs: 60_000,
        ...(allowedUrls === undefined
          ? {}
          : {
              env: {
                JAVA_TOOL_OPTIONS: `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${allowedUrls}`,
              },
            }),
      },
    );

  const succeeds = async (running: ReturnType<typeof tool>): Promise<string> => {
    const { code, stdout, stderr } = await running;
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    expect(stderr).not.toMatch(/ERROR/);
    return stdout;
  };

  const send = (
    listener: Listener,
    given: Record<string, string>,
    text: string,
    run: Run = {},
  ): Promise<string> =>
    succeeds(tool(PRODUCER, listener, given, ['--topic', 'secured'], { ...run, stdin: text }));

  const jaasOf = (module: string, name: string, password: string): string =>
    `org.apache.kafka.common.security.${module} required username="${name}" password="${password}";`;
  const scram = (mechanism: string, name: string, password: string): Record<string, string> => ({
    'sasl.mechanism': mechanism,
    'sasl.jaas.config': jaasOf('scram.ScramLoginModule', name, password),
  });
  const trustsPem = {
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': authority.certificate,
  };

  it('speak TLS with a PEM truststore, and refuse a server that they do not trust', async () => {
    await send('PEM', { 'security.protocol': 'SSL', ...trustsPem }, 'over TLS\n');
    const stranger = new Authority('Somebody else');
    const { stdout, stderr } = await tool(
      TOPICS,
      'PEM',
      {
        'security.protocol': 'SSL',
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': stranger.certificate,
      },
      ['--list'],
    );
    expect(stdout + stderr).toMatch(/SSL handshake failed|SslAuthenticationException/);
    stranger.remove();
  });

  it('show certificates of PKCS#12 and JKS stores, and are known by them', async () => {
    const given = {
      'security.protocol': 'SSL',
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': await pkcs12('alice', alice),
      'ssl.keystore.password': STORE_PASSWORD,
      'ssl.truststore.type': 'JKS',
      'ssl.truststore.location': await truststore('trust.jks', 'JKS'),
      'ssl.truststore.password': STORE_PASSWORD,
    };
    const seen = new Set<string>();
    const watching = setInterval(() => {
      const stores = running.broker.openListeners[LISTENERS.indexOf('STORES')]!;
      for (const { info } of stores.connections) seen.add(info.principal.text);
    }, 20);
    try {
      await send('STORES', given, 'with a certificate\n');
    } finally {
      clearInterval(watching);
    }
    expect([...seen]).toContain('User:alice');
    const { stdout, stderr } = await tool(
      TOPICS,
      'STORES',
      { 'security.protocol': 'SSL', ...trustsPem },
      ['--list'],
    );
    expect(stdout + stderr).toMatch(/SSL|disconnected|Timeout/i);
  });

  it('log in by PLAIN, and are told when the password is wrong', async () => {
    const plain = (password: string) => ({
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config': jaasOf('plain.PlainLoginModule', 'bob', password),
    });
    await send('SASL', plain('bob secret'), 'by PLAIN\n');
    const { stdout, stderr } = await tool(TOPICS, 'SASL', plain('wrong'), ['--list']);
    expect(stdout + stderr).toContain('Authentication failed: Invalid username or password');
  });

  it('are given passwords by kafka-configs, and log in by SCRAM', async () => {
    const inside = (...args: string[]) =>
      succeeds(
        kafkaTool(CONFIGS, [
          '--bootstrap-server',
          bootstrap('INSIDE'),
          '--entity-type',
          'users',
          ...args,
        ]),
      );
    const password = 'iterations=4096,password=carol secret';
    const alter = `SCRAM-SHA-256=[${password}]`;
    await inside('--alter', '--entity-name', 'carol', '--add-config', alter);
    const client = new Client({ bootstrap: bootstrap('INSIDE'), clientId: 'test' });
    const users = new UserAdmin(client);
    expect(await users.put('carol', 'carol secret', 'SCRAM-SHA-512', 8192)).toMatchObject({
      error: null,
    });
    expect(await users.describe(['carol'])).toEqual([
      {
        name: 'carol',
        credentials: [
          { mechanism: 'SCRAM-SHA-256', iterations: 4096 },
          { mechanism: 'SCRAM-SHA-512', iterations: 8192 },
        ],
      },
    ]);
    client.close();
    await send(
      'SECURE',
      {
        'security.protocol': 'SASL_SSL',
        ...trustsPem,
        ...scram('SCRAM-SHA-256', 'carol', 'carol secret'),
      },
      'by SCRAM-SHA-256\n',
    );
    await inside('--alter', '--entity-name', 'carol', '--delete-config', 'SCRAM-SHA-256');
    const { stdout, stderr } = await tool(
      TOPICS,
      'SASL',
      { 'security.protocol': 'SASL_PLAINTEXT', ...scram('SCRAM-SHA-256', 'carol', 'carol secret') },
      ['--list'],
    );
    expect(stdout + stderr).toContain(
      'due to invalid credentials with SASL mechanism SCRAM-SHA-256',
    );
  });

  it('prove again who they are before their session ends', async () => {
    const path = properties({
      'security.protocol': 'SASL_PLAINTEXT',
      ...scram('SCRAM-SHA-512', 'carol', 'carol secret'),
    });
    const { connectionStats } = running.broker;
    const { code, stdout, stderr } = await kafkaTool(PERFORMANCE, [
      ...[
        '--bootstrap-server',
        bootstrap('SASL'),
        '--topic',
        'renewed',
        '--num-records',
        '500',
        '--record-size',
        '10',
      ],
      ...['--throughput', '100', '--command-config', path],
    ]);
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    expect(stdout).toMatch(/500 records sent/);
    expect(stderr).not.toMatch(/ERROR|isconnect|uthenticat/);
    expect(connectionStats.reauthentications).toBeGreaterThan(1);
    expect(connectionStats.expiredSessions).toBe(0);
    expect(connectionStats.failedReauthentications).toBe(0);
  });

  it('log in with bearer tokens, of an endpoint or of a file, that are good', async () => {
    const bearer = (url: string) => ({
      'security.protocol': 'SASL_SSL',
      ...trustsPem,
      'sasl.mechanism': 'OAUTHBEARER',
      'sasl.login.callback.handler.class':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler',
      'sasl.oauthbearer.token.endpoint.url': url,
      'sasl.jaas.config':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="service" clientSecret="client secret";',
    });
    const endpoint = `${tokens.url}/token`;
    await send('SECURE', bearer(endpoint), 'by a token\n', { allowedUrls: endpoint });
    fs.writeFileSync(file('token'), await tokens.token('somebody else'));
    const url = `file://${file('token')}`;
    const { stdout, stderr } = await tool(TOPICS, 'SECURE', bearer(url), ['--list'], {
      allowedUrls: url,
    });
    expect(stdout + stderr).toContain('{"status":"invalid_token"}');
    expect(JSON.stringify(running.logged)).toContain('bearer token: unexpected');
  });

  const overTls = (listener: Listener, args: string[], stdin = '') =>
    kcat(bootstrap(listener), [...['-X', `ssl.ca.location=${file('ca.pem')}`], ...args], { stdin });

  it('of librdkafka do the same, and read what was sent', async () => {
    const login = [
      ...['-X', 'security.protocol=SASL_SSL', '-X', 'sasl.mechanism=SCRAM-SHA-512'],
      ...['-X', 'sasl.username=carol', '-X', 'sasl.password=carol secret'],
    ];
    const sent = await overTls('SECURE', [...login, '-P', '-t', 'secured'], 'by librdkafka\n');
    expect(sent).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await overTls('SECURE', [...login, '-C', '-t', 'secured', '-e', '-q']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'over TLS',
      'with a certificate',
      'by PLAIN',
      'by SCRAM-SHA-256',
      'by a token',
      'by librdkafka',
    ]);
    const own = [
      ...['-X', 'security.protocol=SSL', '-X', `ssl.key.location=${file('alice.pem')}`],
      ...['-X', `ssl.certificate.location=${file('alice.pem')}`],
    ];
    expect((await overTls('STORES', [...own, '-L', '-J'])).stdout).toContain('"topic":"secured"');
  });

  it('go on while the certificate is renewed', async () => {
    const reading = tool(CONSUMER, 'PEM', { 'security.protocol': 'SSL', ...trustsPem }, [
      '--topic',
      'renewing',
      '--from-beginning',
      '--max-messages',
      '2',
    ]);
    const produce = (text: string) =>
      kcat(bootstrap('INSIDE'), ['-P', '-t', 'renewing'], { stdin: text });
    await produce('before\n');
    const { security: followed } = running.broker.openListeners[LISTENERS.indexOf('PEM')]!;
    await expect.poll(() => running.broker.openListeners[1]!.connections.size).toBeGreaterThan(1);
    const renewed = authority.issue({ subject: [['CN', 'renewed']] });
    fs.writeFileSync(file('server.pem'), renewed.key + renewed.certificate);
    await expect.poll(() => followed.tls?.certificate?.subject).toBe('CN=renewed');
    expect((await overTls('PEM', ['-X', 'security.protocol=SSL', '-L', '-J'])).code).toBe(0);
    await produce('after\n');
    expect(await succeeds(reading)).toBe('before\nafter\n');
  });
});
