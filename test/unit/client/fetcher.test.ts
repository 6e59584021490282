import { describe, expect, onTestFinished, test } from 'vitest';
import { type FetchedBatch, forEachFetchedRecord } from '../../../src/client/fetched-batch.ts';
import { Fetcher, type FetcherOptions } from '../../../src/client/fetcher.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute, setBaseOffset, valueOf } from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { clientOf } from './client-of.ts';
import { FakeBroker, MemoryTransport } from './fake-broker.ts';
import { ManualClock, settle } from './manual-clock.ts';

async function setup(
  options: FetcherOptions = {},
  cluster: { topics?: Record<string, number>; brokers?: number } = { topics: { logs: 1 } },
) {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, cluster);
  // A fetch without data waits as long as it was told.
  broker.idle = (ms) => new Promise((resolve) => clock.after(ms, resolve));
  await broker.start();
  const client = clientOf({ broker, transport, clock });
  const fetcher = new Fetcher(client, options);
  onTestFinished(() => fetcher.close());
  return { clock, transport, broker, client, fetcher };
}

function put(broker: FakeBroker, partition: number, ...values: string[]): void {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(1000, null, Buffer.from(value));
  broker.partition('logs', partition).append(builder.build());
}

const valuesOf = (batches: readonly FetchedBatch[]): string[] => {
  const values: string[] = [];
  for (const batch of batches) {
    forEachFetchedRecord(batch, (record) => {
      values.push(valueOf(record)!.toString());
    });
  }
  return values;
};

const logs = (partition: number, offset: number | 'earliest' | 'latest') => ({
  topic: 'logs',
  partition,
  offset,
});

describe('fetching', () => {
  test('gives the batches from the offset on, and goes on behind them', async () => {
    const { clock, broker, fetcher } = await setup();
    put(broker, 0, 'a', 'b', 'c');
    put(broker, 0, 'd');
    fetcher.assign([logs(0, 1)]);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['b', 'c', 'd']);
    put(broker, 0, 'e');
    expect(valuesOf(await clock.until(fetcher.poll(5000)))).toEqual(['e']);
    expect(await clock.until(fetcher.poll(300))).toEqual([]);
    expect(fetcher.position(logs(0, 0))).toBe(5);
  });

  test('begins at the earliest or latest offset when told so', async () => {
    const { clock, broker, fetcher } = await setup({}, { topics: { logs: 2 } });
    put(broker, 0, 'old');
    put(broker, 1, 'old');
    fetcher.assign([logs(0, 'earliest'), logs(1, 'latest')]);
    expect(valuesOf(await clock.until(fetcher.poll(5000)))).toEqual(['old']);
    await clock.advance(1000);
    put(broker, 1, 'new');
    expect(valuesOf(await clock.until(fetcher.poll(5000)))).toEqual(['new']);
  });

  test('begins with what has a leader, and with the rest when that has one', async () => {
    const { clock, broker, fetcher } = await setup({}, { topics: { logs: 2 }, brokers: 2 });
    put(broker, 0, 'a');
    put(broker, 1, 'b');
    broker.partition('logs', 1).leader = -1;
    fetcher.assign([logs(0, 'earliest'), logs(1, 'earliest')]);
    expect(valuesOf(await clock.until(fetcher.poll(2000)))).toEqual(['a']);
    broker.partition('logs', 1).leader = 2;
    broker.partition('logs', 1).leaderEpoch = 1;
    expect(valuesOf(await clock.until(fetcher.poll(2000)))).toEqual(['b']);
  });

  test('leaves out a batch that was cut short, and fetches it next', async () => {
    const { clock, broker, fetcher } = await setup({ partitionMaxBytes: 100 });
    put(broker, 0, 'a');
    put(broker, 0, 'b');
    fetcher.assign([logs(0, 0)]);
    const first = await clock.until(fetcher.poll());
    expect(valuesOf(first)).toEqual(['a']);
    expect(first[0]!.nextOffset).toBe(1);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['b']);
  });

  test('hands out nothing that is damaged, and goes on when it is not any more', async () => {
    const { clock, broker, fetcher } = await setup();
    put(broker, 0, 'a');
    put(broker, 0, 'b');
    const damaged = broker.partition('logs', 0).batches[1]!;
    damaged[damaged.length - 2]! ^= 1;
    fetcher.assign([logs(0, 0)]);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['a']);
    await expect(clock.until(fetcher.poll(1000))).rejects.toThrow(/offset 1: CRC-32C does not/);
    damaged[damaged.length - 2]! ^= 1;
    expect(valuesOf(await clock.until(fetcher.poll(5000)))).toEqual(['b']);
  });

  test('takes a batch larger than the limit, so that it can go on', async () => {
    const { clock, broker, fetcher } = await setup({ partitionMaxBytes: 50 });
    put(broker, 0, 'x'.repeat(500));
    fetcher.assign([logs(0, 0)]);
    expect(valuesOf(await clock.until(fetcher.poll()))).toHaveLength(1);
  });

  test('takes turns among partitions of which an answer holds only some', async () => {
    const cluster = { topics: { logs: 5 } };
    const { clock, broker, fetcher } = await setup(
      { partitionMaxBytes: 100, maxBytes: 150 },
      cluster,
    );
    for (let i = 0; i < 50; i++) put(broker, i % 5, String(i));
    fetcher.assign([0, 1, 2, 3, 4].map((partition) => logs(partition, 0)));
    const seen: string[] = [];
    while (seen.length < 50) seen.push(...valuesOf(await clock.until(fetcher.poll())));
    // Those that were appended together are read together.
    for (let i = 0; i < 50; i += 5) {
      const round = seen.slice(i, i + 5).map((value) => Math.floor(Number(value) / 5));
      expect(round).toEqual(Array.from({ length: 5 }, () => i / 5));
    }
  });

  test('stops fetching while too much lies unpolled', async () => {
    const { clock, broker, fetcher } = await setup({ bufferBytes: 1000, partitionMaxBytes: 600 });
    for (let i = 0; i < 20; i++) put(broker, 0, 'x'.repeat(400));
    fetcher.assign([logs(0, 0)]);
    await clock.advance(5000);
    expect(fetcher.bufferedBytes).toBeGreaterThanOrEqual(1000);
    expect(fetcher.bufferedBytes).toBeLessThan(2000);
    const { requests } = fetcher.counters;
    await clock.advance(5000);
    expect(fetcher.counters.requests).toBe(requests);
    let values = 0;
    while (values < 20) values += valuesOf(await clock.until(fetcher.poll())).length;
    expect(values).toBe(20);
  });

  test('a paused partition is not fetched until it is resumed', async () => {
    const { clock, broker, fetcher } = await setup({}, { topics: { logs: 2 } });
    fetcher.assign([logs(0, 0), logs(1, 0)]);
    fetcher.pause([logs(0, 0)]);
    put(broker, 0, 'paused');
    put(broker, 1, 'running');
    expect(valuesOf(await clock.until(fetcher.poll(3000)))).toEqual(['running']);
    await clock.advance(1000);
    fetcher.resume([logs(0, 0)]);
    expect(valuesOf(await clock.until(fetcher.poll(3000)))).toEqual(['paused']);
  });

  test('throws away what was fetched for a position that has changed since', async () => {
    const { clock, broker, fetcher } = await setup();
    put(broker, 0, 'a', 'b', 'c');
    fetcher.assign([logs(0, 0)]);
    await clock.advance(1000);
    fetcher.seek(logs(0, 0), 2);
    expect(valuesOf(await clock.until(fetcher.poll(3000)))).toEqual(['c']);
    fetcher.assign([]);
    expect(await clock.until(fetcher.poll(1000))).toEqual([]);
  });

  test('keeps all that was fetched of a partition while another one is moved', async () => {
    const cluster = { topics: { logs: 2 } };
    const { clock, broker, fetcher } = await setup({ partitionMaxBytes: 100 }, cluster);
    for (const value of ['a', 'b', 'c']) put(broker, 0, value);
    put(broker, 1, 'x', 'y');
    fetcher.assign([logs(0, 0), logs(1, 0)]);
    await clock.advance(3000);
    expect(fetcher.position(logs(0, 0))).toBe(3);
    fetcher.seek(logs(1, 0), 1);
    await clock.advance(3000);
    const seen = valuesOf(await clock.until(fetcher.poll()));
    expect(seen.toSorted()).toEqual(['a', 'b', 'c', 'y']);
  });

  test('keeps what a partition has fetched when it stays where the caller is', async () => {
    const cluster = { topics: { logs: 2 } };
    const { clock, broker, fetcher } = await setup({ partitionMaxBytes: 100 }, cluster);
    for (const value of ['a', 'b', 'c']) put(broker, 0, value);
    fetcher.assign([logs(0, 0)]);
    await clock.advance(3000);
    const { bytes } = fetcher.counters;
    fetcher.assign([logs(0, 0), logs(1, 0)]);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['a', 'b', 'c']);
    fetcher.assign([logs(0, 3)]);
    await clock.advance(3000);
    expect(fetcher.counters.bytes).toBe(bytes);
    fetcher.assign([logs(0, 1)]);
    await clock.advance(3000);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['b', 'c']);
  });
});

describe('faults', () => {
  test('follows a leader that moves', async () => {
    const { clock, broker, fetcher } = await setup({}, { topics: { logs: 1 }, brokers: 2 });
    put(broker, 0, 'a');
    fetcher.assign([logs(0, 0)]);
    expect(valuesOf(await clock.until(fetcher.poll()))).toEqual(['a']);
    broker.partition('logs', 0).leader = 2;
    broker.partition('logs', 0).leaderEpoch = 1;
    put(broker, 0, 'b');
    const seen: string[] = [];
    while (seen.length === 0) seen.push(...valuesOf(await clock.until(fetcher.poll())));
    expect(seen).toEqual(['b']);
  });

  test('goes on after connections that die', async () => {
    const { clock, broker, transport, fetcher } = await setup();
    fetcher.assign([logs(0, 0)]);
    const seen: string[] = [];
    for (let i = 0; i < 5; i++) {
      await clock.advance(700);
      for (const stream of transport.open) stream.close(new Error('reset'));
      put(broker, 0, String(i));
    }
    while (seen.length < 5) seen.push(...valuesOf(await clock.until(fetcher.poll(5000))));
    expect(seen).toEqual(['0', '1', '2', '3', '4']);
  });

  test('a position before the log goes to its start', async () => {
    const { clock, broker, fetcher } = await setup({ offsetReset: 'earliest' });
    put(broker, 0, 'deleted');
    put(broker, 0, 'kept');
    broker.partition('logs', 0).startOffset = 1;
    fetcher.assign([logs(0, 0)]);
    const seen: string[] = [];
    while (seen.length === 0) seen.push(...valuesOf(await clock.until(fetcher.poll(1000))));
    expect(seen).toEqual(['kept']);
    expect(fetcher.counters.resets).toBe(1);
  });

  test('a position outside the log is an error when nothing else was asked for', async () => {
    const { clock, fetcher } = await setup({ offsetReset: 'none' });
    fetcher.assign([logs(0, 99)]);
    await expect(clock.until(fetcher.poll(5000))).rejects.toThrow(
      'logs-0 at offset 99: OFFSET_OUT_OF_RANGE',
    );
  });

  for (const offsetReset of ['earliest', 'latest'] as const) {
    test(`reads a topic that was made anew from its start (${offsetReset})`, async () => {
      const { clock, broker, fetcher } = await setup({ offsetReset });
      put(broker, 0, 'old', 'old', 'old');
      fetcher.assign([logs(0, 0)]);
      expect(valuesOf(await clock.until(fetcher.poll(1000)))).toHaveLength(3);
      broker.topics.delete('logs');
      await clock.advance(2000);
      broker.create('other', 1); // Ids are given in turn.
      broker.create('logs', 1);
      const values = ['a', 'b', 'c', 'd', 'e'];
      put(broker, 0, ...values);
      const seen: string[] = [];
      for (let i = 0; i < 10 && seen.length < 5; i++) {
        seen.push(...valuesOf(await clock.until(fetcher.poll(1000))));
      }
      expect(seen).toEqual(values);
      expect(fetcher.counters.replacements).toBe(1);
    });
  }

  test('goes back to where its log and the present one were the same', async () => {
    const { clock, broker, fetcher } = await setup();
    const partition = broker.partition('logs', 0);
    partition.leaderEpoch = 3;
    put(broker, 0, 'a', 'b');
    put(broker, 0, 'lost', 'lost');
    partition.cut(2);
    put(broker, 0, 'c', 'd', 'e');
    fetcher.assign([{ ...logs(0, 4), leaderEpoch: 3 }]);
    const seen: string[] = [];
    for (let i = 0; i < 5 && seen.length < 3; i++) {
      seen.push(...valuesOf(await clock.until(fetcher.poll(1000))));
    }
    expect(seen).toEqual(['c', 'd', 'e']);
    expect(fetcher.counters.truncations).toBe(1);
  });

  test('does not go forward to where the epoch before ends in the present log', async () => {
    const { clock, broker, fetcher } = await setup();
    const partition = broker.partition('logs', 0);
    partition.leaderEpoch = 2;
    put(broker, 0, 'a', 'b');
    put(broker, 0, 'c', 'd');
    // What was read up to offset 2 came from a leader in between, of which nothing is left.
    partition.leaderEpoch = 4;
    put(broker, 0, 'e');
    fetcher.assign([{ ...logs(0, 2), leaderEpoch: 3 }]);
    const seen: string[] = [];
    for (let i = 0; i < 5 && seen.length < 3; i++) {
      seen.push(...valuesOf(await clock.until(fetcher.poll(1000))));
    }
    expect(seen).toEqual(['c', 'd', 'e']);
  });

  for (const offset of [0, 'earliest'] as const) {
    test(`tells of a topic that it may not see (at ${offset})`, async () => {
      const { clock, broker, fetcher } = await setup();
      const topic = broker.topics.get('logs')!;
      topic.errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      const partitions = topic.partitions.splice(0);
      fetcher.assign([logs(0, offset)]);
      const error = { code: ErrorCode.TOPIC_AUTHORIZATION_FAILED };
      await expect(clock.until(fetcher.poll(1000))).rejects.toMatchObject(error);
      topic.errorCode = ErrorCode.NONE;
      topic.partitions.push(...partitions);
      put(broker, 0, 'a');
      const seen: string[] = [];
      while (seen.length === 0) {
        seen.push(...valuesOf(await clock.until(fetcher.poll(1000)).catch(() => [])));
      }
      expect(seen).toEqual(['a']);
    });
  }

  test('poll after close is refused', async () => {
    const { fetcher } = await setup();
    fetcher.close();
    await settle();
    await expect(fetcher.poll()).rejects.toMatchObject({ code: 'fetcher-closed' });
  });
});

test('skips control batches and what was aborted', () => {
  const build = (offset: number, attributes: number, id: number, ...values: string[]): Buffer => {
    const builder = new RecordBatchBuilder({ attributes });
    for (const value of values) builder.append(0, null, Buffer.from(value));
    const batch = builder.build({ id, epoch: 0, baseSequence: 0 });
    setBaseOffset(batch, 0, offset);
    return batch;
  };
  const { transactional, control } = BatchAttribute;
  const records = Buffer.concat([
    build(0, transactional, 1, 'aborted'),
    build(1, transactional, 2, 'committed'),
    build(2, transactional | control, 1, 'marker'),
    build(3, transactional, 1, 'next transaction'),
    build(4, 0, -1, 'plain', 'stop', 'unseen'),
  ]);
  const seen: string[] = [];
  forEachFetchedRecord(
    {
      topic: 'logs',
      topicId: '',
      partition: 0,
      fetchOffset: 0,
      nextOffset: 7,
      highWatermark: 7,
      lastStableOffset: 7,
      logStartOffset: 0,
      abortedTransactions: [{ producerId: 1, firstOffset: 0 }],
      records,
    },
    (record) => {
      seen.push(valueOf(record)!.toString());
      return seen.at(-1) !== 'stop';
    },
  );
  expect(seen).toEqual(['committed', 'next transaction', 'plain', 'stop']);
});
