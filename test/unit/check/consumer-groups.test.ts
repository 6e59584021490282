import { describe, expect, it } from 'vitest';
import { type Claim, type Expulsion, History } from '../../check/history.ts';
import { judge } from '../../check/index.ts';
import { commitOf, pollOf } from './build-history.ts';

const claimOf = (member: string, from: number, until: number): Claim => ({
  ...{ group: 'g', member, epoch: from, topic: 't', partition: 0, from, until },
});
const expulsionOf = (changes: Partial<Expulsion>): Expulsion => ({
  ...{ group: 'g', member: 'a', at: 5000, error: 'UNKNOWN_MEMBER_ID' },
  ...{ heardAt: 0, unanswered: 0, sessionMs: 4000, ...changes },
});

function faults(spoil: (history: History) => void): string[] {
  const history = new History();
  history.claims.push(claimOf('a', 1, 5), claimOf('b', 5, 9));
  spoil(history);
  return judge(history).map(({ message }) => message);
}

describe('the checker of consumer groups', () => {
  it('lets a partition go from one member to the next', () => {
    expect(faults(() => {})).toEqual([]);
  });

  it('finds a partition that is given away while another member has it', () => {
    expect(faults((h) => h.claims.push(claimOf('c', 8, 10)))).toEqual([
      expect.stringContaining('was given to c of g at 8 in epoch 8, and b had it'),
    ]);
    // It is not the last one before it that has it still.
    expect(faults((h) => h.claims.push(claimOf('c', 0, 20))).length).toBeGreaterThan(1);
  });

  it('finds an epoch that goes back', () => {
    const told = (h: History, ...epochs: number[]): void => {
      for (const epoch of epochs) h.memberEpochs.push({ group: 'g', member: 'a', epoch, at: 0 });
    };
    expect(faults((h) => told(h, 1, 2, 2, 5))).toEqual([]);
    expect(faults((h) => told(h, 1, 5, 4))).toEqual([expect.stringContaining('was in epoch 5')]);
  });

  it('lets nobody be expelled who was heard of in time', () => {
    const expelled = (changes: Partial<Expulsion>) =>
      faults((h) => h.expulsions.push(expulsionOf(changes)));
    expect(expelled({})).toEqual([]);
    expect(expelled({ heardAt: 3000, unanswered: 2 })).toEqual([]);
    expect(expelled({ heardAt: 3000, unanswered: 1 })).toHaveLength(1);
  });

  it('finds what a group has committed and not read', () => {
    const commit = (h: History): void => {
      h.commits.push(commitOf(2, 10));
    };
    // What else is wrong with what was never sent is another checker's.
    const read = (offsets: readonly number[]) => (h: History) => {
      commit(h);
      for (const offset of offsets) h.polls.push(pollOf(offset, 'x', { consumer: 'g/a' }));
    };
    expect(faults(read([0, 1]))).toEqual([]);
    expect(faults(read([0]))).toEqual([expect.stringContaining('nobody read @1')]);
  });
});
