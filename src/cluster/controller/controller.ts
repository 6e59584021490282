/**
 * The controller: decides every change of the cluster. It runs on the broker that leads the metadata
 * quorum; on every other it answers NOT_CONTROLLER.
 *
 * Each change is checked against the image, written as one step of the metadata log, and in force
 * when that is committed; every broker, this one too, acts on committed steps alone. One change at a
 * time: every check sees what all changes before it have done. A crash leaves a step whole or not at
 * all; what a controller knows besides the image (`Term`) is nothing that a successor would miss.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Acl, AclFilter } from '../../protocol/acl.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { Configs } from '../configs.ts';
import type { MetadataDelta } from '../metadata-delta.ts';
import type { TopicImage } from '../metadata-image.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { createAcls, deleteAcls } from './access-control.ts';
import {
  type AlterPartitionRequest,
  type AlterPartitionResponse,
  alterPartition,
} from './alter-partition.ts';
import {
  type AssignReplicasRequest,
  type AssignReplicasResponse,
  assignReplicas,
} from './assign-replicas.ts';
import { BrokerLiveness, type HeartbeatAnswer } from './broker-liveness.ts';
import type { Heartbeat, Registration } from './broker-registry.ts';
import { OWN_CONNECTION } from './broker-sessions.ts';
import { alterClientQuotas, type QuotaAlteration } from './client-quotas.ts';
import {
  balance,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
  electLeaders,
} from './elections.ts';
import { type FeatureUpdate, updateFeatures } from './feature-updates.ts';
import {
  type AlterReassignmentsRequest,
  type AlterReassignmentsResponse,
  alterReassignments,
  type ListReassignmentsRequest,
  type ListReassignmentsResponse,
  listReassignments,
} from './reassignments.ts';
import {
  allowsElections,
  alterSettings,
  type ConfigChange,
  type ConfigResource,
} from './setting-changes.ts';
import { ControllerStats } from './stats.ts';
import { StepQueue } from './step-queue.ts';
import { Succession } from './succession.ts';
import { Term } from './term.ts';
import { type CreatedTopic, type NewTopic, TopicNames, TopicPlanner } from './topic-planner.ts';
import {
  alterUsers,
  type IterationBounds,
  type UserAlteration,
  type UserOutcome,
} from './users.ts';

/** Producer ids that a broker is given at once. */
const PRODUCER_ID_BLOCK = 1000;

/** What became of one item of a request. */
export type Outcome<T> = { readonly value: T } | { readonly error: ProtocolError };

export interface ControllerOptions {
  readonly store: MetadataStore;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly configs: Configs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Controller {
  readonly stats = new ControllerStats();
  readonly #options: ControllerOptions;
  readonly #planner: TopicPlanner;
  readonly #succession: Succession;
  readonly #steps: StepQueue;
  readonly #liveness: BrokerLiveness;
  #term: Term | null = null;
  #balanceTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { store, configs, clock, random, logger } = options;
    const { stats } = this;
    this.#steps = new StepQueue({ store, clock, logger, stats, active: () => this.#active() });
    this.#liveness = new BrokerLiveness({ ...options, stats, steps: this.#steps });
    this.#succession = new Succession(configs, store.image);
    this.#planner = new TopicPlanner({
      image: store.image,
      configs,
      random,
      expectedBrokers: () => this.#term?.expectedBrokers ?? 0,
    });
    store.onCommitted((delta) => this.#committed(delta));
    store.onLeaderChange(() => this.#leaderChanged());
    this.#leaderChanged();
  }

  /** What the active controller knows of the partitions; null: this is not it. */
  get term(): Term | null {
    return this.#term;
  }

  /** Decides nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#resign();
  }

  #leaderChanged(): void {
    const { store, configs, clock, logger, clusterId } = this.#options;
    const isActive = store.isActive && !this.#isStopped;
    if (isActive === (this.#term !== null)) return;
    if (!isActive) return this.#resign();
    const term = new Term({
      store,
      configs,
      clock,
      logger,
      clusterId,
      succession: this.#succession,
    });
    this.#term = term;
    this.stats.activations += 1;
    this.#liveness.begin(term);
    this.#armBalance();
    logger.info('this broker is the active controller', { 'weir.controller.epoch': store.epoch });
    this.#steps.background('the partitions of a new term could not be looked through', () =>
      this.#steps.step(({ index }, draft) => {
        // Settings in files may have changed since eligibility was given.
        for (const topic of store.image.topics.values()) {
          this.#succession.settleEligibility(draft, topic.partitions);
        }
        this.#succession.electForLeaderless(draft, index);
      }),
    );
  }

  #resign(): void {
    this.#term = null;
    this.#liveness.end();
    this.#balanceTimer?.cancel();
    this.#balanceTimer = null;
  }

  #committed(delta: MetadataDelta): void {
    for (const id of delta.brokers) this.#liveness.changed(id);
    this.#term?.index.apply(delta, this.#options.store.image);
  }

  /** Throws NOT_CONTROLLER. */
  #active(): Term {
    const term = this.#options.store.isActive ? this.#term : null;
    if (term === null) {
      throw new ProtocolError(ErrorCode.NOT_CONTROLLER, 'this broker is not the active controller');
    }
    return term;
  }

  createTopics(
    topics: readonly NewTopic[],
    validateOnly: boolean,
    /** Told how many partitions each topic has; what it throws keeps that topic from being made. */
    take: (partitions: number) => void = () => {},
  ): Promise<Outcome<CreatedTopic>[]> {
    return this.#steps.step((_, draft) => {
      const names = new TopicNames(draft.image);
      let partitions = draft.image.partitionCount;
      return topics.map((topic) =>
        outcomeOf(() => {
          const { created, records } = this.#planner.planTopic(topic, names, partitions);
          take(created.numPartitions);
          for (const record of records) draft.add(record);
          partitions += created.numPartitions;
          if (!validateOnly) this.#warnOfOneReplica(topic.name, created);
          return created;
        }),
      );
    }, validateOnly);
  }

  #warnOfOneReplica(name: string, created: CreatedTopic): void {
    const { store, logger } = this.#options;
    if (created.replicationFactor > 1 || store.image.brokers.size < 2) return;
    logger.warn('a topic has one replica, though there are more brokers', { 'kafka.topic': name });
  }

  /** Deletes by id; the outcomes are in the order of the ids. */
  deleteTopics(
    ids: readonly string[],
    take: (partitions: number) => void = () => {},
  ): Promise<Outcome<TopicImage>[]> {
    return this.#steps.step((_, draft) => {
      const isAllowed = this.#options.configs.boolean('delete.topic.enable');
      return ids.map((topicId) =>
        outcomeOf(() => {
          if (!isAllowed) {
            throw new ProtocolError(
              ErrorCode.TOPIC_DELETION_DISABLED,
              'Topic deletion is disabled.',
            );
          }
          const topic = draft.image.topicById(topicId);
          if (topic === undefined) {
            throw new ProtocolError(
              ErrorCode.UNKNOWN_TOPIC_ID,
              'This server does not host this topic ID.',
            );
          }
          take(topic.partitions.length);
          draft.add({ type: 'RemoveTopic', value: { topicId } });
          return topic;
        }),
      );
    });
  }

  createPartitions(
    requests: readonly {
      readonly name: string;
      readonly count: number;
      readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null;
    }[],
    validateOnly: boolean,
    take: (partitions: number) => void = () => {},
  ): Promise<Outcome<null>[]> {
    return this.#steps.step(
      (_, draft) =>
        requests.map(({ name, count, assignments }) =>
          outcomeOf(() => {
            const records = this.#planner.planPartitions(name, count, assignments);
            take(records.filter(({ type }) => type === 'Partition').length);
            for (const record of records) draft.add(record);
            return null;
          }),
        ),
      validateOnly,
    );
  }

  /** All changes of one resource, or none. Throws ProtocolError on a value that is refused. */
  async alterConfigs(
    resource: ConfigResource,
    changesOf: () => readonly ConfigChange[],
    validateOnly: boolean,
  ): Promise<void> {
    const changes = await this.#steps.step((_, draft) => {
      const wanted = changesOf();
      alterSettings(draft, resource, wanted, this.#options.configs, this.#succession);
      return wanted;
    }, validateOnly);
    if (validateOnly || !allowsElections(changes)) return;
    await this.#steps.step(({ index }, draft) => this.#succession.electForLeaderless(draft, index));
  }

  /** All levels are set, or none. Throws INVALID_UPDATE_VERSION. */
  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<void> {
    return this.#steps.step(
      (_, draft) => updateFeatures(draft, this.#options.nodeId, this.#succession, updates),
      validateOnly,
    );
  }

  /** Gives the broker a block of ids that nobody had before. Throws STALE_BROKER_EPOCH. */
  allocateProducerIds(
    brokerId: number,
    brokerEpoch: number,
  ): Promise<{ first: number; count: number }> {
    return this.#steps.step(({ registry }, draft) => {
      registry.checkEpoch(brokerId, brokerEpoch);
      const first = draft.image.nextProducerId;
      const nextProducerId = first + PRODUCER_ID_BLOCK;
      draft.add({ type: 'ProducerIds', value: { brokerId, brokerEpoch, nextProducerId } });
      return { first, count: PRODUCER_ID_BLOCK };
    });
  }

  /** Resolves to the broker's epoch. */
  async registerBroker(request: Registration): Promise<number> {
    const { clock, store } = this.#options;
    const { term, epoch, draft } = await this.#steps.step((active, inMaking) => {
      const newEpoch = store.lastOffset + 1;
      const given = active.registry.register(inMaking, request, newEpoch, clock.monotonic());
      return { term: active, epoch: given, draft: inMaking };
    });
    term.registry.registered(request.brokerId, draft.committedAt);
    return epoch;
  }

  /** Throws STALE_BROKER_EPOCH when that is not the life of the broker that was registered last. */
  async heartbeat(request: Heartbeat, connectionId = OWN_CONNECTION): Promise<HeartbeatAnswer> {
    return this.#liveness.heartbeat(this.#active(), request, connectionId);
  }

  /** The connection that brought the broker's heartbeats is gone. */
  connectionClosed(brokerId: number, connectionId: number): void {
    this.#liveness.connectionClosed(brokerId, connectionId);
  }

  /** A connection of this broker to that one was lost: a hint, for speed alone. */
  peerLost(brokerId: number): void {
    this.#liveness.peerLost(brokerId);
  }

  /** Throws BROKER_ID_NOT_REGISTERED. */
  unregisterBroker(brokerId: number): Promise<void> {
    return this.#steps.step((term, draft) => {
      term.registry.unregister(draft, brokerId);
      draft.onCommitted = () => term.sessions.remove(brokerId);
    });
  }

  /** Throws STALE_BROKER_EPOCH; what is wrong with single partitions stands in the answer. */
  alterPartition(request: AlterPartitionRequest): Promise<AlterPartitionResponse> {
    return this.#steps.step(({ registry }, draft) => {
      registry.checkEpoch(request.brokerId, request.brokerEpoch);
      return alterPartition(draft, this.#succession, request, this.#options.logger);
    });
  }

  /** Throws STALE_BROKER_EPOCH. */
  assignReplicas(request: AssignReplicasRequest): Promise<AssignReplicasResponse> {
    return this.#steps.step(({ registry }, draft) => {
      const broker = registry.checkEpoch(request.brokerId, request.brokerEpoch);
      return assignReplicas(draft, this.#succession, broker, request);
    });
  }

  /** Adds rules of access control; the outcomes are in their order. Throws INVALID_REQUEST on too many. */
  createAcls(acls: readonly Acl[]): Promise<(ProtocolError | null)[]> {
    return this.#steps.step((_, draft) => createAcls(draft, acls, this.#options.random));
  }

  /** Takes away the rules that match, and tells which. */
  deleteAcls(filters: readonly AclFilter[]): Promise<(ProtocolError | readonly Acl[])[]> {
    return this.#steps.step((_, draft) => deleteAcls(draft, filters));
  }

  /** What is wrong with single users stands in the answer. */
  alterUsers(
    alterations: readonly UserAlteration[],
    bounds: IterationBounds,
  ): Promise<UserOutcome[]> {
    return this.#steps.step((_, draft) => alterUsers(draft, alterations, bounds));
  }

  /** The outcomes are in the order of the alterations. Throws INVALID_REQUEST on too many. */
  alterClientQuotas(
    alterations: readonly QuotaAlteration[],
    validateOnly: boolean,
  ): Promise<(ProtocolError | null)[]> {
    return this.#steps.step((_, draft) => alterClientQuotas(draft, alterations), validateOnly);
  }

  electLeaders(request: ElectLeadersRequest): Promise<ElectLeadersResponse> {
    return this.#steps.step((_, draft) => electLeaders(draft, this.#succession, request));
  }

  alterReassignments(request: AlterReassignmentsRequest): Promise<AlterReassignmentsResponse> {
    return this.#steps.step((_, draft) => alterReassignments(draft, this.#succession, request));
  }

  listReassignments(request: ListReassignmentsRequest): Promise<ListReassignmentsResponse> {
    return this.#steps.step(({ index }, draft) => listReassignments(draft.image, index, request));
  }

  #armBalance(): void {
    const { clock, configs } = this.#options;
    const delayMs = configs.number('leader.imbalance.check.interval.seconds') * 1000;
    this.#balanceTimer = clock.after(delayMs, () => {
      this.#steps.background('leaderships could not be moved back', () => this.#balance());
      this.#armBalance();
    });
  }

  async #balance(): Promise<void> {
    const { configs } = this.#options;
    const isOn = configs.boolean('auto.leader.rebalance.enable');
    const percentage = configs.number('leader.imbalance.per.broker.percentage');
    for (let isMore = true; isMore; ) {
      isMore = await this.#steps.step(({ index }, draft) => {
        this.#succession.electForLeaderless(draft, index);
        return isOn && balance(draft, this.#succession, index, percentage);
      });
    }
  }
}

function outcomeOf<T>(plan: () => T): Outcome<T> {
  try {
    return { value: plan() };
  } catch (error) {
    if (error instanceof ProtocolError) return { error };
    throw error;
  }
}
