import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changePartition,
  isUncleanElection,
  LeaderRecovery,
  type PartitionGoal,
} from '../../../../src/cluster/controller/partition-change.ts';
import { NO_LEADER, type PartitionImage } from '../../../../src/cluster/metadata-image.ts';

const partition = (state: Partial<PartitionImage> = {}): PartitionImage => ({
  topicId: 'topic',
  index: 0,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  adding: [],
  removing: [],
  elr: [],
  lastKnownElr: [],
  leader: 1,
  leaderEpoch: 5,
  partitionEpoch: 10,
  leaderRecoveryState: LeaderRecovery.recovered,
  ...state,
});

/** With these brokers there. */
const goal = (alive: readonly number[], more: Partial<PartitionGoal> = {}): PartitionGoal => ({
  isAcceptable: (id) => alive.includes(id),
  minIsr: 2,
  ...more,
});

describe('a leader', () => {
  it('stays while it is in sync and there, without a new term', () => {
    const after = changePartition(partition(), goal([1, 2], { isr: [1, 2] }));
    expect(after).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 5, partitionEpoch: 11 });
  });

  it('is followed by the first replica in sync that is there', () => {
    const after = changePartition(partition({ isr: [3, 1, 2] }), goal([2, 3], { isr: [3, 2] }));
    expect(after).toMatchObject({ leader: 2, leaderEpoch: 6, partitionEpoch: 11 });
  });

  it('is not followed by anybody out of sync', () => {
    const before = partition({ isr: [1], replicas: [1, 2, 3] });
    const after = changePartition(before, goal([2, 3], { isr: [], minIsr: 1 }));
    expect(after).toMatchObject({
      leader: NO_LEADER,
      isr: [],
      elr: [1],
      lastKnownElr: [1],
      leaderEpoch: 6,
    });
  });

  it('comes back as the last one that was in sync', () => {
    const before = partition({ isr: [], elr: [1], lastKnownElr: [1], leader: NO_LEADER });
    expect(changePartition(before, goal([1, 2, 3]))).toMatchObject({
      leader: 1,
      isr: [1],
      elr: [],
      lastKnownElr: [],
      leaderRecoveryState: LeaderRecovery.recovered,
    });
  });

  it('gives way to the preferred one when that is asked for and possible', () => {
    const before = partition({ leader: 2 });
    expect(changePartition(before, goal([1, 2, 3], { election: 'preferred' }))?.leader).toBe(1);
    expect(changePartition(before, goal([2, 3], { election: 'preferred' }))).toBeNull();
    const outOfSync = partition({ leader: 2, isr: [2, 3] });
    expect(changePartition(outOfSync, goal([1, 2, 3], { election: 'preferred' }))).toBeNull();
  });
});

describe('an eligible replica', () => {
  it('is who leaves an ISR that cannot commit without it', () => {
    const after = changePartition(partition({ isr: [1, 2] }), goal([1], { isr: [1] }));
    expect(after).toMatchObject({ leader: 1, isr: [1], elr: [2] });
  });

  it('is nobody while the ISR can commit by itself', () => {
    expect(changePartition(partition(), goal([1, 2], { isr: [1, 2] }))?.elr).toEqual([]);
    const grown = changePartition(partition({ isr: [1], elr: [2] }), goal([1, 3], { isr: [1, 3] }));
    expect(grown).toMatchObject({ isr: [1, 3], elr: [] });
  });

  it('is whoever was in sync last, and there is nobody left who is', () => {
    const after = changePartition(
      partition({ isr: [3], elr: [1], leader: 3 }),
      goal([], { isr: [] }),
    );
    expect(after).toMatchObject({ leader: NO_LEADER, isr: [], elr: [1, 3], lastKnownElr: [3] });
  });

  it('leads when nobody in sync is there, and the others stay eligible', () => {
    const before = partition({ isr: [], elr: [1, 2], lastKnownElr: [1], leader: NO_LEADER });
    const after = changePartition(before, goal([2, 3]));
    expect(after).toMatchObject({
      leader: 2,
      isr: [2],
      elr: [1],
      leaderRecoveryState: LeaderRecovery.recovered,
    });
    expect(isUncleanElection(before, after!)).toBe(false);
  });

  it('leads alone where one replica may commit', () => {
    const before = partition({ isr: [], elr: [1, 2], leader: NO_LEADER });
    expect(changePartition(before, goal([2], { minIsr: 1 }))).toMatchObject({ isr: [2], elr: [] });
  });

  it('is none any more once it may have lost records', () => {
    const before = partition({ isr: [1], elr: [2, 3] });
    expect(changePartition(before, goal([1], { uncertain: [2] }))).toMatchObject({
      leader: 1,
      isr: [1],
      elr: [3],
    });
  });

  it('alone leads when the last leader has lost records', () => {
    const before = partition({ isr: [], elr: [1, 2], lastKnownElr: [1], leader: NO_LEADER });
    const after = changePartition(before, goal([], { uncertain: [1] }))!;
    expect(after).toMatchObject({ leader: NO_LEADER, isr: [], elr: [2], lastKnownElr: [1] });
    expect(changePartition(after, goal([1, 3]))).toBeNull();
    expect(changePartition(after, goal([1, 2, 3]))).toMatchObject({ leader: 2, isr: [2] });
  });
});

describe('where nobody is eligible', () => {
  const without = { electsEligible: false };

  it('the last one in sync stays in the list, and leads again', () => {
    const before = partition({ isr: [1] });
    const after = changePartition(before, goal([2, 3], { ...without, isr: [] }))!;
    expect(after).toMatchObject({ leader: NO_LEADER, isr: [1], elr: [], lastKnownElr: [] });
    expect(changePartition(after, goal([2, 3], without))).toBeNull();
    expect(changePartition(after, goal([1, 2, 3], without))).toMatchObject({ leader: 1, isr: [1] });
  });

  it('who was until now returns to the list: of several the one that led last', () => {
    const before = partition({ isr: [], elr: [1, 3], lastKnownElr: [3], leader: NO_LEADER });
    const after = changePartition(before, goal([2], without));
    expect(after).toMatchObject({ leader: NO_LEADER, isr: [3], elr: [], lastKnownElr: [] });
    const led = partition({ isr: [1], elr: [3] });
    expect(changePartition(led, goal([1, 2], without))).toMatchObject({ isr: [1], elr: [] });
  });

  it('who has lost its disk does not lead by itself', () => {
    const before = partition({ isr: [1], leader: NO_LEADER });
    const lost = changePartition(before, goal([], { ...without, uncertain: [1], isLost: true }))!;
    expect(lost).toMatchObject({ leader: NO_LEADER, isr: [], lastKnownElr: [1, 2, 3] });
    expect(changePartition(lost, goal([1, 2, 3], without))).toBeNull();
  });
});

describe('the last known leader', () => {
  it('is remembered when it may have lost records and nobody else is certain', () => {
    const after = changePartition(partition({ isr: [1] }), goal([2, 3], { uncertain: [1] }));
    expect(after).toMatchObject({ leader: NO_LEADER, isr: [], elr: [], lastKnownElr: [1] });
  });

  it('leads when it is back, and says that it recovers', () => {
    const before = partition({ isr: [], lastKnownElr: [1], leader: NO_LEADER });
    const after = changePartition(before, goal([1, 2, 3]));
    expect(after).toMatchObject({
      leader: 1,
      isr: [1],
      lastKnownElr: [],
      leaderRecoveryState: LeaderRecovery.recovering,
    });
    expect(isUncleanElection(before, after!)).toBe(true);
  });

  it('does not lead by itself when it has lost its disk', () => {
    const lost = changePartition(
      partition({ isr: [], elr: [1], lastKnownElr: [1], leader: NO_LEADER }),
      goal([], { uncertain: [1], isLost: true }),
    )!;
    expect(lost).toMatchObject({ leader: NO_LEADER, isr: [], elr: [], lastKnownElr: [1, 2, 3] });
    expect(changePartition(lost, goal([1, 2, 3]))).toBeNull();
    const forced = changePartition(lost, goal([1, 2, 3], { election: 'unclean' }));
    expect(forced).toMatchObject({ leader: 2, isr: [2], lastKnownElr: [] });
  });

  it('is not one that has lost its disk, but the last one that was certain', () => {
    const before = partition({ isr: [1], elr: [2] });
    const lost = changePartition(before, goal([], { uncertain: [1], isLost: true }))!;
    expect(lost).toMatchObject({ leader: NO_LEADER, elr: [2], lastKnownElr: [] });
    const after = changePartition(lost, goal([1, 3], { uncertain: [2] }))!;
    expect(after).toMatchObject({ leader: NO_LEADER, elr: [], lastKnownElr: [2] });
    expect(changePartition(after, goal([1, 2, 3]))).toMatchObject({ leader: 2, isr: [2] });
  });

  it('leads no more when it loses its disk after the certainty', () => {
    const before = partition({ isr: [], lastKnownElr: [2], leader: NO_LEADER });
    const after = changePartition(before, goal([], { uncertain: [2], isLost: true }))!;
    expect(after.lastKnownElr).toEqual([2, 1, 3]);
    expect(changePartition(after, goal([1, 2, 3]))).toBeNull();
  });

  it('is all there is with one replica', () => {
    const before = partition({ replicas: [1], isr: [], elr: [1], leader: NO_LEADER });
    const lost = changePartition(before, goal([], { uncertain: [1], isLost: true, minIsr: 1 }))!;
    expect(changePartition(lost, goal([1], { minIsr: 1 }))).toMatchObject({ leader: 1, isr: [1] });
  });
});

describe('an unclean election', () => {
  it('takes anybody who is there, only where it is allowed', () => {
    const before = partition({ isr: [1] });
    const away = { isr: [], minIsr: 1 };
    expect(changePartition(before, goal([3], away))?.leader).toBe(NO_LEADER);
    const after = changePartition(before, goal([3], { ...away, election: 'unclean' }))!;
    expect(after).toMatchObject({
      leader: 3,
      isr: [3],
      elr: [],
      leaderRecoveryState: LeaderRecovery.recovering,
    });
    expect(isUncleanElection(before, after)).toBe(true);
  });

  it('prefers who is certain', () => {
    const before = partition({ isr: [], elr: [1, 3], leader: NO_LEADER });
    const after = changePartition(before, goal([2, 3], { election: 'unclean' }))!;
    expect(after).toMatchObject({ leader: 3, leaderRecoveryState: LeaderRecovery.recovered });
  });
});

describe('a reassignment', () => {
  const moving = partition({
    replicas: [4, 5, 1, 2],
    isr: [1, 2],
    adding: [4, 5],
    removing: [1, 2],
  });

  it('ends when all that come are in sync, with a new term', () => {
    const after = changePartition(moving, goal([1, 2, 4, 5], { isr: [1, 2, 4, 5] }));
    expect(after).toMatchObject({
      replicas: [4, 5],
      isr: [4, 5],
      adding: [],
      removing: [],
      leader: 4,
      leaderEpoch: 6,
    });
  });

  it('goes on while one of them is not', () => {
    const after = changePartition(moving, goal([1, 2, 4], { isr: [1, 2, 4] }));
    expect(after).toMatchObject({ replicas: [4, 5, 1, 2], adding: [4, 5], leader: 1 });
  });

  it('to fewer replicas waits for all that stay', () => {
    const fewer = partition({ isr: [1, 2], removing: [3] });
    expect(changePartition(fewer, goal([1, 2, 3]))).toMatchObject({ replicas: [1, 2] });
    const behind = partition({ isr: [1, 3], removing: [3] });
    expect(changePartition(behind, goal([1, 3]))).toBeNull();
  });

  it('drops who is taken away from those who are eligible', () => {
    const before = partition({
      isr: [1],
      elr: [3],
      replicas: [2, 1, 3],
      adding: [2],
      removing: [3],
    });
    const after = changePartition(before, goal([1, 2], { isr: [1, 2], minIsr: 3 }));
    expect(after).toMatchObject({ replicas: [2, 1], isr: [1, 2], elr: [] });
  });
});

describe('any sequence of changes', () => {
  const ids = [1, 2, 3, 4, 5] as const;
  const anyIds = fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 5 });
  const election = fc.constantFrom<PartitionGoal['election']>('online', 'preferred', 'unclean');
  const change = fc.record({
    kind: fc.constantFrom('shrink', 'grow', 'distrust', 'elect', 'reassign', 'lose'),
    ids: anyIds,
    alive: anyIds,
    election,
    minIsr: fc.integer({ min: 1, max: 3 }),
    electsEligible: fc.boolean(),
  });
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

  function goalOf(p: PartitionImage, c: Change): PartitionGoal {
    const { electsEligible, minIsr } = c;
    const base = { ...goal(c.alive), election: c.election!, minIsr, electsEligible };
    switch (c.kind) {
      case 'shrink':
        return { ...base, isr: p.isr.filter((id) => !c.ids.includes(id as 1)) };
      case 'grow':
        if (p.leader === NO_LEADER) return base;
        return {
          ...base,
          isr: p.replicas.filter((r) => p.isr.includes(r) || c.ids.includes(r as 1)),
        };
      case 'distrust':
        return { ...base, uncertain: c.ids };
      case 'lose':
        return { ...base, uncertain: c.ids, isLost: true };
      case 'reassign': {
        if (c.ids.length === 0) return base;
        const removing = p.replicas.filter((id) => !c.ids.includes(id as 1));
        const adding = c.ids.filter((id) => !p.replicas.includes(id));
        return { ...base, replicas: [...c.ids, ...removing], adding, removing };
      }
      default:
        return base;
    }
  }

  const isDoubted = (c: Change, id: number): boolean =>
    (c.kind === 'distrust' || c.kind === 'lose') && c.ids.includes(id as 1);

  function check(before: PartitionImage, after: PartitionImage, c: Change): void {
    if (!c.electsEligible) expect(after.elr).toEqual([]);
    for (const id of [...after.isr, ...after.elr, ...after.lastKnownElr]) {
      expect(after.replicas).toContain(id);
    }
    expect(new Set(after.replicas).size).toBe(after.replicas.length);
    expect(after.isr.filter((id) => after.elr.includes(id))).toEqual([]);
    expect(after.partitionEpoch).toBe(before.partitionEpoch + 1);
    const terms = after.leaderEpoch - before.leaderEpoch;
    expect([0, 1]).toContain(terms);
    if (after.leader !== before.leader) expect(terms).toBe(1);
    if (after.leader === NO_LEADER) {
      const certain = [...after.isr, ...after.elr];
      // Who could lead is known as long as anybody's replica is left that ever could.
      expect([...certain, ...after.lastKnownElr].length).toBeGreaterThan(0);
      expect(certain.filter((id) => c.alive.includes(id as 1) && !isDoubted(c, id))).toEqual([]);
      return;
    }
    expect(after.isr).toContain(after.leader);
    expect(after.lastKnownElr).toEqual([]);
    expect(c.alive).toContain(after.leader);
    if (after.isr.length >= c.minIsr) expect(after.elr).toEqual([]);
  }

  it('keeps the invariants', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        let state = partition();
        for (const c of changes) {
          const after = changePartition(state, goalOf(state, c));
          if (after === null) continue;
          check(state, after, c);
          state = after;
        }
      }),
      { numRuns: 2_000 },
    );
  });

  /** Who has everything that was ever committed, by the rules of commitment alone. */
  it('never elects cleanly who lacks something committed', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        let state = partition();
        const minIsr = 2;
        let holders = new Set<number>(state.isr);
        for (const c of changes) {
          if (c.kind === 'reassign') continue;
          const fixed = { ...goalOf(state, { ...c, minIsr, electsEligible: true }), minIsr };
          for (const id of fixed.uncertain ?? []) holders.delete(id);
          // A leader lets in only who has everything.
          if (c.kind === 'grow') for (const id of fixed.isr ?? []) holders.add(id);
          const after = changePartition(state, fixed) ?? state;
          if (after.leader !== NO_LEADER && after.leader !== state.leader) {
            if (isUncleanElection(state, after)) holders = new Set([after.leader]);
            else expect([...holders]).toContain(after.leader);
          }
          state = after;
          if (state.leader === NO_LEADER) continue;
          // What the ISR commits now, only its members have.
          if (state.isr.length >= minIsr) holders = new Set(state.isr);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
