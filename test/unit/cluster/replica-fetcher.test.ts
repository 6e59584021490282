import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { batchSize, setPartitionLeaderEpoch } from '../../../src/protocol/record-batch.ts';
import { ReplicaRig, TOPIC, TOPIC_ID } from '../../support/replicas.ts';
import { batchOf } from '../broker/fixture.ts';

let rig: ReplicaRig;
afterEach(() => rig.stop());

const FETCH = 1;
const LIST_OFFSETS = 2;

const idOf = (topic: string): string => Buffer.alloc(16, topic).toString('base64url');

/** Produces and lets it be copied everywhere. */
async function committed(leader: number, values: readonly string[]): Promise<void> {
  const produced = rig.get(leader).produce(values);
  await rig.pass(200);
  expect((await produced).errorCode).toBe(0);
}
/** Produces on a leader that nobody copies from. */
async function lost(leader: number, values: readonly string[]): Promise<void> {
  rig.isolate(leader);
  expect((await rig.get(leader).produce(values, { acks: 1 })).errorCode).toBe(0);
}
const expectEqualLogs = (): void => {
  const [first, ...others] = rig.replicas.map((replica) => replica.batches());
  for (const other of others) expect(other).toEqual(first);
};

describe('a follower', () => {
  it('cuts what its former term wrote and nobody has, and takes what the leader has', async () => {
    rig = await ReplicaRig.start(3);
    await committed(0, ['a']);
    await lost(0, ['never', 'never']);
    rig.elect(1, [1, 2]);
    await rig.pass(50);
    await committed(1, ['b']);
    rig.rejoin(0);
    await rig.pass(2000);
    expect(rig.get(0).values).toEqual(['a', 'b']);
    expectEqualLogs();
    expect(rig.get(0).partitions.replication.truncations).toBe(1);
    expect(rig.get(0).partitions.replication.truncationsBelowCommitted).toBe(0);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  it('refuses a damaged batch, and takes it when it comes whole', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    let damage = 1;
    rig.onPassing = ({ api, response }) => {
      if (api !== FETCH) return;
      const records = response.responses[0]?.partitions[0]?.records as Buffer | undefined;
      if (records === undefined || records.length === 0 || damage-- <= 0) return;
      records[records.length - 1]! ^= 1;
    };
    const produced = rig.get(0).produce(['a']);
    await rig.pass(50);
    expect(rig.get(1).log.logEndOffset).toBe(0);
    expect(rig.get(1).partitions.replication.corruptBatches).toBe(1);
    await rig.pass(500);
    expect((await produced).errorCode).toBe(0);
    expect(rig.get(1).values).toEqual(['a']);
  });

  it('begins anew where the leader’s log starts when its own ends before that', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.isolate(1);
    rig.change({ isr: [0] });
    await rig.pass(11_000, 100);
    for (const value of ['b', 'c', 'd']) await rig.get(0).produce([value], { acks: 1 });
    expect(rig.get(0).log.highWatermark).toBe(4);
    rig.get(0).log.advanceLogStartOffset(3);
    rig.rejoin(1);
    await rig.pass(3000);
    expect(rig.get(1).log.logStartOffset).toBe(3);
    expect(rig.get(1).values).toEqual(['d']);
    expect(rig.state.isr).toEqual([0, 1]);
  });

  it('begins anew in several partitions of several topics, each where its own log starts', async () => {
    rig = await ReplicaRig.start(2);
    const names = [
      ['u', 0],
      ['u', 1],
      ['v', 0],
    ] as const;
    const change = { replicas: [0, 1], leader: 0, leaderEpoch: 0, adding: [], removing: [] };
    const rest = { elr: [], lastKnownElr: [], leaderRecoveryState: 0 };
    const set = (type: 'Partition' | 'PartitionChange', isr: number[], partitionEpoch: number) =>
      rig.commit(
        names.map(([topic, partitionId]) => ({
          type,
          value: { topicId: idOf(topic), partitionId, isr, partitionEpoch, ...change, ...rest },
        })),
      );
    rig.commit(['u', 'v'].map((name) => ({ type: 'Topic', value: { name, topicId: idOf(name) } })));
    set('Partition', [0, 1], 0);
    const append = (records: readonly number[]): void =>
      names.forEach(([topic, index], i) => {
        for (let n = 0; n < records[i]!; n++) {
          const batch = batchOf([`${topic}-${index}-${n}`], { timestamp: rig.clock.now() });
          rig
            .get(0)
            .partitions.get(topic, index)!
            .append(batch, { origin: 'client', acksAll: false });
        }
      });
    append([1, 4, 0]);
    await rig.pass(500);
    rig.isolate(1);
    set('PartitionChange', [0], 1);
    await rig.pass(11_000, 100);
    append([3, 3, 2]);
    const logsOf = (id: number) =>
      names.map(([topic, index]) => rig.get(id).partitions.get(topic, index)!.log);
    [3, 6, 1].forEach((start, i) => logsOf(0)[i]!.advanceLogStartOffset(start));
    rig.rejoin(1);
    await rig.pass(3000);
    const bounds = (id: number) => logsOf(id).map((log) => [log.logStartOffset, log.logEndOffset]);
    expect(bounds(0)).toEqual([
      [3, 4],
      [6, 7],
      [1, 2],
    ]);
    expect(bounds(1)).toEqual(bounds(0));
    const { truncations, truncationsBelowCommitted } = rig.get(1).partitions.replication;
    expect([truncations, truncationsBelowCommitted]).toEqual([names.length, 0]);
    // The ends and the starts of all of them, asked for once.
    expect(rig.get(0).answered.get(LIST_OFFSETS)).toBe(2);
  });

  /**
   * Broker 2, out of sync, has the first of six batches from broker 0. Broker 1 has all of them, and
   * lets tombstones go before offset 5.
   */
  async function begunCopy(): Promise<{ restarts: number[] }> {
    rig = await ReplicaRig.start(3, {
      'log.cleanup.policy': 'compact',
      'replica.fetch.max.bytes': 1,
    });
    rig.isolate(2);
    rig.change({ isr: [0, 1] });
    for (let i = 0; i < 6; i++) {
      const batch = batchOf([`v${i}`], { key: `k${i}`, timestamp: rig.clock.now() });
      rig.get(0).partition.append(batch, { origin: 'client', acksAll: false });
    }
    await rig.pass(200);
    expect(rig.get(1).log.logEndOffset).toBe(6);
    let passed = 0;
    rig.onPassing = ({ from, api, response }) => {
      const records = response.responses[0]?.partitions[0]?.records as Buffer | undefined;
      if (from !== 2 || api !== FETCH || (records?.length ?? 0) === 0) return;
      if (++passed > 2) rig.isolate(2);
    };
    rig.rejoin(2);
    await rig.pass(1000);
    expect(rig.get(2).log.logEndOffset).toBe(2);
    rig.onPassing = () => {};
    rig.get(1).log.removesTo(5);
    const { partition } = rig.get(2);
    const restarts: number[] = [];
    const restartAt = partition.restartAt.bind(partition);
    partition.restartAt = (offset) => {
      restarts.push(offset);
      restartAt(offset);
    };
    return { restarts };
  }

  it('begins anew when its copy goes on from another leader, who lacks tombstones of the rest', async () => {
    const { restarts } = await begunCopy();
    rig.elect(1, [0, 1]);
    rig.rejoin(2);
    await rig.pass(3000);
    expect(restarts).toEqual([0]);
    expectEqualLogs();
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    // Whoever has a part of its log, and goes on from it, is to know the same.
    expect(rig.get(2).log.removedTo).toBe(5);
    await rig.get(2).stop();
    rig.get(2).disk.crash(seededRandom(1));
    await rig.get(2).start();
    expect(rig.get(2).log.removedTo).toBe(5);
  });

  it('goes on with its copy when the same leader goes on', async () => {
    const { restarts } = await begunCopy();
    rig.get(0).log.removesTo(5);
    rig.elect(0, [0, 1]);
    rig.rejoin(2);
    await rig.pass(3000);
    expect(restarts).toEqual([]);
    expectEqualLogs();
    expect(rig.state.isr).toContain(2);
  });

  it('goes on with its copy when the other leader lacks nothing of the rest', async () => {
    const { restarts } = await begunCopy();
    rig.get(1).log.truncateTo(2);
    rig.get(1).log.removesTo(2);
    rig.elect(0, [0]);
    await rig.pass(1000);
    rig.elect(1, [0, 1]);
    rig.rejoin(2);
    await rig.pass(3000);
    expect(restarts).toEqual([]);
    expectEqualLogs();
  });

  it('is cut to the end of a leader that was elected uncleanly', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.isolate(1);
    rig.change({ isr: [0] });
    await rig.pass(11_000, 100);
    await rig.get(0).produce(['b', 'c'], { acks: 1 });
    expect(rig.get(0).log.highWatermark).toBe(3);
    rig.elect(1, [1]);
    rig.rejoin(1);
    await rig.pass(2000);
    expectEqualLogs();
    expect(rig.get(0).values).toEqual(['a']);
    expect(rig.get(0).partitions.replication.truncationsBelowCommitted).toBe(1);
  });

  it('names only what has changed, in one session', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    await committed(0, ['a']);
    await committed(0, ['b']);
    expect(rig.get(0).services.fetchSessions.size).toBe(1);
    const { partitionCount } = rig.get(0).services.fetchSessions;
    expect(partitionCount).toBe(1);
  });

  it('hears what is committed though it has begun anew to follow before it was told', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    let go = (): void => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    rig.onPassing = ({ from, api, response }) => {
      const tells = response.responses?.[0]?.partitions[0]?.highWatermark === 1;
      return from === 1 && api === FETCH && tells ? held : undefined;
    };
    const produced = rig.get(0).produce(['a']);
    await rig.pass(300);
    expect((await produced).errorCode).toBe(0);
    expect(rig.get(1).log.highWatermark).toBe(0);
    const { replication, partition } = rig.get(1);
    replication.roleChanged(partition);
    go();
    await rig.pass(3_000);
    expect(rig.get(1).log.highWatermark).toBe(1);
  });

  it('goes on when the leader has forgotten its session', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    rig.get(0).forgetSessions();
    await committed(0, ['a']);
    expect(rig.get(1).values).toEqual(['a']);
  });

  it('rests while its leader can’t be reached, and does not try without end', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    rig.isolate(1);
    const { replication } = rig.get(1).partitions;
    const before = replication.fetchFailures;
    await rig.pass(2000);
    expect(replication.fetchFailures - before).toBeLessThanOrEqual(21);
    rig.rejoin(1);
    await committed(0, ['a']);
  });

  it('hears of a new partition though its fetch waits for another one', async () => {
    rig = await ReplicaRig.start(2, { 'replica.fetch.wait.max.ms': 5_000 });
    await rig.pass(6_000);
    const id = 'c29tZS1vdGhlci1pZC0xMg';
    rig.commit([
      { type: 'Topic', value: { name: 'other', topicId: id } },
      {
        type: 'Partition',
        value: {
          topicId: id,
          partitionId: 0,
          replicas: [0, 1],
          isr: [0, 1],
          leader: 0,
          leaderEpoch: 0,
          partitionEpoch: 0,
          adding: [],
          removing: [],
          elr: [],
          lastKnownElr: [],
          leaderRecoveryState: 0,
        },
      },
    ]);
    await rig.pass(100);
    const leadership = rig.get(0).partitions.get('other', 0)!.leadership!;
    expect(leadership.follower(1)?.hasFetched).toBe(true);
  });

  it('stops with the disk of its partition, and leaves the others alone', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.get(1).disk.fault = ({ operation, path }) =>
      operation === 'write' && path.includes(`${TOPIC}-0/`) ? ioError() : null;
    await rig.get(0).produce(['a'], { acks: 1 });
    await rig.pass(1000);
    expect(rig.get(1).partition.isOffline).toBe(true);
    expect([...rig.get(1).replication.fetchers][0]?.failed).toBe(1);
  });

  it('asks for nothing more whose disk has failed, and so is not in sync again', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.get(1).log.logDirectory.takeOffline('it is broken', new Error('EIO'));
    await rig.pass(1000);
    rig.change({ isr: [0] });
    await rig.pass(5000);
    expect(rig.state.isr).toEqual([0]);
  });

  it.each([
    ['from the first answer on', 0],
    ['though the first answers had no room for it', 3],
  ])('is slowed down by the quota until it has caught up, %s', async (_, empty) => {
    rig = await ReplicaRig.start(2, { 'follower.replication.throttled.rate': 1000 });
    rig.commit([
      {
        type: 'Config',
        value: {
          resourceType: 2,
          resourceName: TOPIC,
          name: 'follower.replication.throttled.replicas',
          value: '*',
        },
      },
    ]);
    rig.isolate(1);
    rig.change({ isr: [0] });
    await rig.pass(11_000, 100);
    for (let i = 0; i < 10; i++) {
      await rig.get(0).produce(['x'.repeat(1000)], { acks: 1 });
    }
    rig.get(1).kill();
    rig.rejoin(1);
    (rig.given as Record<string, unknown>)['replica.fetch.max.bytes'] = 1100;
    await rig.get(1).start();
    let left = 0;
    rig.onPassing = ({ api, response }) => {
      const answer = response.responses?.[0]?.partitions[0];
      if (api !== FETCH || answer === undefined || left-- <= 0) return;
      answer.records = Buffer.alloc(0);
    };
    rig.elect(0, [0]);
    left = empty;
    await rig.pass(3000, 50);
    const then = rig.get(1).log.logEndOffset;
    expect(then).toBeGreaterThanOrEqual(2);
    expect(then).toBeLessThanOrEqual(6);
    await rig.pass(12_000, 100);
    expect(rig.get(1).log.logEndOffset).toBe(10);
  });
});

const ioError = (): Error => Object.assign(new Error('EIO'), { code: 'EIO' });

describe('producers’ state follows the log', () => {
  const batch = (baseSequence: number) => ({ id: 9, epoch: 0, baseSequence });

  it('a follower that becomes the leader knows what producers have sent', async () => {
    rig = await ReplicaRig.start(2);
    const first = rig.get(0).produce(['a'], { producer: batch(0) });
    await rig.pass(100);
    expect(await first).toMatchObject({ errorCode: 0, baseOffset: 0 });
    rig.elect(1);
    const again = rig.get(1).produce(['a'], { producer: batch(0) });
    await rig.pass(200);
    expect(await again).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(rig.get(1).values).toEqual(['a']);
    const gap = await rig.get(1).produce(['c'], { producer: batch(5) });
    expect(gap.errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('what is cut is forgotten, and may be sent again', async () => {
    rig = await ReplicaRig.start(2);
    const first = rig.get(0).produce(['a'], { producer: batch(0) });
    await rig.pass(100);
    await first;
    rig.isolate(0);
    await rig.get(0).produce(['b'], { acks: 1, producer: batch(1) });
    rig.elect(1, [1]);
    rig.rejoin(0);
    await rig.pass(2000);
    expect(rig.get(0).values).toEqual(['a']);
    rig.elect(0, [0, 1]);
    const again = rig.get(0).produce(['b'], { producer: batch(1) });
    await rig.pass(300);
    expect(await again).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(rig.get(0).values).toEqual(['a', 'b']);
  });
});

describe('known failures of replicated logs', () => {
  it('KAFKA-1211: a follower does not cut what is committed after two quick failovers', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    // The follower has the record, and has not heard that it is committed.
    let isHeld = false;
    rig.onPassing = async ({ api, from }) => {
      if (api === FETCH && from === 1 && isHeld) await new Promise(() => {});
    };
    const produced = rig.get(0).produce(['m']);
    await rig.settle();
    isHeld = true;
    await rig.pass(5);
    expect((await produced).errorCode).toBe(0);
    expect(rig.get(1).log.highWatermark).toBe(0);
    // It restarts and would cut to its high watermark; then the leader dies.
    rig.get(1).kill();
    isHeld = false;
    await rig.get(1).start();
    rig.get(0).kill();
    rig.elect(1, [1]);
    expect(rig.get(1).values).toEqual(['m']);
    await rig.get(0).start();
    rig.hear(0);
    await rig.pass(1000);
    expect(rig.get(0).values).toEqual(['m']);
    rig.elect(0);
    rig.elect(1);
    await rig.pass(500);
    for (const { values } of rig.replicas) expect(values).toEqual(['m']);
  });

  it('KAFKA-6361: logs part at the right place when each has terms that the other lacks', async () => {
    rig = await ReplicaRig.start(3);
    await committed(0, ['a']);
    // 0 writes in term 1 alone, 1 in term 2 alone, 0 in term 3, 1 in term 4.
    await lost(0, ['x1']);
    rig.elect(0, [0]);
    await rig.get(0).produce(['x2'], { acks: 1 });
    rig.isolate(1);
    rig.elect(1, [1]);
    await rig.get(1).produce(['y1', 'y2'], { acks: 1 });
    rig.elect(0, [0]);
    await rig.get(0).produce(['x3'], { acks: 1 });
    rig.elect(1, [1]);
    await rig.get(1).produce(['y3'], { acks: 1 });
    rig.rejoin(0);
    rig.rejoin(1);
    await rig.pass(3000);
    expectEqualLogs();
    expect(rig.get(0).values).toEqual(['a', 'y1', 'y2', 'y3']);
  });

  it('KAFKA-7164: a follower that missed a change of leaders cuts all the same', async () => {
    rig = await ReplicaRig.start(3);
    await committed(0, ['a']);
    // 2 has a record of the first term that 1 has not.
    rig.separate(0, 1);
    await rig.get(0).produce(['gone'], { acks: 1 });
    await rig.pass(100);
    expect(rig.get(2).values).toEqual(['a', 'gone']);
    rig.deaf.add(2);
    rig.separate(0, 2);
    rig.separate(1, 2);
    rig.elect(1, [1]);
    await rig.get(1).produce(['b'], { acks: 1 });
    rig.join(0, 1);
    await rig.pass(2000);
    rig.elect(0, [0, 1]);
    await rig.get(0).produce(['c'], { acks: 1 });
    rig.deaf.delete(2);
    rig.hear(2);
    rig.rejoin(2);
    await rig.pass(2000);
    expectEqualLogs();
    expect(rig.get(2).values).toEqual(['a', 'b', 'c']);
  });

  it('KAFKA-7415: terms without a record are remembered, and terms behind are cut', async () => {
    rig = await ReplicaRig.start(3);
    await committed(0, ['a']);
    await lost(0, ['x']);
    rig.elect(1, [1, 2]);
    rig.elect(2, [1, 2]);
    rig.elect(1, [1, 2]);
    expect(rig.get(1).log.latestEpoch).toBe(3);
    await rig.pass(100);
    rig.rejoin(0);
    await rig.pass(2000);
    expectEqualLogs();
    expect(rig.get(0).values).toEqual(['a']);
  });

  it('KAFKA-7415: nobody turns in circles over terms without a record', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.isolate(0);
    rig.isolate(1);
    rig.elect(0, [0]);
    rig.elect(1, [1]);
    rig.elect(0, [0]);
    rig.elect(1, [1]);
    rig.rejoin(0);
    rig.rejoin(1);
    await rig.pass(1000);
    expect(rig.get(0).partitions.replication.truncations).toBeLessThanOrEqual(2);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1]);
    await committed(1, ['b']);
    expectEqualLogs();
  });

  it('KAFKA-10554: an answer that parts the logs does not touch a partition that is gone', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.isolate(0);
    await rig.get(0).produce(['x'], { acks: 1 });
    rig.elect(1, [1]);
    const { log } = rig.get(0);
    let release = (): void => {};
    let held = 0;
    rig.onPassing = async ({ api, from, response }) => {
      if (api !== FETCH || from !== 0) return;
      if (!response.responses[0]?.partitions.some((p: any) => p.divergingEpoch.epoch >= 0)) return;
      held += 1;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    rig.rejoin(0);
    await rig.pass(300);
    expect(held).toBe(1);
    // Meanwhile it leads again, with what it has.
    rig.elect(0, [0]);
    release();
    await rig.pass(100);
    expect(rig.get(0).values).toEqual(['a', 'x']);
    expect(log.logEndOffset).toBe(2);
  });

  it('KAFKA-13207: an answer for a removed partition does not touch its namesake', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    let release = (): void => {};
    rig.onPassing = ({ api, response }) =>
      api === FETCH && (response.responses[0]?.partitions[0]?.records?.length ?? 0) > 0
        ? new Promise<void>((resolve) => {
            release = resolve;
          })
        : undefined;
    await rig.get(0).produce(['old'], { acks: 1 });
    await rig.pass(100);
    rig.removeTopic();
    const topicId = 'c29tZS1vdGhlci1pZC0xMg';
    rig.commit([
      { type: 'Topic', value: { name: TOPIC, topicId } },
      {
        type: 'Partition',
        value: {
          topicId,
          partitionId: 0,
          replicas: [0, 1],
          isr: [0, 1],
          leader: 0,
          leaderEpoch: 0,
          partitionEpoch: 0,
          adding: [],
          removing: [],
          elr: [],
          lastKnownElr: [],
          leaderRecoveryState: 0,
        },
      },
    ]);
    expect(topicId).not.toBe(TOPIC_ID);
    rig.onPassing = () => {};
    release();
    await rig.pass(500);
    for (const { log } of rig.replicas) expect(log.logEndOffset).toBe(0);
  });

  it('KIP-966: the last replica standing commits nothing that its own loss would take', async () => {
    rig = await ReplicaRig.start(3, { 'min.insync.replicas': 2 });
    await committed(0, ['a']);
    rig.isolate(1);
    rig.isolate(2);
    rig.change({ isr: [0] });
    await rig.pass(11_000, 100);
    expect((await rig.get(0).produce(['b'])).errorCode).toBe(ErrorCode.NOT_ENOUGH_REPLICAS);
    await rig.get(0).produce(['c'], { acks: 1 });
    const seen = rig.get(0).log.highWatermark;
    expect(seen).toBe(1);
    rig.get(0).kill();
    rig.get(0).disk.crash({ next: () => 0, fill: () => {} });
    await rig.get(0).start();
    // It leads again, with less than it had; the others have nothing committed that it lacks.
    rig.elect(0, [0]);
    rig.rejoin(1);
    rig.rejoin(2);
    await rig.pass(3000);
    expectEqualLogs();
    for (const { log } of rig.replicas) expect(log.highWatermark).toBeLessThanOrEqual(1);
  });

  it('KAFKA-16541: terms survive the loss of power together with what was written in them', async () => {
    rig = await ReplicaRig.start(2, { 'log.flush.on.acks.all': true });
    await committed(0, ['a']);
    rig.elect(1);
    await committed(1, ['b']);
    rig.elect(0);
    await committed(0, ['c']);
    const before = rig.get(1).batches();
    rig.get(1).kill();
    rig.get(1).disk.crash({ next: () => 0, fill: () => {} });
    await rig.get(1).start();
    expect(rig.get(1).batches()).toEqual(before);
    expect(rig.get(1).log.latestEpoch).toBe(2);
    expect(rig.get(1).log.endOffsetForEpoch(0)).toEqual({ epoch: 0, endOffset: 1 });
    expect(rig.get(1).log.endOffsetForEpoch(1)).toEqual({ epoch: 1, endOffset: 2 });
    rig.elect(1);
    await rig.pass(200);
    expectEqualLogs();
  });

  it('drops an epoch that a damaged header claims, and takes what the leader has', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a', 'b']);
    await committed(0, ['c']);
    await committed(0, ['d']);
    const follower = rig.get(1);
    const path = `${follower.log.path}/00000000000000000000.log`;
    follower.kill();
    // Nothing that is checked covers it.
    const bytes = follower.disk.content(path);
    setPartitionLeaderEpoch(bytes, batchSize(bytes, 0), 0x7000_0000);
    follower.disk.setContent(path, bytes);
    await follower.start();
    rig.elect(0);
    await rig.pass(2000);
    await committed(0, ['e']);
    expectEqualLogs();
    expect(follower.log.latestEpoch).toBe(rig.get(0).log.latestEpoch);
    expect(rig.state.isr).toContain(1);
  });

  it('KAFKA-10778: after a failed write nothing is taken, and who waits is told', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.isolate(1);
    const waiting = rig.get(0).produce(['a']);
    await rig.settle();
    rig.get(0).disk.fault = ({ operation, path }) =>
      operation === 'write' && path.includes(`${TOPIC}-0/`) ? ioError() : null;
    const failing = await rig.get(0).produce(['b'], { acks: 1 });
    expect(failing.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect((await waiting).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    rig.get(0).disk.fault = () => null;
    const later = await rig.get(0).produce(['c'], { acks: 1 });
    expect(later.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    rig.elect(1, [1]);
    rig.rejoin(1);
    await committed(1, ['d']);
    expect(rig.get(1).values).toEqual(['d']);
  });

  it('KAFKA-9835: a consumer never reads above the high watermark while others append', async () => {
    rig = await ReplicaRig.start(2);
    await committed(0, ['a']);
    rig.isolate(1);
    for (let i = 0; i < 5; i++) {
      await rig.get(0).produce([`u${i}`], { acks: 1 });
      const end = await rig.get(0).fetch(1);
      expect(end.records).toHaveLength(0);
      expect(end.highWatermark).toBe(1);
    }
  });

  it('KAFKA-5634: retention does not pass the high watermark of a lagging follower', async () => {
    rig = await ReplicaRig.start(2, { 'log.segment.bytes': 1 << 20, 'log.retention.bytes': 0 });
    rig.isolate(1);
    for (let i = 0; i < 5; i++) {
      await rig.get(0).produce([`${i}`], { acks: 1 });
      rig.get(0).log.roll();
    }
    rig.get(0).log.deleteOldSegments(rig.clock.now() + 1e12);
    expect(rig.get(0).log.logStartOffset).toBe(0);
    expect(rig.get(0).values).toHaveLength(5);
    rig.rejoin(1);
    await rig.pass(1000);
    expect(rig.get(1).values).toHaveLength(5);
  });
});
