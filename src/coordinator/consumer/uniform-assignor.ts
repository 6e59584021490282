/**
 * Gives all members about equally many partitions, and moves as few as it can for that.
 *
 * Who reads a partition keeps it; those without an owner go to the reader with the fewest; then
 * partitions move from the readers with the most to those with the fewest, as long as that makes them
 * more equal. Topics that have the same readers are one pool in this. Where all members read the same
 * topics no two of them differ by more than one, and nothing moves that need not. Where they do not,
 * that is so among the readers of each pool, unless it would take too many rounds.
 */
import type { AssignableMember, Assignor } from './assignor.ts';
import { inOrder } from './range-assignor.ts';

/** Each round about halves the imbalance of pools that share some of their readers. */
const ROUNDS_MAX = 16;

const NO_OWNER = -1;

interface Topic {
  readonly id: string;
  /** Indexes of members, ascending. */
  readonly readers: number[];
  /** By partition: the index of the member that owns it. */
  readonly owners: Int32Array;
}

/** Topics with the same readers. */
interface Pool {
  readonly readers: readonly number[];
  readonly topics: Topic[];
}

export const uniformAssignor: Assignor = (members, partitionCount) => {
  const ordered = inOrder(members);
  const topics = topicsOf(ordered, partitionCount);
  const loads = keepOwners(ordered, topics);
  const pools = poolsOf(topics.values());
  for (const pool of pools) assignUnowned(pool, loads);
  const shared = pools.filter(({ readers }) => readers.length > 1);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let moves = 0;
    for (const pool of shared) moves += balance(pool, loads);
    if (moves === 0) break;
  }
  return collect(ordered, topics.values());
};

function topicsOf(
  members: readonly AssignableMember[],
  partitionCount: (topicId: string) => number,
): Map<string, Topic> {
  const topics = new Map<string, Topic>();
  for (const [index, { topicIds }] of members.entries()) {
    for (const id of topicIds) {
      const topic = topics.get(id);
      if (topic !== undefined) topic.readers.push(index);
      else {
        const owners = new Int32Array(partitionCount(id)).fill(NO_OWNER);
        topics.set(id, { id, readers: [index], owners });
      }
    }
  }
  return topics;
}

/** Enters what members have, and go on to read; returns the number of partitions of each. */
function keepOwners(
  members: readonly AssignableMember[],
  topics: ReadonlyMap<string, Topic>,
): Int32Array {
  const loads = new Int32Array(members.length);
  for (const [index, { topicIds, target }] of members.entries()) {
    for (const [topicId, partitions] of target) {
      const owners = topicIds.has(topicId) ? topics.get(topicId)?.owners : undefined;
      if (owners === undefined) continue;
      for (const partition of partitions) {
        if (owners[partition] !== NO_OWNER) continue;
        owners[partition] = index;
        loads[index]! += 1;
      }
    }
  }
  return loads;
}

/** Those with the most partitions for each reader first: the others can make up for them. */
function poolsOf(topics: Iterable<Topic>): Pool[] {
  const pools = new Map<string, Pool>();
  for (const topic of [...topics].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const key = topic.readers.join();
    const pool = pools.get(key);
    if (pool === undefined) pools.set(key, { readers: topic.readers, topics: [topic] });
    else pool.topics.push(topic);
  }
  const share = ({ readers, topics: own }: Pool): number =>
    own.reduce((sum, { owners }) => sum + owners.length, 0) / readers.length;
  return [...pools.values()].sort((a, b) => share(b) - share(a));
}

function assignUnowned({ readers, topics }: Pool, loads: Int32Array): void {
  const fewest = new LoadHeap(loads, 1);
  for (const reader of readers) fewest.push(reader);
  for (const { owners } of topics) {
    for (const [partition, owner] of owners.entries()) {
      if (owner !== NO_OWNER) continue;
      const reader = fewest.pop() as number;
      owners[partition] = reader;
      loads[reader]! += 1;
      fewest.push(reader);
    }
  }
}

/** Moves partitions of the pool while that helps; returns how many. */
function balance({ readers, topics }: Pool, loads: Int32Array): number {
  const owned = new Map<number, [owners: Int32Array, partition: number][]>();
  for (const { owners } of topics) {
    for (const [partition, owner] of owners.entries()) {
      const own = owned.get(owner);
      if (own === undefined) owned.set(owner, [[owners, partition]]);
      else own.push([owners, partition]);
    }
  }
  const fewest = new LoadHeap(loads, 1);
  for (const reader of readers) fewest.push(reader);
  const most = new LoadHeap(loads, -1);
  for (const owner of owned.keys()) most.push(owner);
  for (let moves = 0; ; moves++) {
    const [from, to] = [most.pop(), fewest.pop()];
    if (from === undefined || to === undefined) return moves;
    if ((loads[from] as number) - (loads[to] as number) <= 1) return moves;
    const own = owned.get(from) as [Int32Array, number][];
    const [owners, partition] = own.pop() as [Int32Array, number];
    owners[partition] = to;
    loads[from]! -= 1;
    loads[to]! += 1;
    // Who has just been given one is never among those with the most.
    if (own.length > 0) most.push(from);
    fewest.push(from);
    fewest.push(to);
  }
}

function collect(
  members: readonly AssignableMember[],
  topics: Iterable<Topic>,
): Map<string, Map<string, Set<number>>> {
  const assignments = members.map(() => new Map<string, Set<number>>());
  for (const { id, owners } of topics) {
    for (const [partition, owner] of owners.entries()) {
      const assignment = assignments[owner] as Map<string, Set<number>>;
      const partitions = assignment.get(id);
      if (partitions === undefined) assignment.set(id, new Set([partition]));
      else partitions.add(partition);
    }
  }
  return new Map(members.map(({ id }, i) => [id, assignments[i] as Map<string, Set<number>>]));
}

/**
 * Members by their load, the least first (`sign` 1) or the greatest (-1), of equals the one that comes
 * first. An entry whose load has changed since is stale, and passed over.
 */
class LoadHeap {
  readonly #loads: Int32Array;
  readonly #sign: number;
  readonly #heap: { readonly member: number; readonly load: number }[] = [];

  constructor(loads: Int32Array, sign: 1 | -1) {
    this.#loads = loads;
    this.#sign = sign;
  }

  push(member: number): void {
    const heap = this.#heap;
    const entry = { member, load: this.#loads[member] as number };
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as typeof entry;
      if (!this.#isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  pop(): number | undefined {
    for (;;) {
      const head = this.#take();
      if (head === undefined) return undefined;
      if (head.load === this.#loads[head.member]) return head.member;
    }
  }

  #take(): { readonly member: number; readonly load: number } | undefined {
    const heap = this.#heap;
    const head = heap[0];
    const last = heap.pop();
    if (head === undefined || last === undefined || heap.length === 0) return head;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      const right = heap[child + 1];
      if (right !== undefined && this.#isBefore(right, heap[child] as typeof right)) child++;
      const below = heap[child];
      if (below === undefined || !this.#isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return head;
  }

  #isBefore(
    a: { readonly member: number; readonly load: number },
    b: { readonly member: number; readonly load: number },
  ): boolean {
    return a.load === b.load ? a.member < b.member : (a.load - b.load) * this.#sign < 0;
  }
}
