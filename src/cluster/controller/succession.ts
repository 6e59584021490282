/**
 * What becomes of partitions when a broker comes, goes, or is suspected: the records of it, in one
 * pass over the partitions that the broker has a part in.
 */
import type { Configs } from '../configs.ts';
import {
  type BrokerImage,
  type MetadataImage,
  NO_LEADER,
  type PartitionImage,
} from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import { changePartition, type Election, type PartitionGoal } from './partition-change.ts';
import type { PartitionIndex } from './partition-index.ts';

/** Neither fenced nor about to stop. */
export const isActive = (broker: BrokerImage | undefined): boolean =>
  broker !== undefined && !broker.fenced && !broker.inControlledShutdown;

/** Settings of a topic that decide about its partitions; looked up once a step. */
interface TopicRules {
  readonly minIsr: number;
  readonly electsEligible: boolean;
  readonly election: Election;
}

export class Succession {
  readonly #configs: Configs;
  readonly #image: MetadataImage;

  constructor(configs: Configs, image: MetadataImage) {
    this.#configs = configs;
    this.#image = image;
  }

  isAcceptable = (brokerId: number): boolean => isActive(this.#image.brokers.get(brokerId));

  /** What every change of a partition of the topic must observe. */
  goal(name: string): PartitionGoal & TopicRules {
    return { ...this.#rules(name), isAcceptable: this.isAcceptable };
  }

  #rules(name: string): TopicRules {
    const replicas = this.#image.topic(name)?.partitions[0]?.replicas.length ?? 1;
    const minIsr = Number(this.#configs.topic(name, 'min.insync.replicas'));
    const unclean = this.#configs.topic(name, 'unclean.leader.election.enable') === true;
    return {
      minIsr: Math.min(minIsr, replicas),
      electsEligible: this.#configs.electsEligible,
      election: unclean ? 'unclean' : 'online',
    };
  }

  /** The broker leads nothing and is in no ISR any more; whoever is certain stays eligible. */
  removeBroker(draft: Draft, index: PartitionIndex, brokerId: number): void {
    const isAcceptable = (id: number): boolean => id !== brokerId && this.isAcceptable(id);
    const concerned = index.of(brokerId).filter((p) => p.isr.includes(brokerId));
    this.#changeAll(draft, concerned, (p, rules) => ({
      ...rules,
      isAcceptable,
      isr: p.isr.filter((id) => id !== brokerId),
    }));
  }

  /**
   * The same of one that may have lost records (`isLost`: all of them). Where nobody is eligible, the
   * last one in sync leads again even so, unless it has lost all.
   */
  distrustBroker(draft: Draft, index: PartitionIndex, brokerId: number, isLost: boolean): void {
    if (!isLost && !this.#configs.electsEligible) return this.removeBroker(draft, index, brokerId);
    const isAcceptable = (id: number): boolean => id !== brokerId && this.isAcceptable(id);
    this.#changeAll(draft, index.of(brokerId), (_, rules) => ({
      ...rules,
      isAcceptable,
      isLost,
      uncertain: [brokerId],
    }));
  }

  /**
   * What the broker had of these partitions is gone with the directory where it was. It may yet be
   * whole there when the broker starts again, but so may be an empty one in its place, and nobody
   * here remembers which it was: where nobody else is certain, a person has to say who leads. That
   * takes the failure of a directory of every replica that was in sync, one after the other.
   */
  loseReplicas(draft: Draft, partitions: readonly PartitionImage[], brokerId: number): void {
    this.#changeAll(draft, partitions, (_, rules) => ({
      ...rules,
      isAcceptable: this.isAcceptable,
      isLost: true,
      uncertain: [brokerId],
    }));
  }

  /** The broker may lead again: whatever waits for a leader may get one. */
  admitBroker(draft: Draft, index: PartitionIndex, brokerId: number): void {
    const isAcceptable = (id: number): boolean => id === brokerId || this.isAcceptable(id);
    this.#changeAll(draft, index.leaderless, (_, rules) => ({ ...rules, isAcceptable }));
  }

  /** Leaders for those that have none, as the topics' settings of now allow. */
  electForLeaderless(draft: Draft, index: PartitionIndex): void {
    this.#changeAll(draft, index.leaderless, (_, rules) => ({
      ...rules,
      isAcceptable: this.isAcceptable,
    }));
  }

  /** Takes back eligibility that the settings of now would not give. */
  settleEligibility(draft: Draft, partitions: Iterable<PartitionImage>): void {
    this.#changeAll(draft, partitions, (p, rules) =>
      hasEligible(p) ? { ...rules, isAcceptable: this.isAcceptable } : null,
    );
  }

  /** Nobody outside the ISR is eligible any more, where there is a leader. */
  endEligibility(draft: Draft, partitions: Iterable<PartitionImage>): void {
    this.#changeAll(draft, partitions, (p, rules) =>
      hasEligible(p) ? { ...rules, isAcceptable: this.isAcceptable, minIsr: 1 } : null,
    );
  }

  /** Nobody outside the ISR is to be eligible from now on: the last ones return to it. */
  abolishEligibility(draft: Draft, partitions: Iterable<PartitionImage>): void {
    const { isAcceptable } = this;
    this.#changeAll(draft, partitions, (_, rules) => ({
      ...rules,
      isAcceptable,
      electsEligible: false,
    }));
  }

  #changeAll(
    draft: Draft,
    partitions: Iterable<PartitionImage>,
    goalOf: (p: PartitionImage, rules: TopicRules) => PartitionGoal | null,
  ): void {
    const rules = new Map<string, TopicRules>();
    for (const { topicId, index } of partitions) {
      const topic = this.#image.topicById(topicId);
      const before = topic === undefined ? undefined : draft.partition(topic, index);
      if (topic === undefined || before === undefined) continue;
      let known = rules.get(topicId);
      if (known === undefined) rules.set(topicId, (known = this.#rules(topic.name)));
      const goal = goalOf(before, known);
      const after = goal === null ? null : changePartition(before, goal);
      if (after !== null) draft.change(before, after);
    }
  }
}

/** Without a leader nothing is committed, so who was eligible remains it whatever the settings. */
const hasEligible = (p: PartitionImage): boolean => p.elr.length > 0 && p.leader !== NO_LEADER;
