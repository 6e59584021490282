import { afterEach, beforeEach, expect, it } from 'vitest';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Admin } from '../../../src/client/admin.ts';
import { Client } from '../../../src/client/client.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { fakeTerminal } from './fake-terminal.ts';

let running: RunningBroker;
beforeEach(async () => {
  running = await startBroker();
  const client = new Client({ bootstrap: `127.0.0.1:${running.port}`, clientId: 'test' });
  await new Admin(client).createTopics([{ name: 'orders', partitions: 2 }]);
  client.close();
});
afterEach(() => running.stop());

const run = async (...argv: string[]) => {
  const terminal = fakeTerminal();
  const to = ['--bootstrap-server', `127.0.0.1:${running.port}`];
  const code = await runCommand(commands, ['group', ...argv, ...to], terminal);
  return { code, out: terminal.written(), err: terminal.errors() };
};

it('moves a partition once that is named more than once', async () => {
  const twice = ['--topic', 'orders:0,0', '--topic', 'orders', '--topic', 'orders:1'];
  const { code, out, err } = await run(
    ...['reset-offsets', 'billing', ...twice, '--to-latest', '--execute', '--json'],
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(JSON.parse(out)).toEqual([
    { group: 'billing', topic: 'orders', partition: 0, offset: 0 },
    { group: 'billing', topic: 'orders', partition: 1, offset: 0 },
  ]);
});

it('refuses partitions that it can not read, before anything is moved', async () => {
  for (const topic of ['orders:0:1', 'orders:', 'orders:0,', 'orders:2', ':0']) {
    const { code, err } = await run('reset-offsets', 'billing', '--topic', topic, '--to-latest');
    expect(code, topic).toBe(2);
    expect(err, topic).toContain('--topic');
  }
});

it('says that a group to delete does not exist', async () => {
  const { code, err } = await run('delete', 'nosuch');
  expect({ code, err }).toEqual({ code: 1, err: "weir: group 'nosuch' does not exist\n" });
});

it('has nothing to move for a group without offsets, and says so', async () => {
  const { code, out, err } = await run('reset-offsets', 'nosuch', '--all-topics', '--to-latest');
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toBe("weir: group 'nosuch' has no committed offsets; name topics with --topic\n");
});
