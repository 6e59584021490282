import { once } from 'node:events';
import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import type { Listening, Stream } from '../../../src/base/transport.ts';
import { Authority } from '../../support/certificates.ts';

const authority = new Authority();
afterAll(() => authority.remove());

const { key, certificate: cert } = authority.issue({ subject: [['CN', 'broker']] });
const acceptor = {
  context: () => tls.createSecureContext({ key, cert }),
  clientAuth: () => 'none' as const,
};

let listening: Listening;
const sockets: tls.TLSSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listening.close();
});

/** Accepts with TLS; returns the streams in the order in which they came. */
async function listen(accept: (stream: Stream) => void): Promise<void> {
  listening = await nodeTransport.listen('127.0.0.1', 0, accept, acceptor);
}

function connect(): tls.TLSSocket {
  const { host, port } = listening;
  const socket = tls.connect({ host, port, rejectUnauthorized: false });
  sockets.push(socket);
  return socket;
}

describe('a connection with TLS that is held back', () => {
  it('has its handshake when it is let go on', async () => {
    const streams: Stream[] = [];
    await listen((stream) => {
      if (streams.push(stream) === 1) stream.pause();
    });
    const first = connect();
    let isSecure = false;
    first.once('secureConnect', () => {
      isSecure = true;
    });
    await expect.poll(() => streams.length).toBe(1);
    await once(connect(), 'secureConnect');
    expect(isSecure).toBe(false);
    expect(streams[0]!.remote).toBe(`127.0.0.1:${first.localPort}`);
    const said = new Promise<string>((resolve) => {
      streams[0]!.onData = (bytes) => {
        resolve(bytes.toString());
        streams[0]!.write([Buffer.from('answer')]);
      };
    });
    streams[0]!.resume();
    await expect.poll(() => isSecure).toBe(true);
    first.write('question');
    expect(await said).toBe('question');
    expect(String((await once(first, 'data'))[0])).toBe('answer');
    expect(streams[0]!.secured?.protocol).toBe('TLSv1.3');
  });

  it('is closed without one', async () => {
    const streams: Stream[] = [];
    await listen((stream) => {
      streams.push(stream);
      stream.pause();
    });
    const socket = connect();
    const failed = once(socket, 'error');
    await expect.poll(() => streams.length).toBe(1);
    const closed = new Promise((resolve) => {
      streams[0]!.onClose = resolve;
    });
    streams[0]!.destroy();
    expect(await closed).toBeNull();
    expect((await failed)[0].message).toMatch(/disconnected before secure|ECONNRESET/);
  });
});
