import { reasonOf } from '../../src/base/errors.ts';
import { below } from '../../src/base/random.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import type { TopicPartition } from '../../src/client/list-offsets.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import { chance } from './sim-random.ts';
import type { World } from './world.ts';

/** Chance at each poll that the consumer goes back to an offset that it has read before. */
const REWIND = 0.003;

/** Reads partitions from their first offset, and writes what it saw into the history. */
export class Reading {
  readonly #world: World;
  readonly #name: string;
  readonly #client;
  readonly #fetcher: Fetcher;
  readonly #random;
  readonly #next = new Map<string, TopicPartition & { offset: number }>();
  #session = 0;
  #stopped = false;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#random = world.chance(`reading-${name}`);
    this.#client = world.newClient(name);
    this.#fetcher = new Fetcher(this.#client, { offsetReset: 'none', maxWaitMs: 1000 });
    // Begins when time does, not now.
    this.#client.clock.after(1, () => void this.#run());
  }

  /** Where it will go on; -1: it does not read the partition. */
  position({ topic, partition }: TopicPartition): number {
    return this.#next.get(`${topic}-${partition}`)?.offset ?? -1;
  }

  add(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = `${topic}-${partition}`;
      if (!this.#next.has(key)) this.#next.set(key, { topic, partition, offset: 0 });
    }
    this.#assign();
  }
  remove(topic: string): void {
    for (const [key, p] of this.#next) if (p.topic === topic) this.#next.delete(key);
    this.#assign();
  }

  #assign(): void {
    this.#session += 1;
    this.#fetcher.assign([...this.#next.values()].map((p) => ({ ...p })));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        for (const batch of await this.#fetcher.poll(1000)) this.#take(batch);
      } catch (error) {
        this.#world.note(this.#name, `cannot read: ${reasonOf(error)}`);
        await new Promise<void>((resolve) => this.#client.clock.after(200, resolve));
      }
      if (chance(this.#random, REWIND)) this.#rewind();
    }
  }

  #take(batch: Parameters<typeof forEachFetchedRecord>[0]): void {
    const next = this.#next.get(`${batch.topic}-${batch.partition}`);
    if (next === undefined) return;
    forEachFetchedRecord(batch, (record) => {
      this.#world.history.polls.push({
        consumer: this.#name,
        session: this.#session,
        topic: batch.topic,
        partition: batch.partition,
        offset: record.offset,
        value: valueOf(record)?.toString('latin1') ?? '',
        at: this.#world.now,
      });
    });
    next.offset = batch.nextOffset;
  }

  #rewind(): void {
    for (const p of this.#next.values()) p.offset = below(this.#random, p.offset + 1);
    this.#assign();
  }

  stop(): void {
    this.#stopped = true;
    this.#fetcher.close();
    this.#client.close();
  }
}
