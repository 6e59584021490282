import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { nodeTransport } from '../../src/base/node-transport.ts';
import { collectorDefaults } from '../../src/collectors/settings.ts';
import { SyslogCollector } from '../../src/collectors/syslog/syslog-collector.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { loggen } from '../peers/loggen.ts';
import { freePort } from '../peers/peer.ts';
import { startRsyslog } from '../peers/rsyslog.ts';
import { memorySinks } from '../unit/collectors/support/memory-sink.ts';

const run = promisify(execFile);
let port = 0;
const LINES = 2000;
let collector: SyslogCollector;
let sinks = memorySinks();

/** On another port each time, unless it is to come back where it was. */
async function serve(at?: number): Promise<void> {
  port = at ?? (await freePort());
  sinks = memorySinks();
  collector = new SyslogCollector({
    settings: { ...collectorDefaults.syslog, port },
    sinks: sinks.factory,
    transport: nodeTransport,
    disk: nodeDisk,
    clock: systemClock,
    logger: silentLogger,
  });
  await collector.start();
  expect(collector.status().reason).toBe('');
}

afterEach(async () => {
  await collector.stop();
  collector.balance.check();
  expect(collector.balance.inFlight).toBe(0);
});

const stored = (): number => sinks.sink().stored.length;
const untagged = (): boolean =>
  sinks
    .sink()
    .records()
    .every((record) => record['tags'] === undefined);

describeWithPeers(['rsyslog'], 'rsyslog sends to us', () => {
  it.each([
    { framing: 'octet-counted', format: 'rfc5424' },
    { framing: 'traditional', format: 'rfc5424' },
    { framing: 'octet-counted', format: 'rfc3164' },
    { framing: 'traditional', format: 'rfc3164' },
  ] as const)('over TCP, $framing, $format', async (kind) => {
    await serve();
    const rsyslog = await startRsyslog({ module: 'omfwd', port, protocol: 'tcp', ...kind });
    try {
      const socket = net.connect(rsyslog.port, '127.0.0.1');
      const lines = Array.from(
        { length: LINES },
        (_, i) => `<13>1 2026-11-22T10:00:00.123456Z web-1 shop 42 - - line ${i} "é"\n`,
      );
      socket.end(lines.join(''));
      await once(socket, 'close');
      await expect.poll(stored, { timeout: 20_000 }).toBe(LINES);
      expect(sinks.sink().messages()).toEqual(lines.map((_, i) => `line ${i} "é"`));
      expect(sinks.sink().records()[0]).toMatchObject({
        host: { name: 'web-1' },
        service: { name: 'shop' },
        process: { pid: 42 },
      });
      expect(untagged()).toBe(true);
    } finally {
      await rsyslog.stop();
    }
  });

  it('again after we were away', async () => {
    await serve();
    const rsyslog = await startRsyslog({ module: 'omfwd', port, protocol: 'tcp' });
    try {
      const socket = net.connect(rsyslog.port, '127.0.0.1');
      socket.write('<13>1 - h a - - - first\n');
      await expect.poll(stored, { timeout: 20_000 }).toBe(1);
      await collector.stop();
      await serve(port);
      socket.end('<13>1 - h a - - - second\n<13>1 - h a - - - third\n');
      await expect.poll(() => sinks.sink().messages().at(-1), { timeout: 20_000 }).toBe('third');
    } finally {
      await rsyslog.stop();
    }
  });
});

describeWithPeers(['logger'], 'logger sends to us', () => {
  it.each([
    '--udp --rfc5424',
    '--udp --rfc3164',
    '--tcp --rfc5424',
    '--tcp --rfc3164',
    '--tcp --rfc5424 --octet-count',
  ])('with %s', async (options) => {
    await serve();
    const flags = options.split(' ');
    await run('logger', [
      '--server',
      '127.0.0.1',
      '--port',
      String(port),
      ...flags,
      '--tag',
      'job',
      '--priority',
      'local3.warning',
      'hello there',
    ]);
    await expect.poll(stored).toBe(1);
    expect(sinks.sink().records()).toMatchObject([
      {
        message: 'hello there',
        log: { level: 'warning', syslog: { facility: { name: 'local3' } } },
        service: { name: 'job' },
      },
    ]);
    expect(untagged()).toBe(true);
  });
});

describeWithPeers(['loggen'], 'loggen sends to us', () => {
  it.each(['--stream', '--stream --syslog-proto', '--stream --syslog-proto --no-framing'])(
    'with %s',
    async (options) => {
      await serve();
      const flags = options.split(' ');
      const args = [
        '--inet',
        ...flags,
        '--rate',
        '100000',
        '--interval',
        '5',
        '--number',
        String(LINES),
        '127.0.0.1',
        String(port),
      ];
      await loggen(args);
      await expect.poll(stored, { timeout: 10_000 }).toBe(LINES);
      expect(untagged()).toBe(true);
      expect(
        sinks
          .sink()
          .messages()
          .every((message) => String(message).includes('seq:')),
      ).toBe(true);
    },
  );
});
