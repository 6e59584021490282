/** Transactional producers, and readers of what they have committed. */
import { valueOf } from '../../src/protocol/record-batch.ts';
import { leadersOf } from './leaders.ts';
import { ReadingCommitted } from './reading-committed.ts';
import { Transacting } from './transacting.ts';
import type { World } from './world.ts';

/** Written to in transactions alone. */
export const TRANSACTIONAL = {
  name: 'tx',
  partitions: 2,
  configs: { 'segment.ms': '5000' },
} as const;
const { name: TOPIC, partitions: PARTITIONS } = TRANSACTIONAL;

export class Transactions {
  readonly #world: World;
  readonly #producers: readonly Transacting[];

  constructor(world: World) {
    this.#world = world;
    this.#producers = ['x0', 'x1'].map((name) => new Transacting(world, name, TOPIC, PARTITIONS));
    this.#read('c');
  }

  /** A reader of each partition. */
  #read(name: string): ReadingCommitted[] {
    const { history } = this.#world;
    return Array.from({ length: PARTITIONS }, (_, partition) => {
      const consumer = `${name}${partition}`;
      return new ReadingCommitted(this.#world, consumer, TOPIC, partition, (record) => {
        const { offset } = record;
        const value = valueOf(record)?.toString('latin1') ?? '';
        const at = this.#world.now;
        history.committedPolls.push({ consumer, topic: TOPIC, partition, offset, value, at });
      });
    });
  }

  stop(): void {
    for (const producer of this.#producers) producer.stop();
  }

  /** Transactions end, if only by their timeout, and what was committed can be read. */
  async recover(): Promise<void> {
    const world = this.#world;
    const leaders = () => leadersOf(world, TOPIC, PARTITIONS);
    await world.expectSoon('producers end their transactions', () =>
      this.#producers.every(({ isBusy }) => !isBusy),
    );
    await world.expectSoon('no transaction hangs', () =>
      leaders().every((p) => p !== null && p.lastStableOffset >= p.log.logEndOffset),
    );
    const readers = this.#read('final');
    await world.expectSoon('committed records can be read', () =>
      readers.every((r, index) => r.position === leaders()[index]?.log.logEndOffset),
    );
  }
}
