/** Assignors, by their properties and by random groups whose members and topics come and go. */
import { describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../../../src/base/random.ts';
import { type AssignableMember, assignors } from '../../../../src/coordinator/consumer/assignor.ts';
import {
  NO_PARTITIONS,
  type TopicPartitions,
} from '../../../../src/coordinator/consumer/partitions.ts';
import { fuzzRounds } from '../../../support/fuzz.ts';

const SEEDS = fuzzRounds(60);

type Counts = Readonly<Record<string, number>>;

const member = (
  id: string,
  topics: readonly string[],
  target: TopicPartitions = NO_PARTITIONS,
  instanceId: string | null = null,
): AssignableMember => ({ id, instanceId, topicIds: new Set(topics), target });

const assign = (name: string, members: readonly AssignableMember[], counts: Counts) => {
  const assignor = assignors.get(name);
  if (assignor === undefined) throw new Error(`no assignor ${name}`);
  return assignor(members, (topic) => counts[topic] as number);
};

/** `{ a: { t: [0, 1] } }` */
const shown = (assignment: ReadonlyMap<string, TopicPartitions>) =>
  Object.fromEntries(
    [...assignment].map(([id, topics]) => [
      id,
      Object.fromEntries([...topics].map(([topic, partitions]) => [topic, [...partitions]])),
    ]),
  );

const load = (target: TopicPartitions | undefined): number =>
  [...(target ?? [])].reduce((sum, [, partitions]) => sum + partitions.size, 0);

/** Every partition that somebody reads is given to one of those who read it. */
function expectValid(
  assignment: ReadonlyMap<string, TopicPartitions>,
  members: readonly AssignableMember[],
  counts: Counts,
): void {
  const owners = new Map<string, string>();
  for (const [id, topics] of assignment) {
    for (const [topic, partitions] of topics) {
      expect(members.find((m) => m.id === id)?.topicIds.has(topic)).toBe(true);
      for (const partition of partitions) {
        expect(partition).toBeLessThan(counts[topic] as number);
        expect(owners.get(`${topic}-${partition}`)).toBeUndefined();
        owners.set(`${topic}-${partition}`, id);
      }
    }
  }
  const read = new Set(members.flatMap(({ topicIds }) => [...topicIds]));
  const all = [...read].reduce((sum, topic) => sum + (counts[topic] as number), 0);
  expect(owners.size).toBe(all);
}

/** Partitions that are another member's now, and the former one is still there and reads them. */
function moved(
  members: readonly AssignableMember[],
  assignment: ReadonlyMap<string, TopicPartitions>,
): number {
  let count = 0;
  for (const { id, topicIds, target } of members) {
    for (const [topic, partitions] of target) {
      if (!topicIds.has(topic)) continue;
      for (const p of partitions) if (!assignment.get(id)?.get(topic)?.has(p)) count++;
    }
  }
  return count;
}

describe('the range assignor', () => {
  it('gives ranges in the order of the members, the first ones one more', () => {
    const members = ['b', 'a', 'c'].map((id) => member(id, ['t', 'u']));
    expect(shown(assign('range', members, { t: 4, u: 4 }))).toEqual({
      a: { t: [0, 1], u: [0, 1] },
      b: { t: [2], u: [2] },
      c: { t: [3], u: [3] },
    });
  });

  it('orders static members by their instance, before the others', () => {
    const members = [
      member('a', ['t']),
      member('y', ['t'], NO_PARTITIONS, 'i2'),
      member('z', ['t'], NO_PARTITIONS, 'i1'),
    ];
    expect(shown(assign('range', members, { t: 3 }))).toEqual({
      z: { t: [0] },
      y: { t: [1] },
      a: { t: [2] },
    });
  });

  it('divides each topic among those who read it', () => {
    const members = [member('a', ['t']), member('b', ['t', 'u']), member('c', ['u'])];
    expect(shown(assign('range', members, { t: 3, u: 2 }))).toEqual({
      a: { t: [0, 1] },
      b: { t: [2], u: [0] },
      c: { u: [1] },
    });
  });
});

describe('the uniform assignor', () => {
  it('counts all partitions of a member, of whichever topic', () => {
    const members = ['a', 'b', 'c'].map((id) => member(id, ['t', 'u', 'v']));
    const assignment = assign('uniform', members, { t: 1, u: 1, v: 1 });
    expect([...assignment.values()].map(load)).toEqual([1, 1, 1]);
  });

  it('moves no partition that need not move when a member comes', () => {
    const before = assign(
      'uniform',
      ['a', 'b'].map((id) => member(id, ['t'])),
      { t: 9 },
    );
    const members = ['a', 'b', 'c'].map((id) => member(id, ['t'], before.get(id)));
    const after = assign('uniform', members, { t: 9 });
    expect([...after.values()].map(load)).toEqual([3, 3, 3]);
    expect(moved(members, after)).toBe(3);
  });

  it('moves nothing when nothing has changed', () => {
    const counts = { t: 10, u: 3 };
    const first = [member('a', ['t', 'u']), member('b', ['t']), member('c', ['u'])];
    const before = assign('uniform', first, counts);
    const again = first.map((m) => ({ ...m, target: before.get(m.id) ?? NO_PARTITIONS }));
    expect(moved(again, assign('uniform', again, counts))).toBe(0);
  });

  it('relieves who has more where members read different topics', () => {
    const members = [member('a', ['t', 'u']), member('b', ['t']), member('c', ['u'])];
    const assignment = assign('uniform', members, { t: 6, u: 6 });
    expect([...assignment.values()].map(load)).toEqual([4, 4, 4]);
  });

  it('divides ten thousand partitions among a thousand members in a moment', () => {
    const counts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t${i}`, 100]));
    const topics = Object.keys(counts);
    const members = Array.from({ length: 1000 }, (_, i) => member(`m${i}`, topics));
    const startedAt = performance.now();
    const assignment = assign('uniform', members, counts);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(new Set([...assignment.values()].map(load))).toEqual(new Set([10]));
  });
});

class RandomGroup {
  readonly random: Random;
  readonly counts: Record<string, number> = {};
  members: AssignableMember[] = [];
  #next = 0;

  constructor(random: Random) {
    this.random = random;
    for (let i = 0; i < 5; i++) this.counts[`t${i}`] = below(random, 12);
  }

  change(isEqual: boolean): void {
    const topics = Object.keys(this.counts);
    const some = topics.filter(() => isEqual || this.random.next() < 0.5);
    const dice = this.random.next();
    if (dice < 0.45 || this.members.length === 0) {
      this.members.push(member(`m${this.#next++}`, some));
    } else if (dice < 0.75) this.members.splice(below(this.random, this.members.length), 1);
    else if (dice < 0.9) {
      const topic = topics[below(this.random, topics.length)] as string;
      this.counts[topic]! += below(this.random, 4);
    } else if (!isEqual) {
      const at = below(this.random, this.members.length);
      const old = this.members[at] as AssignableMember;
      this.members[at] = { ...old, topicIds: new Set(some) };
    }
  }

  take(assignment: ReadonlyMap<string, TopicPartitions>): void {
    this.members = this.members.map((m) => ({
      ...m,
      target: assignment.get(m.id) ?? NO_PARTITIONS,
    }));
  }
}

describe('assignments of random groups', () => {
  it.each([...assignors.keys()])('by %s are valid, and the same each time', (name) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const group = new RandomGroup(seededRandom(seed));
      for (let step = 0; step < 30; step++) {
        group.change(seed % 2 === 0);
        const assignment = assign(name, group.members, group.counts);
        expectValid(assignment, group.members, group.counts);
        const shuffled = [...group.members].reverse();
        const again = shown(assign(name, shuffled, group.counts));
        expect(again).toEqual(shown(assignment));
        group.take(assignment);
      }
    }
  });

  it('by uniform differ by one at most where all read the same, and move no more than that takes', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const group = new RandomGroup(seededRandom(seed));
      for (let step = 0; step < 30; step++) {
        group.change(true);
        const { members, counts } = group;
        const assignment = assign('uniform', members, counts);
        if (members.length > 0) {
          const loads = members.map(({ id }) => load(assignment.get(id)));
          expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
          expect(moved(members, assignment)).toBe(fewestMoves(members, counts));
        }
        group.take(assignment);
      }
    }
  });

  it('by uniform leave no topic whose readers could be relieved by moving one partition of it', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const group = new RandomGroup(seededRandom(seed));
      for (let step = 0; step < 30; step++) {
        group.change(false);
        const assignment = assign('uniform', group.members, group.counts);
        for (const topic of Object.keys(group.counts)) {
          const readers = group.members.filter(({ topicIds }) => topicIds.has(topic));
          const loads = readers.map(({ id }) => load(assignment.get(id)));
          for (const [i, { id }] of readers.entries()) {
            if (!assignment.get(id)?.has(topic)) continue;
            expect((loads[i] as number) - Math.min(...loads)).toBeLessThanOrEqual(1);
          }
        }
        group.take(assignment);
      }
    }
  });
});

/** What members have above their share has to move, and nothing else. */
function fewestMoves(members: readonly AssignableMember[], counts: Counts): number {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const share = Math.floor(total / members.length);
  let extras = total % members.length;
  let moves = 0;
  for (const { target } of members) {
    const above = load(target) - share;
    if (above <= 0) continue;
    if (extras > 0) {
      extras--;
      moves += above - 1;
    } else moves += above;
  }
  return moves;
}
