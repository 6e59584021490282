/**
 * What a broker does about log directories that fail: whoever waits for a partition in one is told
 * at once, and the controller, so that others lead. Without the directory of the metadata the broker
 * cannot go on.
 *
 * To the controller a replica that is lost is one that is out of sync, and a leader that has not heard
 * of the loss may take it for in sync still: then the controller is told again.
 *
 * A directory that the controller does not count among the broker's any more is not missed when the
 * broker comes without it, or with an empty one in its place: what was in it must be known as lost
 * before the heartbeats tell of it. Until then only a start that comes without it tells of the loss.
 */
import { FatalError } from '../base/errors.ts';
import { type LostReplica, reportLostReplicas } from '../cluster/lost-replicas.ts';
import type { MetadataDelta } from '../cluster/metadata-delta.ts';
import type { Partition } from '../cluster/partition.ts';
import { METADATA_TOPIC } from '../cluster/topic-names.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { BrokerServices } from './services.ts';

export class LogDirFailures {
  /** Null: the broker is not that far; there is nobody who would wait. */
  readonly #services: () => BrokerServices | null;
  readonly #onFatal: (error: FatalError) => void;
  /** Of which the controller was told, or is being told. */
  readonly #lost = new WeakSet<Partition>();
  /** Paths of directories of which the controller knows all that was in them as lost. */
  readonly #told = new Set<string>();
  #isTelling = false;
  #isStopped = false;

  constructor(services: () => BrokerServices | null, onFatal: (error: FatalError) => void) {
    this.#services = services;
    this.#onFatal = onFatal;
  }

  /** From here on the controller is told. Before, the broker tells as it enters. */
  start(): void {
    this.#isTelling = true;
  }
  stop(): void {
    this.#isTelling = false;
    this.#isStopped = true;
  }

  /** Whether the controller may hear that the directory at `path` is offline. */
  isTold(path: string): boolean {
    return this.#told.has(path);
  }

  /** The directory at `path` has failed, with the logs that it held. */
  failed(path: string, held: readonly PartitionLog[]): void {
    const services = this.#services();
    for (const { topic, partition } of held) services?.partitions.get(topic, partition)?.touched();
    if (services === null || !this.#isTelling) return;
    if (held.some(({ topic }) => topic === METADATA_TOPIC)) {
      const what = `the log folder ${path}, which holds the metadata, has failed`;
      this.#onFatal(new FatalError(what));
      return;
    }
    void this.#report(services, held).then((isTold) => {
      if (isTold) this.#told.add(path);
    });
  }

  /** What may lie in a directory that is offline from the start on cannot be led by this broker. */
  reportUnopened(services: BrokerServices): void {
    const { logs, partitions } = services;
    if (logs.directories().every(({ failure }) => failure === null)) return;
    const unopened = [...partitions.all()].filter((one) => one.isOffline && !one.isOpening);
    void this.#report(
      services,
      unopened.map(({ topicId, index }) => ({ topicId, partition: index })),
    );
  }

  /** The partitions have taken over a step of the metadata. */
  applied({ partitions: changed }: MetadataDelta, services: BrokerServices): void {
    const again: LostReplica[] = [];
    for (const [topicId, indexes] of changed) {
      const held = services.partitions.topicById(topicId)?.partitions;
      for (const index of indexes) {
        const partition = held?.[index];
        if (partition === undefined || !this.#lost.has(partition)) continue;
        // Nobody leads who is not in sync.
        if (partition.isOffline && partition.isInSync) again.push({ topicId, partition: index });
      }
    }
    if (again.length > 0) void this.#report(services, again);
  }

  #report(services: BrokerServices, lost: readonly LostReplica[]): Promise<boolean> {
    const { channel, clock, logger, nodeId, lifecycle, partitions } = services;
    for (const { topicId, partition } of lost) {
      const held = topicId === null ? undefined : partitions.topicById(topicId);
      const known = held?.partitions[partition];
      if (known !== undefined) this.#lost.add(known);
    }
    return reportLostReplicas(lost, {
      ...{ channel, clock, logger, brokerId: nodeId },
      brokerEpoch: () => lifecycle.epoch,
      isOver: () => this.#isStopped,
    });
  }
}
