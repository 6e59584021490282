import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { collectorDefaults, type SyslogSettings } from '../../../src/collectors/settings.ts';
import { SyslogCollector } from '../../../src/collectors/syslog/syslog-collector.ts';
import { listenUdp } from '../../../src/collectors/syslog/udp.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { freePort } from '../../peers/peer.ts';
import { memorySinks } from './support/memory-sink.ts';

const port = await freePort();
let collector: SyslogCollector;
let sinks = memorySinks();

async function serve(settings: Partial<SyslogSettings> = {}): Promise<void> {
  sinks = memorySinks();
  collector = new SyslogCollector({
    settings: { ...collectorDefaults.syslog, port, ...settings },
    sinks: sinks.factory,
    transport: nodeTransport,
    disk: nodeDisk,
    clock: systemClock,
    logger: silentLogger,
  });
  await collector.start();
}

afterEach(async () => {
  await collector.stop();
  collector.balance.check();
  expect(collector.balance.inFlight).toBe(0);
});

const event = (name: string): number => new Map(collector.tallies()).get(name) ?? 0;

function tcp(...chunks: (string | Buffer)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      for (const chunk of chunks) socket.write(chunk);
      socket.end();
    });
    socket.on('close', () => resolve());
    socket.on('error', reject);
  });
}

async function udp(...messages: (string | Buffer)[]): Promise<void> {
  const socket = dgram.createSocket('udp4');
  for (const message of messages) {
    await new Promise<void>((resolve) => socket.send(message, port, '127.0.0.1', () => resolve()));
  }
  socket.close();
}

describe('the syslog collector', () => {
  it('takes TCP in both framings, and says who sent it', async () => {
    await serve();
    await tcp('<13>Nov 22 10:00:00 h app: one\n21 <13>1 - h - - - - two', '<13>three');
    await expect.poll(() => sinks.sink().messages()).toEqual(['one', 'two', 'three']);
    expect(sinks.sink().stored[0]?.headers).toEqual({
      'weir.source': 'syslog',
      'weir.peer': '127.0.0.1',
    });
    expect(collector.balance).toMatchObject({ received: 3, stored: 3 });
  });

  it('takes UDP, a datagram a message', async () => {
    await serve();
    await udp(
      '<13>Nov 22 10:00:00 h app: one\n',
      '<13>two\u0000',
      '',
      '<14>1 - - - - - - three\nlines',
    );
    await expect.poll(() => sinks.sink().messages()).toEqual(['one', 'two', 'three\nlines']);
    expect(event('udp_messages')).toBe(4);
    expect(event('udp_kernel_drops')).toBe(0);
  });

  it('names a sender over IPv4 the same whatever the listener is bound to', async () => {
    await serve({ host: '::' });
    await tcp('<13>one\n');
    await expect.poll(() => sinks.sink().messages()).toEqual(['one']);
    await udp('<13>two');
    await expect.poll(() => sinks.sink().messages()).toEqual(['one', 'two']);
    for (const { headers } of sinks.sink().stored) {
      expect(headers['weir.peer']).toBe('127.0.0.1');
    }
    const hosts = sinks
      .sink()
      .records('logs')
      .map((record) => record['host']);
    expect(hosts).toEqual([{ name: '127.0.0.1' }, { name: '127.0.0.1' }]);
  });

  it('takes a million bytes of lines in order', async () => {
    await serve();
    const lines = Array.from(
      { length: 20_000 },
      (_, i) => `<13>Nov 22 10:00:00 h app: line ${i} ${'x'.repeat(40)}`,
    );
    await tcp(`${lines.join('\n')}\n`);
    await expect.poll(() => sinks.sink().stored.length).toBe(20_000);
    expect(
      sinks
        .sink()
        .messages()
        .every((message, i) => String(message).startsWith(`line ${i} `)),
    ).toBe(true);
  });

  it('cuts a line of ten megabytes', async () => {
    await serve({ messageBytesMax: 1000 });
    await tcp(Buffer.alloc(10_000_000, 'x'), '\n<13>next\n');
    await expect.poll(() => sinks.sink().stored.length).toBe(2);
    expect(sinks.sink().records()[0]).toMatchObject({
      message: 'x'.repeat(1000),
      tags: ['truncated'],
    });
    expect(event('messages_truncated')).toBe(1);
  });

  it('makes a TCP sender wait while the log is slow, and loses nothing', async () => {
    await serve();
    sinks.sink().auto = false;
    sinks.sink().bytesMax = 5000;
    const lines = Array.from({ length: 2000 }, (_, i) => `<13>${i}`);
    const sent = tcp(`${lines.join('\n')}\n`);
    await expect.poll(() => sinks.sink().waiting.length).toBeGreaterThan(5);
    const pump = setInterval(() => sinks.sink().report(), 1);
    await sent;
    await expect.poll(() => sinks.sink().stored.length).toBe(2000);
    clearInterval(pump);
    expect(sinks.sink().messages()).toEqual(lines.map((_, i) => String(i)));
    expect(collector.balance.droppedTotal).toBe(0);
  });

  it('drops and counts UDP while the log is slow', async () => {
    await serve();
    sinks.sink().auto = false;
    sinks.sink().bytesMax = 500;
    await udp(...Array.from({ length: 20 }, (_, i) => `<13>${i}`));
    await expect.poll(() => collector.balance.received).toBe(20);
    expect(collector.balance.dropped.get('buffer_full')).toBeGreaterThan(10);
    sinks.sink().report();
  });

  it('closes and counts a connection whose frames make no sense', async () => {
    await serve();
    await tcp('<13>a\n99999999999 <13>b').catch(() => {});
    await expect.poll(() => event('frames_malformed')).toBe(1);
    expect(sinks.sink().messages()).toEqual(['a']);
  });

  it('bounds the number of connections', async () => {
    await serve({ connectionsMax: 1 });
    const first = net.connect(port, '127.0.0.1');
    await expect.poll(() => new Map(collector.gauges()).get('connections')).toBe(1);
    await tcp('<13>no\n').catch(() => {});
    await expect.poll(() => event('connections_refused')).toBe(1);
    first.destroy();
    await expect.poll(() => new Map(collector.gauges()).get('connections')).toBe(0);
  });

  it('turns yellow when its port is taken, and serves all the same', async () => {
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    await serve();
    expect(collector.status()).toMatchObject({
      light: 'yellow',
      reason: `TCP 127.0.0.1:${port}: the port is taken`,
    });
    await udp('<13>works');
    await expect.poll(() => sinks.sink().messages()).toEqual(['works']);
    await new Promise((resolve) => taken.close(resolve));
  });

  it('counts what the log refused', async () => {
    await serve();
    sinks.sink().error = new Error('gone');
    await tcp('<13>a\n');
    await expect.poll(() => collector.balance.dropped.get('connection')).toBe(1);
  });

  it('stores what it has read before it stops', async () => {
    await serve();
    sinks.sink().auto = false;
    await tcp('<13>a\n<13>b\n');
    await expect.poll(() => sinks.sink().waiting.length).toBe(2);
    await collector.stop();
    expect(sinks.sink().messages()).toEqual(['a', 'b']);
  });

  it('ends though the log has no room, and counts what it could not store', async () => {
    await serve();
    sinks.sink().auto = false;
    sinks.sink().bytesMax = 3000;
    const socket = net.connect(port, '127.0.0.1');
    socket.write(Array.from({ length: 50 }, (_, i) => `<13>${i}\n`).join(''));
    void tcp(Array.from({ length: 50 }, (_, i) => `<13>ended ${i}\n`).join(''));
    await expect.poll(() => new Map(collector.gauges()).get('connections')).toBe(2);
    await expect.poll(() => sinks.sink().waiting.length).toBeGreaterThan(0);
    await collector.stop();
    expect(collector.balance.received).toBe(100);
    expect(collector.balance.stored).toBe(sinks.sink().stored.length);
    expect(collector.balance.dropped.get('shutdown')).toBe(100 - collector.balance.stored);
    socket.destroy();
  });

  it('stores what waits for room when it stops, if there is room in time', async () => {
    await serve();
    sinks.sink().auto = false;
    sinks.sink().bytesMax = 3000;
    void tcp(Array.from({ length: 50 }, (_, i) => `<13>${i}\n`).join(''));
    await expect.poll(() => sinks.sink().waiting.length).toBeGreaterThan(0);
    const stopped = collector.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const pump = setInterval(() => sinks.sink().report(), 5);
    await stopped;
    clearInterval(pump);
    expect(sinks.sink().messages()).toHaveLength(50);
  });

  it('does not take a sender that it lets wait for an idle one', async () => {
    await serve({ idleTimeoutMs: 500 });
    sinks.sink().auto = false;
    sinks.sink().bytesMax = 2000;
    const lines = Array.from({ length: 20_000 }, (_, i) => `<13>${i} ${'x'.repeat(100)}`);
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.end(`${lines.join('\n')}\n`);
    await expect.poll(() => sinks.sink().waiting.length).toBeGreaterThan(2);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    sinks.sink().bytesMax = Number.POSITIVE_INFINITY;
    sinks.sink().auto = true;
    sinks.sink().report();
    await expect.poll(() => sinks.sink().stored.length).toBe(lines.length);
  });

  it('keeps no descriptor of a port that it did not get', async () => {
    const taken = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => taken.bind(port, '127.0.0.1', resolve));
    const open = (): number => fs.readdirSync('/proc/self/fd').length;
    const before = open();
    for (let i = 0; i < 20; i++) {
      await expect(listenUdp('127.0.0.1', port, 65_536, () => {})).rejects.toThrow('EADDRINUSE');
    }
    expect(open() - before).toBeLessThan(10);
    await new Promise<void>((resolve) => taken.close(() => resolve()));
    await serve();
  });

  it('counts a message that the log never takes', async () => {
    await serve();
    sinks.sink().error = new ProtocolError(ErrorCode.MESSAGE_TOO_LARGE);
    await tcp('<13>a\n');
    await expect.poll(() => collector.balance.dropped.get('too_large')).toBe(1);
  });
});
