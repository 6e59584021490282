/**
 * Where the replicas of new partitions go: striped over the racks and, within a rack, over its
 * brokers, so that every broker leads and holds about as much as any other, and no two replicas
 * share a rack while there are racks enough. A broker that is out is taken last, and never first in
 * a partition, for it could not lead.
 */
import { below, type Random } from '../../base/random.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';

export interface PlacedBroker {
  readonly id: number;
  readonly rack: string | null;
  readonly fenced: boolean;
}

/** Throws INVALID_REPLICATION_FACTOR when there are too few brokers; returns one list a partition. */
export function placeReplicas(
  partitions: number,
  factor: number,
  brokers: readonly PlacedBroker[],
  random: Random,
): number[][] {
  const refuse = (why: string): never => {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${factor} time(s): ${why}`,
    );
  };
  if (!brokers.some(({ fenced }) => !fenced)) refuse('All brokers are currently fenced.');
  if (factor > brokers.length) {
    refuse(
      `The target replication factor of ${factor} cannot be reached because only ${brokers.length} broker(s) are registered or some brokers have all their log directories cordoned.`,
    );
  }
  const stripes = new Stripes(brokers, random);
  return Array.from({ length: partitions }, () => stripes.next(factor));
}

/** Brokers that are taken in turn, each once a partition, from another one at every partition. */
class Ring {
  #ids: number[];
  readonly #random: Random;
  #offset: number;
  #taken = 0;
  #round = 0;

  constructor(ids: readonly number[], random: Random) {
    this.#ids = [...ids].sort((a, b) => a - b);
    this.#random = random;
    this.#offset = ids.length === 0 ? 0 : below(random, ids.length);
  }

  /** -1: all of them are taken in this round. */
  take(round: number): number {
    const count = this.#ids.length;
    if (count === 0) return -1;
    if (this.#round !== round) {
      this.#round = round;
      this.#taken = 0;
      this.#offset = (this.#offset + 1) % count;
    }
    if (this.#taken === count) return -1;
    const id = this.#ids[(this.#offset + this.#taken) % count]!;
    this.#taken += 1;
    return id;
  }

  shuffle(): void {
    this.#ids = shuffled(this.#ids, this.#random);
  }
}

interface Rack {
  readonly here: Ring;
  readonly fenced: Ring;
}

class Stripes {
  readonly #random: Random;
  readonly #usable: number;
  #racks: Rack[];
  #first: number;
  #round = 0;
  #sinceShuffle = 0;

  constructor(brokers: readonly PlacedBroker[], random: Random) {
    this.#random = random;
    const names = [...new Set(brokers.map(({ rack }) => rack))].sort(byName);
    this.#racks = names.map((name) => {
      const ids = (fenced: boolean): number[] =>
        brokers.filter((b) => b.rack === name && b.fenced === fenced).map(({ id }) => id);
      return { here: new Ring(ids(false), random), fenced: new Ring(ids(true), random) };
    });
    this.#usable = brokers.filter(({ fenced }) => !fenced).length;
    this.#first = below(random, names.length);
  }

  next(factor: number): number[] {
    // Every broker has been first once: go on in another order, lest the same sets come again.
    if (this.#sinceShuffle === this.#usable && this.#usable > 1) this.#shuffle();
    const count = this.#racks.length;
    this.#round += 1;
    this.#sinceShuffle += 1;
    const start = this.#first % count;
    this.#first = (start + 1) % count;
    let leading = start;
    let leader = -1;
    for (; leader < 0; leading = (leading + 1) % count) {
      leader = this.#racks[leading]!.here.take(this.#round);
    }
    const replicas = [leader];
    // The rack of the first one has had its turn in the first pass over the racks.
    let skip = (leading + count - 1) % count;
    for (let at = start; replicas.length < factor; at = (at + 1) % count) {
      if (at === skip) {
        skip = -1;
        continue;
      }
      const rack = this.#racks[at]!;
      let id = rack.here.take(this.#round);
      if (id < 0) id = rack.fenced.take(this.#round);
      if (id >= 0) replicas.push(id);
    }
    return replicas;
  }

  #shuffle(): void {
    this.#sinceShuffle = 0;
    this.#racks = shuffled(this.#racks, this.#random);
    for (const { here, fenced } of this.#racks) {
      here.shuffle();
      fenced.shuffle();
    }
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

/** No rack comes before every named one. */
const byName = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1;
