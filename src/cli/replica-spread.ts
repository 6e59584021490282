/**
 * Which broker takes one more replica of a partition: one that has none of it, in a rack that has
 * none where there is one, and of those the one with the fewest replicas, those it was given here
 * included.
 */
export interface Holder {
  readonly id: number;
  readonly rack: string | null;
}

export class ReplicaSpread {
  readonly #brokers: readonly Holder[];
  readonly #load: Map<number, number>;
  readonly #racks: ReadonlyMap<number, string | null>;

  /** `partitions`: the replicas of every partition of the cluster. */
  constructor(brokers: readonly Holder[], partitions: Iterable<readonly number[]>) {
    this.#brokers = brokers;
    this.#load = new Map(brokers.map(({ id }) => [id, 0]));
    this.#racks = new Map(brokers.map(({ id, rack }) => [id, rack]));
    for (const replicas of partitions) for (const id of replicas) this.#add(id);
  }

  /** Null: every broker has a replica already. */
  take(replicas: readonly number[]): number | null {
    const taken = new Set(replicas.map((id) => this.#racks.get(id) ?? null));
    const crowded = ({ rack }: Holder): number => Number(rack !== null && taken.has(rack));
    const best = this.#brokers
      .filter(({ id }) => !replicas.includes(id))
      .sort(
        (a, b) =>
          crowded(a) - crowded(b) || this.#load.get(a.id)! - this.#load.get(b.id)! || a.id - b.id,
      )[0];
    if (best === undefined) return null;
    this.#add(best.id);
    return best.id;
  }

  #add(id: number): void {
    const load = this.#load.get(id);
    if (load !== undefined) this.#load.set(id, load + 1);
  }
}
