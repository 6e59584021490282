import { reasonOf } from '../../src/base/errors.ts';
import { Coordinator } from '../../src/client/coordinator.ts';
import { fetchOffsets } from '../../src/client/group-offsets.ts';
import type { TopicPartition } from '../check/history.ts';
import { waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const MEAN_MS = 800;

/** Somebody outside of a group who asks again and again what it has committed, as lag monitors do. */
export class Watching {
  readonly #world: World;
  readonly #name: string;
  readonly #group: string;
  readonly #partitions: readonly TopicPartition[];
  readonly #client;
  readonly #random;

  constructor(world: World, name: string, group: string, partitions: readonly TopicPartition[]) {
    this.#world = world;
    this.#name = name;
    this.#group = group;
    this.#partitions = partitions;
    this.#client = world.newClient(name);
    this.#random = world.chance(`watching-${name}`);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, MEAN_MS), () => {
      this.#ask()
        .catch((error: unknown) => this.#world.note(this.#name, reasonOf(error)))
        .finally(() => this.#again());
    });
  }

  async #ask(): Promise<void> {
    // Asked anew where the group is: whoever coordinated it before may not know that it does no more.
    const coordinator = new Coordinator(this.#client, this.#group);
    const at = this.#world.now;
    const offsets = await fetchOffsets(this.#client, coordinator, this.#partitions);
    const doneAt = this.#world.now;
    for (const { topic, partition, offset } of offsets) {
      const read = { group: this.#group, topic, partition, offset, at, doneAt };
      this.#world.history.committedReads.push(read);
    }
  }
}
