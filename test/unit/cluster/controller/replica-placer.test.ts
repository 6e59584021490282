import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random.ts';
import {
  type PlacedBroker,
  placeReplicas,
} from '../../../../src/cluster/controller/replica-placer.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';

const brokers = (racks: readonly (string | null)[], fenced: readonly number[] = []) =>
  racks.map((rack, id): PlacedBroker => ({ id, rack, fenced: fenced.includes(id) }));

const counts = (ids: readonly number[]): number[] => {
  const map = new Map<number, number>();
  for (const id of ids) map.set(id, (map.get(id) ?? 0) + 1);
  return [...map.values()];
};

describe('placement', () => {
  it('gives every broker as many leaders and replicas as any other', () => {
    const placed = placeReplicas(30, 3, brokers([null, null, null, null, null]), seededRandom(7));
    expect(counts(placed.map(([first]) => first!))).toEqual([6, 6, 6, 6, 6]);
    const replicas = counts(placed.flat());
    expect(replicas).toHaveLength(5);
    expect(Math.max(...replicas) - Math.min(...replicas)).toBeLessThanOrEqual(6);
  });

  it('puts no two replicas into one rack while there are racks enough', () => {
    const racks = ['a', 'a', 'b', 'b', 'c', 'c'];
    for (const replicas of placeReplicas(60, 3, brokers(racks), seededRandom(3))) {
      expect(new Set(replicas.map((id) => racks[id])).size).toBe(3);
    }
  });

  it('never puts a broker first that is out', () => {
    const placed = placeReplicas(20, 3, brokers([null, null, null], [1]), seededRandom(5));
    for (const replicas of placed) {
      expect(replicas[0]).not.toBe(1);
      expect(replicas[2]).toBe(1);
    }
  });

  it('is refused with too few brokers, or none that is there', () => {
    const code = ErrorCode.INVALID_REPLICATION_FACTOR;
    expect(() => placeReplicas(1, 3, brokers([null, null]), seededRandom(1))).toThrow(
      expect.objectContaining({ code }),
    );
    expect(() => placeReplicas(1, 1, brokers([null], [0]), seededRandom(1))).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('is always possible with enough brokers, each once', () => {
    const rack = fc.constantFrom('a', 'b', 'c', null);
    fc.assert(
      fc.property(
        fc.array(fc.record({ rack, fenced: fc.boolean() }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer(),
        (list, factor, partitions, seed) => {
          const all = list.map((broker, id) => ({ id, ...broker }));
          if (factor > all.length || all.every(({ fenced }) => fenced)) return;
          const placed = placeReplicas(partitions, factor, all, seededRandom(seed));
          expect(placed).toHaveLength(partitions);
          for (const replicas of placed) {
            expect(replicas).toHaveLength(factor);
            expect(new Set(replicas).size).toBe(factor);
            expect(all[replicas[0]!]?.fenced).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
