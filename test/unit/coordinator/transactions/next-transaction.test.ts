import { describe, expect, it } from 'vitest';
import { partitionsByTopic } from '../../../../src/coordinator/transactions/transaction.ts';
import type { Identity } from '../../../../src/coordinator/transactions/transaction-coordinator.ts';
import {
  JOINING_MAX,
  RETRY_MS,
} from '../../../../src/coordinator/transactions/transaction-settings.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { settle } from '../step-clock.ts';
import { TransactionRig } from './rig.ts';

const { CONCURRENT_TRANSACTIONS, NONE, PRODUCER_FENCED } = ErrorCode;
const WAIT_MS = 100;

const keysOf = (rig: TransactionRig): string[] =>
  [...(rig.transaction()?.fields.partitions ?? [])].flatMap(([topic, indexes]) =>
    [...indexes].map((index) => `${topic}-${index}`),
  );

/** A transaction that is committed, and whose markers wait until the gate is opened. */
async function ending(): Promise<{
  rig: TransactionRig;
  producer: Identity;
  openGate: () => Promise<void>;
}> {
  const rig = await TransactionRig.start();
  const first = await rig.init();
  await rig.add(first, { a: [0] });
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.leaders.gate = promise;
  const producer = await rig.end(first, true);
  const openGate = async (): Promise<void> => {
    resolve();
    await settle();
  };
  return { rig, producer, openGate };
}

const join = (
  rig: TransactionRig,
  producer: Identity,
  topics: Record<string, number[]>,
): Promise<string> => {
  const partitions = partitionsByTopic(Object.entries(topics));
  const waiting = rig.coordinator.addAfterEnd('tx', producer, partitions, 2, WAIT_MS);
  return waiting === null ? Promise.resolve('nothing') : waiting.then(() => 'over');
};

describe('partitions for the transaction behind the one that is being ended', () => {
  it('wait for its markers, and join with its end in one batch', async () => {
    const { rig, producer, openGate } = await ending();
    expect(await rig.add(producer, { a: [1] })).toBe(CONCURRENT_TRANSACTIONS);
    const before = rig.log.appends;
    const seen: string[] = [];
    void join(rig, producer, { a: [1], b: [2] }).then((what) => seen.push(what));
    await rig.clock.pass(WAIT_MS - 1);
    expect(seen).toEqual([]);
    expect(rig.log.appends).toBe(before);
    expect(rig.state()).toBe('PrepareCommit');
    await openGate();
    expect(seen).toEqual(['over']);
    expect(rig.log.appends).toBe(before + 1);
    expect(rig.state()).toBe('Ongoing');
    expect(keysOf(rig)).toEqual(['a-1', 'b-2']);
    expect(await rig.add(producer, { a: [1], b: [2] })).toBe(NONE);
    expect(rig.log.appends).toBe(before + 1);
    expect(rig.coordinator.probe.committed).toBe(1);
  });

  it('are there for whoever coordinates next', async () => {
    const { rig, producer, openGate } = await ending();
    const joined = join(rig, producer, { b: [2] });
    await openGate();
    await joined;
    await rig.failOver();
    expect(rig.state()).toBe('Ongoing');
    expect(keysOf(rig)).toEqual(['b-2']);
    const end = await rig.end(producer, true);
    expect(end.code).toBe(NONE);
    await settle();
    expect(rig.leaders.marked.at(-1)).toMatchObject({ partition: 'b-2', committed: true });
  });

  it('of several join together', async () => {
    const { rig, producer, openGate } = await ending();
    const before = rig.log.appends;
    const all = [join(rig, producer, { a: [0] }), join(rig, producer, { b: [1] })];
    await openGate();
    expect(await Promise.all(all)).toEqual(['over', 'over']);
    expect(rig.log.appends).toBe(before + 1);
    expect(keysOf(rig)).toEqual(['a-0', 'b-1']);
  });

  it('join behind the end that is on its way into the log', async () => {
    const { rig, producer, openGate } = await ending();
    rig.log.hold();
    await openGate();
    expect(rig.state()).toBe('PrepareCommit');
    const joined = join(rig, producer, { b: [3] });
    await rig.log.release();
    expect(await joined).toBe('over');
    expect(rig.state()).toBe('Ongoing');
    expect(keysOf(rig)).toEqual(['b-3']);
  });

  it('do not join once their time is over', async () => {
    const { rig, producer, openGate } = await ending();
    const joined = join(rig, producer, { b: [2] });
    await rig.clock.pass(WAIT_MS);
    expect(await joined).toBe('over');
    expect(await rig.add(producer, { b: [2] })).toBe(CONCURRENT_TRANSACTIONS);
    await openGate();
    expect(rig.state()).toBe('CompleteCommit');
  });

  it('do not join for a producer of another epoch', async () => {
    const { rig, producer, openGate } = await ending();
    const old = { ...producer, producerEpoch: producer.producerEpoch - 1 };
    const joined = join(rig, old, { b: [2] });
    await openGate();
    expect(await joined).toBe('over');
    expect(rig.state()).toBe('CompleteCommit');
    expect(await rig.add(old, { b: [2] })).toBe(PRODUCER_FENCED);
  });

  it('do not wait where nothing is being ended', async () => {
    const rig = await TransactionRig.start();
    const producer = await rig.init();
    expect(await join(rig, producer, { a: [0] })).toBe('nothing');
    await rig.add(producer, { a: [0] });
    expect(await join(rig, producer, { a: [1] })).toBe('nothing');
    expect(keysOf(rig)).toEqual(['a-0']);
  });

  it('wait up to a number', async () => {
    const { rig, producer } = await ending();
    for (let i = 0; i < JOINING_MAX; i++) void join(rig, producer, { a: [i] });
    expect(await join(rig, producer, { b: [0] })).toBe('nothing');
  });

  it('are asked for again where the log takes neither end nor beginning', async () => {
    const { rig, producer, openGate } = await ending();
    const joined = join(rig, producer, { b: [2] });
    rig.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    await openGate();
    expect(await joined).toBe('over');
    expect(rig.state()).toBe('PrepareCommit');
    expect(await rig.add(producer, { b: [2] })).toBe(CONCURRENT_TRANSACTIONS);
    rig.log.failWith = 0;
    const again = join(rig, producer, { b: [2] });
    await rig.clock.pass(RETRY_MS);
    expect(await again).toBe('over');
    expect(rig.state()).toBe('Ongoing');
  });

  it('are given up when another broker coordinates', async () => {
    const { rig, producer } = await ending();
    const joined = join(rig, producer, { b: [2] });
    rig.coordinator.stop();
    expect(await joined).toBe('over');
    await rig.failOver();
    expect(keysOf(rig)).toEqual(['a-0']);
  });
});
