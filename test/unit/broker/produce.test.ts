import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { messageSet } from '../../support/message-sets.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

let running: RunningBroker;
let client: WireClient;
let topicNumber = 0;
const newTopic = async (configs: Record<string, string> = {}, partitions = 1): Promise<string> => {
  const name = `p${topicNumber++}`;
  await createTopic(client, name, partitions, configs);
  return name;
};

beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

describe('acknowledgements', () => {
  it.each([3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'answers version %i at acks 1 and all',
    async (version) => {
      const topic = await newTopic();
      expect(await produce(client, topic, batchOf(['a', 'b']), { version })).toMatchObject({
        errorCode: 0,
        baseOffset: 0,
        logAppendTimeMs: -1,
      });
      expect(await produce(client, topic, batchOf(['c']), { version, acks: -1 })).toMatchObject({
        errorCode: 0,
        baseOffset: 2,
      });
      expect(valuesOf((await fetch(client, topic, 0)).records)).toEqual(['a', 'b', 'c']);
    },
  );

  it('goes by topic id in version 13', async () => {
    const topicId = await createTopic(client, 'by-id-13');
    const send = async (id: string) =>
      client.request('Produce', 13, {
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ topicId: id, partitionData: [{ index: 0, records: batchOf(['x']) }] }],
      });
    const answer = await send(topicId);
    expect(answer.responses[0]).toMatchObject({ topicId, partitionResponses: [{ errorCode: 0 }] });
    const unknown = await send('BBBBBBBBBBBBBBBBBBBBBA');
    expect(unknown.responses[0].partitionResponses[0].errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('answers acks 0 not at all', async () => {
    const topic = await newTopic();
    const topicData = [
      { name: topic, partitionData: [{ index: 0, records: batchOf(['silent']) }] },
    ];
    client.write(client.encode('Produce', 9, { acks: 0, timeoutMs: 1000, topicData }));
    const answer = await client.request('ApiVersions', 0);
    expect(answer.errorCode).toBe(0);
    expect(valuesOf((await fetch(client, topic, 0)).records)).toEqual(['silent']);
  });

  it('closes the connection when acks 0 fails', async () => {
    const other = await WireClient.connect(running.port);
    const topicData = [
      { name: 'no-such-topic', partitionData: [{ index: 0, records: batchOf(['x']) }] },
    ];
    other.write(other.encode('Produce', 9, { acks: 0, timeoutMs: 1000, topicData }));
    await other.closed;
    expect(running.broker.connectionStats.closedByReason.get('produce-failed')).toBe(1);
  });

  it.each([-2, 2, 100])('refuses acks %i', async (acks) => {
    const topic = await newTopic();
    expect((await produce(client, topic, batchOf(['x']), { acks })).errorCode).toBe(
      ErrorCode.INVALID_REQUIRED_ACKS,
    );
  });

  it('has acks all on the device when it answers, and acks 1 not for sure', async () => {
    const topic = await newTopic();
    const { log } = running.broker.services.partitions.get(topic, 0)!;
    await produce(client, topic, batchOf(['one', 'two']), { acks: -1 });
    expect(log.flushedOffset).toBe(2);
  });

  it('answers many acks all requests of one connection in order, sharing flushes', async () => {
    const topic = await newTopic();
    const { probe } = running.broker.services.logs;
    const before = probe.flushes;
    const frames = Array.from({ length: 50 }, (_, i) =>
      client.encode('Produce', 9, {
        acks: -1,
        timeoutMs: 5000,
        topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf([`v${i}`]) }] }],
      }),
    );
    const answers = frames.map(() => client.nextFrame());
    client.write(Buffer.concat(frames));
    for (const answer of answers) expect(await answer).not.toBeNull();
    expect(probe.flushes - before).toBeLessThan(10);
    const values = valuesOf((await fetch(client, topic, 0)).records);
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => `v${i}`));
  });
});

describe('what is refused', () => {
  it('never creates a topic', async () => {
    expect((await produce(client, 'not-there', batchOf(['x']))).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    const topic = await newTopic();
    expect((await produce(client, topic, batchOf(['x']), { partition: 1 })).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    expect(running.broker.services.image.topic('not-there')).toBeUndefined();
  });

  it('refuses internal topics to all but the administrator', async () => {
    await client.request('FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['g'] });
    await expect
      .poll(() => running.broker.services.image.topic('__consumer_offsets'))
      .toBeDefined();
    expect(
      (await produce(client, '__consumer_offsets', batchOf(['x'], { key: 'k' }))).errorCode,
    ).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
    const admin = await WireClient.connect(running.port);
    admin.clientId = '__admin_client';
    const mended = await produce(admin, '__consumer_offsets', batchOf(['x'], { key: 'k' }));
    expect(mended.errorCode).toBe(ErrorCode.NONE);
    await admin.close();
  });

  const broken = (change: (batch: Buffer) => void): Buffer => {
    const batch = batchOf(['some value', 'another']);
    change(batch);
    return batch;
  };
  it.each<[string, () => Buffer | null, number]>([
    ['no batch at all', () => null, ErrorCode.INVALID_RECORD],
    ['an empty one', () => Buffer.alloc(0), ErrorCode.INVALID_RECORD],
    ['half a header', () => batchOf(['x']).subarray(0, 30), ErrorCode.INVALID_RECORD],
    ['half a batch', () => batchOf(['xxxxxxxx']).subarray(0, 70), ErrorCode.INVALID_RECORD],
    [
      'two batches',
      () => Buffer.concat([batchOf(['a']), batchOf(['b'])]),
      ErrorCode.INVALID_RECORD,
    ],
    [
      'a wrong checksum',
      () => broken((b) => b.writeUInt8(b[70]! ^ 1, 70)),
      ErrorCode.CORRUPT_MESSAGE,
    ],
    ['an old magic', () => broken((b) => b.writeInt8(1, 16)), ErrorCode.INVALID_RECORD],
    ['a magic to come', () => broken((b) => b.writeInt8(3, 16)), ErrorCode.CORRUPT_MESSAGE],
    ['an offset', () => broken((b) => b.writeInt32BE(7, 4)), ErrorCode.INVALID_RECORD],
    [
      'a producer without a sequence',
      () => batchOf(['x'], { producer: { id: 7, epoch: 0, baseSequence: -1 } }),
      ErrorCode.INVALID_RECORD,
    ],
    [
      'a transaction without an id',
      () => batchOf(['x'], { attributes: BatchAttribute.transactional }),
      ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ],
    [
      'a format to come, whatever its bits seem to say',
      () =>
        broken((b) => {
          b.writeInt8(5, 16);
          b.writeInt16BE(BatchAttribute.transactional | CompressionType.zstd, 21);
        }),
      ErrorCode.CORRUPT_MESSAGE,
    ],
    ['nothing but set bits', () => broken((b) => b.fill(0xff)), ErrorCode.CORRUPT_MESSAGE],
    ['a negative length', () => broken((b) => b.writeInt32BE(-5, 8)), ErrorCode.CORRUPT_MESSAGE],
    [
      'a control batch',
      () => batchOf(['x'], { attributes: BatchAttribute.control }),
      ErrorCode.INVALID_RECORD,
    ],
  ])('refuses %s and stores nothing', async (_, make, code) => {
    const topic = await newTopic();
    expect((await produce(client, topic, make())).errorCode).toBe(code);
    expect((await fetch(client, topic, 0)).highWatermark).toBe(0);
    expect((await produce(client, topic, batchOf(['fine']))).errorCode).toBe(0);
  });

  it('refuses a batch above max.message.bytes, without words of its own', async () => {
    const topic = await newTopic({ 'max.message.bytes': '1000' });
    expect(await produce(client, topic, batchOf(['x'.repeat(1000)]))).toMatchObject({
      errorCode: ErrorCode.MESSAGE_TOO_LARGE,
      // Clients print a sentence of theirs then.
      errorMessage: null,
    });
  });

  it('refuses records without a key on a compacted topic, and names them', async () => {
    const topic = await newTopic({ 'cleanup.policy': 'compact' });
    const answer = await produce(client, topic, batchOf(['a', 'b']));
    expect(answer.errorCode).toBe(ErrorCode.INVALID_RECORD);
    const why = `Compacted topic cannot accept message without key in topic partition ${topic}-0`;
    expect(answer.recordErrors).toEqual([
      { batchIndex: 0, batchIndexErrorMessage: why },
      { batchIndex: 1, batchIndexErrorMessage: why },
    ]);
    expect(answer.errorMessage).toContain('rejected due to 2 record errors in total');
    expect((await produce(client, topic, batchOf(['a'], { key: 'k' }))).errorCode).toBe(0);
  });

  it('refuses times too far ahead', async () => {
    const topic = await newTopic({ 'message.timestamp.after.max.ms': '1000' });
    const batch = batchOf(['x'], { timestamp: Date.now() + 100_000 });
    expect((await produce(client, topic, batch)).errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
  });

  it('refuses times too far back, and names the records that have them', async () => {
    const topic = await newTopic({ 'message.timestamp.before.max.ms': '60000' });
    const builder = new RecordBatchBuilder({ compression: CompressionType.none, attributes: 0 });
    for (const ago of [1_000, 100_000]) {
      builder.append(Date.now() - ago, null, Buffer.from('x'));
    }
    const answer = await produce(client, topic, builder.build());
    expect(answer.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
    expect(answer.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1]);
    expect(answer.recordErrors[0]!.batchIndexErrorMessage).toMatch(
      /^Timestamp \d+ of message with offset 1 is out of range. The timestamp should be within \[\d+, -?\d+\]$/,
    );
    expect((await fetch(client, topic, 0)).highWatermark).toBe(0);
  });

  it('refuses a batch that no segment has room for', async () => {
    const topic = await newTopic({ 'segment.bytes': '1048576', 'max.message.bytes': '5000000' });
    const { errorCode } = await produce(client, topic, batchOf(['x'.repeat(1_100_000)]));
    expect(errorCode).toBe(ErrorCode.RECORD_LIST_TOO_LARGE);
    expect((await fetch(client, topic, 0)).highWatermark).toBe(0);
  });

  it('takes zstd from version 7 on', async () => {
    const topic = await newTopic();
    const batch = () => batchOf(['x'.repeat(100)], { compression: CompressionType.zstd });
    expect((await produce(client, topic, batch(), { version: 6 })).errorCode).toBe(
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    );
    expect((await produce(client, topic, batch(), { version: 7 })).errorCode).toBe(0);
  });

  it('asks for no more replicas in sync than the partition has', async () => {
    const topic = await newTopic({ 'min.insync.replicas': '2' });
    expect((await produce(client, topic, batchOf(['x']), { acks: -1 })).baseOffset).toBe(0);
    expect((await produce(client, topic, batchOf(['x']), { acks: 1 })).baseOffset).toBe(1);
  });
});

describe('what is stored', () => {
  it.each(Object.entries(CompressionType))(
    'keeps %s batches byte for byte',
    async (_, compression) => {
      const topic = await newTopic();
      const batch = batchOf(['v'.repeat(500), 'w'.repeat(500)], { compression });
      await produce(client, topic, Buffer.from(batch));
      const stored = (await fetch(client, topic, 0)).records as Buffer;
      // Base offset and leader epoch are the broker's; the checksum begins behind them.
      expect(stored.subarray(16)).toEqual(batch.subarray(16));
      expect(stored.readBigInt64BE(0)).toBe(0n);
    },
  );

  it('stamps batches of a topic that wants the time of appending', async () => {
    const topic = await newTopic({ 'message.timestamp.type': 'LogAppendTime' });
    const before = Date.now();
    const answer = await produce(client, topic, batchOf(['x'], { timestamp: 1000 }));
    expect(answer.logAppendTimeMs).toBeGreaterThanOrEqual(before);
    const stored = (await fetch(client, topic, 0)).records as Buffer;
    expect(Number(stored.readBigInt64BE(35))).toBe(answer.logAppendTimeMs);
    expect(stored.readInt16BE(21) & BatchAttribute.logAppendTime).not.toBe(0);
    const made = await produce(client, await newTopic(), batchOf(['x'], { timestamp: 1000 }));
    expect(made.logAppendTimeMs).toBe(-1);
  });

  it('does not mix up batches that share one read', async () => {
    const topics = [await newTopic(), await newTopic()];
    const frames: Buffer[] = [];
    const answers: Promise<Buffer | null>[] = [];
    for (let i = 0; i < 200; i++) {
      const topicData = topics.map((name) => ({
        name,
        partitionData: [{ index: 0, records: batchOf([`${name}-${i}-${'x'.repeat(i * 37)}`]) }],
      }));
      frames.push(client.encode('Produce', 9, { acks: 1, timeoutMs: 1000, topicData }));
      answers.push(client.nextFrame());
    }
    client.write(Buffer.concat(frames));
    for (const answer of answers) expect(await answer).not.toBeNull();
    for (const topic of topics) {
      const values: string[] = [];
      while (values.length < 200) {
        values.push(
          ...valuesOf(
            (await fetch(client, topic, values.length, { partitionMaxBytes: 1_000_000 })).records,
          ),
        );
      }
      expect(values).toEqual(
        Array.from({ length: 200 }, (_, i) => `${topic}-${i}-${'x'.repeat(i * 37)}`),
      );
    }
  });
});

describe('idempotent producers', () => {
  const newId = async (): Promise<number> => {
    const response = await client.request('InitProducerId', 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
    });
    expect(response).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    return response.producerId;
  };
  const from = (id: number, baseSequence: number, epoch = 0, values = ['a', 'b']): Buffer =>
    batchOf(values, { producer: { id, epoch, baseSequence } });

  it('get ids that nobody had before', async () => {
    const ids = await Promise.all(Array.from({ length: 1500 }, () => newId()));
    expect(new Set(ids).size).toBe(1500);
  });

  it('get the first offset of a batch that they send again', async () => {
    const topic = await newTopic();
    const id = await newId();
    expect((await produce(client, topic, from(id, 0))).baseOffset).toBe(0);
    expect((await produce(client, topic, from(id, 2))).baseOffset).toBe(2);
    const again = await produce(client, topic, from(id, 0));
    expect(again).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect((await fetch(client, topic, 0)).highWatermark).toBe(4);
  });

  it('are refused a gap in their sequence', async () => {
    const topic = await newTopic();
    const id = await newId();
    await produce(client, topic, from(id, 0));
    expect((await produce(client, topic, from(id, 3))).errorCode).toBe(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
  });

  it('are refused an epoch that is over, and begin a new one at 0', async () => {
    const topic = await newTopic();
    const id = await newId();
    await produce(client, topic, from(id, 0, 1));
    expect((await produce(client, topic, from(id, 2, 0))).errorCode).toBe(
      ErrorCode.INVALID_PRODUCER_EPOCH,
    );
    expect((await produce(client, topic, from(id, 5, 2))).errorCode).toBe(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
    expect((await produce(client, topic, from(id, 0, 2))).errorCode).toBe(0);
  });

  it('may begin anywhere where nobody remembers them', async () => {
    const topic = await newTopic();
    expect((await produce(client, topic, from(await newId(), 77))).errorCode).toBe(0);
  });

  it.each([0, 1, 2, 3, 4, 5])('are known in InitProducerId version %i', async (version) => {
    const body = { transactionalId: null, transactionTimeoutMs: 1000 };
    expect((await client.request('InitProducerId', version, body)).errorCode).toBe(0);
  });
});

describe('senders from before Kafka 0.11', () => {
  const messages = [
    { key: Buffer.from('a'), value: Buffer.from('one'), timestamp: 1_500_000_000_000 },
    { key: null, value: Buffer.from('two'), timestamp: 1_500_000_000_001 },
  ];

  it.each([0, 1, 2])(
    'are answered in version %i, and everybody reads what they wrote',
    async (version) => {
      const magic = version === 2 ? 1 : 0;
      const topic = await newTopic();
      for (const codec of [0, 1, 2, 3] as const) {
        const answer = await produce(client, topic, messageSet(magic, messages, codec), {
          version,
        });
        expect(answer).toMatchObject({ index: 0, errorCode: 0, baseOffset: codec * 2 });
      }
      expect(
        await produce(client, topic, messageSet(magic, messages), { version, acks: -1 }),
      ).toMatchObject({ errorCode: 0, baseOffset: 8 });
      const { records } = await fetch(client, topic, 0);
      expect(valuesOf(records)).toEqual(Array.from({ length: 5 }, () => ['one', 'two']).flat());
      const { stats } = running.broker.services.partitions.get(topic, 0)!;
      expect(stats.produceConversions).toBe(5);
    },
  );

  it('hear nothing at acks 0, and lose the connection when it fails', async () => {
    const topic = await newTopic();
    const request = (name: string, records: Buffer) => ({
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index: 0, records }] }],
    });
    client.write(client.encode('Produce', 0, request(topic, messageSet(0, messages))));
    expect((await client.request('ApiVersions', 0)).errorCode).toBe(0);
    expect(valuesOf((await fetch(client, topic, 0)).records)).toEqual(['one', 'two']);
    const damaged = messageSet(0, messages);
    damaged[20]! ^= 1;
    const other = await WireClient.connect(running.port);
    other.write(other.encode('Produce', 0, request(topic, damaged)));
    await other.closed;
  });

  it('get the time of the append where the topic has it, and only in version 2', async () => {
    const topic = await newTopic({ 'message.timestamp.type': 'LogAppendTime' });
    const set = messageSet(1, messages);
    expect((await produce(client, topic, set, { version: 2 })).logAppendTimeMs).toBeGreaterThan(0);
    expect((await produce(client, topic, set, { version: 1 })).logAppendTimeMs).toBe(-1);
  });

  it('are refused a wrong checksum, and a record without a key on a compacted topic', async () => {
    const topic = await newTopic({ 'cleanup.policy': 'compact' });
    const { errorCode } = await produce(client, topic, messageSet(1, messages), { version: 2 });
    expect(errorCode).toBe(ErrorCode.INVALID_RECORD);
    const damaged = messageSet(1, messages);
    damaged[20]! ^= 1;
    expect((await produce(client, topic, damaged, { version: 2 })).errorCode).toBe(
      ErrorCode.CORRUPT_MESSAGE,
    );
    expect((await produce(client, topic, messageSet(1, messages), { version: 3 })).errorCode).toBe(
      ErrorCode.INVALID_RECORD,
    );
  });
});
