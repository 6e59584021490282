import { describe, expect, test } from 'vitest';
import { type DrainOptions, planDrain } from '../../../src/cli/drain-plan.ts';
import { planFactor } from '../../../src/cli/topic-factor.ts';

const partitionsOf = (...lists: number[][]) =>
  lists.map((replicas, partition) => ({ topic: 't', partition, replicas }));

const drain = (given: Partial<DrainOptions> & Pick<DrainOptions, 'partitions'>) =>
  planDrain({
    broker: 2,
    others: [0, 1, 3].map((id) => ({ id, rack: null })),
    fewerReplicas: false,
    ...given,
  });

describe('the plan of a drain', () => {
  test('puts another broker in the place of the one that goes, and leaves the rest alone', () => {
    const { moves, stuck } = drain({ partitions: partitionsOf([0, 1], [2, 0, 1], [1, 2, 0]) });
    expect(moves).toEqual([
      { topic: 't', partition: 1, replicas: [3, 0, 1], to: 3 },
      { topic: 't', partition: 2, replicas: [1, 3, 0], to: 3 },
    ]);
    expect(stuck).toEqual([]);
  });

  test('spreads what it moves by what the others hold, and will hold', () => {
    const lists = Array.from({ length: 9 }, () => [2]);
    const { moves } = drain({ partitions: partitionsOf([0], [0], [0], ...lists) });
    const taken = new Map<number | null, number>();
    for (const { to } of moves) taken.set(to, (taken.get(to) ?? 0) + 1);
    expect([taken.get(0), taken.get(1), taken.get(3)]).toEqual([1, 4, 4]);
  });

  test('prefers a rack that has no replica to a broker that has little', () => {
    const others = [
      { id: 0, rack: 'a' },
      { id: 1, rack: 'a' },
      { id: 3, rack: 'b' },
    ];
    const busy = partitionsOf([3], [3], [0, 2]);
    expect(drain({ partitions: busy, others }).moves[0]?.to).toBe(3);
  });

  test('says what has nowhere to go, unless it may go on with less', () => {
    const partitions = partitionsOf([0, 1, 2], [2]);
    const others = [0, 1].map((id) => ({ id, rack: null }));
    const plan = drain({ partitions, others });
    expect(plan.stuck).toEqual([{ topic: 't', partition: 0, replicas: [0, 1, 2] }]);
    expect(plan.moves.map(({ to }) => to)).toEqual([0]);
    const fewer = drain({ partitions, others, fewerReplicas: true });
    expect(fewer.moves[0]).toEqual({ topic: 't', partition: 0, replicas: [0, 1], to: null });
    expect(drain({ partitions, others: [], fewerReplicas: true }).stuck).toHaveLength(1);
  });
});

describe('the plan of another number of replicas', () => {
  const brokers = [0, 1, 2].map((id) => ({ id, rack: null }));

  test('adds brokers that hold little, behind the replicas that are there', () => {
    const others = partitionsOf([1], [1]).map((p) => ({ ...p, topic: 'u' }));
    const moves = planFactor('t', 2, [...partitionsOf([0], [0], [2, 0]), ...others], brokers);
    expect(moves).toEqual([
      { topic: 't', partition: 0, replicas: [0, 2] },
      { topic: 't', partition: 1, replicas: [0, 1] },
    ]);
  });

  test('drops the last ones', () => {
    const moves = planFactor('t', 1, partitionsOf([2, 0, 1]), brokers);
    expect(moves).toEqual([{ topic: 't', partition: 0, replicas: [2] }]);
  });

  test('says when there are too few brokers', () => {
    expect(() => planFactor('t', 4, partitionsOf([0]), brokers)).toThrow('4 brokers; 3 run');
  });
});
