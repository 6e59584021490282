/** Fetch, offsets, epochs, and appends among them out of a seed. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { below, seededRandom } from '../../../src/base/random.ts';
import { batchOf } from '../../unit/broker/fixture.ts';
import { fetchBody, send, UNKNOWN_ID, type Wanted } from './requests.ts';
import type { Side } from './side.ts';

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
