import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { VERIFICATIONS_MAX } from '../../../src/log/producer-state-manager.ts';
import {
  encodeMarkerBatch,
  readMarkerBatch,
} from '../../../src/protocol/end-transaction-marker.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { systemError } from '../../support/faulty-disk.ts';
import { batchOf, codeThrown, makeRig, numbered, type Rig, START_MS } from './support.ts';

interface Sent {
  readonly epoch?: number;
  readonly sequence?: number;
  readonly version?: number;
}

/** Appends records of a transaction, whose coordinator was asked; returns the first offset. */
function send(log: PartitionLog, id: number, count = 1, sent: Sent = {}): number {
  const { epoch = 0, sequence = sequences.get(log, id), version = 1 } = sent;
  const verification = log.startVerification(id, sequence, epoch, version > 1);
  const batch = batchOf(numbered(count), {
    attributes: BatchAttribute.transactional,
    producer: { id, epoch, baseSequence: sequence },
  });
  const info = log.append(batch, { leaderEpoch: 0, origin: 'client', verification });
  sequences.set(log, id, sequence + count);
  return info.firstOffset;
}

/** The next sequence number of a producer in a log. */
const sequences = {
  known: new WeakMap<PartitionLog, Map<number, number>>(),
  get(log: PartitionLog, id: number): number {
    return this.known.get(log)?.get(id) ?? 0;
  },
  set(log: PartitionLog, id: number, next: number): void {
    const known = this.known.get(log) ?? new Map<number, number>();
    this.known.set(log, known.set(id, next));
  },
};

interface Ended {
  readonly epoch?: number;
  readonly coordinatorEpoch?: number;
  readonly version?: number;
}

function end(log: PartitionLog, id: number, committed: boolean, ended: Ended = {}): number {
  const { epoch: producerEpoch = 0, coordinatorEpoch = 0, version = 1 } = ended;
  const marker = {
    producerId: id,
    producerEpoch,
    committed,
    coordinatorEpoch,
    timestamp: START_MS,
  };
  return log.append(encodeMarkerBatch(marker), {
    leaderEpoch: 0,
    origin: 'coordinator',
    transactionVersion: version,
  }).lastOffset;
}

const commitAll = (log: PartitionLog): void => log.setHighWatermark(log.logEndOffset);

const aborted = (log: PartitionLog, from = log.logStartOffset, to = log.lastStableOffset) =>
  log.abortedTransactions(from, to).map((a) => [a.producerId, a.firstOffset, a.lastOffset]);

const indexFiles = (rig: Rig): string[] =>
  rig.disk.list('/data/t-0').filter((name) => name.endsWith('.txnindex'));

describe('the marker that ends a transaction', () => {
  it('tells the outcome and the epoch of its coordinator', () => {
    for (const committed of [true, false]) {
      const marker = { producerId: 7, producerEpoch: 3, committed, coordinatorEpoch: 9 };
      const batch = encodeMarkerBatch({ ...marker, timestamp: START_MS });
      expect(readMarkerBatch(batch, 0)).toEqual({ committed, coordinatorEpoch: 9 });
    }
    expect(readMarkerBatch(batchOf(['a']), 0)).toBeNull();
  });

  it('takes an offset of its own', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 2);
    expect(end(log, 1, true)).toBe(2);
    expect(log.logEndOffset).toBe(3);
  });

  it('is refused from a client', async () => {
    const { log } = await makeRig().open();
    const marker = { producerId: 1, producerEpoch: 0, committed: true, coordinatorEpoch: 0 };
    const batch = encodeMarkerBatch({ ...marker, timestamp: START_MS });
    const code = codeThrown(() => log.append(batch, { leaderEpoch: 0, origin: 'client' }));
    expect(code).toBe(ErrorCode.INVALID_RECORD);
  });
});

describe('the last stable offset', () => {
  it('is the first offset of the earliest open transaction', async () => {
    const { log } = await makeRig().open();
    log.append(batchOf(['plain']), { leaderEpoch: 0, origin: 'client' });
    send(log, 1);
    send(log, 2);
    send(log, 1);
    commitAll(log);
    expect(log.lastStableOffset).toBe(1);
    end(log, 1, true);
    commitAll(log);
    expect(log.lastStableOffset).toBe(2);
    end(log, 2, false);
    commitAll(log);
    expect(log.lastStableOffset).toBe(log.logEndOffset);
  });

  it('stays before a transaction until its marker is committed', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 3);
    log.setHighWatermark(3);
    end(log, 1, true);
    expect(log.lastStableOffset).toBe(0);
    log.setHighWatermark(4);
    expect(log.lastStableOffset).toBe(4);
  });

  it('is never above the high watermark', async () => {
    const { log } = await makeRig().open();
    log.append(batchOf(numbered(5)), { leaderEpoch: 0, origin: 'client' });
    send(log, 1);
    log.setHighWatermark(3);
    expect(log.lastStableOffset).toBe(3);
  });

  it('does not lie before the start of the log', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 4);
    commitAll(log);
    log.advanceLogStartOffset(2);
    expect(log.lastStableOffset).toBe(2);
  });

  it('survives a clean stop and a crash', async () => {
    for (const clean of [true, false]) {
      const rig = makeRig();
      const { manager, log } = await rig.open();
      send(log, 1);
      send(log, 2);
      end(log, 2, true);
      commitAll(log);
      await manager.checkpoint();
      if (clean) await manager.stop();
      else manager.abandon();
      const again = (await rig.open()).log;
      commitAll(again);
      expect(again.lastStableOffset).toBe(0);
      end(again, 1, false);
      commitAll(again);
      expect(again.lastStableOffset).toBe(4);
      expect(aborted(again)).toEqual([[1, 0, 3]]);
    }
  });

  it('knows after a restart of transactions whose marker was not committed before it', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    send(log, 1, 2);
    log.setHighWatermark(2);
    end(log, 1, true);
    await manager.checkpoint();
    await manager.stop();
    const again = (await rig.open()).log;
    expect(again.highWatermark).toBe(2);
    expect(again.lastStableOffset).toBe(0);
    again.truncateTo(2);
    end(again, 1, false);
    commitAll(again);
    expect(aborted(again)).toEqual([[1, 0, 2]]);
  });
});

describe('the index of aborted transactions', () => {
  it('finds those that have records in a range, in whichever segment their marker lies', async () => {
    const rig = makeRig();
    const { log } = await rig.open();
    send(log, 1); // 0
    send(log, 2); // 1
    log.roll();
    send(log, 3); // 2
    end(log, 3, false); // 3
    log.roll();
    end(log, 1, false); // 4
    end(log, 2, true); // 5
    commitAll(log);
    expect(aborted(log)).toEqual([
      [3, 2, 3],
      [1, 0, 4],
    ]);
    expect(aborted(log, 0, 1)).toEqual([[1, 0, 4]]);
    expect(aborted(log, 2, 3).map(([id]) => id)).toEqual([3, 1]);
    expect(aborted(log, 5, 6)).toEqual([]);
    expect(indexFiles(rig)).toEqual([
      '00000000000000000002.txnindex',
      '00000000000000000004.txnindex',
    ]);
  });

  it('has no file while nothing was aborted', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    send(log, 1);
    end(log, 1, true);
    log.roll();
    await manager.stop();
    expect(indexFiles(rig)).toEqual([]);
  });

  it('loses what is cut off, and what is deleted', async () => {
    const rig = makeRig({ retentionMs: 1 });
    const { log } = await rig.open();
    for (let i = 0; i < 3; i++) {
      send(log, 1);
      end(log, 1, false);
      log.roll();
    }
    commitAll(log);
    log.truncateTo(5);
    expect(log.logEndOffset).toBe(5);
    commitAll(log);
    expect(aborted(log)).toEqual([
      [1, 0, 1],
      [1, 2, 3],
    ]);
    expect(log.lastStableOffset).toBe(4);
    log.advanceLogStartOffset(2);
    log.deleteOldSegments(START_MS);
    rig.clock.advance(120_000);
    expect(aborted(log)).toEqual([[1, 2, 3]]);
    expect(indexFiles(rig)).toEqual(['00000000000000000002.txnindex']);
  });

  it('is made anew where its file is damaged, or a crash left it behind', async () => {
    const spoil: readonly ((rig: Rig, path: string) => void)[] = [
      (rig, path) => rig.disk.open(path, 'create').truncate(20),
      (rig, path) => rig.disk.open(path, 'create').write([Buffer.alloc(34, 0xff)], 0),
    ];
    for (const damage of spoil) {
      const rig = makeRig();
      const { manager, log } = await rig.open();
      send(log, 2);
      log.roll();
      send(log, 1);
      end(log, 1, false);
      end(log, 2, false);
      await manager.stop();
      damage(rig, '/data/t-0/00000000000000000001.txnindex');
      const again = (await rig.open()).log;
      commitAll(again);
      expect(aborted(again)).toEqual([
        [1, 1, 2],
        [2, 0, 3],
      ]);
    }
  });

  it('is right after power loss at any moment', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const rig = makeRig({ segmentBytes: 400 });
      const { manager, log } = await rig.open();
      for (let i = 0; i < 6; i++) {
        send(log, 1, 2);
        send(log, 2);
        end(log, 1, i % 2 === 0);
        end(log, 2, false);
        if (i === seed % 6) await log.flush();
      }
      manager.abandon();
      rig.disk.crash(seededRandom(seed));
      const again = (await rig.open()).log;
      commitAll(again);
      const expected: number[][] = [];
      for (let i = 0, at = 0; i < 6; i++, at += 5) {
        if (i % 2 === 1) expected.push([1, at, at + 3]);
        expected.push([2, at + 2, at + 4]);
      }
      const whole = expected.filter(([, , marker]) => marker! < again.logEndOffset);
      const found = aborted(again, 0, again.logEndOffset);
      expect(found, `seed ${seed}`).toEqual(whole);
    }
  });

  it('is kept in memory while the disk is full, and no flush passes it', async () => {
    const rig = makeRig();
    const { log } = await rig.open();
    send(log, 1);
    rig.disk.fault = ({ path }) => (path.endsWith('.txnindex') ? systemError('ENOSPC') : null);
    end(log, 1, false);
    log.roll();
    send(log, 3);
    commitAll(log);
    expect(aborted(log)).toEqual([[1, 0, 1]]);
    await expect(log.flush()).rejects.toMatchObject({ code: ErrorCode.KAFKA_STORAGE_ERROR });
    expect(log.logDirectory.failure).toBeNull();
    rig.disk.fault = () => null;
    await log.flush();
    expect(log.flushedOffset).toBe(log.logEndOffset);
    expect(indexFiles(rig)).toHaveLength(1);
  });
});

describe('a batch that begins a transaction', () => {
  const batch = (id: number, sequence = 0, epoch = 0): Buffer =>
    batchOf(['x'], {
      attributes: BatchAttribute.transactional,
      producer: { id, epoch, baseSequence: sequence },
    });

  it('is refused unless its coordinator was asked', async () => {
    const { log } = await makeRig().open();
    const append = (): unknown => log.append(batch(1), { leaderEpoch: 0, origin: 'client' });
    expect(codeThrown(append)).toBe(ErrorCode.INVALID_TXN_STATE);
    send(log, 1);
    expect(log.startVerification(1, 1, 0, false)).toBeNull();
    log.append(batch(1, 1), { leaderEpoch: 0, origin: 'client' });
  });

  it('is refused when the transaction was ended after the coordinator had answered', async () => {
    const { log } = await makeRig().open();
    const verification = log.startVerification(1, 0, 0, false);
    end(log, 1, false);
    const late = (): unknown =>
      log.append(batch(1), { leaderEpoch: 0, origin: 'client', verification });
    expect(codeThrown(late)).toBe(ErrorCode.INVALID_TXN_STATE);
    commitAll(log);
    expect(log.lastStableOffset).toBe(log.logEndOffset);
  });

  it('may be verified while the marker of the transaction before it arrives', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 1, { version: 2 });
    const verification = log.startVerification(1, 0, 1, true);
    end(log, 1, true, { epoch: 1, version: 2 });
    log.append(batch(1, 0, 1), { leaderEpoch: 0, origin: 'client', verification });
    expect(log.logEndOffset).toBe(3);
  });

  it('must be the one with the lowest sequence that was asked for', async () => {
    const { log } = await makeRig().open();
    const verification = log.startVerification(1, 0, 0, false);
    expect(log.startVerification(1, 1, 0, false)).toBe(verification);
    const second = (): unknown =>
      log.append(batch(1, 1), { leaderEpoch: 0, origin: 'client', verification });
    expect(codeThrown(second)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    log.append(batch(1), { leaderEpoch: 0, origin: 'client', verification });
    second();
  });

  it('begins at sequence 0 in version 2, also of a producer that is not known here', async () => {
    const { log } = await makeRig().open();
    const code = codeThrown(() => send(log, 1, 1, { sequence: 5, version: 2 }));
    expect(code).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(send(log, 2, 1, { sequence: 5 })).toBe(0);
  });

  it('makes the log remember a bounded number of questions', async () => {
    const { log } = await makeRig().open();
    const first = log.startVerification(0, 0, 0, false);
    for (let id = 1; id <= VERIFICATIONS_MAX; id++) log.startVerification(id, 0, 0, false);
    const code = codeThrown(() =>
      log.append(batch(0), { leaderEpoch: 0, origin: 'client', verification: first }),
    );
    expect(code).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('of an old epoch is refused before anybody is asked', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 1, { epoch: 3 });
    expect(codeThrown(() => log.startVerification(1, 0, 2, false))).toBe(
      ErrorCode.INVALID_PRODUCER_EPOCH,
    );
  });
});

describe('a producer with an open transaction', () => {
  it('may not send anything outside of it', async () => {
    const { log } = await makeRig().open();
    send(log, 1);
    const plain = batchOf(['x'], { producer: { id: 1, epoch: 0, baseSequence: 1 } });
    const append = (): unknown => log.append(plain, { leaderEpoch: 0, origin: 'client' });
    expect(codeThrown(append)).toBe(ErrorCode.INVALID_TXN_STATE);
    end(log, 1, true);
    append();
  });

  it('is remembered however long it is silent', async () => {
    const { log } = await makeRig().open();
    send(log, 1);
    send(log, 2);
    end(log, 2, true);
    // Who wrote before the first of them is at work.
    log.removeExpiredProducers(START_MS, 1000);
    log.removeExpiredProducers(START_MS + 1_000_000, 1000);
    expect([...log.activeProducers()].map((p) => p.producerId)).toEqual([1]);
    expect(log.oldestTransactionTimestamp).toBe(START_MS);
  });
});

describe('an end marker', () => {
  it('of a coordinator that was replaced is refused', async () => {
    const { log } = await makeRig().open();
    send(log, 1);
    end(log, 1, true, { coordinatorEpoch: 5 });
    send(log, 1);
    expect(codeThrown(() => end(log, 1, true, { coordinatorEpoch: 4 }))).toBe(
      ErrorCode.TRANSACTION_COORDINATOR_FENCED,
    );
    end(log, 1, true, { coordinatorEpoch: 6 });
  });

  it('of an old epoch is refused', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 1, { epoch: 2 });
    const code = codeThrown(() => end(log, 1, true, { epoch: 1 }));
    expect(code).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('of version 2 must have a newer epoch than the records, and may come again', async () => {
    const { log } = await makeRig().open();
    send(log, 1, 1, { version: 2 });
    const same = codeThrown(() => end(log, 1, true, { version: 2 }));
    expect(same).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    end(log, 1, true, { epoch: 1, version: 2 });
    end(log, 1, true, { epoch: 1, version: 2 });
    send(log, 1, 1, { epoch: 1, sequence: 0, version: 2 });
    // The same marker once more would end the next transaction, too.
    const late = codeThrown(() => end(log, 1, true, { epoch: 1, version: 2 }));
    expect(late).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    commitAll(log);
    expect(log.lastStableOffset).toBe(3);
  });

  it('without a transaction aborts nothing', async () => {
    const { log } = await makeRig().open();
    end(log, 1, false);
    commitAll(log);
    expect(aborted(log)).toEqual([]);
    expect(log.lastStableOffset).toBe(1);
  });
});
