import { pbkdf2Sync } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type Mechanism, scramLogin } from '../../support/scram-login.ts';
import { createTopic, type RunningBroker, startBroker, WireClient } from './fixture.ts';

const JAAS =
  'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice secret" user_bob="bob";';

const settings = {
  listeners: ['INSIDE://127.0.0.1:0', 'CLIENTS://127.0.0.1:0'],
  'listener.security.protocol.map': ['INSIDE:PLAINTEXT', 'CLIENTS:SASL_PLAINTEXT'],
  'listener.name.clients.sasl.enabled.mechanisms': ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
  'listener.name.clients.plain.sasl.jaas.config': JAAS,
  'connection.failed.authentication.delay.ms': 30,
};

let running: RunningBroker;
const clients: WireClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await running.stop();
});

async function connect(listener: 'inside' | 'clients' = 'clients'): Promise<WireClient> {
  const { port } = running.broker.listeners[listener === 'inside' ? 0 : 1]!;
  const client = await WireClient.connect(port);
  clients.push(client);
  return client;
}

const plain = (name: string, password: string): Buffer => Buffer.from(`\0${name}\0${password}`);

const handshake = (client: WireClient, mechanism: string, version = 1) =>
  client.request('SaslHandshake', version, { mechanism });
const authenticate = (client: WireClient, authBytes: Buffer, version = 2) =>
  client.request('SaslAuthenticate', version, { authBytes });

async function logIn(client: WireClient, name = 'alice', password = 'alice secret') {
  await handshake(client, 'PLAIN');
  return authenticate(client, plain(name, password));
}

/** Gives a user a password through the open listener. */
async function createUser(name: string, password: string, mechanism: Mechanism): Promise<void> {
  const client = await connect('inside');
  const salt = Buffer.from('0123456789abcdefghijklmnop');
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const bytes = hash === 'sha256' ? 32 : 64;
  const { results } = await client.request('AlterUserScramCredentials', 0, {
    upsertions: [
      {
        name,
        mechanism: hash === 'sha256' ? 1 : 2,
        iterations: 4096,
        salt,
        saltedPassword: pbkdf2Sync(password, salt, 4096, bytes, hash),
      },
    ],
  });
  expect(results).toEqual([{ user: name, errorCode: 0, errorMessage: null }]);
}

async function scram(client: WireClient, mechanism: Mechanism, name: string, password: string) {
  expect(await handshake(client, mechanism)).toMatchObject({ errorCode: 0 });
  const login = scramLogin(mechanism, name, password);
  const first = await authenticate(client, login.first);
  expect(first).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 });
  const { token, signature } = login.final(first.authBytes);
  return { last: await authenticate(client, token), signature };
}

describe('a client of a listener with SASL', () => {
  it('is served once it has proved who it is', async () => {
    running = await startBroker(settings);
    const client = await connect();
    const { apiKeys } = await client.request('ApiVersions', 3, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    expect(apiKeys.length).toBeGreaterThan(20);
    expect(await logIn(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 });
    const { brokers } = await client.request('Metadata', 9, { topics: [] });
    expect(brokers).toMatchObject([{ port: running.broker.listeners[1]!.port }]);
    expect(running.broker.connectionStats.authentications).toBe(1);
  });

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'logs in by %s with a password that was set in the cluster, also after a restart',
    async (mechanism) => {
      running = await startBroker(settings);
      await createUser('carol', 'pass,=word', mechanism);
      for (let i = 0; i < 2; i++) {
        const client = await connect();
        const { last, signature } = await scram(client, mechanism, 'carol', 'pass,=word');
        expect(last).toMatchObject({ errorCode: 0, errorMessage: '' });
        expect(last.authBytes.toString()).toBe(signature);
        await client.request('Metadata', 9, { topics: [] });
        if (i === 0) running = await running.restart();
      }
    },
  );

  it('logs in by PLAIN with a password that was set in the cluster', async () => {
    running = await startBroker(settings);
    await createUser('carol', 'secret', 'SCRAM-SHA-512');
    const right = await connect();
    expect(await logIn(right, 'carol', 'secret')).toMatchObject({ errorCode: 0 });
    const configured = await connect();
    expect(await logIn(configured)).toMatchObject({ errorCode: 0 });
    const wrong = await connect();
    expect(await logIn(wrong, 'carol', 'Secret')).toMatchObject({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
    });
  });

  it('is told the mechanisms that are enabled when it asks for another', async () => {
    running = await startBroker(settings);
    const client = await connect();
    expect(await handshake(client, 'GSSAPI')).toEqual({
      errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
      mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    });
    await client.closed;
  });

  it('gets the answer to a wrong password after a while, and is gone then', async () => {
    running = await startBroker({ ...settings, 'connection.failed.authentication.delay.ms': 200 });
    const client = await connect();
    const began = performance.now();
    expect(await logIn(client, 'alice', 'wrong')).toEqual({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: 'Authentication failed: Invalid username or password',
      authBytes: Buffer.alloc(0),
      sessionLifetimeMs: 0,
    });
    expect(performance.now() - began).toBeGreaterThan(190);
    await client.closed;
    expect(running.broker.connectionStats.failedAuthentications).toBe(1);
    expect(JSON.stringify(running.logged)).not.toContain('wrong"');
  });

  it('can not tell a user who does not exist from a wrong password', async () => {
    running = await startBroker(settings);
    await createUser('carol', 'secret', 'SCRAM-SHA-256');
    const seen = [];
    for (const name of ['carol', 'nobody', 'nobody']) {
      const client = await connect();
      await handshake(client, 'SCRAM-SHA-256');
      const login = scramLogin('SCRAM-SHA-256', name, 'wrong');
      const { authBytes } = await authenticate(client, login.first);
      const last = await authenticate(client, login.final(authBytes).token);
      seen.push({ salt: /s=([^,]+),i=4096/.exec(authBytes.toString())![1]!, last });
      await client.closed;
    }
    expect(seen[1]!.last).toEqual(seen[0]!.last);
    expect(seen[1]!.salt).toHaveLength(seen[0]!.salt.length);
    expect(seen[2]!.salt).toBe(seen[1]!.salt);
    expect(seen[0]!.last.errorMessage).toBe(
      'Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256',
    );
  });

  it.each(['another nonce', 'another channel binding', 'another proof', 'the first message again'])(
    'is refused with %s in its last SCRAM message',
    async (what) => {
      running = await startBroker(settings);
      await createUser('carol', 'secret', 'SCRAM-SHA-256');
      const client = await connect();
      await handshake(client, 'SCRAM-SHA-256');
      const login = scramLogin('SCRAM-SHA-256', 'carol', 'secret');
      const { authBytes } = await authenticate(client, login.first);
      const right = login.final(authBytes).token.toString();
      const wrong = {
        'another nonce': right.replace(',r=', ',r=x'),
        'another channel binding': right.replace('biws', 'eSws'),
        'another proof': right.replace(/p=.{4}/, 'p=AAAA'),
        'the first message again': login.first.toString(),
      }[what]!;
      expect(await authenticate(client, Buffer.from(wrong))).toMatchObject({
        errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      });
      await client.closed;
    },
  );

  it('may not act for somebody else', async () => {
    running = await startBroker(settings);
    await createUser('carol', 'secret', 'SCRAM-SHA-256');
    const byPlain = await connect();
    await handshake(byPlain, 'PLAIN');
    const message =
      'Authentication failed: Client requested an authorization id that is different from username';
    expect(await authenticate(byPlain, Buffer.from('bob\0alice\0alice secret'))).toMatchObject({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: message,
    });
    const byScram = await connect();
    await handshake(byScram, 'SCRAM-SHA-256');
    expect(await authenticate(byScram, Buffer.from('n,a=bob,n=carol,r=abc'))).toMatchObject({
      errorMessage: message,
    });
  });

  it.each([
    ['Metadata', 9, { topics: null }],
    ['Produce', 9, { acks: 1, topicData: [] }],
    ['SaslAuthenticate', 2, { authBytes: plain('alice', 'alice secret') }],
  ] as const)('is cut off with a %s before that', async (name, version, body) => {
    running = await startBroker(settings);
    const client = await connect();
    expect(await client.tryRequest(name, version, body)).toBeNull();
    expect(running.broker.connectionStats.closedByReason.get('not-authenticated')).toBe(1);
  });

  it('may ask for the versions once', async () => {
    running = await startBroker(settings);
    const client = await connect();
    expect(await client.request('ApiVersions', 0)).toMatchObject({ errorCode: 0 });
    expect(await client.tryRequest('ApiVersions', 0, {})).toBeNull();
  });

  it('is answered ILLEGAL_SASL_STATE for anything else in the middle of an exchange', async () => {
    running = await startBroker(settings);
    for (const [name, version, body] of [
      ['SaslHandshake', 1, { mechanism: 'PLAIN' }],
      ['Metadata', 13, { topics: [] }],
      ['ApiVersions', 0, {}],
    ] as const) {
      const client = await connect();
      await handshake(client, 'PLAIN');
      const answer = await client.request(name, version, body);
      expect(answer.errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
      await client.closed;
    }
  });

  it('may send bare tokens after the first version of the handshake', async () => {
    running = await startBroker(settings);
    const token = (bytes: Buffer): Buffer => {
      const framed = Buffer.alloc(4 + bytes.length);
      framed.writeInt32BE(bytes.length);
      bytes.copy(framed, 4);
      return framed;
    };
    const client = await connect();
    expect(await handshake(client, 'PLAIN', 0)).toMatchObject({ errorCode: 0 });
    const answer = client.nextFrame();
    client.write(token(plain('alice', 'alice secret')));
    expect(await answer).toEqual(Buffer.alloc(0));
    await client.request('Metadata', 9, { topics: [] });

    const wrong = await connect();
    await handshake(wrong, 'PLAIN', 0);
    const nothing = wrong.nextFrame();
    wrong.write(token(plain('alice', 'wrong')));
    expect(await nothing).toBeNull();
  });

  it('may send its next requests before the answers are there', async () => {
    running = await startBroker(settings);
    const client = await connect();
    const frames = [client.nextFrame(), client.nextFrame(), client.nextFrame()];
    client.write(
      Buffer.concat([
        client.encode('SaslHandshake', 1, { mechanism: 'PLAIN' }),
        client.encode('SaslAuthenticate', 2, { authBytes: plain('bob', 'bob') }),
        client.encode('Metadata', 9, { topics: [] }),
      ]),
    );
    const answers = await Promise.all(frames);
    expect(answers.map((frame) => frame?.readInt32BE(0))).toEqual([1, 2, 3]);
  });

  it('that sends very many requests before it is known is cut off', async () => {
    running = await startBroker(settings);
    const client = await connect();
    const body = { authBytes: plain('alice', 'wrong') };
    client.write(client.encode('SaslHandshake', 1, { mechanism: 'PLAIN' }));
    for (let i = 0; i < 30; i++) client.write(client.encode('SaslAuthenticate', 2, body));
    await client.closed;
  });

  it('may not send long requests before it is known', async () => {
    running = await startBroker(settings);
    const client = await connect();
    const size = Buffer.alloc(4);
    size.writeInt32BE(65_537);
    client.write(size);
    await client.closed;
    expect(running.broker.connectionStats.closedByReason.get('frame-too-large')).toBe(1);
  });

  it('has a limited time', async () => {
    running = await startBroker({ ...settings, 'connections.authentication.max.ms': 300 });
    const client = await connect();
    await handshake(client, 'PLAIN');
    await client.closed;
    expect(running.broker.connectionStats.closedByReason.get('authentication-timeout')).toBe(1);
  });
});

describe('a session with an end', () => {
  const ending = { ...settings, 'listener.name.clients.plain.connections.max.reauth.ms': 1_200 };
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  it('goes on when the client proves again who it is', async () => {
    running = await startBroker(ending);
    const client = await connect();
    expect(await logIn(client)).toMatchObject({ sessionLifetimeMs: 1_200 });
    // Too soon is out of place, and ends nothing.
    expect(await handshake(client, 'PLAIN')).toMatchObject({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
    });
    await wait(1_050);
    expect(await logIn(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 1_200 });
    await wait(300);
    await client.request('Metadata', 9, { topics: [] });
    expect(running.broker.connectionStats.reauthentications).toBe(1);
  });

  it('is over with the next request of a client that does not', async () => {
    running = await startBroker(ending);
    const client = await connect();
    const late = await connect();
    await logIn(client);
    await logIn(late);
    await wait(1_250);
    expect(await client.tryRequest('Metadata', 9, { topics: [] })).toBeNull();
    expect(running.broker.connectionStats.expiredSessions).toBe(1);
    expect(await logIn(late)).toMatchObject({ errorCode: 0 });
  });

  it('can not be passed on to another user, nor to another mechanism', async () => {
    running = await startBroker({
      ...ending,
      'listener.name.clients.connections.max.reauth.ms': 1_200,
    });
    await createUser('carol', 'secret', 'SCRAM-SHA-256');
    const client = await connect();
    const other = await connect();
    await logIn(client);
    await logIn(other);
    await wait(1_050);
    expect(await logIn(client, 'bob', 'bob')).toMatchObject({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: 'Cannot change principals during re-authentication from User.alice: User.bob',
    });
    await handshake(other, 'SCRAM-SHA-256');
    const { first } = scramLogin('SCRAM-SHA-256', 'carol', 'secret');
    expect(await authenticate(other, first)).toMatchObject({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
    });
    await client.closed;
    expect(running.broker.connectionStats.failedReauthentications).toBe(2);
  });
});

describe('a new authentication that comes behind a request that waits', () => {
  const ending = { ...settings, 'listener.name.clients.plain.connections.max.reauth.ms': 60_000 };
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Known as alice, and so late that a new authentication is in its place. */
  async function known(): Promise<WireClient> {
    running = await startBroker(ending);
    await createTopic(await connect('inside'), 't');
    const client = await connect();
    await logIn(client);
    await wait(1_050);
    return client;
  }
  const waiting = (client: WireClient): Buffer =>
    client.encode('Fetch', 11, {
      maxWaitMs: 150,
      minBytes: 1_000_000,
      maxBytes: 1_000_000,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
  /** All in one piece; null where the connection was closed before the answer. */
  async function answersTo(
    client: WireClient,
    requests: readonly Buffer[],
  ): Promise<(Buffer | null)[]> {
    const frames = requests.map(() => client.nextFrame());
    client.write(Buffer.concat(requests));
    return Promise.all(frames);
  }
  const shake = (client: WireClient) => client.encode('SaslHandshake', 1, { mechanism: 'PLAIN' });
  const prove = (client: WireClient, name: string, password: string) =>
    client.encode('SaslAuthenticate', 2, { authBytes: plain(name, password) });

  it('is taken, and so is what comes behind it', async () => {
    const client = await known();
    const answers = await answersTo(client, [
      waiting(client),
      shake(client),
      prove(client, 'alice', 'alice secret'),
      client.encode('Metadata', 9, { topics: [] }),
      waiting(client),
      client.encode('Metadata', 9, { topics: [] }),
    ]);
    expect(answers).not.toContain(null);
    expect(running.broker.connectionStats.reauthentications).toBe(1);
    await client.request('Metadata', 9, { topics: [] });
    expect(await running.broker.metrics()).toContain('weir_broker_request_memory_bytes 0');
  });

  it('can not be passed on to another user by beginning twice', async () => {
    const client = await known();
    const answers = await answersTo(client, [
      waiting(client),
      shake(client),
      shake(client),
      prove(client, 'bob', 'bob'),
    ]);
    expect(answers[2]!.readInt16BE(4)).toBe(ErrorCode.ILLEGAL_SASL_STATE);
    expect(answers[3]).toBeNull();
    expect(running.broker.connectionStats.authentications).toBe(1);
  });

  it('lets nothing else come between', async () => {
    const client = await known();
    const [, , answer] = await answersTo(client, [
      waiting(client),
      shake(client),
      client.encode('ListGroups', 0, {}),
    ]);
    expect(answer!.readInt16BE(4)).toBe(ErrorCode.ILLEGAL_SASL_STATE);
    await client.closed;
  });
});

describe('a client that authenticates again', () => {
  const ending = { ...settings, 'listener.name.clients.plain.connections.max.reauth.ms': 60_000 };

  it('may not send long tokens, no more than the first time', async () => {
    running = await startBroker(ending);
    const client = await connect();
    await logIn(client);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await handshake(client, 'PLAIN')).toMatchObject({ errorCode: 0 });
    const size = Buffer.alloc(4);
    size.writeInt32BE(65_537);
    client.write(size);
    await client.closed;
    expect(running.broker.connectionStats.closedByReason.get('frame-too-large')).toBe(1);
  });
});

it('requests of a client that is being looked at are counted as memory, and no more are read', async () => {
  running = await startBroker({ ...settings, 'connection.failed.authentication.delay.ms': 600 });
  const client = await connect();
  await handshake(client, 'PLAIN');
  const long = client.encode('SaslAuthenticate', 2, { authBytes: Buffer.alloc(60_000) });
  client.write(client.encode('SaslAuthenticate', 2, { authBytes: plain('alice', 'wrong') }));
  for (let i = 0; i < 20; i++) client.write(long);
  const memory = async (): Promise<number> =>
    Number(/weir_broker_request_memory_bytes (\d+)/.exec(await running.broker.metrics())![1]);
  await expect.poll(memory, { interval: 10 }).toBeGreaterThan(50_000);
  expect(running.broker.connectionStats.receivedBytes).toBeLessThan(400_000);
  await client.closed;
  await expect.poll(memory).toBe(0);
  expect(running.broker.connectionStats.failedAuthentications).toBe(1);
});

describe('where nobody is asked who he is', () => {
  it('a SASL request is out of place, and ends nothing', async () => {
    running = await startBroker();
    const { port } = running.broker.listeners[0]!;
    const client = await WireClient.connect(port);
    clients.push(client);
    expect(await handshake(client, 'PLAIN')).toEqual({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      mechanisms: [],
    });
    expect(await authenticate(client, plain('alice', 'x'))).toMatchObject({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      errorMessage: 'SaslAuthenticate request received after successful authentication',
    });
    await client.request('Metadata', 9, { topics: [] });
  });
});
