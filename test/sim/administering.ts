import { reasonOf } from '../../src/base/errors.ts';
import { below } from '../../src/base/random.ts';
import { Admin } from '../../src/client/admin.ts';
import { calls } from '../../src/client/call.ts';
import { ErrorCode, ProtocolError } from '../../src/protocol/error-codes.ts';
import type { TopicPartition } from '../check/history.ts';
import { pick, pickWeighted, shuffled, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

export interface Topic {
  readonly name: string;
  readonly partitions: number;
}

export interface AdministeringOptions {
  /** Topics that producers write to; it changes them. */
  readonly topics: Topic[];
  /** Others, whose partitions it moves about, too. */
  readonly others: readonly Topic[];
  /** Called with partitions that are new. */
  readonly onGrown: (partitions: readonly TopicPartition[]) => void;
  readonly replicationFactor: number;
}

const MEAN_MS = 3000;
const PARTITIONS_MAX = 4;
const PASSING_TOPICS_MAX = 3;
const PREFERRED = 0;

/** Somebody who makes and deletes topics, moves partitions about, and changes settings. */
export class Administering {
  readonly #world: World;
  readonly #options: AdministeringOptions;
  readonly #client;
  readonly #admin: Admin;
  readonly #random;
  #stopped = false;
  #made = 0;
  /** Settings that were acknowledged, by topic; null: one is under way, or has no outcome. */
  readonly #settings = new Map<string, string | null>();

  constructor(world: World, options: AdministeringOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.chance('administering');
    this.#client = world.newClient('adm');
    this.#admin = new Admin(this.#client);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, MEAN_MS), () => {
      if (this.#stopped) return;
      const what = pickWeighted(this.#random, {
        make: 2,
        remove: 2,
        grow: 0.5,
        reassign: this.#world.nodes.length > 1 ? 4 : 0,
        elect: 2,
        configure: 2,
      });
      this.#do(what)
        .catch((error: unknown) => this.#world.note('adm', `${what}: ${reasonOf(error)}`))
        .finally(() => this.#again());
    });
  }

  #do(what: 'make' | 'remove' | 'grow' | 'reassign' | 'elect' | 'configure'): Promise<void> {
    switch (what) {
      case 'make':
        return this.#make();
      case 'remove':
        return this.#remove();
      case 'grow':
        return this.#grow();
      case 'reassign':
        return this.#reassign();
      case 'elect':
        return this.#elect();
      case 'configure':
        return this.#configure();
    }
  }

  get #passing(): Topic[] {
    return this.#options.topics.filter(({ name }) => name.startsWith('x'));
  }

  async #make(): Promise<void> {
    if (this.#passing.length >= PASSING_TOPICS_MAX) return;
    // A name that was there before is another topic, with another id.
    const name = `x${this.#made++ % (PASSING_TOPICS_MAX + 1)}`;
    if (this.#passing.some((topic) => topic.name === name)) return;
    this.#world.history.deletedTopics.add(name);
    const [result] = await this.#admin.createTopics([{ name, partitions: 1 }]);
    this.#world.note('adm', `makes ${name}: ${result?.error?.message ?? 'done'}`);
    if (result?.error === null) this.#options.topics.push({ name, partitions: 1 });
  }

  async #remove(): Promise<void> {
    const topic = pick(this.#random, this.#passing);
    if (topic === undefined) return;
    this.#options.topics.splice(this.#options.topics.indexOf(topic), 1);
    const [result] = await this.#admin.deleteTopics([topic.name]);
    this.#world.note('adm', `deletes ${topic.name}: ${result?.error?.message ?? 'done'}`);
  }

  async #grow(): Promise<void> {
    const at = this.#options.topics.findIndex(({ name }) => name === 't1');
    const { name, partitions } = this.#options.topics[at]!;
    if (partitions >= PARTITIONS_MAX) return;
    const count = partitions + 1;
    const [result] = await this.#admin.createPartitions([{ name, count }]);
    this.#world.note(
      'adm',
      `${name} gets ${count} partitions: ${result?.error?.message ?? 'done'}`,
    );
    if (result?.error !== null) return;
    this.#options.topics[at] = { name, partitions: count };
    this.#options.onGrown([{ topic: name, partition: partitions }]);
  }

  #anyPartition(): TopicPartition {
    const { topics, others } = this.#options;
    const { name, partitions } = pick(this.#random, [...topics, ...others]);
    return { topic: name, partition: below(this.#random, partitions) };
  }

  async #reassign(): Promise<void> {
    const { topic, partition } = this.#anyPartition();
    const ids = shuffled(
      this.#random,
      this.#world.nodes.map(({ id }) => id),
    );
    const replicas = ids.slice(0, this.#options.replicationFactor);
    this.#world.note('adm', `moves ${topic}-${partition} to ${replicas.join(',')}`);
    const answer = await this.#client.request('any', calls.alterPartitionReassignments, {
      timeoutMs: 3000,
      allowReplicationFactorChange: true,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, replicas }] }],
    });
    const code = answer.responses[0]?.partitions[0]?.errorCode ?? answer.errorCode;
    if (code !== ErrorCode.NONE) throw new ProtocolError(code);
  }

  async #elect(): Promise<void> {
    const { topic, partition } = this.#anyPartition();
    await this.#client.request('any', calls.electLeaders, {
      electionType: PREFERRED,
      topicPartitions: [{ topic, partitions: [partition] }],
      timeoutMs: 3000,
    });
  }

  async #configure(): Promise<void> {
    const name = pick(this.#random, ['t0', 't1']);
    const value = String(1_000_000 + below(this.#random, 1000));
    this.#settings.set(name, null);
    await this.#admin.alterConfigs('topic', name, { 'max.message.bytes': value });
    this.#settings.set(name, value);
  }

  /** What was acknowledged is so on every broker. */
  check(): void {
    for (const node of this.#world.nodes) {
      for (const [topic, value] of this.#settings) {
        if (value === null) continue;
        const found = String(node.broker?.services.configs.topic(topic, 'max.message.bytes'));
        this.#world.history.expectations.push({
          what: `the settings of ${topic} on ${node.name} are those that were acknowledged`,
          met: found === value,
          detail: `${found}, not ${value}`,
        });
      }
      for (const { name, partitions } of this.#options.topics) {
        const found = node.broker?.services.image.topic(name)?.partitions.length ?? 0;
        this.#world.history.expectations.push({
          what: `${node.name} knows the topic ${name}`,
          met: found >= partitions,
          detail: `${found} partitions, not ${partitions}`,
        });
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}
