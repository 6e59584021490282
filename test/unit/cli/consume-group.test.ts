import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Client } from '../../../src/client/client.ts';
import { GroupMember } from '../../../src/client/group-member.ts';
import { Producer } from '../../../src/client/producer.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { fakeTerminal } from './fake-terminal.ts';

const RECORDS = 40;
/** A heartbeat tells the command of a rebalance: every 3 s. */
const REBALANCE_MS = 3500;

let running: RunningBroker;
afterEach(() => running.stop());

it('gives a partition up when what it is writing is written, and committed', async () => {
  running = await startBroker();
  const bootstrap = `127.0.0.1:${running.port}`;
  const client = new Client({ bootstrap, clientId: 'test' });
  const producer = new Producer(client, { acks: 1 });
  for (let i = 0; i < RECORDS; i++) producer.append('logs', Buffer.from(`${i}`), { partition: 0 });
  await producer.close();

  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  let text = '';
  const terminal = {
    ...fakeTerminal(),
    interrupted: end.promise,
    out: async (part: string | Uint8Array) => {
      reached.resolve();
      await gate.promise;
      text += String(part);
    },
  };
  const argv = ['consume', 'logs', '--group', 'readers', '--from-beginning'];
  const consuming = runCommand(commands, [...argv, '--bootstrap-server', bootstrap], terminal);
  await reached.promise;

  let committed: number | null = null;
  const other = new GroupMember(client, {
    groupId: 'readers',
    topics: ['logs'],
    heartbeatIntervalMs: 50,
    onAssigned: async (partitions) => {
      const [first] = await other.committed(partitions);
      // The only partition is either's.
      if (first !== undefined) committed = first.offset;
    },
    onRevoked: () => {},
  });
  other.start();
  // Time for a rebalance that would not wait.
  await sleep(REBALANCE_MS);
  expect(other.assigned).toEqual([]);
  gate.resolve();
  await expect.poll(() => other.generationId, { timeout: 10_000 }).toBeGreaterThan(1);
  end.resolve();
  expect(await consuming).toBe(0);
  await expect.poll(() => committed, { timeout: 10_000 }).not.toBeNull();
  const shown = text.trim().split('\n').length;
  expect(committed).toBe(shown);
  expect(shown).toBe(RECORDS);
  await other.leave();
  client.close();
});
