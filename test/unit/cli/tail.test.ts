import { afterEach, expect, it } from 'vitest';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Client } from '../../../src/client/client.ts';
import { Producer } from '../../../src/client/producer.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { fakeTerminal } from './fake-terminal.ts';

let running: RunningBroker;
afterEach(() => running.stop());

const LINES = 80;

/** So many lines of nearly a megabyte, a millisecond apart; resolves to where the broker is. */
async function logged(): Promise<string> {
  running = await startBroker();
  const bootstrap = `127.0.0.1:${running.port}`;
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
