import { afterEach, describe, expect, it } from 'vitest';
import type { Peers } from '../../../src/cluster/peers.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { batchSize } from '../../../src/protocol/record-batch.ts';
import { type Replica, ReplicaRig, TOPIC } from '../../support/replicas.ts';

let rig: ReplicaRig;
afterEach(() => rig.stop());

const FETCH = 1;
const RECORDS = 24;

const valuesUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `v${i}`);

const pathOf = ({ id }: Replica): string => `/data-${id}/${TOPIC}-0/00000000000000000000.log`;

/** A log of two segments on each of the brokers, all of it committed and on the devices. */
async function replicated(count: number): Promise<Buffer> {
  rig = await ReplicaRig.start(count);
  await rig.pass(100);
  for (let i = 0; i < RECORDS; i++) {
    if (i === RECORDS / 2) for (const { log } of rig.replicas) log.roll();
    const produced = rig.get(0).produce([`v${i}`]);
    await rig.pass(30);
    expect((await produced).errorCode).toBe(0);
  }
  await rig.pass(200);
  for (const { log } of rig.replicas) await log.flush();
  return rig.get(0).disk.content(pathOf(rig.get(0)));
}

/** Bits flip on the disk of a broker that is away, in the batches named; it comes back. */
async function damage(id: number, batches: readonly number[]): Promise<void> {
  const replica = rig.get(id);
  await replica.stop();
  const bytes = replica.disk.content(pathOf(replica));
  const size = batchSize(bytes, 0);
  for (const batch of batches) bytes[batch * size + 66]! ^= 4;
  replica.disk.setContent(pathOf(replica), bytes);
  await replica.start();
  await rig.pass(200);
}

/** What a consumer gets of the broker, until an error. */
async function consume(id: number): Promise<number> {
  for (let offset = 0; offset < RECORDS; ) {
    const { errorCode, records } = await rig.get(id).fetch(offset, { maxBytes: 1 });
    if (errorCode !== 0) return errorCode;
    expect(records.length).toBeGreaterThan(0);
    offset += 1;
  }
  return 0;
}

const stored = (id: number): string =>
  rig
    .get(id)
    .disk.content(pathOf(rig.get(id)))
    .toString('hex');
const stats = (id: number) => rig.get(id).partitions.replication;

describe('a damaged range of one replica', () => {
  it.each([
    ['a follower from its leader', 1],
    ['a leader from a replica in sync', 0],
  ])('is mended once it is met: %s', async (_, id) => {
    const whole = await replicated(2);
    await damage(id, [4]);
    expect(stored(id)).not.toBe(whole.toString('hex'));
    expect(await consume(id)).toBe(ErrorCode.CORRUPT_MESSAGE);
    await rig.pass(1_000);
    expect(stored(id)).toBe(whole.toString('hex'));
    expect([rig.get(id).log.isDamaged, stats(id).mendedRanges]).toEqual([false, 1]);
    expect(await consume(id)).toBe(0);
    expect(rig.get(id).values).toEqual(valuesUpTo(RECORDS));
    const { log } = rig.get(id);
    expect([log.logStartOffset, log.highWatermark, log.logEndOffset]).toEqual([
      0,
      RECORDS,
      RECORDS,
    ]);
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1]);
    expect(stats(id).truncations).toBe(0);
  });

  it('is mended range by range, from another replica where the first one has damage, too', async () => {
    const whole = await replicated(3);
    await damage(1, [4, 9]);
    await damage(0, [0, 4, 11]);
    expect(await consume(0)).toBe(ErrorCode.CORRUPT_MESSAGE);
    for (let i = 0; i < 10; i++) {
      await rig.pass(2_000, 50);
      await consume(0);
      await consume(1);
    }
    for (const id of [0, 1]) expect(stored(id), `broker ${id}`).toBe(whole.toString('hex'));
    expect([stats(0).mendedRanges, stats(1).mendedRanges]).toEqual([3, 2]);
    expect([await consume(0), await consume(1)]).toEqual([0, 0]);
  });

  it('waits for a replica that can be reached, and asks less and less often', async () => {
    const whole = await replicated(2);
    let asked = 0;
    const peersOf = rig.peersOf.bind(rig);
    rig.peersOf = (from) => {
      const peers = peersOf(from);
      const send: Peers['send'] = (to, channel, ...rest) => {
        if (channel === 'repair') asked += 1;
        return peers.send(to, channel, ...rest);
      };
      return { ...peers, send };
    };
    await damage(1, [4]);
    rig.isolate(1);
    await consume(1);
    await rig.pass(20_000, 100);
    // At once, and 1, 3, 7 and 15 seconds later.
    expect([rig.get(1).log.isDamaged, asked]).toEqual([true, 5]);
    rig.rejoin(1);
    await rig.pass(40_000, 100);
    expect(stored(1)).toBe(whole.toString('hex'));
    expect(rig.state.isr.toSorted((a, b) => a - b)).toEqual([0, 1]);
  });

  it('is left as it is where what others have does not fit, and that is told once', async () => {
    await replicated(2);
    await damage(1, [4]);
    const before = stored(1);
    let asked = 0;
    rig.onPassing = ({ from, api, response }) => {
      const answer = response.responses?.[0]?.partitions[0];
      if (from !== 1 || api !== FETCH || answer === undefined) return;
      const records = answer.records as Buffer | null;
      if (records === null || records.length === 0 || rig.get(1).log.logEndOffset < RECORDS) return;
      asked++;
      // As of a log that was compacted: the batch is not there.
      answer.records = records.subarray(batchSize(records, 0));
    };
    await consume(1);
    await rig.pass(60_000, 200);
    expect([stored(1), asked]).toEqual([before, 1]);
    await rig.pass(600_000, 1_000);
    expect([stored(1), asked]).toEqual([before, 2]);
    expect([stats(1).unmendableRanges, stats(1).mendedRanges]).toEqual([1, 0]);
    expect(await consume(1)).toBe(ErrorCode.CORRUPT_MESSAGE);
  });

  it.each([
    ['the topic is removed', () => rig.removeTopic()],
    [
      'the disk fails',
      () => rig.get(1).log.logDirectory.takeOffline('it is broken', new Error('EIO')),
    ],
    ['the broker stops', () => rig.get(1).stop()],
  ])('is left alone when, before the answer, %s', async (_, happens) => {
    await replicated(2);
    await damage(1, [4]);
    const before = stored(1);
    let go = (): void => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    let isHeld = false;
    rig.onPassing = ({ from, api, response }) => {
      const records = response.responses?.[0]?.partitions[0]?.records as Buffer | undefined;
      if (from !== 1 || api !== FETCH || (records?.length ?? 0) === 0) return;
      isHeld = true;
      return held;
    };
    await consume(1);
    await rig.pass(500);
    expect(isHeld).toBe(true);
    const { disk } = rig.get(1);
    const path = pathOf(rig.get(1));
    await Promise.resolve(happens());
    go();
    await rig.pass(5_000, 50);
    if (disk.exists(path)) expect(stored(1)).toBe(before);
    expect(stats(1).mendedRanges).toBe(0);
  });
});
