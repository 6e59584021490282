import { afterEach, expect, it } from 'vitest';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Client } from '../../../src/client/client.ts';
import { Producer } from '../../../src/client/producer.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { startBroker } from '../broker/fixture.ts';
import { FakeBroker } from '../client/fake-broker.ts';
import { fakeTerminal } from './fake-terminal.ts';

let running: { stop(): Promise<void> };
afterEach(() => running.stop());

const LINES = 80;

/** So many lines of nearly a megabyte, a millisecond apart; resolves to where the broker is. */
async function logged(): Promise<string> {
  const broker = await startBroker();
  running = broker;
  const bootstrap = `127.0.0.1:${broker.port}`;
  const client = new Client({ bootstrap, clientId: 'test' });
  const producer = new Producer(client, { acks: 1 });
  const start = Date.now() - 60_000;
  for (let i = 0; i < LINES; i++) {
    const stamp = new Date(start + i).toISOString();
    const value = JSON.stringify({ '@timestamp': stamp, message: `${i} ${'x'.repeat(900_000)}` });
    while (!producer.append('logs', Buffer.from(value), { timestamp: start + i })) {
      await producer.drained();
    }
  }
  await producer.close();
  client.close();
  return bootstrap;
}

it('holds a bounded part of what was logged since a time, in its order', async () => {
  const bootstrap = await logged();
  const written: number[][] = [];
  const terminal = {
    ...fakeTerminal(),
    out: (text: string | Uint8Array) => {
      const lines = String(text).trimEnd().split('\n');
      written.push(lines.map((line) => Number(/"message":"(\d+) /.exec(line)?.[1])));
    },
  };
  const argv = ['tail', '--since', '1h', '--no-follow', '--json', '--bootstrap-server', bootstrap];
  expect(await runCommand(commands, argv, terminal)).toBe(0);
  expect(written.flat()).toEqual(Array.from({ length: LINES }, (_, i) => i));
  expect(written.length).toBeGreaterThan(1);
  expect(Math.max(...written.map((part) => part.length))).toBeLessThan(60);
});

it('gives up a partition of which nothing comes any more', async () => {
  const bootstrap = await logged();
  let errors = '';
  let stopped: Promise<unknown> | null = null;
  const terminal = {
    ...fakeTerminal(),
    out: async () => {
      stopped ??= running.stop();
      await stopped;
    },
    err: (text: string) => {
      errors += text;
    },
  };
  const argv = ['tail', '--since', '1h', '--no-follow', '--timeout', '1500'];
  argv.push('--bootstrap-server', bootstrap);
  expect(await runCommand(commands, argv, terminal)).not.toBe(0);
  expect(errors).toContain('nothing came from logs-0 for 1500 ms');
});

/** A topic of two partitions with a line each, the second of which has no leader, or had none yet. */
async function halfAway(leaderEpoch = 1): Promise<FakeBroker> {
  const broker = new FakeBroker(nodeTransport, { topics: { logs: 2 }, host: '127.0.0.1' });
  await broker.start();
  running = broker;
  for (const partition of [0, 1]) put(broker, partition, `line of ${partition}`);
  Object.assign(broker.partition('logs', 1), { leader: -1, leaderEpoch });
  return broker;
}

function put(broker: FakeBroker, partition: number, message: string): void {
  const builder = new RecordBatchBuilder();
  builder.append(1000, null, Buffer.from(JSON.stringify({ message })));
  broker.partition('logs', partition).append(builder.build());
}

it('shows what has a leader, and fails for the rest', async () => {
  const broker = await halfAway();
  const terminal = fakeTerminal();
  const argv = ['tail', '--no-follow', '--bootstrap-server', broker.address];
  expect(await runCommand(commands, argv, terminal)).not.toBe(0);
  expect(terminal.written()).toContain('line of 0');
  expect(terminal.errors()).toContain('logs-1: no leader');
});

it('follows what has a leader, and the rest when it has one', async () => {
  const broker = await halfAway();
  const terminal = fakeTerminal();
  const done = runCommand(commands, ['tail', '--bootstrap-server', broker.address], terminal);
  await expect.poll(() => terminal.written()).toContain('line of 0');
  expect(terminal.errors()).toContain('logs-1: no leader; it is shown when it comes');
  /** It looks where the log ends before it asks for more. */
  const asked = (): boolean =>
    broker.requests.some(
      ({ api, body }) =>
        api === 'Fetch' && body.topics[0].partitions.some((p: any) => p.partition === 1),
    );
  Object.assign(broker.partition('logs', 1), { leader: 1, leaderEpoch: 2 });
  await expect.poll(asked).toBe(true);
  put(broker, 1, 'a new line');
  await expect.poll(() => terminal.written()).toContain('a new line');
  expect(terminal.written()).not.toContain('line of 1');
  terminal.interrupt();
  expect(await done).toBe(0);
});

it('consumes what has a leader, and tells of what has none', async () => {
  const broker = await halfAway();
  const terminal = fakeTerminal();
  const argv = ['consume', 'logs', '--from-beginning', '--max-messages', '1'];
  argv.push('--bootstrap-server', broker.address);
  expect(await runCommand(commands, argv, terminal)).toBe(0);
  expect(terminal.written()).toContain('line of 0');
  expect(terminal.errors()).toContain('logs-1: no leader; it is shown when it comes');
});

it('shows all of a partition that had no leader yet', async () => {
  const broker = await halfAway(0);
  const terminal = fakeTerminal();
  const done = runCommand(commands, ['tail', '--bootstrap-server', broker.address], terminal);
  await expect.poll(() => terminal.written()).toContain('line of 0');
  broker.partition('logs', 1).leader = 1;
  await expect.poll(() => terminal.written()).toContain('line of 1');
  terminal.interrupt();
  expect(await done).toBe(0);
});
