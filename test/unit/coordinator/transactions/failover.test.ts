import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { settle } from '../step-clock.ts';
import { TransactionRig } from './rig.ts';

const PARTITIONS = { a: [0, 1], b: [2] };

const markedPartitions = (rig: TransactionRig): string[] =>
  [...new Set(rig.leaders.marked.map((m) => m.partition))].sort();

describe('whoever coordinates next', () => {
  it('knows the producer, and lets it begin', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.failOver();
    expect(rig.state()).toBe('Empty');
    expect(await rig.add(producer, PARTITIONS)).toBe(ErrorCode.NONE);
  });

  it('knows the open transaction with its partitions, and ends it', async () => {
    for (const committed of [true, false]) {
      const rig = await TransactionRig.start();
      const producer = await rig.init();
      await rig.add(producer, { a: [0] });
      await rig.add(producer, { a: [1], b: [2] });
      await rig.failOver();
      expect(rig.state()).toBe('Ongoing');
      expect((await rig.end(producer, committed)).code).toBe(ErrorCode.NONE);
      await settle();
      expect(markedPartitions(rig)).toEqual(['a-0', 'a-1', 'b-2']);
      expect(rig.leaders.marked.every((m) => m.committed === committed)).toBe(true);
      expect(rig.state()).toBe(committed ? 'CompleteCommit' : 'CompleteAbort');
    }
  });

  it('carries out what was decided, though nobody asks for it again', async () => {
    for (const committed of [true, false]) {
      const rig = await TransactionRig.start();
      const producer = await rig.init();
      await rig.add(producer, PARTITIONS);
      rig.leaders.isDown = true;
      const end = await rig.end(producer, committed);
      expect(end.code).toBe(ErrorCode.NONE);
      await rig.failOver();
      expect(rig.state()).toBe(committed ? 'PrepareCommit' : 'PrepareAbort');
      expect(rig.leaders.marked).toEqual([]);
      rig.leaders.isDown = false;
      await rig.clock.pass(1000);
      expect(markedPartitions(rig)).toEqual(['a-0', 'a-1', 'b-2']);
      expect(rig.leaders.marked.every((m) => m.committed === committed)).toBe(true);
      expect(rig.leaders.marked.every((m) => m.coordinatorEpoch === 2)).toBe(true);
      expect(rig.state()).toBe(committed ? 'CompleteCommit' : 'CompleteAbort');
    }
  });

  it('writes markers again that were written, when their end was not', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    const ended = rig.end(producer, true);
    await ended;
    // The end is on its way into the log.
    rig.log.hold();
    await settle();
    await rig.failOver();
    await rig.log.release();
    await rig.clock.pass(1000);
    expect(rig.state()).toBe('CompleteCommit');
    expect(rig.leaders.marked.every((m) => m.committed)).toBe(true);
  });

  it('answers the repeated end of a transaction as the first one did, or would have', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    const first = await rig.end(producer, true);
    await settle();
    await rig.failOver();
    const again = await rig.end(producer, true);
    expect(again).toEqual(first);
    expect((await rig.end(producer, false)).code).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('does nothing of what was not stored', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    rig.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    const refused = await rig.end(producer, true);
    expect(refused.code).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(rig.leaders.marked).toEqual([]);
    rig.log.failWith = 0;
    await rig.failOver();
    expect(rig.state()).toBe('Ongoing');
    expect((await rig.end(producer, false)).code).toBe(ErrorCode.NONE);
    await settle();
    expect(rig.leaders.marked.every((m) => !m.committed)).toBe(true);
  });

  it('goes by the log when it is not known whether a decision is in it', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    rig.log.uncertainWith = ErrorCode.REQUEST_TIMED_OUT;
    const asked = await rig.end(producer, true);
    rig.log.uncertainWith = 0;
    expect(asked.code).toBe(ErrorCode.NOT_COORDINATOR);
    await rig.clock.pass(1000);
    // It was there, so it counts: the producer that asks again is told so.
    expect(rig.state()).toBe('CompleteCommit');
    expect((await rig.end(producer, true)).code).toBe(ErrorCode.NONE);
    expect((await rig.end(producer, false)).code).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('finds the producer fenced that the one before has fenced', async () => {
    const rig = await TransactionRig.start();
    const zombie = await rig.init();
    await rig.add(zombie, PARTITIONS);
    expect((await rig.init()).code).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    await settle();
    await rig.failOver();
    expect(await rig.add(zombie, PARTITIONS)).toBe(ErrorCode.PRODUCER_FENCED);
    const next = await rig.init();
    expect(next.producerId).toBe(zombie.producerId);
    expect(next.producerEpoch).toBeGreaterThan(zombie.producerEpoch + 1);
  });

  it('is the only one that writes markers', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    rig.leaders.isDown = true;
    await rig.end(producer, true);
    const former = rig.coordinator;
    await rig.failOver();
    rig.leaders.isDown = false;
    await rig.clock.pass(1000);
    expect(former.describe('tx')).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(new Set(rig.leaders.marked.map((m) => m.coordinatorEpoch))).toEqual(new Set([2]));
  });
});

describe('markers', () => {
  it('are sent again where a partition has no leader, or another one', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    rig.leaders.leaders.set('b-2', -1);
    rig.leaders.failures.set('a-0', [
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      ErrorCode.NOT_ENOUGH_REPLICAS,
      ErrorCode.KAFKA_STORAGE_ERROR,
    ]);
    await rig.end(producer, true);
    await rig.clock.pass(1000);
    expect(markedPartitions(rig)).toEqual(['a-0', 'a-1']);
    expect(rig.state()).toBe('PrepareCommit');
    rig.leaders.leaders.set('b-2', 3);
    await rig.clock.pass(1000);
    expect(rig.state()).toBe('CompleteCommit');
    expect(rig.leaders.marked.filter((m) => m.partition === 'a-1')).toHaveLength(1);
  });

  it('are not needed where the partition is gone', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    for (const partition of ['a-0', 'a-1', 'b-2']) rig.leaders.leaders.set(partition, null);
    await rig.end(producer, false);
    await settle();
    expect(rig.state()).toBe('CompleteAbort');
    expect(rig.leaders.requests).toBe(0);
  });

  it('of many transactions share requests, one at a time to each broker', async () => {
    const rig = await TransactionRig.start();
    const ids = Array.from({ length: 50 }, (_, i) => `tx-${i}`);
    const producers = await Promise.all(ids.map((id) => rig.init(id)));
    await Promise.all(producers.map((p, i) => rig.add(p, { a: [i] }, ids[i])));
    let open = (): void => {};
    rig.leaders.gate = new Promise((resolve) => {
      open = resolve;
    });
    await Promise.all(producers.map((p, i) => rig.end(p, true, ids[i])));
    open();
    await rig.clock.pass(100);
    expect(ids.map((id) => rig.state(id))).toEqual(ids.map(() => 'CompleteCommit'));
    expect(rig.leaders.requests).toBeLessThan(6);
  });

  it('keep the next transaction waiting until they are all written', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    await rig.add(producer, PARTITIONS);
    rig.leaders.isDown = true;
    const next = await rig.end(producer, true);
    expect(await rig.add(next, PARTITIONS)).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    expect((await rig.end(next, false)).code).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    expect((await rig.init()).code).toBe(ErrorCode.CONCURRENT_TRANSACTIONS);
    rig.leaders.isDown = false;
    await rig.clock.pass(200);
    expect(await rig.add(next, PARTITIONS)).toBe(ErrorCode.NONE);
  });
});

describe('timeouts', () => {
  it('abort only what takes longer than its producer has said', async () => {
    const rig = await TransactionRig.start({ abortIntervalMs: 1000 });
    const slow = await rig.init('slow', null, 5_000);
    const patient = await rig.init('patient', null, 60_000);
    await rig.add(slow, { a: [0] }, 'slow');
    await rig.add(patient, { a: [1] }, 'patient');
    await rig.clock.pass(4_000);
    expect(rig.state('slow')).toBe('Ongoing');
    await rig.clock.pass(3_000);
    expect(rig.state('slow')).toBe('CompleteAbort');
    expect(rig.state('patient')).toBe('Ongoing');
    expect(rig.coordinator.probe.timedOut).toBe(1);
  });

  it('go on counting at the next coordinator', async () => {
    const rig = await TransactionRig.start({ abortIntervalMs: 1000 });
    const producer = await rig.init('tx', null, 5_000);
    await rig.add(producer, { a: [0] });
    await rig.clock.pass(3_000);
    await rig.failOver();
    await rig.clock.pass(4_000);
    expect(rig.state()).toBe('CompleteAbort');
  });

  it('are over in time, too, for what was begun while the clock was ahead', async () => {
    const rig = await TransactionRig.start({ abortIntervalMs: 1000 });
    const producer = await rig.init('tx', null, 5_000);
    rig.clock.jump(3_600_000);
    await rig.add(producer, { a: [0] });
    rig.clock.jump(-3_600_000);
    await rig.clock.pass(3_000);
    // One that was not there then does not know how long it has been open.
    await rig.failOver();
    await rig.clock.pass(2_000);
    await rig.add(producer, { a: [1] });
    await rig.clock.pass(2_000);
    expect(rig.state()).toBe('Ongoing');
    await rig.clock.pass(3_000);
    expect(rig.state()).toBe('CompleteAbort');
  });

  it('are not over because the clock jumps ahead', async () => {
    const rig = await TransactionRig.start({ abortIntervalMs: 1000 });
    const producer = await rig.init('tx', null, 5_000);
    await rig.add(producer, { a: [0] });
    rig.clock.jump(3 * 86_400_000);
    await rig.clock.pass(3_000);
    await rig.add(producer, { a: [1] });
    expect(rig.state()).toBe('Ongoing');
    await rig.clock.pass(4_000);
    expect(rig.state()).toBe('CompleteAbort');
  });

  it('begin with each transaction, wherever the clock is', async () => {
    const rig = await TransactionRig.start({ abortIntervalMs: 1000 });
    let producer = await rig.init('tx', null, 5_000);
    for (let i = 0; i < 3; i++) {
      rig.clock.jump(-3_600_000);
      expect(await rig.add(producer, { a: [0] })).toBe(ErrorCode.NONE);
      await rig.clock.pass(4_000);
      producer = await rig.end(producer, true);
      expect(producer.code).toBe(ErrorCode.NONE);
      await rig.clock.pass(4_000);
    }
    expect(rig.coordinator.probe.timedOut).toBe(0);
  });

  it('forget an id that is idle, and never one with a transaction', async () => {
    const rig = await TransactionRig.start({ idExpirationMs: 10_000, expireIntervalMs: 1000 });
    await rig.init('idle', null, 600_000);
    const busy = await rig.init('busy', null, 600_000);
    await rig.add(busy, { a: [0] }, 'busy');
    await rig.clock.pass(15_000);
    expect(rig.state('idle')).toBe(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
    expect(rig.state('busy')).toBe('Ongoing');
    expect(rig.coordinator.probe.ids).toBe(1);
    await rig.failOver();
    expect(rig.state('idle')).toBe(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
  });
});

describe('the number of transactional ids', () => {
  it('is limited, and what is refused is counted', async () => {
    const rig = await TransactionRig.start({ idsMax: 2 });
    await rig.init('a');
    await rig.init('b');
    expect((await rig.init('c')).code).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect((await rig.init('a')).code).toBe(ErrorCode.NONE);
    expect(rig.coordinator.probe.refusedIds).toBe(1);
  });
});
