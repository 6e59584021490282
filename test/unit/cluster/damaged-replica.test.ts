import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { parseExposition } from '../../../src/observe/merge-exposition.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { batchSize } from '../../../src/protocol/record-batch.ts';
import { TestCluster } from '../../support/cluster.ts';
import { batchOf, fetch, produce, valuesOf, WireClient } from '../broker/fixture.ts';

const TOPIC = 'logs';
const BATCHES = 40;

let cluster: TestCluster;
const clients: WireClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await cluster.stop();
});

async function connect(id: number): Promise<WireClient> {
  const client = await WireClient.connect(cluster.members[id]!.port);
  clients.push(client);
  return client;
}

const logOf = (id: number) => cluster.broker(id).services.partitions.get(TOPIC, 0)!.log;
const segment = (id: number): string =>
  path.join(cluster.members[id]!.directory, `${TOPIC}-0`, `${'0'.repeat(20)}.log`);
const inSync = (): readonly number[] =>
  cluster.broker(1).services.store.image.topic(TOPIC)?.partitions[0]?.isr ?? [];
const leader = (): number =>
  cluster.broker(1).services.store.image.topic(TOPIC)?.partitions[0]?.leader ?? -1;

/** A topic on three brokers, led by the first, of which the first segment is closed and flushed. */
async function start(): Promise<string[]> {
  cluster = await TestCluster.start(3, { 'min.insync.replicas': 2 });
  const any = await connect(1);
  const assignments = [{ partitionIndex: 0, brokerIds: [0, 1, 2] }];
  const topic = { name: TOPIC, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await any.request('CreateTopics', 7, { timeoutMs: 10_000, topics: [topic] });
  await expect.poll(leader).toBe(0);
  const client = await connect(0);
  const values: string[] = [];
  for (let i = 0; i < BATCHES; i++) {
    if (i === BATCHES / 2) for (const { id } of cluster.members) logOf(id).roll();
    const two = [`value ${2 * i}`, `value ${2 * i + 1}`];
    values.push(...two);
    const send = async () => (await produce(client, TOPIC, batchOf(two), { acks: -1 })).errorCode;
    if (i === 0) await expect.poll(send).toBe(0);
    else expect(await send()).toBe(0);
  }
  return values;
}

/** While the broker is away, a bit of its disk flips, in the fourth batch. */
async function damage(id: number): Promise<Buffer> {
  await cluster.stopBroker(id);
  const whole = fs.readFileSync(segment(id));
  const damaged = Buffer.from(whole);
  damaged[3 * batchSize(whole, 0) + 70]! ^= 0x10;
  fs.writeFileSync(segment(id), damaged);
  await cluster.startBroker(id);
  await expect
    .poll(() => inSync().toSorted((a, b) => a - b), { timeout: 10_000 })
    .toEqual([0, 1, 2]);
  return whole;
}

/** What a consumer reads, or the error that it meets. */
async function consume(id: number): Promise<string[] | number> {
  const client = await connect(id);
  const values: string[] = [];
  while (values.length < 2 * BATCHES) {
    const { errorCode, records } = await fetch(client, TOPIC, values.length);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    values.push(...valuesOf(records));
  }
  return values;
}

async function metric(id: number, name: string): Promise<number | undefined> {
  const samples = parseExposition(await cluster.broker(id).metrics());
  return samples.find((sample) => sample.name === name)?.value;
}

it.each([
  ['follows', 2],
  ['leads', 0],
])(
  'a replica that %s is whole to the byte some time after a flipped bit was met',
  async (part, id) => {
    const values = await start();
    const whole = await damage(id);
    if (part === 'leads') {
      const client = await connect(1);
      const topicPartitions = [{ topic: TOPIC, partitions: [0] }];
      await client.request('ElectLeaders', 2, {
        electionType: 0,
        topicPartitions,
        timeoutMs: 5_000,
      });
      await expect.poll(leader).toBe(0);
    }
    await expect.poll(() => consume(id)).not.toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    expect(logOf(id).isDamaged || logOf(id).mended > 0).toBe(true);
    await expect.poll(() => consume(id), { timeout: 10_000 }).toEqual(values);
    expect(fs.readFileSync(segment(id)).equals(whole)).toBe(true);
    // It is read as soon as it is there, and counts when the device has it.
    await expect.poll(() => metric(id, 'weir_replication_mended_ranges_total')).toBe(1);
    expect(await metric(id, 'weir_replication_damaged_partitions')).toBe(0);
    expect(await metric(id, 'weir_log_corrupt_batches_total')).toBeGreaterThan(0);
    const { message } = cluster.logged.findLast(({ message: text }) => text.includes('mended'))!;
    expect(message).toBe('a damaged range of a log was mended from another replica');
  },
);
