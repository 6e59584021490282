import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { partitionLeaderEpoch } from '../../../src/protocol/record-batch.ts';
import { systemError } from '../../support/faulty-disk.ts';
import { ReplicaRig, TOPIC } from '../../support/replicas.ts';
import { batchOf } from '../log/support.ts';

let rig: ReplicaRig;
afterEach(() => rig.stop());

/** Whether it has an answer without more time passing. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  await rig.settle();
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('acks', () => {
  it('all is answered when everybody in sync has the records', async () => {
    rig = await ReplicaRig.start(3);
    const produced = rig.get(0).produce(['a', 'b']);
    await rig.pass(100);
    expect(await produced).toMatchObject({ errorCode: 0, baseOffset: 0 });
    for (const { values } of rig.replicas) expect(values).toEqual(['a', 'b']);
    await rig.pass(100);
    for (const { log } of rig.replicas) expect(log.highWatermark).toBe(2);
  });

  it('1 is answered at once, and consumers see nothing until it is committed', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    rig.separate(0, 1);
    expect(await rig.get(0).produce(['a'], { acks: 1 })).toMatchObject({ errorCode: 0 });
    await rig.settle();
    expect((await rig.get(0).fetch(0)).records).toHaveLength(0);
    rig.join(0, 1);
    await rig.pass(1000);
    expect((await rig.get(0).fetch(0)).records.length).toBeGreaterThan(0);
  });

  it('all is not answered while somebody in sync lacks the records, and runs out of time', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a'], { timeoutMs: 1000 });
    await rig.pass(900);
    expect(await isSettled(produced)).toBe(false);
    await rig.pass(200);
    expect(await produced).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT });
    expect(rig.get(0).partition.leadership?.waiting).toBe(0);
  });

  it('all is answered in the order of the offsets, by one look each time', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    const order: number[] = [];
    const all = Array.from({ length: 20 }, async (_, i) => {
      expect((await rig.get(0).produce([`v${i}`])).errorCode).toBe(0);
      order.push(i);
    });
    await rig.pass(100);
    await Promise.all(all);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('all is refused before the append with too few replicas in sync', async () => {
    rig = await ReplicaRig.start(3, { 'min.insync.replicas': 2 });
    rig.change({ isr: [0] });
    expect(await rig.get(0).produce(['a'])).toMatchObject({
      errorCode: ErrorCode.NOT_ENOUGH_REPLICAS,
    });
    expect(rig.get(0).log.logEndOffset).toBe(0);
    expect((await rig.get(0).produce(['a'], { acks: 1 })).errorCode).toBe(0);
  });

  it('all stays open while the replicas in sync are too few after the append', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    rig.commit([
      {
        type: 'Config',
        value: { resourceType: 2, resourceName: TOPIC, name: 'min.insync.replicas', value: '3' },
      },
    ]);
    rig.change({ isr: [0, 1] });
    await rig.settle();
    // What is committed does not rise with too few in sync, so it stays open.
    expect(await isSettled(produced)).toBe(false);
    expect(rig.get(0).log.highWatermark).toBe(0);
    rig.commit([
      {
        type: 'Config',
        value: { resourceType: 2, resourceName: TOPIC, name: 'min.insync.replicas', value: '2' },
      },
    ]);
    rig.change({ isr: [0, 1] });
    await rig.pass(16_000, 100);
    expect((await produced).errorCode).toBe(0);
  });

  it('all goes by the min.insync.replicas under which the ISR shrinks, though its leader hears of both late', async () => {
    rig = await ReplicaRig.start(3, { 'min.insync.replicas': 2 });
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a'], { timeoutMs: 600_000 });
    await rig.pass(100);
    // The leader's wish to lose 2 reaches the controller, and the answer the leader, all the same.
    rig.deaf.add(0);
    rig.commit([
      {
        type: 'Config',
        value: { resourceType: 2, resourceName: TOPIC, name: 'min.insync.replicas', value: '3' },
      },
    ]);
    await rig.pass(16_000, 100);
    expect(rig.state.isr).toEqual([0, 1]);
    expect(rig.get(0).log.highWatermark).toBe(0);
    rig.deaf.delete(0);
    rig.hear(0);
    // With so few in sync the controller takes 2 for one that has everything, and may have it lead.
    expect(await isSettled(produced)).toBe(false);
    expect(rig.get(0).log.highWatermark).toBe(0);
    expect(rig.get(0).partition.isr).toEqual([0, 1]);
  });

  it('all fails when the leadership goes', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.isolate(0);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(50);
    rig.elect(1);
    expect(await produced).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 1 },
    });
  });

  it.each([
    ['took over', 1],
    ['waits for nobody in sync', 2],
  ])('all is not answered by a leader that has not heard that another one %s', async (_, next) => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.deaf.add(0);
    // The controller has given it up: it reaches the others still, and they it.
    rig.elect(next, next === 1 ? [1, 2] : [2]);
    const late = rig.get(0).produce(['late'], { timeoutMs: 60_000 });
    await rig.pass(15_000, 100);
    expect(await isSettled(late)).toBe(false);
    // What it wants of the ISR is refused, whatever it has to say of those who fetch from it no more.
    expect(rig.state).toMatchObject({ leader: next });
    expect(rig.get(0).partition.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    const made = rig.get(next).produce(['new']);
    await rig.pass(200);
    expect(await made).toMatchObject({ errorCode: 0 });
    rig.deaf.delete(0);
    rig.hear(0);
    await rig.pass(1000);
    expect(await late).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
    for (const { values } of rig.replicas) expect(values).toEqual(['new']);
  });

  it('all fails when the topic goes', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.isolate(1);
    const produced = rig.get(0).produce(['a']);
    await rig.settle();
    rig.removeTopic();
    expect((await produced).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(rig.get(0).logs.get(TOPIC, 0)).toBeUndefined();
    expect(rig.get(1).logs.get(TOPIC, 0)).toBeUndefined();
  });

  it('a follower takes no records, and says who does', async () => {
    rig = await ReplicaRig.start(2);
    const answer = await rig.get(1).produce(['a'], { acks: 1 });
    expect(answer).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 0, leaderEpoch: 0 },
    });
  });
});

describe('acks=all with the devices of all', () => {
  const flushing = { 'log.flush.on.acks.all': true };

  it('is answered when every replica in sync has it on its device', async () => {
    rig = await ReplicaRig.start(3, flushing);
    await rig.pass(50);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    expect((await produced).errorCode).toBe(0);
    for (const { log } of rig.replicas) expect(log.flushedOffset).toBe(1);
  });

  it('is not answered while the device of a follower is silent', async () => {
    rig = await ReplicaRig.start(2, flushing);
    await rig.pass(50);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { log } = rig.get(1);
    const flush = log.flush.bind(log);
    log.flush = async () => {
      await held;
      await flush();
    };
    const produced = rig.get(0).produce(['a']);
    await rig.pass(1000);
    expect(rig.get(1).values).toEqual(['a']);
    expect(await isSettled(produced)).toBe(false);
    release();
    await rig.pass(100);
    expect((await produced).errorCode).toBe(0);
  });

  it('asks for nothing where nobody waits', async () => {
    rig = await ReplicaRig.start(2, flushing);
    await rig.pass(50);
    await rig.get(0).produce(['a'], { acks: 1 });
    await rig.pass(1000);
    expect(rig.get(1).log.logEndOffset).toBe(1);
    expect(rig.get(1).log.flushedOffset).toBe(0);
  });

  it('has followers sync what they had before somebody waited for it', async () => {
    rig = await ReplicaRig.start(2, flushing);
    await rig.pass(50);
    const producer = { id: 7, epoch: 0, baseSequence: 0 };
    await rig.get(0).produce(['a'], { acks: 1, producer });
    await rig.pass(100);
    expect(rig.get(1).log.flushedOffset).toBe(0);
    // The same batch again: nothing is appended.
    const repeated = rig.get(0).produce(['a'], { producer });
    await rig.pass(50);
    expect(await repeated).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(rig.get(1).log.flushedOffset).toBe(1);
  });

  it('survives the loss of power on all brokers', async () => {
    rig = await ReplicaRig.start(3, flushing);
    await rig.pass(50);
    const produced = rig.get(0).produce(['kept']);
    await rig.pass(100);
    expect((await produced).errorCode).toBe(0);
    await rig.get(0).produce(['perhaps'], { acks: 1 });
    await rig.settle();
    for (const replica of rig.replicas) replica.kill();
    for (const replica of rig.replicas) {
      replica.disk.crash({ next: () => 0, fill: () => {} });
      await replica.start();
    }
    rig.elect(2);
    await rig.pass(500);
    for (const { values } of rig.replicas) expect(values[0]).toBe('kept');
    for (const { log } of rig.replicas) expect(log.highWatermark).toBeGreaterThanOrEqual(1);
  });

  it('is a promise of those, too, who come in sync later', async () => {
    rig = await ReplicaRig.start(3, flushing);
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(16_000, 100);
    expect((await produced).errorCode).toBe(0);
    rig.rejoin(2);
    await rig.pass(2000);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    expect(rig.get(2).log.flushedOffset).toBe(1);
  });

  it('fails at once when the leader’s disk does', async () => {
    rig = await ReplicaRig.start(2, flushing);
    await rig.pass(50);
    rig.get(0).disk.fault = ({ operation }) =>
      operation === 'sync' ? Object.assign(new Error('EIO'), { code: 'EIO' }) : null;
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    expect((await produced).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect((await rig.get(0).produce(['b'], { acks: 1 })).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
  });
});

describe('the high watermark', () => {
  it('does not rise with fewer in sync than min.insync.replicas', async () => {
    rig = await ReplicaRig.start(3, { 'min.insync.replicas': 2 });
    await rig.pass(50);
    rig.isolate(1);
    rig.isolate(2);
    rig.change({ isr: [0] });
    await rig.get(0).produce(['a'], { acks: 1 });
    await rig.pass(100);
    expect(rig.get(0).log.highWatermark).toBe(0);
  });

  it('never goes back on a new leader, nor where it follows', async () => {
    rig = await ReplicaRig.start(3);
    const produced = rig.get(0).produce(['a', 'b', 'c']);
    await rig.pass(200);
    await produced;
    const lowest = rig.replicas.map(({ log }) => log.highWatermark);
    expect(lowest).toEqual([3, 3, 3]);
    rig.isolate(2);
    rig.elect(1, [0, 1]);
    await rig.pass(200);
    for (const { log } of rig.replicas) expect(log.highWatermark).toBe(3);
  });

  it('reaches followers soon, though no record comes', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    const before = rig.get(0).answered.get(1) ?? 0;
    const produced = rig.get(0).produce(['a']);
    await rig.pass(60);
    await produced;
    expect(rig.get(1).log.highWatermark).toBe(1);
    // With the records, and once for the news.
    expect((rig.get(0).answered.get(1) ?? 0) - before).toBeLessThanOrEqual(2);
  });
});

describe('the replicas in sync', () => {
  it('lose who has been behind for too long, and producers go on', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(16_000, 100);
    expect(rig.state.isr).toEqual([0, 1]);
    expect((await produced).errorCode).toBe(0);
    expect(rig.get(0).partitions.replication.isrShrinks).toBe(1);
  });

  it('keep who has everything, however long nothing is produced', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(60_000, 100);
    expect(rig.state.isr).toEqual([0, 1]);
    expect(rig.alterations).toBe(0);
  });

  it('take back who has caught up', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.isolate(2);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(16_000, 100);
    await produced;
    rig.rejoin(2);
    await rig.pass(2000);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    expect(rig.get(2).values).toEqual(['a']);
    expect(rig.get(0).partitions.replication.isrExpands).toBe(1);
  });

  it('count who is being added as a member already, and who is being taken away still', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.change({ isr: [0, 1] });
    rig.controllerIsAway = true;
    await rig.pass(1000);
    // 2 has everything: the leader wants it in, and waits for the controller.
    expect(rig.get(0).partition.leadership?.pending?.kind).toBe('expand');
    rig.isolate(2);
    const produced = rig.get(0).produce(['a'], { timeoutMs: 600_000 });
    await rig.pass(500);
    expect(await isSettled(produced)).toBe(false);
    expect(rig.get(0).log.highWatermark).toBe(0);
    rig.controllerIsAway = false;
    await rig.pass(16_000, 100);
    expect(rig.state.isr).toEqual([0, 1]);
    expect((await produced).errorCode).toBe(0);
  });

  it('are left alone by a controller that refuses, and the leader asks less often', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.change({ isr: [0] });
    rig.refuse = ErrorCode.INELIGIBLE_REPLICA;
    await rig.pass(3000);
    expect(rig.alterations).toBeLessThanOrEqual(8);
    expect(rig.get(0).partitions.replication.failedIsrUpdates).toBe(rig.alterations);
    rig.refuse = null;
    await rig.pass(1500);
    expect(rig.state.isr).toEqual([0, 1]);
  });

  it('are not changed on top of a state that is out of date', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(50);
    rig.deaf.add(0);
    rig.change({ isr: [0, 1] });
    rig.isolate(1);
    await rig.get(0).produce(['a'], { acks: 1 });
    await rig.pass(20_000, 100);
    // The leader knows of 0, 1, 2 and wants 1 out: refused, and it waits for news.
    expect(rig.state.isr).toEqual([0, 1]);
    expect(rig.get(0).partition.leadership?.pending).not.toBeNull();
    rig.deaf.delete(0);
    rig.hear(0);
    await rig.pass(11_000, 100);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 2]);
  });

  it('take nobody in who is fenced, or fetches with the epoch of an earlier start', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.register(1, true);
    rig.change({ isr: [0] });
    await rig.pass(2000);
    expect(rig.state.isr).toEqual([0]);
    // It registers with a new epoch, and fetches go on under the former one.
    rig.get(1).epoch = 500;
    rig.register(1);
    rig.get(1).epoch = 101;
    await rig.pass(2000);
    expect(rig.state.isr).toEqual([0]);
    rig.get(1).epoch = 500;
    await rig.pass(2000);
    expect(rig.state.isr).toEqual([0, 1]);
  });
});

describe('partitions', () => {
  it('tell who must know when they begin and end to be led', async () => {
    rig = await ReplicaRig.start(2);
    const seen: string[] = [];
    for (const { id, partitions } of rig.replicas) {
      partitions.onLeadership((p, isLeader) => seen.push(`${id} ${isLeader} ${p.leaderEpoch}`));
    }
    rig.elect(1);
    rig.elect(1);
    rig.change({ isr: [1] });
    rig.elect(0);
    expect(seen).toEqual(['0 false 1', '1 true 1', '1 true 2', '0 true 3', '1 false 3']);
  });

  it('are led by who was elected, though its disk is full, and take records when there is room', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    const { disk } = rig.get(1);
    disk.capacityBytes = disk.usedBytes;
    rig.elect(1);
    expect(rig.get(1).partition.leadership).not.toBeNull();
    expect((await rig.get(1).produce(['a'], { acks: 1 })).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    const produced = rig.get(1).produce(['b']);
    await rig.pass(1000);
    expect((await produced).errorCode).toBe(0);
  });

  it('begin a term on a disk that has failed without holding up the news', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(50);
    rig.get(1).disk.fault = () => systemError('EIO');
    const { log } = rig.get(1);
    log.logDirectory.takeOffline('test', systemError('EIO'));
    rig.elect(1);
    expect(rig.get(1).partition.isOffline).toBe(true);
    expect((await rig.get(1).produce(['a'], { acks: 1 })).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
  });

  it('ignore what is older than what they know', async () => {
    rig = await ReplicaRig.start(2);
    const old = rig.state;
    rig.elect(1);
    expect(rig.get(0).partition.update(old)).toBe(false);
    expect(rig.get(0).partition.isLeader).toBe(false);
  });

  it('go from brokers that they were taken from, and are answered by those no more', async () => {
    rig = await ReplicaRig.start(3);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(200);
    await produced;
    rig.change({ replicas: [0, 1], isr: [0, 1] });
    await rig.settle();
    expect(rig.get(2).partition).toBeUndefined();
    expect(rig.get(2).logs.get(TOPIC, 0)).toBeUndefined();
    expect((await rig.get(2).fetch(0)).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    rig.change({ replicas: [0, 1, 2], adding: [2] });
    await rig.pass(500);
    expect(rig.get(2).values).toEqual(['a']);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });
});

describe('consumers', () => {
  it('are sent to a replica in their rack, which gives them what is committed', async () => {
    rig = await ReplicaRig.start(2, {
      'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
    });
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    await produced;
    const sent = await rig.get(0).fetch(0, { rackId: 'rack-1' });
    expect(sent).toMatchObject({ errorCode: 0, preferredReadReplica: 1 });
    expect((await rig.get(1).fetch(0, { rackId: 'rack-1' })).records.length).toBeGreaterThan(0);
    expect((await rig.get(0).fetch(0, { rackId: 'rack-0' })).preferredReadReplica).toBe(-1);
    rig.change({ isr: [0] });
    expect((await rig.get(0).fetch(0, { rackId: 'rack-1' })).preferredReadReplica).toBe(-1);
  });

  it('wait at a follower, and are woken by what becomes committed', async () => {
    rig = await ReplicaRig.start(2);
    await rig.pass(100);
    const waiting = rig.get(1).fetch(0, { maxWaitMs: 60_000 });
    const produced = rig.get(0).produce(['a']);
    await rig.pass(60);
    await produced;
    expect((await waiting).records.length).toBeGreaterThan(0);
  });

  it('are fenced by the term', async () => {
    rig = await ReplicaRig.start(2);
    rig.elect(0);
    const asked = (currentLeaderEpoch: number) => rig.get(0).fetch(0, { currentLeaderEpoch });
    expect((await asked(0)).errorCode).toBe(ErrorCode.FENCED_LEADER_EPOCH);
    expect((await asked(1)).errorCode).toBe(0);
    expect((await asked(2)).errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
  });
});

describe('deleting records', () => {
  const remove = (offset: number) =>
    rig.get(0).request(21, 2, {
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 5000,
    });

  it('is answered when all replicas have done so', async () => {
    rig = await ReplicaRig.start(3);
    const produced = rig.get(0).produce(['a', 'b']);
    await rig.pass(100);
    await produced;
    await rig.get(0).produce(['c'], { acks: 1 });
    await rig.pass(100);
    const removed = remove(2);
    await rig.pass(100);
    const answer = (await removed).topics[0].partitions[0];
    expect(answer).toMatchObject({ errorCode: 0, lowWatermark: 2 });
    for (const { log } of rig.replicas) expect(log.logStartOffset).toBe(2);
  });

  it('waits for who lives, not for who is fenced', async () => {
    rig = await ReplicaRig.start(2);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    await produced;
    rig.isolate(1);
    const removed = remove(1);
    await rig.pass(500);
    expect(await isSettled(removed)).toBe(false);
    rig.register(1, true);
    expect((await removed).topics[0].partitions[0]).toMatchObject({
      errorCode: 0,
      lowWatermark: 1,
    });
  });
});

describe('a new leader', () => {
  const listOffsets = (version: number, timestamp: number, replicaId = -1) =>
    rig.get(1).request(2, version, {
      replicaId,
      isolationLevel: 0,
      topics: [
        {
          name: TOPIC,
          partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp, maxNumOffsets: 1 }],
        },
      ],
      timeoutMs: 0,
    });
  const answerOf = (response: any) => response.topics[0].partitions[0];

  it('tells no end before it knows how much of the former terms is committed', async () => {
    rig = await ReplicaRig.start(3);
    await rig.pass(100);
    await rig.get(0).produce(['a'], { acks: 1 });
    await rig.settle();
    expect(rig.get(1).log.highWatermark).toBe(0);
    rig.isolate(0);
    rig.separate(1, 2);
    rig.elect(1, [1, 2]);
    expect(answerOf(await listOffsets(7, -1)).errorCode).toBe(ErrorCode.OFFSET_NOT_AVAILABLE);
    expect(answerOf(await listOffsets(4, -1)).errorCode).toBe(ErrorCode.LEADER_NOT_AVAILABLE);
    expect(answerOf(await listOffsets(7, -2))).toMatchObject({ errorCode: 0, offset: 0 });
    // To a follower the end is where the log ends.
    expect(answerOf(await listOffsets(7, -1, 2))).toMatchObject({ errorCode: 0, offset: 1 });
    rig.join(1, 2);
    await rig.pass(500);
    expect(answerOf(await listOffsets(7, -1))).toMatchObject({ errorCode: 0, offset: 1 });
  });
});

describe.each([1, 2])('a leader of %d replicas', (replicas) => {
  it('takes back what claims a later term than its own', async () => {
    rig = await ReplicaRig.start(replicas);
    await rig.pass(50);
    rig.get(0).log.append(batchOf(['a']), { leaderEpoch: 0xff_0000, origin: 'client' });
    rig.elect(0, [0]);
    await rig.pass(500);
    expect(await rig.get(0).produce(['b'])).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await rig.pass(500);
    const { leaderEpoch } = rig.state;
    for (const { log, values } of rig.replicas) {
      expect(values).toEqual(['a', 'b']);
      expect(log.epochForOffset(0)).toBeLessThan(leaderEpoch);
      expect(log.epochForOffset(1)).toBe(leaderEpoch);
    }
    const { records } = await rig.get(0).fetch(0);
    expect(partitionLeaderEpoch(records, 0)).toBeLessThan(leaderEpoch);
  });
});

describe('the leader’s quota', () => {
  it('holds back who is out of sync, and nobody else', async () => {
    rig = await ReplicaRig.start(3, { 'leader.replication.throttled.rate': 1000 });
    rig.commit([
      {
        type: 'Config',
        value: {
          resourceType: 2,
          resourceName: TOPIC,
          name: 'leader.replication.throttled.replicas',
          value: '0:0',
        },
      },
    ]);
    await rig.pass(100);
    rig.isolate(2);
    rig.change({ isr: [0, 1] });
    await rig.pass(11_000, 100);
    for (let i = 0; i < 10; i++) {
      const produced = rig.get(0).produce(['x'.repeat(1000)]);
      await rig.pass(50);
      expect((await produced).errorCode).toBe(0);
    }
    rig.get(2).kill();
    (rig.given as Record<string, unknown>)['replica.fetch.max.bytes'] = 1100;
    await rig.get(2).start();
    rig.rejoin(2);
    rig.hear(2);
    await rig.pass(3000, 50);
    const then = rig.get(2).log.logEndOffset;
    expect(then).toBeGreaterThanOrEqual(1);
    expect(then).toBeLessThanOrEqual(6);
    await rig.pass(15_000, 100);
    expect(rig.get(2).log.logEndOffset).toBe(10);
  });
});
