/** Apache Kafka's transactional clients and tools on our broker. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import {
  createTopic,
  type RunningBroker,
  startBroker,
  WireClient,
} from '../unit/broker/fixture.ts';
import { TransactionalClient } from '../unit/broker/transactional-client.ts';

const TRANSACTIONS = 'org.apache.kafka.tools.TransactionsCommand';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const FORMATTER = 'org.apache.kafka.tools.consumer.TransactionLogMessageFormatter';
const DUMP = 'org.apache.kafka.tools.DumpLogSegments';

const run = async (tool: string, args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await kafkaTool(tool, args, { timeoutMs: 120_000 });
  expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
  return stdout;
};

/** What `kafka-transactions` prints. */
const transactionsOf = (port: number, ...args: string[]): Promise<string> =>
  run(TRANSACTIONS, ['--bootstrap-server', `127.0.0.1:${port}`, ...args]);

/** What an application sees that reads the whole topic. */
const committedOf = async (port: number, topic: string): Promise<string[]> => {
  const read = await run(CONSUMER, [
    ...['--bootstrap-server', `127.0.0.1:${port}`, '--topic', topic, '--from-beginning'],
    ...['--timeout-ms', '4000', '--isolation-level', 'read_committed'],
  ]);
  return read.split('\n').filter((line) => line !== '');
};

describeWithPeers(['kafka'], 'Kafka’s tools', () => {
  let running: RunningBroker;
  let client: WireClient;
  let producer: TransactionalClient;
  beforeAll(async () => {
    running = await startBroker({ 'transaction.state.log.num.partitions': 1 });
    client = await WireClient.connect(running.port);
    await createTopic(client, 'tt', 1);
    producer = new TransactionalClient(client, 'open', 2);
    await producer.init();
    for (const committed of [true, false]) {
      expect((await producer.send('tt', [committed ? 'kept' : 'void'])).errorCode).toBe(0);
      await producer.end(committed);
      await producer.completed();
    }
    expect((await producer.send('tt', ['under way'])).errorCode).toBe(0);
  });
  afterAll(async () => {
    await client?.close();
    await running?.stop();
  });

  const transactions = (...args: string[]): Promise<string> =>
    transactionsOf(running.port, ...args);

  it('list and describe transactions and producers', async () => {
    const listed = await transactions('list');
    expect(listed).toMatch(new RegExp(`open\\s+0\\s+${producer.producerId}\\s+Ongoing`));
    const byPattern = await transactions('list', '--transactional-id-pattern', 'o.*');
    expect(byPattern).toContain('open');
    const described = await transactions('describe', '--transactional-id', 'open');
    expect(described).toMatch(/Ongoing\s+60000/);
    expect(described).toContain('tt-0');
    const producers = await transactions('describe-producers', '--topic', 'tt', '--partition', '0');
    expect(producers).toMatch(new RegExp(`${producer.producerId}\\s+${producer.producerEpoch}`));
  });

  it('find no transaction that hangs', async () => {
    const found = await transactions('find-hanging', '--topic', 'tt', '--partition', '0');
    expect(found).not.toContain('tt');
  });

  it('print the records of __transaction_state', async () => {
    const printed = await run(CONSUMER, [
      ...['--bootstrap-server', `127.0.0.1:${running.port}`, '--topic', '__transaction_state'],
      ...['--from-beginning', '--timeout-ms', '4000', '--formatter', FORMATTER],
    ]);
    // One after another, on one line.
    const records = printed
      .replaceAll('}{', '}\n{')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(records[0]).toMatchObject({
      key: { type: 0, data: { transactionalId: 'open' } },
      value: { version: 1, data: { transactionStatus: 0, producerEpoch: 0 } },
    });
    const states = records.map((record) => record.value.data.transactionStatus);
    expect(states).toEqual([0, 1, 2, 4, 1, 3, 5, 1]);
  });

  it('show an application the committed records alone', async () => {
    expect(await committedOf(running.port, 'tt')).toEqual(['kept']);
  });

  it('abort a transaction by the offset where it begins', async () => {
    const producers = await transactions('describe-producers', '--topic', 'tt', '--partition', '0');
    const start = /(\d+)\s*$/.exec(producers.trim())![1]!;
    await transactions('abort', '--topic', 'tt', '--partition', '0', '--start-offset', start);
    const after = await transactions('describe-producers', '--topic', 'tt', '--partition', '0');
    expect(after).toMatch(/None\s*$/);
  });

  it('read the index of aborted transactions and the snapshots of producers', async () => {
    const directory = path.join(running.directory, 'tt-0');
    await running.broker.stop();
    const index = await run(DUMP, [
      '--files',
      path.join(directory, '00000000000000000000.txnindex'),
    ]);
    const aborted = [...index.matchAll(/producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+)/g)];
    expect(aborted.map((m) => [Number(m[2]), Number(m[3])])).toEqual([
      [2, 3],
      [4, 5],
    ]);
    const log = await run(DUMP, [
      ...['--print-data-log', '--files', path.join(directory, '00000000000000000000.log')],
    ]);
    expect(log).toContain('endTxnMarker: COMMIT');
    expect(log).toContain('endTxnMarker: ABORT');
    const snapshot = await run(DUMP, [
      '--files',
      path.join(directory, '00000000000000000006.snapshot'),
    ]);
    expect(snapshot).toMatch(new RegExp(`producerId: ${producer.producerId} `));
    expect(snapshot).toMatch(/coordinatorEpoch: 0 currentTxnFirstOffset: OptionalLong\.empty/);
  });
});

describeWithPeers(
  ['kafka'],
  'Kafka’s tools, of a transaction that its coordinator has lost',
  () => {
    const settings = { 'transaction.state.log.num.partitions': 1 };
    const at = ['--topic', 'lost', '--partition', '0'];
    let running: RunningBroker;
    let client: WireClient;
    let producer: TransactionalClient;
    beforeAll(async () => {
      running = await startBroker(settings);
      client = await WireClient.connect(running.port);
      await createTopic(client, 'lost', 1);
      producer = new TransactionalClient(client, 'lost-id', 2);
      await producer.init();
      expect((await producer.send('lost', ['void'])).errorCode).toBe(0);
      await client.close();
      const { directory } = running;
      await running.broker.stop();
      // Nobody will end it: what the coordinator knew is gone, and the partition waits for the marker.
      fs.rmSync(path.join(directory, '__transaction_state-0'), { recursive: true });
      running = await startBroker(settings, { directory });
      client = await WireClient.connect(running.port);
      const later = new TransactionalClient(client, 'later', 2);
      await later.init();
      expect((await later.send('lost', ['kept'])).errorCode).toBe(0);
      await later.end(true);
      await later.completed();
    });
    afterAll(async () => {
      await client?.close();
      await running?.stop();
    });

    /** The line about the producer, without what stands before its number. */
    const hanging = async (): Promise<string[] | undefined> => {
      const args = [...at, '--max-transaction-timeout', '0'];
      const found = await transactionsOf(running.port, 'find-hanging', ...args);
      const line = found.split('\n').find((text) => text.startsWith('lost'));
      return line?.trim().split(/\s+/).slice(2);
    };

    it('find it, and abort it by its producer and the epochs, as for brokers before 3.0', async () => {
      expect(await committedOf(running.port, 'lost')).toEqual([]);
      const [producerId, producerEpoch, coordinatorEpoch] = (await hanging())!;
      expect(Number(producerId)).toBe(producer.producerId);
      await transactionsOf(
        running.port,
        ...['abort', ...at, '--producer-id', producerId!],
        ...['--producer-epoch', producerEpoch!, '--coordinator-epoch', coordinatorEpoch!],
      );
      expect(await hanging()).toBeUndefined();
      expect(await committedOf(running.port, 'lost')).toEqual(['kept']);
    });
  },
);
