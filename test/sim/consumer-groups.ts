/**
 * A group of the consumer protocol (KIP-848) whose members come and go. In some runs one of them is
 * still of the classic protocol: the group migrates online, and back when only that one is left.
 */
import type { KeyValue } from '../../src/config/table.ts';
import { partitionName, type TopicPartition } from '../check/history.ts';
import { Consuming, HEARTBEAT_MS, SESSION_MS } from './consuming.ts';
import { Grouping } from './grouping.ts';
import { leaderOf } from './leaders.ts';
import { pick } from './sim-random.ts';
import { Watching } from './watching.ts';
import type { World } from './world.ts';

const GROUP = 'consumers';
const TOPICS = ['t0', 't1'] as const;

/** Of the brokers: members are missed soon. */
export const CONSUMER_SETTINGS: Readonly<Record<string, KeyValue>> = {
  'group.consumer.session.timeout.ms': SESSION_MS,
  'group.consumer.min.session.timeout.ms': 1000,
  'group.consumer.heartbeat.interval.ms': HEARTBEAT_MS,
  'group.consumer.min.heartbeat.interval.ms': 100,
};

export class ConsumerGroupRun {
  readonly #world: World;
  readonly #members: readonly Consuming[];
  readonly #classic: Grouping | null;

  constructor(world: World) {
    this.#world = world;
    const random = world.chance('consumers');
    const topics = new Map(TOPICS.map((name) => [name, leaderOf(world, name, 0)!.topicId!]));
    const hasClassic = pick(random, [true, false]);
    const classic = { name: 'gc', group: GROUP, topics: TOPICS, isMixed: true };
    this.#classic = hasClassic ? new Grouping(world, classic) : null;
    // The fewer they are, and the later they come, the more often only the classic one is there.
    const count = pick(random, hasClassic ? [1, 1, 2] : [1, 2, 3]);
    const joinMs = hasClassic ? 6000 : 500;
    this.#members = Array.from({ length: count }, (_, i) => {
      const instanceId = pick(random, [null, null, `static-${i}`]);
      return new Consuming(world, { group: GROUP, name: `g${i}`, topics, instanceId, joinMs });
    });
    const places = [0, 1].map((partition): TopicPartition => ({ topic: 't0', partition }));
    new Watching(world, 'gw', GROUP, places);
  }

  /** Members stay: each partition is one's, and all are in one epoch, and commit. */
  async recover(): Promise<void> {
    const world = this.#world;
    this.#classic?.stop();
    for (const member of this.#members) member.settle();
    const isStable = (): boolean => {
      const owned = this.#members.flatMap((member) => [...member.owned]);
      const epochs = new Set(this.#members.map(({ epoch }) => epoch));
      return epochs.size === 1 && owned.sort().join() === this.#partitions();
    };
    await world.expectSoon('every partition of a group has one owner', isStable);
    const before = this.#members.map(({ commits }) => commits);
    await world.expectSoon('members of a consumer group commit', () =>
      this.#members.every(
        ({ commits, owned }, i) => commits > before[i]! || [...owned].length === 0,
      ),
    );
  }

  /** All that there are: one that was asked for may have come without an answer. */
  #partitions(): string {
    const { image } = this.#world.nodes.find(({ isServing }) => isServing)!.broker!.services;
    const names = TOPICS.flatMap((topic) => {
      const count = image.topic(topic)?.partitions.length ?? 0;
      return Array.from({ length: count }, (_, partition) => partitionName({ topic, partition }));
    });
    return names.sort().join();
  }
}
