/** Produce requests that a client has under way at once, and that arrive in one piece. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../src/base/disk.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  fetch,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';
import { TransactionalClient } from './transactional-client.ts';

/** Of files of records. */
let writes = 0;
const counting: Disk = {
  ...nodeDisk,
  open(path, mode) {
    const file = nodeDisk.open(path, mode);
    const write = file.write.bind(file);
    if (!path.endsWith('.log')) return file;
    return Object.assign(file, {
      write(chunks: readonly Uint8Array[], position: number): void {
        writes++;
        write(chunks, position);
      },
    });
  },
};

let running: RunningBroker;
let client: WireClient;
let topic = '';
let topicNumber = 0;

beforeAll(async () => {
  running = await startBroker({}, { disk: counting });
});
afterAll(() => running.stop());
beforeEach(async () => {
  client = await WireClient.connect(running.port);
  topic = `together-${topicNumber++}`;
  await createTopic(client, topic, 2);
  return () => client.close();
});

interface Sent {
  readonly value: string;
  readonly partition?: number;
  readonly acks?: number;
}

const frame = ({ value, partition = 0, acks = 1 }: Sent): Buffer =>
  client.encode('Produce', 9, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records: batchOf([value]) }] }],
  });

const valuesIn = async (partition: number): Promise<string[]> => {
  const other = await WireClient.connect(running.port);
  const { records } = await fetch(other, topic, 0, { partition });
  await other.close();
  return valuesOf(records);
};

const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('requests in one piece', () => {
  it.each([1, -1])('are answered in their order (acks %i)', async (acks) => {
    const values = named('v', 8);
    const frames = values.map((value, i) => frame({ value, partition: i % 2, acks }));
    const answers = values.map(() => client.nextFrame());
    client.write(Buffer.concat(frames));
    const ids = (await Promise.all(answers)).map((answer) => answer!.readInt32BE(0));
    expect(ids).toEqual(frames.map((bytes) => bytes.readInt32BE(8)));
    expect(await valuesIn(0)).toEqual(['v0', 'v2', 'v4', 'v6']);
    expect(await valuesIn(1)).toEqual(['v1', 'v3', 'v5', 'v7']);
  });

  it('are written with one call for each partition', async () => {
    const values = named('v', 8);
    const answers = values.map(() => client.nextFrame());
    const before = writes;
    client.write(Buffer.concat(values.map((value, i) => frame({ value, partition: i % 2 }))));
    await Promise.all(answers);
    expect(writes - before).toBe(2);
  });

  it('of an open transaction are, too, and those that begin it keep their order', async () => {
    const producer = new TransactionalClient(client, topic, 2);
    await producer.init();
    const send = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) =>
        client.encode('Produce', 12, producer.produceBody(topic, [`v${from + i}`], from + i)),
      );
    const before = writes;
    for (const [from, count] of [
      [0, 4],
      [4, 6],
    ] as const) {
      const frames = send(from, count);
      const answers = frames.map(() => client.nextFrame());
      client.write(Buffer.concat(frames));
      await Promise.all(answers);
    }
    const beginning = 4;
    const logOfTransactions = 1;
    expect(writes - before).toBe(beginning + logOfTransactions + 1);
    expect(await producer.end(true)).toBe(ErrorCode.NONE);
    await producer.completed();
    expect((await valuesIn(0)).slice(0, 10)).toEqual(named('v', 10));
  });

  it('are each counted', async () => {
    const { partitions } = running.broker.services;
    const before = partitions.totals.messagesIn;
    const values = named('v', 5);
    const answers = values.map(() => client.nextFrame());
    client.write(Buffer.concat(values.map((value) => frame({ value }))));
    await Promise.all(answers);
    expect(partitions.totals.messagesIn - before).toBe(5);
  });

  it('are begun before what comes behind them', async () => {
    const all = [
      frame({ value: 'a' }),
      frame({ value: 'b' }),
      client.encode('ListOffsets', 4, {
        replicaId: -1,
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      }),
      frame({ value: 'c' }),
    ];
    const answers = all.map(() => client.nextFrame());
    client.write(Buffer.concat(all));
    const [, , offsets] = await Promise.all(answers);
    expect(offsets!.readBigInt64BE(offsets!.length - 12)).toBe(2n);
    expect(await valuesIn(0)).toEqual(['a', 'b', 'c']);
  });

  it('are kept where nonsense follows', async () => {
    client.write(
      Buffer.concat([frame({ value: 'a' }), frame({ value: 'b' }), Buffer.alloc(8, 0xff)]),
    );
    await client.closed;
    expect(await valuesIn(0)).toEqual(['a', 'b']);
  });

  it('that nobody answers are kept up to the one that fails', async () => {
    const frames = [
      frame({ value: 'a', acks: 0 }),
      frame({ value: 'b', acks: 0 }),
      frame({ value: 'no such partition', partition: 9, acks: 0 }),
    ];
    client.write(Buffer.concat(frames));
    await client.closed;
    expect(running.broker.connectionStats.closedByReason.get('produce-failed')).toBe(1);
    expect(await valuesIn(0)).toEqual(['a', 'b']);
  });

  it('may ask for different acknowledgements', async () => {
    const all = [
      frame({ value: 'a', acks: -1 }),
      frame({ value: 'b', acks: 0 }),
      frame({ value: 'c', acks: 1 }),
      frame({ value: 'd', acks: 7 }),
    ];
    const answers = [client.nextFrame(), client.nextFrame(), client.nextFrame()];
    client.write(Buffer.concat(all));
    const [, , refused] = await Promise.all(answers);
    expect(refused!.includes(Buffer.from([0, ErrorCode.INVALID_REQUIRED_ACKS]))).toBe(true);
    expect(await valuesIn(0)).toEqual(['a', 'b', 'c']);
  });

  it('may be cut anywhere', async () => {
    const long = 'x'.repeat(70_000);
    const values = [...named('short', 3), long, ...named('more', 3), long, 'last'];
    const bytes = Buffer.concat(values.map((value) => frame({ value })));
    const answers = values.map(() => client.nextFrame());
    for (let at = 0; at < bytes.length; at += 9_001) {
      client.write(bytes.subarray(at, at + 9_001));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(answers);
    expect(await valuesIn(0)).toEqual(values);
    const text = await running.broker.metrics();
    expect(text).toContain('weir_broker_request_memory_bytes 0');
  });
});
