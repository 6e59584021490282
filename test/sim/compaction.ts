/**
 * Compacted topics: keys that are written, deleted and written again, in transactions and without,
 * while the cleaners of all brokers go over them in simulated time.
 */
import type { KeyValue } from '../../src/config/table.ts';
import { keyOf, valueOf } from '../../src/protocol/record-batch.ts';
import type { TopicPartition } from '../check/history.ts';
import { Compacting } from './compacting.ts';
import { KeyedWrites } from './keyed-writes.ts';
import { leaderOf } from './leaders.ts';
import { ReadingCommitted } from './reading-committed.ts';
import { between, chanceFor, pick } from './sim-random.ts';
import { KeyedContent, Transacting } from './transacting.ts';
import type { World } from './world.ts';

const configs = {
  'segment.ms': '1000',
  'min.cleanable.dirty.ratio': '0.01',
  'delete.retention.ms': '300',
  'file.delete.delay.ms': '1000',
};

export const COMPACTED = [
  { name: 'k', partitions: 1, configs: { ...configs, 'cleanup.policy': 'compact' } },
  {
    name: 'kd',
    partitions: 1,
    configs: { ...configs, 'cleanup.policy': 'compact,delete', 'retention.ms': '15000' },
  },
] as const;

/** Of the brokers: cleaners that are often at work, and take their time over it. */
export function cleanerSettings(seed: number): Record<string, KeyValue> {
  const random = chanceFor(seed, 'cleaner');
  return {
    'log.cleaner.backoff.ms': pick(random, [100, 400, 1500]),
    'log.cleaner.io.buffer.size': 2000,
    'log.cleaner.io.max.bytes.per.second': pick(random, [5_000, 50_000, 1_000_000]),
    // Some maps have no room for all keys, and so need several passes.
    'log.cleaner.dedupe.buffer.size': 24 * 1024,
    'log.cleaner.io.buffer.load.factor': pick(random, [0.9, 0.1]),
    // The groups' and the transactions' own topics are compacted, too.
    'log.roll.ms': 4000,
    'log.cleaner.min.cleanable.ratio': 0.1,
    'log.cleaner.delete.retention.ms': 500,
    'log.segment.delete.delay.ms': 1000,
  };
}

const PLACES: readonly TopicPartition[] = COMPACTED.map(({ name }) => ({
  topic: name,
  partition: 0,
}));
/** Producers may write to it in transactions. */
const [TRANSACTED] = PLACES as [TopicPartition];

export class Compaction {
  readonly #world: World;
  readonly #producers: readonly Compacting[];
  readonly #transacting: Transacting;

  constructor(world: World) {
    this.#world = world;
    const random = world.chance('compaction');
    const meanMs = between(random, 150, 400);
    this.#producers = ['k0', 'k1'].map((name) => new Compacting(world, name, PLACES, meanMs));
    const writes = new KeyedWrites(world, world.chance('keyed-kx'), 'kx', TRANSACTED);
    const content = new KeyedContent(writes);
    this.#transacting = new Transacting(world, 'kx', TRANSACTED.topic, 1, content, 600);
    this.#read('kc', TRANSACTED);
  }

  #read(consumer: string, { topic, partition }: TopicPartition): ReadingCommitted {
    const { history } = this.#world;
    return new ReadingCommitted(this.#world, consumer, topic, partition, (record) => {
      const { offset } = record;
      const key = keyOf(record)!.toString('latin1');
      const value = valueOf(record)?.toString('latin1') ?? null;
      const at = this.#world.now;
      history.keyedPolls.push({ consumer, topic, partition, key, value, offset, at });
    });
  }

  stop(): void {
    for (const producer of this.#producers) producer.stop();
    this.#transacting.stop();
  }

  /** What was written can be read, whatever compaction has left of it. */
  async recover(): Promise<void> {
    const world = this.#world;
    const leader = ({ topic, partition }: TopicPartition) => leaderOf(world, topic, partition);
    await world.expectSoon('writes of keys have an outcome', () =>
      this.#producers.every(({ outstanding }) => outstanding === 0),
    );
    await world.expectSoon(
      'a producer of keys ends its transaction',
      () => !this.#transacting.isBusy,
    );
    await world.expectSoon('no transaction hangs in a compacted log', () =>
      PLACES.every((place) => {
        const p = leader(place);
        return p !== null && p.lastStableOffset >= p.log.logEndOffset;
      }),
    );
    await world.expectSoon('replicas of compacted partitions are in sync', () =>
      PLACES.every((place) => this.#isEven(place)),
    );
    const readers = PLACES.map((place) => this.#read(`final-${place.topic}`, place));
    await world.expectSoon('keys can be read', () =>
      readers.every((r, i) => r.position === leader(PLACES[i]!)?.log.logEndOffset),
    );
    const damaged = world.nodes.flatMap(({ name, broker }) =>
      (broker?.services.logs.cleaner.uncleanable ?? []).map(({ path }) => `${path} of ${name}`),
    );
    world.expect('every log can be cleaned', damaged.length === 0, damaged.join(', '));
  }

  #isEven({ topic, partition }: TopicPartition): boolean {
    const leader = leaderOf(this.#world, topic, partition);
    if (leader === null || leader.highWatermark !== leader.log.logEndOffset) return false;
    return this.#world.nodes.every((node) => {
      const other = node.broker?.services.partitions.get(topic, partition);
      return other === undefined || other.log.logEndOffset === leader.log.logEndOffset;
    });
  }

  /** Logs that were cleaned by those who live now. */
  get passes(): number {
    // A run that is broken may end with a broker that has never come to serve.
    const serving = this.#world.nodes.filter((node) => node.isServing);
    return serving.reduce((sum, node) => sum + node.broker!.services.logs.cleaner.stats.passes, 0);
  }
}
