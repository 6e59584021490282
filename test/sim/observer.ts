/** Looks into the brokers from outside, and writes down what it sees. */

import type { Partition } from '../../src/cluster/partition.ts';
import { OFFSETS_TOPIC } from '../../src/cluster/topic-names.ts';
import { partitionName, type Sample } from '../check/history.ts';
import { leaderOf, leads } from './leaders.ts';
import type { SimNode } from './sim-node.ts';
import { storedEpochs, storedKeys, storedRecords } from './stored-log.ts';
import type { World } from './world.ts';

const SAMPLE_MS = 100;

/** Partitions whose replicas are watched; the groups' are as good as any. */
const isWatched = (topic: string): boolean => !topic.startsWith('__') || topic === OFFSETS_TOPIC;

export class Observer {
  readonly #world: World;
  readonly #last = new Map<string, Sample>();
  readonly stop: () => void;

  constructor(world: World) {
    this.#world = world;
    this.stop = world.every(SAMPLE_MS, 'sample', () => {
      for (const node of world.nodes) if (node.isServing) this.#sample(node);
    });
  }

  #sample(node: SimNode): void {
    for (const partition of node.broker!.services.partitions.all()) {
      if (partition.isOffline || !isWatched(partition.topic)) continue;
      // A topic that is made again under the same name is another one.
      const isPassing = this.#world.history.deletedTopics.has(partition.topic);
      const sample: Sample = {
        topic: isPassing ? `${partition.topic}#${partition.topicId}` : partition.topic,
        partition: partition.index,
        broker: node.id,
        life: node.life,
        leaderEpoch: partition.leaderEpoch,
        isLeader: leads(partition),
        highWatermark: partition.log.highWatermark,
        logEndOffset: partition.log.logEndOffset,
        at: this.#world.now,
      };
      const key = `${node.id}/${partitionName(sample)}`;
      const last = this.#last.get(key);
      const same =
        last !== undefined &&
        last.life === sample.life &&
        last.leaderEpoch === sample.leaderEpoch &&
        last.isLeader === sample.isLeader &&
        last.highWatermark === sample.highWatermark;
      if (same) continue;
      const isNews = last?.leaderEpoch !== sample.leaderEpoch || last.life !== sample.life;
      if (isNews) this.#world.note(node.name, told(partition));
      // Whatever made it move: a broker that can't write what the quorum decides is passed over, too.
      if (last !== undefined && last.leaderEpoch < sample.leaderEpoch) {
        this.#world.history.facts.leadersMoved = true;
      }
      this.#last.set(key, sample);
      this.#world.history.samples.push(sample);
    }
  }

  /** Every replica as it lies on its disk. */
  dump(): void {
    for (const node of this.#world.nodes) {
      if (!node.isServing) continue;
      for (const partition of node.broker!.services.partitions.all()) {
        if (partition.isOffline || partition.topic.startsWith('__')) continue;
        try {
          this.#dumpOne(node, partition);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          const where = `${partition.name} of ${node.name}: ${error.message}`;
          this.#world.expect('what lies on a disk can be read', false, where);
        }
      }
    }
  }

  #dumpOne(node: SimNode, partition: Partition): void {
    const { topic, index, log } = partition;
    const replica = {
      topic,
      partition: index,
      broker: node.id,
      leaderEpoch: partition.leaderEpoch,
      isLeader: leads(partition),
      inSync: leaderOf(this.#world, topic, index)?.isr.includes(node.id) ?? true,
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
      highWatermark: log.highWatermark,
      epochs: storedEpochs(node.disk, log.path),
    };
    const { history } = this.#world;
    if (log.config.cleanupPolicy.includes('compact')) {
      const records = storedKeys(node.disk, log.path, log.logStartOffset, log.logEndOffset);
      history.compacted.push({ ...replica, records });
    } else {
      const records = storedRecords(node.disk, log.path, log.logEndOffset);
      history.replicas.push({ ...replica, records });
    }
  }
}

const told = ({ name, leaderEpoch, leaderId, isr, log }: Partition): string =>
  `${name}: broker ${leaderId} leads in epoch ${leaderEpoch}, in sync ${isr.join(',')}; here committed ${log.highWatermark}, synced ${log.flushedOffset}, end ${log.logEndOffset}`;
