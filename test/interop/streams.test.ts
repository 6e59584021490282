/** Kafka Streams on Weir: its state, its changelogs and its transactions, through kills. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { findJava } from '../peers/java.ts';
import { javac, kafkaClasspath } from '../peers/kafka.ts';
import { PeerProcess, temporaryDirectory } from '../peers/peer.ts';
import { readAll } from '../support/read-all.ts';
import { WeirProcess } from '../support/weir-process.ts';

const SOURCE = fileURLToPath(new URL('streams/StreamsPeer.java', import.meta.url));
const PARTITIONS = 2;
const WORDS = ['red', 'green', 'blue', 'white'];
/** Lines and pairs of an order with its payment in each of the rounds. */
const PER_ROUND = 300;

describeWithPeers(['kafka', 'javac'], 'Kafka Streams', () => {
  let weir: WeirProcess;
  let client: Client;
  let producer: Producer;
  let streams: PeerProcess;

  beforeAll(async () => {
    weir = await WeirProcess.start({ roles: 'broker' });
    client = new Client({ bootstrap: weir.bootstrap, clientId: 'test' });
    const topics = ['lines', 'counts', 'orders', 'payments', 'settled'];
    const created = await new Admin(client).createTopics(
      topics.map((name) => ({ name, partitions: PARTITIONS })),
    );
    expect(created.map(({ error }) => error)).toEqual(topics.map(() => null));
    producer = new Producer(client, { acks: -1 });
    const folder = temporaryDirectory('streams');
    const classpath = `${await javac([SOURCE])}:${await kafkaClasspath()}`;
    streams = await PeerProcess.start({
      name: 'streams',
      command: path.join(findJava(17).home, 'bin', 'java'),
      args: [
        ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classpath],
        ...['StreamsPeer', weir.bootstrap, 'exactly_once_v2', folder],
      ],
      ready: () => Promise.resolve(true), // What it puts out shows.
      startTimeoutMs: 10_000,
      data: [folder],
    });
  });
  afterAll(async () => {
    await streams?.stop();
    client?.close();
    await weir?.stop();
  });

  let pairs = 0;
  /** Appends a part of the input. */
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(`pair-${pairs++}`);
      producer.append('lines', Buffer.from(WORDS.join(' ')), { key });
      producer.append('orders', Buffer.from('order'), { key });
      producer.append('payments', Buffer.from('payment'), { key });
    }
    await producer.flush();
  };

  const read = async (topic: string): Promise<[key: string, value: string][]> =>
    (await readAll(client, topic, PARTITIONS)).map(({ key, value }) => [key, value]);
  const settled = async (): Promise<number> => (await read('settled')).length;

  it('counts and joins exactly once, though it is killed and started again', async () => {
    await send(PER_ROUND);
    const patience = { timeout: 60_000, interval: 200 };
    await expect.poll(settled, patience).toBeGreaterThan(0);
    for (let round = 0; round < 2; round++) {
      await send(PER_ROUND);
      await streams.kill(); // In the middle of it.
      await streams.restart();
      await send(PER_ROUND);
      const before = PER_ROUND * (2 * round + 1);
      await expect.poll(settled, patience).toBeGreaterThan(before);
    }
    await expect.poll(settled, patience).toBe(pairs);
    const joined = await read('settled');
    expect(new Set(joined.map(([key]) => key)).size).toBe(pairs);
    expect(new Set(joined.map(([, value]) => value))).toEqual(new Set(['order+payment']));
    const counted = async (): Promise<number> => (await read('counts')).length;
    await expect.poll(counted, patience).toBe(pairs * WORDS.length);
    const all = await read('counts');
    for (const word of WORDS) {
      const counts = all.filter(([key]) => key === word).map(([, value]) => Number(value));
      expect(counts).toEqual(Array.from({ length: pairs }, (_, i) => i + 1));
    }
  }, 180_000);
});
