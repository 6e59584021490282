import { describe, expect, it } from 'vitest';
import type { AppendInfo } from '../../../src/log/log-appends.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { decodeSnapshot, encodeSnapshot } from '../../../src/log/producer-snapshot.ts';
import { ProducerStateEntry, sequenceAfter } from '../../../src/log/producer-state-entry.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  type Rig,
  START_MS,
} from './support.ts';

const send = (
  log: PartitionLog,
  count: number,
  id: number,
  epoch: number,
  baseSequence: number,
  timestamp = START_MS,
): AppendInfo =>
  log.append(batchOf(numbered(count), { producer: { id, epoch, baseSequence }, timestamp }), {
    leaderEpoch: 0,
    origin: 'client',
  });

const codeOf = (log: PartitionLog, ...batch: [number, number, number, number]): number =>
  codeThrown(() => send(log, ...batch));

describe('an idempotent producer', () => {
  it('is answered with the first offsets and time when it repeats one of its last five batches', async () => {
    const { manager, log } = await makeRig().open();
    for (let i = 0; i < 7; i++) send(log, 2, 9, 0, i * 2, START_MS + i);
    for (let i = 2; i < 7; i++) {
      const info = send(log, 2, 9, 0, i * 2, START_MS + 999);
      expect(info).toMatchObject({
        duplicate: true,
        firstOffset: i * 2,
        lastOffset: i * 2 + 1,
        logAppendTime: START_MS + i,
      });
    }
    expect(codeOf(log, 2, 9, 0, 2)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(codeOf(log, 1, 9, 0, 12)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(log.logEndOffset).toBe(14);
    expect(manager.probe.duplicateBatches).toBe(5);
  });

  it('may not leave a gap', async () => {
    const { log } = await makeRig().open();
    send(log, 3, 9, 0, 0);
    expect(codeOf(log, 1, 9, 0, 4)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(send(log, 1, 9, 0, 3).firstOffset).toBe(3);
  });

  it('begins a new epoch at sequence 0, and an old epoch is refused', async () => {
    const { log } = await makeRig().open();
    send(log, 3, 9, 1, 0);
    expect(codeOf(log, 1, 9, 2, 3)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    send(log, 1, 9, 2, 0);
    expect(codeOf(log, 1, 9, 1, 3)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    // The batches of the old epoch are forgotten.
    expect(codeOf(log, 3, 9, 2, 0)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('is not forgotten while it is at work, however old its records are', async () => {
    const { log } = await makeRig().open();
    const hour = 3_600_000;
    const look = (): void => log.removeExpiredProducers(START_MS + 48 * hour, 24 * hour);
    send(log, 1, 9, 0, 0);
    look();
    expect(send(log, 1, 9, 0, 0).duplicate).toBe(true);
    send(log, 1, 9, 0, 1);
    look();
    expect(codeOf(log, 1, 9, 0, 3)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    look();
    expect([...log.activeProducers()]).toEqual([]);
  });

  it('may begin anywhere when it is not known', async () => {
    const { log } = await makeRig().open();
    expect(send(log, 2, 9, 5, 1000).duplicate).toBe(false);
    expect(send(log, 2, 9, 5, 1002).duplicate).toBe(false);
  });

  it('goes on at 0 behind 2^31-1', async () => {
    const { log } = await makeRig().open();
    send(log, 4, 9, 0, 2 ** 31 - 2);
    expect(sequenceAfter(2 ** 31 - 2, 3)).toBe(1);
    expect(send(log, 4, 9, 0, 2 ** 31 - 2).duplicate).toBe(true);
    expect(send(log, 1, 9, 0, 2).firstOffset).toBe(4);
  });

  it('is remembered across clean stops, kills and truncation', async () => {
    const rig = makeRig({ segmentBytes: 500 });
    let { manager, log } = await rig.open();
    const reopen = async (clean: boolean): Promise<void> => {
      if (clean) await manager.stop();
      else manager.abandon();
      ({ manager, log } = await rig.open());
    };
    for (let i = 0; i < 10; i++) send(log, 2, 9, 0, i * 2);
    await reopen(true);
    expect(send(log, 2, 9, 0, 18)).toMatchObject({ duplicate: true, firstOffset: 18 });
    for (let i = 10; i < 20; i++) send(log, 2, 9, 0, i * 2);
    await reopen(false);
    for (let i = 18; i < 20; i++) expect(send(log, 2, 9, 0, i * 2).duplicate).toBe(true);
    log.truncateTo(30);
    expect(codeOf(log, 2, 9, 0, 40)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(send(log, 2, 9, 0, 28).duplicate).toBe(true);
    expect(send(log, 2, 9, 0, 30).firstOffset).toBe(30);
  });

  it('is found again by reading the log when snapshots are gone or damaged', async () => {
    const damages: ((rig: Rig, path: string) => void)[] = [
      (rig, path) => rig.disk.remove(path),
      (rig, path) => rig.disk.setContent(path, Buffer.alloc(10)),
      (rig, path) => {
        const bytes = rig.disk.content(path);
        bytes[20]! ^= 1;
        rig.disk.setContent(path, bytes);
      },
    ];
    for (const damage of damages) {
      const rig = makeRig({ segmentBytes: 500 });
      const first = await rig.open();
      for (let i = 0; i < 20; i++) send(first.log, 2, 9, 0, i * 2);
      await first.manager.stop();
      const names = rig.disk.list('/data/t-0').filter((name) => name.endsWith('.snapshot'));
      expect(names.length).toBeGreaterThan(1);
      for (const name of names) damage(rig, `/data/t-0/${name}`);
      const { log } = await rig.open();
      expect(send(log, 2, 9, 0, 30)).toMatchObject({ duplicate: true, firstOffset: 30 });
      expect(codeOf(log, 1, 9, 0, 41)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
  });

  it('is answered when it repeats one of its last five batches after a clean restart', async () => {
    const rig = makeRig();
    const first = await rig.open();
    for (let i = 0; i < 7; i++) send(first.log, 2, 9, 0, i * 2);
    await first.manager.stop();
    const { log } = await rig.open();
    for (let i = 2; i < 7; i++) {
      expect(send(log, 2, 9, 0, i * 2)).toMatchObject({ duplicate: true, firstOffset: i * 2 });
    }
    expect(send(log, 2, 9, 0, 14)).toMatchObject({ duplicate: false, firstOffset: 14 });
  });

  it('is forgotten when it wrote nothing for the expiration time', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open({ producerIdExpirationMs: () => 1000 });
    send(log, 1, 9, 0, 0, START_MS);
    rig.clock.advance(900);
    send(log, 1, 10, 0, 0, rig.clock.now());
    manager.deleteOldSegments();
    expect([...log.activeProducers()].map((p) => p.producerId)).toEqual([9, 10]);
    rig.clock.advance(100);
    manager.deleteOldSegments();
    expect([...log.activeProducers()].map((p) => p.producerId)).toEqual([10]);
  });

  it('leaves a snapshot for each segment and none for deleted ones', async () => {
    const rig = makeRig({ segmentBytes: 400, retentionBytes: 1000, fileDeleteDelayMs: 0 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 30; i++) send(log, 2, 9, 0, i * 2);
    log.setHighWatermark(log.logEndOffset);
    expect(manager.deleteOldSegments()).toBeGreaterThan(3);
    await rig.pass(1);
    const names = rig.disk.list('/data/t-0');
    const offsets = (suffix: string): string[] =>
      names.filter((n) => n.endsWith(suffix)).map((n) => n.slice(0, 20));
    expect(offsets('.snapshot')).toEqual(offsets('.log'));
    expect(names.some((name) => name.endsWith('.deleted'))).toBe(false);
  });

  it('does not disturb batches without producer id', async () => {
    const { log } = await makeRig().open();
    appendValues(log, ['a']);
    appendValues(log, ['a']);
    expect(log.logEndOffset).toBe(2);
  });
});

describe('a producer snapshot', () => {
  it('has the bytes that Kafka writes', () => {
    const entry = new ProducerStateEntry(4660);
    entry.addBatch(3, 7, 1000, 2, 1_700_000_000_000);
    const hex = encodeSnapshot([entry]).toString('hex');
    expect(hex.slice(0, 4)).toBe('0001');
    expect(hex.slice(12)).toBe(
      '00000001' +
        '0000000000001234' +
        '0003' +
        '00000007' +
        '00000000000003e8' +
        '00000002' +
        '0000018bcfe56800' +
        'ffffffff' +
        'ffffffffffffffff',
    );
    expect(decodeSnapshot(encodeSnapshot([entry]))).toEqual([entry]);
  });

  it('has the earlier batches behind what Kafka writes', () => {
    const [one, other] = [new ProducerStateEntry(1), new ProducerStateEntry(2)];
    for (let i = 0; i < 7; i++) one.addBatch(3, 2 * i + 1, 10 * i + 1, 1, 1000 + i);
    other.addBatch(0, 5, 99, 0, 7);
    const bytes = encodeSnapshot([one, other]);
    expect(bytes.length).toBe(10 + 2 * 46 + 4 + 4 * 28);
    expect(decodeSnapshot(bytes)).toEqual([one, other]);
  });

  it('is refused with any bit flipped or byte missing', () => {
    const entry = new ProducerStateEntry(1);
    entry.addBatch(0, 0, 0, 0, 5);
    entry.addBatch(0, 1, 1, 0, 5);
    const bytes = encodeSnapshot([entry]);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeSnapshot(damaged), `byte ${at}`).toBeNull();
      expect(decodeSnapshot(bytes.subarray(0, at))).toBeNull();
    }
  });
});
