/**
 * A setting that is altered on a topic in use acts at once: on what is sent, stored, flushed, rolled,
 * deleted and compacted from then on, without a restart. Every setting of a topic has a case here, or
 * stands in `elsewhere` with the reason.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { topicKeys } from '../../../src/config/topic-keys.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  attributes,
  batchSize,
  lastOffset,
  recordCount,
} from '../../../src/protocol/record-batch.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  type TestRecord,
  valuesOf,
  WireClient,
} from './fixture.ts';

const CODEC_MASK = 7;
const INDEX_ENTRY_BYTES = 8;
const MIB = 1024 * 1024;
const LONG_MS = 3_600_000;

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker({
    'log.retention.check.interval.ms': 20,
    'log.cleaner.backoff.ms': 20,
  });
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

/** A topic of one partition, and what can be seen of it. */
class Topic {
  readonly name: string;
  /** Of the next batch. */
  #timestamp = Date.now() - LONG_MS;

  constructor(name: string) {
    this.name = name;
  }

  get log() {
    return running.broker.services.partitions.get(this.name, 0)!.log;
  }

  async set(settings: Record<string, string>): Promise<void> {
    const configs = Object.entries(settings).map(([name, value]) => ({
      name,
      configOperation: 0,
      value,
    }));
    const answer = await client.request('IncrementalAlterConfigs', 1, {
      resources: [{ resourceType: 2, resourceName: this.name, configs }],
    });
    expect(answer.responses[0]).toMatchObject({ errorCode: 0 });
  }

  /** A batch whose records are a second younger than those before; its error. */
  async send(...records: TestRecord[]): Promise<number> {
    this.#timestamp += 1_000;
    const batch = batchOf(records, { timestamp: this.#timestamp });
    return (await produce(client, this.name, batch)).errorCode;
  }

  async sendAt(timestamp: number): Promise<number> {
    return (await produce(client, this.name, batchOf(['x'], { timestamp }))).errorCode;
  }

  files(ending: string): string[] {
    const folder = path.join(running.directory, `${this.name}-0`);
    return fs.readdirSync(folder).filter((name) => name.endsWith(ending));
  }
  size(file: string): number {
    return fs.statSync(path.join(running.directory, `${this.name}-0`, file)).size;
  }

  /** All batches from that offset on: a fetch answers out of one segment. */
  async stored(offset = 0): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let at = offset; at < this.log.logEndOffset; ) {
      const records = (await fetch(client, this.name, at)).records as Buffer;
      if (records.length === 0) break;
      pieces.push(records);
      for (let i = 0; i < records.length; i += batchSize(records, i))
        at = lastOffset(records, i) + 1;
    }
    return Buffer.concat(pieces);
  }
  async codecs(): Promise<number[]> {
    const bytes = await this.stored();
    const found: number[] = [];
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      found.push(attributes(bytes, at) & CODEC_MASK);
    }
    return found;
  }
  async recordCount(): Promise<number> {
    const bytes = await this.stored();
    let count = 0;
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) count += recordCount(bytes, at);
    return count;
  }
}

let topics = 0;
async function newTopic(settings: Record<string, string> = {}): Promise<Topic> {
  const name = `settings-${topics++}`;
  await createTopic(client, name, 1, settings);
  return new Topic(name);
}

/** Every batch gets a segment of its own, and nothing is compacted but what a case asks for. */
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.ms': '1',
  'min.cleanable.dirty.ratio': '0',
  'min.compaction.lag.ms': String(100 * LONG_MS),
};
const AT_ONCE = { 'min.compaction.lag.ms': '0' };

/** Long enough for the cleaner to have come by several times. */
const severalRounds = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

/** One key, written three times; the last segment is that of another. */
async function overwritten(topic: Topic): Promise<void> {
  for (const value of ['a', 'b', 'c']) expect(await topic.send(['k', value])).toBe(0);
  expect(await topic.send(['other', 'x'])).toBe(0);
}

/** The sizes of batches of the same records, packed before and after. */
async function packedAt(codec: string, ...levels: string[]): Promise<number[]> {
  const words = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 1009} `).join('');
  const topic = await newTopic({ 'compression.type': codec });
  const sizes: number[] = [];
  for (const level of levels) {
    await topic.set({ [`compression.${codec}.level`]: level });
    const before = topic.log.logEndOffset;
    expect(await topic.send(words)).toBe(0);
    sizes.push(batchSize(await topic.stored(before), 0));
  }
  return sizes;
}

const cases: Readonly<Record<string, () => Promise<void>>> = {
  'cleanup.policy': async () => {
    const topic = await newTopic();
    expect(await topic.send('without a key')).toBe(0);
    await topic.set({ 'cleanup.policy': 'compact' });
    expect(await topic.send('without a key')).toBe(ErrorCode.INVALID_RECORD);
    await topic.set({ 'cleanup.policy': 'delete' });
    expect(await topic.send('without a key')).toBe(0);
  },

  'compression.type': async () => {
    const topic = await newTopic();
    await topic.send('x'.repeat(1_000));
    await topic.set({ 'compression.type': 'zstd' });
    await topic.send('x'.repeat(1_000));
    await topic.set({ 'compression.type': 'uncompressed' });
    await topic.send('x'.repeat(1_000));
    const { none, zstd } = CompressionType;
    expect(await topic.codecs()).toEqual([none, zstd, none]);
  },

  'compression.gzip.level': async () => {
    const [quick, hard] = await packedAt('gzip', '1', '9');
    expect(hard!).toBeLessThan(quick!);
  },

  'compression.zstd.level': async () => {
    const [quick, hard] = await packedAt('zstd', '-50', '19');
    expect(hard!).toBeLessThan(quick!);
  },

  'delete.retention.ms': async () => {
    const topic = await newTopic(COMPACTED);
    await topic.send(['k', 'a']);
    await topic.send(['k', null]);
    await topic.send(['other', 'x']);
    await topic.set({ ...AT_ONCE, 'delete.retention.ms': '0' });
    // The first pass marks the tombstone, one that has something else to do takes it away.
    await expect.poll(() => topic.recordCount()).toBe(2);
    await topic.send(['third', 'y']);
    await expect.poll(async () => valuesOf(await topic.stored())).toEqual(['x', 'y']);
  },

  'file.delete.delay.ms': async () => {
    const topic = await newTopic({ 'segment.ms': '1' });
    for (let i = 0; i < 3; i++) await topic.send('x');
    const truncate = {
      topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset: 1 }] }],
    };
    await client.request('DeleteRecords', 2, truncate);
    await expect.poll(() => topic.files('.log.deleted').length).toBe(1);
    await severalRounds();
    expect(topic.files('.log.deleted')).toHaveLength(1);
    await topic.set({ 'file.delete.delay.ms': '0' });
    truncate.topics[0]!.partitions[0]!.offset = 2;
    await client.request('DeleteRecords', 2, truncate);
    await expect.poll(() => topic.files('.log').length).toBe(1);
    // The file of before waits for as long as was said when it was deleted.
    await expect.poll(() => topic.files('.log.deleted').length).toBe(1);
  },

  'flush.messages': async () => {
    const topic = await newTopic();
    await topic.send('a');
    expect(topic.log.flushedOffset).toBe(0);
    await topic.set({ 'flush.messages': '1' });
    await topic.send('b');
    await expect.poll(() => topic.log.flushedOffset).toBe(2);
  },

  'flush.ms': async () => {
    const topic = await newTopic();
    await topic.send('a');
    await severalRounds();
    expect(topic.log.flushedOffset).toBe(0);
    await topic.set({ 'flush.ms': '10' });
    await topic.send('b');
    await expect.poll(() => topic.log.flushedOffset).toBe(2);
  },

  'index.interval.bytes': async () => {
    const topic = await newTopic();
    const entriesOfClosed = async (): Promise<number> => {
      for (let i = 0; i < 5; i++) await topic.send('x'.repeat(100));
      topic.log.roll();
      await topic.log.flush();
      const closed = topic.files('.log').sort().at(-2)!.replace('.log', '.index');
      // A file of nothing need not be there.
      return topic.files('.index').includes(closed) ? topic.size(closed) / INDEX_ENTRY_BYTES : 0;
    };
    expect(await entriesOfClosed()).toBe(0);
    await topic.set({ 'index.interval.bytes': '100' });
    // A segment keeps what it began with.
    expect(await entriesOfClosed()).toBe(0);
    expect(await entriesOfClosed()).toBe(4);
  },

  'max.compaction.lag.ms': async () => {
    const topic = await newTopic({ ...COMPACTED, 'min.cleanable.dirty.ratio': '0.9' });
    await overwritten(topic);
    // What is not on the device is not cleaned, and the rest of it alone would not be dirty enough.
    await topic.log.flush();
    // All of it is dirty; after that less is.
    await topic.set(AT_ONCE);
    await expect.poll(() => topic.recordCount()).toBe(2);
    await topic.send(['other', 'y']);
    await topic.send(['last', 'z']);
    await severalRounds();
    expect(await topic.recordCount()).toBe(4);
    await topic.set({ 'max.compaction.lag.ms': '1' });
    await expect.poll(async () => valuesOf(await topic.stored())).toEqual(['c', 'y', 'z']);
  },

  'max.message.bytes': async () => {
    const topic = await newTopic();
    expect(await topic.send('x'.repeat(1_000))).toBe(0);
    await topic.set({ 'max.message.bytes': '500' });
    expect(await topic.send('x'.repeat(1_000))).toBe(ErrorCode.MESSAGE_TOO_LARGE);
  },

  'message.timestamp.after.max.ms': async () => {
    const topic = await newTopic();
    expect(await topic.sendAt(Date.now() + 60_000)).toBe(0);
    await topic.set({ 'message.timestamp.after.max.ms': '1000' });
    expect(await topic.sendAt(Date.now() + 60_000)).toBe(ErrorCode.INVALID_TIMESTAMP);
  },

  'message.timestamp.before.max.ms': async () => {
    const topic = await newTopic();
    expect(await topic.sendAt(Date.now() - 60_000)).toBe(0);
    await topic.set({ 'message.timestamp.before.max.ms': '1000' });
    expect(await topic.sendAt(Date.now() - 60_000)).toBe(ErrorCode.INVALID_TIMESTAMP);
  },

  'message.timestamp.type': async () => {
    const topic = await newTopic();
    const appended = async (): Promise<number> =>
      (await produce(client, topic.name, batchOf(['x'], { timestamp: 1_000 }))).logAppendTimeMs;
    expect(await appended()).toBe(-1);
    await topic.set({ 'message.timestamp.type': 'LogAppendTime' });
    expect(await appended()).toBeGreaterThan(Date.now() - 60_000);
    await topic.set({ 'message.timestamp.type': 'CreateTime' });
    expect(await appended()).toBe(-1);
  },

  'min.cleanable.dirty.ratio': async () => {
    const topic = await newTopic({ ...COMPACTED, ...AT_ONCE });
    const keys = Array.from({ length: 200 }, (_, i): TestRecord => [`k${i}`, 'x'.repeat(100)]);
    await topic.send(...keys);
    await topic.send(['k0', 'again']);
    await expect.poll(() => topic.log.cleanedTo ?? 0).toBe(200);
    await topic.set({ 'min.cleanable.dirty.ratio': '0.5' });
    await topic.send(['k1', 'again']);
    await topic.send(['last', 'x']);
    await severalRounds();
    expect(await topic.recordCount()).toBe(203);
    await topic.set({ 'min.cleanable.dirty.ratio': '0.001' });
    await expect.poll(() => topic.recordCount()).toBe(201);
  },

  'min.compaction.lag.ms': async () => {
    const topic = await newTopic(COMPACTED);
    await overwritten(topic);
    await severalRounds();
    expect(await topic.recordCount()).toBe(4);
    await topic.set({ 'min.compaction.lag.ms': '0' });
    await expect.poll(async () => valuesOf(await topic.stored())).toEqual(['c', 'x']);
  },

  preallocate: async () => {
    const topic = await newTopic({ 'segment.bytes': String(MIB), 'segment.ms': '1' });
    await topic.send('a');
    await topic.set({ preallocate: 'true' });
    await topic.send('b');
    expect(
      topic
        .files('.log')
        .sort()
        .map((file) => topic.size(file)),
    ).toEqual([batchOf(['a']).length, MIB]);
  },

  'retention.bytes': async () => {
    const topic = await newTopic({ 'segment.ms': '1' });
    for (let i = 0; i < 5; i++) await topic.send('x'.repeat(1_000));
    await severalRounds();
    expect(topic.log.logStartOffset).toBe(0);
    await topic.set({ 'retention.bytes': '2000' });
    await expect.poll(() => topic.log.logStartOffset).toBe(3);
    expect((await fetch(client, topic.name, 0)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  },

  'retention.ms': async () => {
    const topic = await newTopic({ 'segment.ms': '1' });
    for (let i = 0; i < 5; i++) await topic.send('x');
    await topic.sendAt(Date.now());
    await severalRounds();
    expect(topic.log.logStartOffset).toBe(0);
    await topic.set({ 'retention.ms': String(LONG_MS / 2) });
    await expect.poll(() => topic.log.logStartOffset).toBe(5);
    expect((await fetch(client, topic.name, 4)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(valuesOf((await fetch(client, topic.name, 5)).records)).toEqual(['x']);
  },

  'segment.bytes': async () => {
    const topic = await newTopic();
    for (let i = 0; i < 2; i++) await topic.send('x'.repeat(700_000));
    expect(topic.files('.log')).toHaveLength(1);
    await topic.set({ 'segment.bytes': String(MIB) });
    for (let i = 0; i < 2; i++) await topic.send('x'.repeat(700_000));
    expect(topic.files('.log')).toHaveLength(3);
  },

  'segment.index.bytes': async () => {
    const topic = await newTopic({ 'index.interval.bytes': '1' });
    for (let i = 0; i < 5; i++) await topic.send('x');
    expect(topic.files('.log')).toHaveLength(1);
    await topic.set({ 'segment.index.bytes': '24' });
    topic.log.roll();
    for (let i = 0; i < 20; i++) await topic.send('x');
    expect(topic.files('.log').length).toBeGreaterThan(4);
  },

  'segment.ms': async () => {
    const topic = await newTopic();
    for (let i = 0; i < 3; i++) await topic.send('x');
    expect(topic.files('.log')).toHaveLength(1);
    await topic.set({ 'segment.ms': '500' });
    for (let i = 0; i < 3; i++) await topic.send('x');
    expect(topic.files('.log')).toHaveLength(4);
  },

  'remote.storage.enable': async () => {
    const topic = await newTopic();
    const configs = [{ name: 'remote.storage.enable', configOperation: 0, value: 'true' }];
    const answer = await client.request('IncrementalAlterConfigs', 1, {
      resources: [{ resourceType: 2, resourceName: topic.name, configs }],
    });
    expect(answer.responses[0]).toMatchObject({ errorCode: ErrorCode.INVALID_CONFIG });
  },
};

const elsewhere: Readonly<Record<string, string>> = {
  'compression.lz4.level': 'The codec has one level.',
  'follower.replication.throttled.replicas': 'With several brokers: `replica-fetcher.test.ts`.',
  'leader.replication.throttled.replicas': 'With several brokers: `partition.test.ts`.',
  'local.retention.bytes': 'Of tiered storage, which there is not.',
  'local.retention.ms': 'Of tiered storage, which there is not.',
  'min.insync.replicas': 'With several brokers: `partition.test.ts`.',
  'segment.jitter.ms': 'By chance: `partition-log.test.ts`.',
  'unclean.leader.election.enable': 'With several brokers: `partitions.test.ts`.',
};

describe('a setting that is altered on a topic in use', () => {
  it('has a case here, or a reason to have it elsewhere', () => {
    const known = [...Object.keys(cases), ...Object.keys(elsewhere)].sort();
    expect(known).toEqual([...topicKeys.keys()].sort());
  });

  it.each(Object.entries(cases))('%s acts at once', async (_, acts) => {
    await acts();
  });
});
