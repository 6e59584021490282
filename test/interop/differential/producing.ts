/** Produce: batches that are good, bad, repeated, out of turn. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { batchOf } from '../../unit/broker/fixture.ts';
import { ends, fetchBody, type Sent, send, UNKNOWN_ID } from './requests.ts';
import type { Side } from './side.ts';

const changed = (records: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(records);
  change(copy);
  return copy;
};

export async function produce(side: Side): Promise<void> {
  const id = await side.makeTopic('p1', 2);
  const batch = (...values: string[]) => batchOf(values, { timestamp: side.base });
  for (const version of [3, 4, 5, 7, 8, 9, 10, 11, 12, 13]) {
    const topic = version >= 13 ? id : 'p1';
    const at = (more: Sent) => ({ version, ...more });
    for (const acks of [1, -1]) await send(side, topic, batch('a', 'b'), at({ acks }));
    for (const acks of [2, -2]) await send(side, topic, batch('a'), at({ acks }));
    await send(side, topic, batch('a'), at({ partition: 2 }));
    await send(side, topic, batch('a'), at({ partition: -1 }));
    await send(side, version >= 13 ? UNKNOWN_ID : 'absent', batch('a'), at({}));
    await send(side, version >= 13 ? ZERO_UUID : '', batch('a'), at({}));
    if (version < 13) await send(side, 'a b', batch('a'), at({}));
    await send(side, topic, Buffer.alloc(0), at({ note: 'empty' }));
    await send(side, topic, Buffer.from('nonsense'), at({ note: 'short nonsense' }));
    await send(side, topic, Buffer.alloc(100, 1), at({ note: 'long nonsense' }));
    const good = batch('good');
    const bad: [string, (copy: Buffer) => void][] = [
      ['crc', (c) => c.writeUInt8(c.readUInt8(c.length - 1) ^ 1, c.length - 1)],
      ['magic 1', (c) => c.writeInt8(1, 16)],
      ['magic 0', (c) => c.writeInt8(0, 16)],
      ['magic 3', (c) => c.writeInt8(3, 16)],
      ['length short', (c) => c.writeInt32BE(c.length - 13, 8)],
      ['length long', (c) => c.writeInt32BE(c.length, 8)],
      ['length tiny', (c) => c.writeInt32BE(10, 8)],
      ['length negative', (c) => c.writeInt32BE(-1, 8)],
      ['length huge', (c) => c.writeInt32BE(0x7fff_ffff, 8)],
      ['base offset 7', (c) => c.writeBigInt64BE(7n, 0)],
      ['leader epoch 9', (c) => c.writeInt32BE(9, 12)],
    ];
    for (const [note, change] of bad) await send(side, topic, changed(good, change), at({ note }));
    await send(side, topic, Buffer.concat([good, good]), at({ note: 'two batches' }));
    await send(side, topic, good.subarray(0, good.length - 1), at({ note: 'torn' }));
    for (const compression of [1, 2, 3, 4] as const) {
      const packed = batchOf(['aaaaaaaaaa', 'bbbbbbbbbb'], { timestamp: side.base, compression });
      await send(side, topic, packed, at({ note: `codec ${compression}` }));
    }
    const control = batchOf(['x'], { timestamp: side.base, attributes: 0x20 });
    await send(side, topic, control, at({ note: 'control' }));
    const transactional = batchOf(['x'], {
      timestamp: side.base,
      attributes: 0x10,
      producer: { id: 77_777, epoch: 0, baseSequence: 0 },
    });
    await send(side, topic, transactional, at({ note: 'transactional without an id' }));
    await side.ask('Produce', version, { acks: 1, timeoutMs: 0, topicData: [] }, 'nothing');
  }
  await side.ask('Produce', 9, {
    acks: 1,
    timeoutMs: 1000,
    topicData: [
      {
        name: 'p1',
        partitionData: [
          { index: 0, records: batch('m1') },
          { index: 1, records: batch('m2') },
          { index: 5, records: batch('m3') },
        ],
      },
      { name: 'absent', partitionData: [{ index: 0, records: batch('m4') }] },
    ],
  });
  await silent(side, 'acks 0', 'p1', 0, batch('zero'));
  await silent(side, 'acks 0 unknown', 'absent', 0, batch('zero'));
  await silent(side, 'acks 0 partition', 'p1', 9, batch('zero'));
  await silent(
    side,
    'acks 0 crc',
    'p1',
    0,
    changed(batch('z'), (c) => c.writeInt32BE(1, 17)),
  );
  await ends(side, 'p1', 2);
}

/** What the connection answers next after a request that is not answered. */
async function silent(side: Side, note: string, name: string, index: number, records: Buffer) {
  const client = await side.newClient();
  client.write(
    client.encode('Produce', 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index, records }] }],
    }),
  );
  await side.ask('Metadata', 1, { topics: [] }, `after ${note}`, client);
  await client.close();
}

export async function produceByTopicSettings(side: Side): Promise<void> {
  await side.makeTopic('small', 1, { 'max.message.bytes': '200' });
  await side.makeTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' });
  await side.makeTopic('compacted', 1, { 'cleanup.policy': 'compact' });
  await side.makeTopic('both', 1, {
    'cleanup.policy': 'compact',
    'message.timestamp.before.max.ms': '60000',
  });
  await side.makeTopic('packed', 1, { 'compression.type': 'gzip' });
  await side.makeTopic('unpacked', 1, { 'compression.type': 'uncompressed' });
  await side.makeTopic('aged', 1, {
    'message.timestamp.before.max.ms': '60000',
    'message.timestamp.after.max.ms': '60000',
  });
  await side.makeTopic('segments', 1, { 'segment.bytes': '1048576' });
  const timestamp = side.base;
  for (const version of [3, 7, 8, 12]) {
    await send(side, 'small', batchOf(['x'.repeat(300)], { timestamp }), { version });
    await send(side, 'small', batchOf(['x'], { timestamp }), { version });
    await send(side, 'stamped', batchOf(['a', 'b'], { timestamp: 1000 }), { version });
    await send(side, 'compacted', batchOf(['a', 'b'], { timestamp }), { version });
    await send(side, 'compacted', batchOf(['a', 'b'], { timestamp, key: 'k' }), { version });
    const mixed = ['1', '2', ['k', '3'] as const, '4', '5'];
    await send(side, 'compacted', batchOf(mixed, { timestamp }), { version, note: 'mixed' });
    await send(side, 'both', batchOf(mixed, { timestamp: 1000 }), { version, note: 'mixed' });
    const own = batchOf(['a', ['key', 'b'], ['key', null]], { timestamp, attributes: 0x08 });
    await send(side, 'stamped', own, { version, note: 'with the time of appending' });
    const lz4 = batchOf(['a', 'b'], { timestamp, compression: 3 });
    await send(side, 'packed', lz4, { version });
    await send(side, 'unpacked', lz4, { version });
    for (const shift of [-120_000, 120_000, 0]) {
      const aged = batchOf(['a', 'b'], { timestamp: timestamp + shift });
      await send(side, 'aged', aged, { version, note: `${shift} ms` });
    }
    const far = batchOf(['a'], { timestamp: timestamp + 7_200_000 });
    await send(side, 'segments', far, { version, note: 'two hours ahead' });
    await send(side, 'segments', batchOf(['a'], { timestamp: -1 }), { version, note: 'no time' });
  }
  const large = batchOf(['y'.repeat(1_048_600)], { timestamp });
  await send(side, 'segments', large, { note: 'above max.message.bytes and segment.bytes' });
  for (const name of ['small', 'stamped', 'compacted', 'packed', 'unpacked', 'aged', 'segments']) {
    await ends(side, name, 1);
    if (name !== 'packed') await side.ask('Fetch', 11, fetchBody([[name, 0, 0]]), 'stored');
  }
}

export async function idempotence(side: Side): Promise<void> {
  const topicId = await side.makeTopic('i1', 3);
  // The first block of ids is being fetched while the first one is asked for.
  const first = { transactionalId: null, transactionTimeoutMs: 1000 };
  await side.settle('InitProducerId', 4, first, (a) => a.errorCode === 0);
  for (const version of [0, 1, 2, 3, 4, 5]) {
    const init = async (body: object, note = '') => {
      const asked = { transactionalId: null, transactionTimeoutMs: 1000, ...body };
      const answer = await side.quietly('InitProducerId', version, asked);
      if (answer?.producerId >= 0) side.alias(answer.producerId, 'producer');
      side.keep(`InitProducerId v${version} ${note} ${JSON.stringify(body)}`, answer);
    };
    await init({});
    await init({ transactionTimeoutMs: 0 });
    await init({ transactionTimeoutMs: -1 });
    await init({ transactionalId: '' });
    if (version >= 3) {
      await init({ producerId: 5 });
      await init({ producerEpoch: 5 });
      await init({ producerId: 123_456, producerEpoch: 5 });
    }
  }
  const fresh = async (): Promise<number> => {
    const answer = await side.settle(
      'InitProducerId',
      4,
      { transactionalId: null, transactionTimeoutMs: 1000 },
      (a) => a.errorCode === 0,
    );
    side.alias(answer.producerId, 'producer');
    return answer.producerId;
  };
  for (const version of [3, 8, 10, 13]) {
    const id = await fresh();
    const step = (epoch: number, sequence: number, count = 1, partition = 0) => {
      const values = Array.from({ length: count }, (_, i) => `${i}`);
      const producer = { id, epoch, baseSequence: sequence };
      const records = batchOf(values, { timestamp: side.base, producer });
      const note = `epoch ${epoch} sequence ${sequence} count ${count}`;
      const topic = version >= 13 ? topicId : 'i1';
      return send(side, topic, records, { version, partition, note });
    };
    await step(0, 0, 3);
    await step(0, 0, 3);
    await step(0, 0, 2);
    await step(0, 1, 3);
    await step(0, 3);
    await step(0, 5);
    await step(0, 4, 2);
    for (let sequence = 6; sequence < 12; sequence++) await step(0, sequence);
    for (const sequence of [0, 3, 4, 6, 7, 8, 11]) await step(0, sequence);
    await step(1, 5);
    await step(1, 0);
    await step(0, 12);
    await step(1, 1);
    await step(3, 1);
    await step(3, 0);
    await step(1, 0);
    await step(0, 5, 1, 1);
    await step(0, 6, 1, 1);
    await step(0, 8, 1, 1);
    await step(-1, 0, 1, 2);
    await step(0, -1, 1, 2);
    await step(0, 2_147_483_646, 1, 2);
    await step(0, 2_147_483_647, 1, 2);
    await step(0, 0, 1, 2);
    await step(0, 1, 1, 2);
  }
  await ends(side, 'i1', 3);
  await side.ask('Fetch', 11, fetchBody([['i1', 0, 0]], { maxBytes: 3000 }), 'stored');
}
