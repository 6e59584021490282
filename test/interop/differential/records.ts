/** Produce, Fetch, offsets, epochs: batches that are good, bad, repeated, out of turn. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { below, seededRandom } from '../../../src/base/random.ts';
import { batchOf } from '../../unit/broker/fixture.ts';
import type { Side } from './side.ts';

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAACA';

interface Sent {
  readonly version?: number;
  readonly acks?: number;
  readonly partition?: number;
  readonly note?: string;
  readonly transactionalId?: string;
}

const send = (side: Side, topic: string, records: Buffer | null, sent: Sent = {}): Promise<any> => {
  const { version = 9, acks = -1, partition = 0, note = '', transactionalId = null } = sent;
  const where = version >= 13 ? { topicId: topic } : { name: topic };
  return side.ask(
    'Produce',
    version,
    {
      transactionalId,
      acks,
      timeoutMs: 5000,
      topicData: [{ ...where, partitionData: [{ index: partition, records }] }],
    },
    note,
  );
};

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

const ends = async (side: Side, name: string, partitions: number): Promise<void> => {
  for (const timestamp of [-1, -2]) {
    await side.ask('ListOffsets', 4, {
      replicaId: -1,
      topics: [
        {
          name,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            timestamp,
          })),
        },
      ],
    });
  }
};

export async function produceByTopicSettings(side: Side): Promise<void> {
  await side.makeTopic('small', 1, { 'max.message.bytes': '200' });
  await side.makeTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' });
  await side.makeTopic('compacted', 1, { 'cleanup.policy': 'compact' });
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

type Wanted = readonly [topic: string, partition: number, fetchOffset: number, more?: object];

const fetchBody = (wanted: readonly Wanted[], more: object = {}, byId = false) => ({
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1_000_000,
  topics: wanted.map(([topic, partition, fetchOffset, fields]) => ({
    ...(byId ? { topicId: topic } : { topic }),
    partitions: [{ partition, fetchOffset, partitionMaxBytes: 1_000_000, ...fields }],
  })),
  ...more,
});

export async function fetch(side: Side): Promise<void> {
  const id = await side.makeTopic('f1', 3);
  await side.makeTopic('f2');
  for (let i = 0; i < 5; i++) {
    const records = batchOf([`a${i}`, `b${i}`, `c${i}`], { timestamp: side.base + i * 10 });
    await send(side, 'f1', records);
    await send(side, 'f1', records, { partition: 1 });
    await send(side, 'f2', records);
  }
  await side.quietly('DeleteRecords', 1, {
    topics: [{ name: 'f1', partitions: [{ partitionIndex: 1, offset: 4 }] }],
    timeoutMs: 5000,
  });
  for (const version of [4, 5, 6, 7, 9, 11, 12, 13, 15, 16, 17, 18]) {
    const byId = version >= 13;
    const f1 = byId ? id : 'f1';
    const ask = (wanted: readonly Wanted[], more: object = {}) =>
      side.ask('Fetch', version, fetchBody(wanted, more, byId));
    for (const offset of [0, 1, 3, 14, 15, 16, -1, -2, 1000]) await ask([[f1, 0, offset]]);
    for (const offset of [0, 3, 4, 5]) await ask([[f1, 1, offset]]);
    await ask([[f1, 2, 0]]);
    await ask([[f1, 3, 0]]);
    await ask([[f1, -1, 0]]);
    await ask([[byId ? UNKNOWN_ID : 'absent', 0, 0]]);
    await ask([[byId ? ZERO_UUID : '', 0, 0]]);
    await ask([]);
    for (const maxBytes of [0, 1, 100, 250]) {
      await ask([[f1, 0, 0]], { maxBytes });
      await ask([[f1, 0, 0, { partitionMaxBytes: maxBytes }]]);
      await ask(
        [
          [f1, 0, 0],
          [f1, 1, 4],
        ],
        { maxBytes },
      );
    }
    await ask([[f1, 0, 15]], { maxWaitMs: 20 });
    await ask([[f1, 0, 0]], { minBytes: 100_000, maxWaitMs: 20 });
    await ask([[f1, 0, 0]], { isolationLevel: 1 });
    await ask([[f1, 0, 15]], { isolationLevel: 1 });
    await ask([[f1, 0, 0]], { isolationLevel: 7 });
    if (version >= 9) {
      for (const currentLeaderEpoch of [0, 1, 7, -1, -2]) {
        await ask([[f1, 0, 0, { currentLeaderEpoch }]]);
      }
    }
    if (version >= 12) {
      for (const lastFetchedEpoch of [0, 1, 7, -1]) {
        await ask([[f1, 0, 3, { lastFetchedEpoch }]]);
      }
    }
    if (version >= 7) await sessions(side, version, byId ? id : 'f1', byId);
  }
}

async function sessions(side: Side, version: number, f1: string, byId: boolean): Promise<void> {
  let sessionId = 0;
  const ask = async (
    sessionEpoch: number,
    wanted: readonly Wanted[],
    more: object = {},
    note = '',
  ) => {
    const body = fetchBody(wanted, { sessionId, sessionEpoch, ...more }, byId);
    const answer = await side.quietly('Fetch', version, body);
    if (answer?.sessionId > 1000) side.alias(answer.sessionId, 'session');
    const what = JSON.stringify([wanted, more]);
    side.keep(`Fetch v${version} session ${sessionEpoch} ${note} ${what}`, answer);
    if (answer !== null && answer.sessionId !== 0) sessionId = answer.sessionId;
  };
  const forget = (partition: number) => ({
    forgottenTopicsData: [{ ...(byId ? { topicId: f1 } : { topic: f1 }), partitions: [partition] }],
  });
  await ask(0, [
    [f1, 0, 15],
    [f1, 1, 15],
  ]);
  await ask(1, []);
  await ask(2, [[f1, 0, 12]]);
  await ask(3, []);
  await ask(3, [], {}, 'again');
  await ask(9, [], {}, 'wrong epoch');
  await ask(4, [[f1, 0, 15]]);
  await ask(5, [[f1, 9, 0]]);
  await ask(6, []);
  await ask(7, [], forget(9));
  await ask(8, [[byId ? UNKNOWN_ID : 'absent', 0, 0]]);
  await ask(9, []);
  await ask(10, [[f1, 1, 100]]);
  await ask(11, []);
  await ask(12, [], forget(1));
  await ask(-1, [[f1, 0, 0]], {}, 'close');
  await ask(1, [], {}, 'closed');
  sessionId = 12_345_678;
  await ask(1, [], {}, 'unknown id');
  await ask(0, [], {}, 'unknown id');
  await ask(-1, [[f1, 0, 15]], {}, 'unknown id');
}

export async function offsets(side: Side): Promise<void> {
  await side.makeTopic('o1', 2);
  await side.makeTopic('o-compacted', 1, { 'cleanup.policy': 'compact' });
  for (const times of [
    [0, 10, 20],
    [100, 5, 7],
    [30, 200, 200],
    [50, 60, 70],
  ]) {
    for (const time of times) {
      await send(side, 'o1', batchOf(['v', 'w'], { timestamp: side.base + time }));
    }
  }
  const list = (version: number, partitionIndex: number, timestamp: number, more: object = {}) => {
    const { isolationLevel = 0, ...fields } = more as { isolationLevel?: number };
    const note = timestamp > 1000 ? `base + ${timestamp - side.base}` : `${timestamp}`;
    const partitions = [{ partitionIndex, timestamp, ...fields }];
    const body = { replicaId: -1, isolationLevel, topics: [{ name: 'o1', partitions }] };
    return listed(side, version, body, `partition ${partitionIndex} time ${note}`);
  };
  for (const version of [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]) {
    for (let timestamp = 0; timestamp >= -7; timestamp--) {
      await list(version, 0, timestamp);
      await list(version, 1, timestamp);
    }
    for (const time of [-1, 0, 1, 10, 20, 21, 100, 101, 102, 199, 200, 201, 202, 10_000]) {
      await list(version, 0, side.base + time);
    }
    await list(version, 1, side.base);
    await list(version, 2, -1);
    await list(version, -1, -1);
    if (version >= 2) {
      await list(version, 0, -1, { isolationLevel: 1 });
      await list(version, 0, -1, { isolationLevel: 5 });
    }
    if (version >= 4) {
      for (const currentLeaderEpoch of [0, 1, 9])
        await list(version, 0, -1, { currentLeaderEpoch });
    }
    const absent = { name: 'absent', partitions: [{ partitionIndex: 0, timestamp: -1 }] };
    await side.ask('ListOffsets', version, { replicaId: -1, topics: [absent] });
    await side.ask('ListOffsets', version, { replicaId: -1, topics: [] });
    const twice = { partitionIndex: 0, timestamp: -1 };
    const topics = [{ name: 'o1', partitions: [twice, twice] }];
    await side.ask('ListOffsets', version, { replicaId: -1, topics });
  }
  for (const version of [2, 3, 4]) {
    for (const leaderEpoch of [0, 1, 5, -1]) {
      for (const currentLeaderEpoch of [-1, 0, 3]) {
        const partitions = [{ partition: 0, currentLeaderEpoch, leaderEpoch }];
        const topics = [{ topic: 'o1', partitions }];
        await side.ask('OffsetForLeaderEpoch', version, { replicaId: -1, topics });
      }
    }
    for (const [topic, partition] of [
      ['o1', 1],
      ['o1', 7],
      ['absent', 0],
    ]) {
      const partitions = [{ partition, currentLeaderEpoch: -1, leaderEpoch: 0 }];
      const topics = [{ topic, partitions }];
      await side.ask('OffsetForLeaderEpoch', version, { replicaId: -1, topics });
    }
  }
  for (const version of [0, 1, 2]) {
    const remove = (name: string, partitionIndex: number, offset: number) =>
      side.ask('DeleteRecords', version, {
        topics: [{ name, partitions: [{ partitionIndex, offset }] }],
        timeoutMs: 5000,
      });
    await side.ask('DeleteRecords', version, { topics: [], timeoutMs: 1000 });
    for (const offset of [-2, 0, 1 + version, 1, 1000, 5 + version]) await remove('o1', 0, offset);
    for (const offset of [0, 1, -1]) await remove('o1', 1, offset);
    await remove('o1', 9, 0);
    await remove('absent', 0, 0);
    await remove('__consumer_offsets', 0, 0);
    await remove('o-compacted', 0, 0);
    await list(4, 0, -2);
    await list(4, 0, side.base);
    await list(7, 0, -3);
  }
  await side.ask('DeleteRecords', 1, {
    topics: [{ name: 'o1', partitions: [{ partitionIndex: 0, offset: -1 }] }],
    timeoutMs: 5000,
  });
  for (const timestamp of [-1, -2, -3, 0, side.base]) await list(7, 0, timestamp);
}

/** Times in the answer are told as distances. */
async function listed(side: Side, version: number, body: object, note: string): Promise<void> {
  const answer = await side.quietly('ListOffsets', version, body as never);
  for (const topic of answer?.topics ?? []) {
    for (const p of topic.partitions) if (p.timestamp > 1000) p.timestamp -= side.base;
  }
  side.keep(
    `ListOffsets v${version} ${note} ${JSON.stringify(body).replaceAll(String(side.base), 'base')}`,
    answer,
  );
}

/** Appends and reads in an order that only the seed knows. */
export async function random(side: Side): Promise<void> {
  const chance = seededRandom(20_260_704);
  const pick = <T>(from: readonly T[]): T => from[below(chance, from.length)]!;
  const id = await side.makeTopic('r1', 2, { 'segment.bytes': '1048576' });
  const answer = await side.quietly('InitProducerId', 4, {
    transactionalId: null,
    transactionTimeoutMs: 1000,
  });
  side.alias(answer.producerId, 'producer');
  for (let i = 0; i < 400; i++) {
    const partition = pick([0, 0, 0, 1, 1, 2]);
    const kind = below(chance, 10);
    if (kind < 4) {
      const values = Array.from({ length: 1 + below(chance, 4) }, () =>
        'v'.repeat(below(chance, 300)),
      );
      const baseSequence = below(chance, 12);
      const records = batchOf(values, {
        timestamp: side.base + below(chance, 1000),
        compression: pick([0, 0, 1, 2, 3, 4] as const),
        ...(pick([true, false])
          ? { producer: { id: answer.producerId, epoch: pick([0, 0, 0, 0, 1]), baseSequence } }
          : {}),
      });
      const version = pick([3, 5, 7, 8, 10, 13]);
      await send(side, version >= 13 ? id : 'r1', records, {
        version,
        acks: pick([1, -1]),
        partition,
        note: `${i}`,
      });
    } else if (kind < 7) {
      const version = pick([4, 7, 11, 12, 13, 16, 18]);
      const byId = version >= 13;
      const offset = below(chance, 120) - 3;
      const wanted: Wanted = [
        byId ? id : 'r1',
        partition,
        offset,
        { partitionMaxBytes: below(chance, 3000) },
      ];
      const more = {
        maxBytes: 1 + below(chance, 4000),
        minBytes: pick([0, 1]),
        isolationLevel: pick([0, 1]),
      };
      await side.ask('Fetch', version, fetchBody([wanted], more, byId), `${i}`);
    } else if (kind < 9) {
      const timestamp = pick([-1, -2, -3, side.base + below(chance, 1100)]);
      const version = pick([1, 4, 7, 9, 11]);
      const partitions = [{ partitionIndex: partition, timestamp }];
      await listed(side, version, { replicaId: -1, topics: [{ name: 'r1', partitions }] }, `${i}`);
    } else if (below(chance, 4) === 0) {
      const partitions = [{ partitionIndex: partition, offset: below(chance, 40) - 2 }];
      const topics = [{ name: 'r1', partitions }];
      await side.ask('DeleteRecords', pick([0, 1, 2]), { topics, timeoutMs: 5000 }, `${i}`);
    } else {
      const partitions = [
        { partition, currentLeaderEpoch: pick([-1, 0, 1]), leaderEpoch: pick([0, 1, -1]) },
      ];
      const topics = [{ topic: 'r1', partitions }];
      await side.ask('OffsetForLeaderEpoch', pick([2, 3, 4]), { replicaId: -1, topics }, `${i}`);
    }
  }
}
