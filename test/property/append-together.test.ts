/**
 * Batches appended together against the same batches one by one: random sizes, times, producers that
 * repeat, skip and change their epoch, and damage.
 */
import { describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { type AppendInfo, NotAppended } from '../../src/log/log-appends.ts';
import { type PartitionLog } from '../../src/log/partition-log.ts';
import { ProtocolError } from '../../src/protocol/error-codes.ts';
import { fuzzRounds } from '../support/fuzz.ts';
import { batchOf, makeRig, numbered, type Rig, readAll, START_MS } from '../unit/log/support.ts';

const RUNS = fuzzRounds(40);
const GROUPS = 30;
const GROUP_MAX = 8;
const SEGMENT_BYTES = 600;
const SEGMENT_MS = 10_000;

class Sender {
  readonly #random: Random;
  /** By producer id: its epoch and its next sequence. */
  readonly #producers = new Map<number, { epoch: number; next: number }>();
  #sent = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  batch(): Buffer {
    const random = this.#random;
    const count = 1 + below(random, 4);
    const timestamp = START_MS + below(random, 3 * SEGMENT_MS);
    const id = below(random, 4) - 1;
    const values = numbered(count, this.#sent);
    this.#sent += count;
    const producer = id < 0 ? undefined : { id, ...this.#sequence(id, count) };
    const batch = batchOf(values, { timestamp, ...(producer === undefined ? {} : { producer }) });
    // Somewhere in the records: the checksum is wrong then.
    if (below(random, 15) === 0) batch[batch.length - 1]! ^= 0xff;
    return batch;
  }

  #sequence(id: number, count: number): { epoch: number; baseSequence: number } {
    const random = this.#random;
    const state = this.#producers.get(id) ?? { epoch: 0, next: 0 };
    this.#producers.set(id, state);
    const odd = below(random, 12);
    if (odd === 0) return { epoch: state.epoch, baseSequence: Math.max(0, state.next - count) };
    if (odd === 1) return { epoch: state.epoch, baseSequence: state.next + 1 };
    if (odd === 2) return { epoch: Math.max(0, state.epoch - 1), baseSequence: state.next };
    if (odd === 3) {
      state.epoch++;
      state.next = 0;
    }
    const baseSequence = state.next;
    state.next += count;
    return { epoch: state.epoch, baseSequence };
  }
}

type Outcome = AppendInfo | number;

const codeOf = (error: unknown): number => {
  if (error instanceof ProtocolError) return error.code;
  throw error;
};

const oneByOne = (log: PartitionLog, batches: readonly Buffer[]): Outcome[] =>
  batches.map((records) => {
    try {
      return log.append(records, { leaderEpoch: 3, origin: 'client' });
    } catch (error) {
      return codeOf(error);
    }
  });

const together = (log: PartitionLog, batches: readonly Buffer[]): Outcome[] =>
  log
    .appendTogether(
      batches.map((records) => ({ records, reused: true, verification: null })),
      3,
    )
    .map((outcome) => (outcome instanceof NotAppended ? codeOf(outcome.error) : outcome));

const producersOf = (log: PartitionLog): unknown[] =>
  [...log.activeProducers()].map(({ producerId, epoch, batches }) => ({
    producerId,
    epoch,
    batches: [...batches],
  }));

describe('batches appended together', () => {
  const rig = (): Rig => makeRig({ segmentBytes: SEGMENT_BYTES, segmentMs: SEGMENT_MS });

  it.each(Array.from({ length: RUNS }, (_, seed) => [seed + 1]))(
    'are answered and kept as one by one (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const sender = new Sender(random);
      const [{ log: one }, { log: other, manager }] = [await rig().open(), await rig().open()];
      for (let group = 0; group < GROUPS; group++) {
        const batches = Array.from({ length: 1 + below(random, GROUP_MAX) }, () => sender.batch());
        const copies = batches.map((batch) => Buffer.from(batch));
        expect(together(other, batches)).toEqual(oneByOne(one, copies));
        // Their memory is used again.
        for (const batch of batches) batch.fill(0xee);
      }
      expect(other.logEndOffset).toBe(one.logEndOffset);
      expect(readAll(other)).toEqual(readAll(one));
      expect(producersOf(other)).toEqual(producersOf(one));
      expect(other.maxTimestampOffset()).toEqual(one.maxTimestampOffset());
      for (const { size } of other.segments) expect(size).toBeLessThanOrEqual(SEGMENT_BYTES);
      expect(manager.probe.appendedBatches).toBeGreaterThan(GROUPS);
    },
  );
});
