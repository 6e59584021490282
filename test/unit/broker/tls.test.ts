import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { type RunningBroker, startBroker } from './fixture.ts';

const authority = new Authority();
const stranger = new Authority('Somebody else');
const server = authority.issue({ subject: [['CN', 'server']] });
const alice = authority.issue({
  subject: [
    ['O', 'Weir'],
    ['CN', 'Alice'],
  ],
});
afterAll(() => {
  authority.remove();
  stranger.remove();
});

const settings = {
  listeners: ['CLIENTS://127.0.0.1:0'],
  'listener.security.protocol.map': ['CLIENTS:SSL'],
  'listener.name.clients.ssl.keystore.key': server.key,
  'ssl.keystore.certificate.chain': server.certificate,
  'ssl.truststore.certificates': authority.certificate,
};

let running: RunningBroker;
afterEach(() => running.stop());

const reasons = () => running.broker.connectionStats.closedByReason;

/** What the broker knows of a client with that certificate; the error of one that it does not take. */
async function connect(
  given: tls.ConnectionOptions & { own?: Certificate } = {},
): Promise<tls.TLSSocket> {
  const { own, ...options } = given;
  const socket = tls.connect({
    port: running.port,
    host: '127.0.0.1',
    ca: authority.certificate,
    ...(own === undefined ? {} : { key: own.key, cert: own.certificate }),
    ...options,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** Whether the connection is served, which a client learns only behind the handshake. */
function isServed(socket: tls.TLSSocket): Promise<boolean> {
  socket.write(Buffer.from('0000000a00120000000000070000', 'hex'));
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

const principals = (): string[] => {
  const seen: string[] = [];
  for (const listener of running.broker.openListeners) {
    for (const connection of listener.connections) seen.push(connection.info.principal.text);
  }
  return seen;
};

describe('a listener with TLS', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    running = await startBroker(settings);
    const socket = await connect({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    expect(await isServed(socket)).toBe(true);
    expect(principals()).toEqual(['User:ANONYMOUS']);
    expect(await running.broker.metrics()).toMatch(
      /weir_tls_certificate_expiry_timestamp_seconds\{listener="CLIENTS"\} \d{10}/,
    );
    socket.destroy();
  });

  it('speaks no version that it was told not to speak, nor any older one', async () => {
    running = await startBroker({ ...settings, 'ssl.enabled.protocols': ['TLSv1.3'] });
    await expect(connect({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/i);
    await expect(
      connect({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow();
    await expect.poll(() => reasons().get('tls-failed')).toBeGreaterThan(0);
  });

  it('cuts off whoever speaks no TLS, and goes on', async () => {
    running = await startBroker(settings);
    const garbage = [
      'GET / HTTP/1.1\r\n\r\n',
      '\0\0\0\x0a\0\x12\0\0\0\0\0\x07\0\0',
      '\x16\x03\x01\xff\xff',
    ];
    for (const bytes of garbage) {
      const socket = net.connect(running.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes, 'latin1');
      await new Promise((resolve) => socket.once('close', resolve));
    }
    await expect.poll(() => reasons().get('tls-failed')).toBeGreaterThan(1);
    const socket = await connect();
    expect(await isServed(socket)).toBe(true);
    socket.destroy();
  });

  it('gives a handshake a limited time', async () => {
    running = await startBroker({ ...settings, 'connections.first.request.max.ms': 300 });
    const socket = net.connect(running.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(reasons().get('first-request-timeout')).toBe(1);
  });

  it.each([
    ['SSL', 'first-request-timeout', { 'connections.first.request.max.ms': 300 }],
    ['SASL_SSL', 'authentication-timeout', { 'connections.authentication.max.ms': 300 }],
  ] as const)(
    'gives a handshake that begins and never ends a limited time (%s)',
    async (protocol, reason, limit) => {
      running = await startBroker({
        ...settings,
        'listener.security.protocol.map': [`CLIENTS:${protocol}`],
        ...limit,
      });
      const socket = net.connect(running.port, '127.0.0.1');
      socket.on('error', () => {});
      // The header of a TLS record of 512 bytes with a ClientHello, and then a byte now and then.
      socket.write(Buffer.from('160301020001000001fc0303', 'hex'));
      const dribbling = setInterval(() => socket.write('\0'), 20);
      await new Promise((resolve) => socket.once('close', resolve));
      clearInterval(dribbling);
      expect(reasons().get(reason)).toBe(1);
      expect(running.broker.connectionStats.open).toBe(0);
    },
  );

  it('needs a key', async () => {
    await expect(
      startBroker({ listeners: ['SSL://127.0.0.1:0'] }).then((started) => (running = started)),
    ).rejects.toThrow(/listener SSL: ssl.keystore.location: TLS needs a key/);
    running = await startBroker();
  });
});

describe('client certificates', () => {
  it('make the user, by the rules', async () => {
    running = await startBroker({
      ...settings,
      'ssl.client.auth': 'required',
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*?),O=Weir$/$1/L',
    });
    const socket = await connect({ own: alice });
    expect(await isServed(socket)).toBe(true);
    expect(principals()).toEqual(['User:alice']);
    socket.destroy();
    const unruly = await connect({ own: authority.issue({ subject: [['CN', 'bob']] }) });
    expect(await isServed(unruly)).toBe(false);
    expect(reasons().get('certificate-unknown')).toBe(1);
  });

  it('that are required must be there, and signed by somebody who is trusted', async () => {
    running = await startBroker({ ...settings, 'ssl.client.auth': 'required' });
    const none = await connect().catch(() => null);
    expect(none === null ? false : await isServed(none)).toBe(false);
    const foreign = stranger.issue({ subject: [['CN', 'Alice']] });
    const socket = await connect({ own: foreign }).catch(() => null);
    expect(socket === null ? false : await isServed(socket)).toBe(false);
    const expired = authority.issue({ subject: [['CN', 'Alice']], days: -0.5 });
    const late = await connect({ own: expired }).catch(() => null);
    expect(late === null ? false : await isServed(late)).toBe(false);
    expect(running.broker.connectionStats.failedAuthentications).toBe(3);
  });

  it('that are requested need not be there', async () => {
    running = await startBroker({ ...settings, 'ssl.client.auth': 'requested' });
    const socket = await connect();
    expect(await isServed(socket)).toBe(true);
    const known = await connect({ own: alice });
    expect(await isServed(known)).toBe(true);
    expect(principals().sort()).toEqual(['User:ANONYMOUS', 'User:CN=Alice,O=Weir']);
    const foreign = stranger.issue({ subject: [['CN', 'Alice']] });
    const refused = await connect({ own: foreign }).catch(() => null);
    expect(refused === null ? false : await isServed(refused)).toBe(false);
    socket.destroy();
    known.destroy();
  });

  it('are known again when a session is resumed', async () => {
    running = await startBroker({ ...settings, 'ssl.client.auth': 'required' });
    const first = await connect({ own: alice, maxVersion: 'TLSv1.2' });
    const session = first.getSession();
    expect(await isServed(first)).toBe(true);
    const again = await connect({ own: alice, maxVersion: 'TLSv1.2', session: session! });
    expect(again.isSessionReused()).toBe(true);
    expect(await isServed(again)).toBe(true);
    expect(principals()).toEqual(['User:CN=Alice,O=Weir', 'User:CN=Alice,O=Weir']);
    first.destroy();
    again.destroy();
  });
});

describe('a client that has TLS and does not say who it is', () => {
  const asking = {
    ...settings,
    'listener.security.protocol.map': ['CLIENTS:SASL_SSL'],
    'connections.authentication.max.ms': 300,
  };
  const closed = (socket: tls.TLSSocket): Promise<unknown> => {
    socket.on('error', () => {});
    socket.resume();
    return new Promise((resolve) => socket.once('close', resolve));
  };

  it('has a limited time', async () => {
    running = await startBroker(asking);
    await closed(await connect());
    expect(reasons().get('authentication-timeout')).toBe(1);
  });

  it('is served nothing, and may not send long requests', async () => {
    running = await startBroker(asking);
    const curious = await connect();
    // Metadata v0 of all topics.
    curious.write(Buffer.from('0000000e0003000000000007000000000000', 'hex'));
    await closed(curious);
    expect(reasons().get('not-authenticated')).toBe(1);
    const long = await connect();
    long.write(Buffer.from('00010001', 'hex'));
    await closed(long);
    expect(reasons().get('frame-too-large')).toBe(1);
  });
});

describe('a certificate that is renewed', () => {
  it('holds for new connections, and old ones go on', async () => {
    const location = authority.file('server.pem', server.key + server.certificate);
    const {
      'listener.name.clients.ssl.keystore.key': _,
      'ssl.keystore.certificate.chain': __,
      ...rest
    } = settings;
    running = await startBroker({ ...rest, 'ssl.keystore.location': location });
    const before = await connect();
    expect(await isServed(before)).toBe(true);
    const renewed = authority.issue({ subject: [['CN', 'renewed']] });
    fs.writeFileSync(location, renewed.key + renewed.certificate);
    fs.utimesSync(location, 1, 1);
    const subject = async (): Promise<string> => {
      const socket = await connect();
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return String(CN);
    };
    await expect.poll(subject, { timeout: 10_000, interval: 500 }).toBe('renewed');
    expect(await isServed(before)).toBe(true);
    before.destroy();
  });

  it('may come as a setting of the running broker, and is that of the next start', async () => {
    running = await startBroker(settings);
    const { controller } = running.broker.services;
    const change = (name: string, value: string) => ({
      name: `listener.name.clients.ssl.${name}`,
      value,
    });
    await controller.alterConfigs(
      { resourceType: 4, resourceName: '0' },
      () => [
        change('keystore.key', alice.key),
        change('keystore.certificate.chain', alice.certificate),
      ],
      false,
    );
    const subject = async (): Promise<string> => {
      const socket = await connect();
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return String(CN);
    };
    await expect.poll(subject).toBe('Alice');
    running = await running.restart();
    await expect.poll(subject).toBe('Alice');
  });
});
