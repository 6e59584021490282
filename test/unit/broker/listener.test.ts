import net from 'node:net';
import os from 'node:os';
import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import {
  isLoopback,
  listenerAddresses,
  parseAddress,
} from '../../../src/broker/listener-address.ts';
import { startBroker, WireClient } from './fixture.ts';

const settings = {
  listeners: ['PLAINTEXT://127.0.0.1:9092'],
  advertised: [] as string[],
  protocols: ['PLAINTEXT:PLAINTEXT', 'INSIDE:PLAINTEXT', 'SSL:SSL'],
  insecure: false,
  internal: null,
  setting: (_: string, key: string): unknown => (key === 'ssl.client.auth' ? 'none' : ['PLAIN']),
};

describe('an address', () => {
  it.each([
    ['PLAINTEXT://localhost:9092', { name: 'PLAINTEXT', host: 'localhost', port: 9092 }],
    ['inside://:0', { name: 'INSIDE', host: '', port: 0 }],
    ['PLAINTEXT://[::1]:9092', { name: 'PLAINTEXT', host: '::1', port: 9092 }],
  ])('is read from %j', (text, expected) => {
    expect(parseAddress(text, 'listeners')).toEqual(expected);
  });
  it.each([
    '',
    'localhost:9092',
    'PLAINTEXT://localhost',
    'PLAINTEXT://localhost:99999',
    'PLAINTEXT://a:b:1',
  ])('is refused as %j', (text) => {
    expect(() => parseAddress(text, 'listeners')).toThrow(FatalError);
  });
  it('is of this machine alone only if it says so', () => {
    expect(['127.0.0.1', '127.1.2.3', 'localhost', '::1'].every(isLoopback)).toBe(true);
    expect(
      ['', '0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', '1270.0.0.1'].some(isLoopback),
    ).toBe(false);
  });
});

describe('listeners', () => {
  it.each(['PLAINTEXT://:9092', 'PLAINTEXT://0.0.0.0:9092', 'PLAINTEXT://10.1.2.3:9092'])(
    'beyond this machine are refused without saying insecure: %s',
    (listener) => {
      const open = { ...settings, listeners: [listener] };
      expect(() => listenerAddresses(open)).toThrow(/insecure: true/);
      expect(listenerAddresses({ ...open, insecure: true }).open).toHaveLength(1);
    },
  );
  it('are refused when their protocol, their name unknown or used twice', () => {
    const listen =
      (...listeners: string[]) =>
      () =>
        listenerAddresses({ ...settings, listeners });
    expect(() => listenerAddresses({ ...settings, protocols: ['PLAINTEXT:TLS'] })).toThrow(
      /expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL, saw 'TLS'/,
    );
    expect(listen('OTHER://127.0.0.1:1')).toThrow(/listener.security.protocol.map/);
    expect(listen('PLAINTEXT://127.0.0.1:1', 'PLAINTEXT://127.0.0.1:2')).toThrow(/once/);
  });
  it('cannot be advertised as no host at all', () => {
    expect(() =>
      listenerAddresses({ ...settings, advertised: ['PLAINTEXT://0.0.0.0:9092'] }),
    ).toThrow(/no host that clients could reach/);
  });
});

describe('a broker', () => {
  it('tells each client the address by which it came in', async () => {
    const running = await startBroker({
      listeners: ['PLAINTEXT://127.0.0.1:0', 'INSIDE://127.0.0.2:0'],
      'listener.security.protocol.map': ['PLAINTEXT:PLAINTEXT', 'INSIDE:PLAINTEXT'],
    });
    for (const { host, port } of running.broker.listeners) {
      const client = await WireClient.connect(port, host);
      const { brokers } = await client.request('Metadata', 1, { topics: [] });
      expect(brokers).toMatchObject([{ host, port }]);
      await client.close();
    }
    await running.stop();
  });

  it('tells what it was told to advertise', async () => {
    const running = await startBroker({
      'advertised.listeners': ['PLAINTEXT://kafka.example.com:19092'],
    });
    const client = await WireClient.connect(running.port);
    const { brokers } = await client.request('Metadata', 1, { topics: [] });
    expect(brokers).toMatchObject([{ host: 'kafka.example.com', port: 19092 }]);
    await client.close();
    await running.stop();
  });

  it('warns at each start that it is open to others', async () => {
    const running = await startBroker({ listeners: ['PLAINTEXT://0.0.0.0:0'], insecure: true });
    expect(running.logged[0]).toMatchObject({ level: 'warn' });
    expect(running.logged[0]!.message).toContain('open to everybody');
    const own = Object.values(os.networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    if (own !== undefined) {
      const client = await WireClient.connect(running.port, own.address);
      const { brokers } = await client.request('Metadata', 1, { topics: [] });
      expect(brokers).toMatchObject([{ host: own.address, port: running.port }]);
      await client.close();
    }
    await running.stop();
  });

  it('says plainly that its port is taken', async () => {
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as net.AddressInfo;
    await expect(startBroker({ listeners: [`PLAINTEXT://127.0.0.1:${port}`] })).rejects.toThrow(
      `the Kafka listener PLAINTEXT cannot listen on 127.0.0.1:${port}: another program has that port; stop it, or take another port with \`--set kafka.port=PORT\``,
    );
    taken.close();
  });
});
