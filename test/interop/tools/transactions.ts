/** `kafka-transactions`, on an open transaction behind two that were ended. */
import { expect } from 'vitest';
import { WireClient } from '../../unit/broker/fixture.ts';
import { TransactionalClient } from '../../unit/broker/transactional-client.ts';
import type { Comparison, ToolSide, ToolSides } from './tool-sides.ts';
import { TOPICS } from './topics.ts';

const TRANSACTIONS = 'org.apache.kafka.tools.TransactionsCommand';

const comparison: Comparison = {
  mask: [
    [/\b\d{13}\b/g, 'TIME'],
    [/TIME(\s+)\d+/g, 'TIME$1DURATION'],
    [/to broker \d/g, 'to BROKER'],
    [/(?<=^open\s+)\d+(\s+)\d+/gm, 'COORDINATOR$1ID'],
    [/^\d+(\s+)open(\s+)\d+/gm, 'COORDINATOR$1open$2ID'],
    [/^\d+(?=\s+\d+\s+-?\d+\s)/gm, 'ID'],
  ],
};

/** Begins the transaction; its topic is where its coordinator is. Returns what ends the connection. */
async function begin({ ports, bootstrap }: ToolSide, tools: ToolSides): Promise<WireClient> {
  const first = await WireClient.connect(ports[0]!);
  const find = () => first.request('FindCoordinator', 3, { key: 'open', keyType: 1 });
  await expect.poll(async () => (await find()).errorCode).toBe(0);
  const { nodeId } = await find();
  await first.close();
  const { code, stdout } = await tools.shell.run(TOPICS, [
    ...['--bootstrap-server', bootstrap, '--create', '--if-not-exists', '--topic', 'tt'],
    ...['--replica-assignment', String(nodeId), '--config', 'min.insync.replicas=1'],
  ]);
  expect(code === 0 ? '' : stdout).toBe('');
  const client = await WireClient.connect(ports[nodeId]!);
  const producer = new TransactionalClient(client, 'open', 2);
  await producer.init();
  for (const committed of [true, false]) {
    expect((await producer.send('tt', ['ended'])).errorCode).toBe(0);
    await producer.end(committed);
    await producer.completed();
  }
  expect((await producer.send('tt', ['under way'])).errorCode).toBe(0);
  return client;
}

export async function transactions(tools: ToolSides): Promise<void> {
  const clients = await tools.eachSide((side) => begin(side, tools));
  const alike = (args: readonly string[], expected: RegExp): Promise<string> =>
    tools.alike(TRANSACTIONS, args, expected, comparison);
  const soon = (args: readonly string[], expected: RegExp): Promise<void> =>
    tools.alikeSoon(TRANSACTIONS, args, expected, comparison);
  const NONE = /^TransactionalId [^\n]*$/;
  await alike(['list'], /open COORDINATOR ID Ongoing/);
  await alike(['list', '--transactional-id-pattern', 'o.*'], /open/);
  await alike(['list', '--transactional-id-pattern', 'x.*'], NONE);
  await alike(['list', '--transactional-id-pattern', '('], /INVALID_REGULAR_EXPRESSION/);
  await alike(['list', '--duration-filter', '1000000'], NONE);
  await alike(['list', '--duration-filter', '1'], /open/);
  await alike(['describe', '--transactional-id', 'open'], /Ongoing/);
  await alike(['describe', '--transactional-id', 'absent'], /absent/);
  const place = ['--topic', 'tt', '--partition', '0'];
  await alike(['describe-producers', ...place], /ID/);
  await alike(['find-hanging', ...place], /^/);
  const older = ['--max-transaction-timeout', '1'];
  await alike(['find-hanging', '--topic', 'tt', ...older], /^/);
  await alike(['abort', ...place, '--start-offset', '0'], /start/);
  await alike(['abort', ...place, '--start-offset', '4'], /^$/);
  await soon(['describe-producers', ...place], /None/);
  await alike(['forceTerminateTransaction', '--transactional-id', 'open'], /^/);
  await soon(['list'], /open COORDINATOR ID/);
  for (const client of clients) await client.close();
}
