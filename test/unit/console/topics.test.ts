import { expect, it, onTestFinished } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { logTopics } from '../../../src/console/topics.ts';
import { FakeBroker } from '../client/fake-broker.ts';
import { MemoryTransport } from '../client/memory-transport.ts';

it('count what leaders tell, and of how many partitions nobody tells', async () => {
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, { topics: { logs: 3 }, brokers: 2 });
  await broker.start();
  const client = new Client({ bootstrap: broker.address, clientId: 'test', transport });
  onTestFinished(async () => {
    client.close();
    await broker.stop();
  });
  const first = broker.partition('logs', 0);
  for (const value of ['a', 'b']) first.records.push({ key: null, value });
  broker.partition('logs', 2).leader = -1;
  broker.intercept = ({ api, broker: id }) =>
    api === 'ListOffsets' && id === 2 ? 'silence' : undefined;
  expect(await logTopics(client).topics()).toEqual([
    {
      name: 'logs',
      partitions: 3,
      records: 2,
      unknown: 2,
      replicationFactor: 1,
      underReplicated: 0,
    },
  ]);
});
