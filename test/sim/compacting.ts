import { below } from '../../src/base/random.ts';
import { Producer } from '../../src/client/producer.ts';
import type { TopicPartition } from '../check/history.ts';
import { bytesOf, KeyedWrites } from './keyed-writes.ts';
import { ReportedOffsets } from './producing.ts';
import { pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const BURST_MAX = 3;

/** Writes keys into compacted partitions with acks=all, and what became of them into the history. */
export class Compacting {
  readonly #world: World;
  readonly #name: string;
  readonly #producer: Producer;
  readonly #client;
  readonly #random;
  readonly #meanMs: number;
  readonly #writes: readonly KeyedWrites[];
  readonly #offsets = new ReportedOffsets();
  #stopped = false;
  /** Records without an outcome. */
  outstanding = 0;

  constructor(world: World, name: string, partitions: readonly TopicPartition[], meanMs: number) {
    this.#world = world;
    this.#name = name;
    this.#meanMs = meanMs;
    this.#random = world.chance(`compacting-${name}`);
    this.#client = world.newClient(name);
    this.#writes = partitions.map((place) => new KeyedWrites(world, this.#random, name, place));
    this.#producer = new Producer(this.#client, {
      acks: -1,
      compression: pick(this.#random, ['none', 'none', 'gzip']),
      lingerMs: pick(this.#random, [0, 20]),
      batchBytes: 400,
      deliveryTimeoutMs: 20_000,
      inFlightMax: pick(this.#random, [1, 5]),
    });
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, this.#meanMs), () => {
      if (this.#stopped) return;
      const writes = pick(this.#random, this.#writes);
      for (let i = 0; i <= below(this.#random, BURST_MAX); i++) this.#send(writes);
      this.#again();
    });
  }

  #send(writes: KeyedWrites): void {
    const write = writes.next();
    const { topic, partition, key, value } = write;
    const taken = this.#producer.append(topic, bytesOf(value), {
      partition,
      key: bytesOf(key),
      delivered: (error, _topic, _partition, offset) => {
        this.outstanding -= 1;
        write.doneAt = this.#world.now;
        if (error === null) {
          write.outcome = 'ok';
          write.offset = this.#offsets.of(topic, partition, offset);
        } else this.#world.note(this.#name, `${key}=${value} failed: ${error.message}`);
      },
    });
    if (taken) this.outstanding += 1;
    else write.outcome = 'abort';
  }

  stop(): void {
    this.#stopped = true;
  }
}
