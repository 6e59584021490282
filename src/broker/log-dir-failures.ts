/**
 * What a broker does about log directories that fail: whoever waits for a partition in one is told
 * at once, and the controller, so that others lead. Without the directory of the metadata the broker
 * cannot go on.
 */
import { FatalError } from '../base/errors.ts';
import { type LostReplica, reportLostReplicas } from '../cluster/lost-replicas.ts';
import { METADATA_TOPIC } from '../cluster/topic-names.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { BrokerServices } from './services.ts';

export class LogDirFailures {
  /** Null: the broker is not that far; there is nobody who would wait. */
  readonly #services: () => BrokerServices | null;
  readonly #onFatal: (error: FatalError) => void;
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
    this.#report(services, held);
  }

  /** What may lie in a directory that is offline from the start on cannot be led by this broker. */
  reportUnopened(services: BrokerServices): void {
    const { logs, partitions } = services;
    if (logs.directories().every(({ failure }) => failure === null)) return;
    const unopened = [...partitions.all()].filter((one) => one.isOffline && !one.isOpening);
    this.#report(
      services,
      unopened.map(({ topicId, index }) => ({ topicId, partition: index })),
    );
  }

  #report(services: BrokerServices, lost: readonly LostReplica[]): void {
    const { channel, clock, logger, nodeId, lifecycle } = services;
    void reportLostReplicas(lost, {
      ...{ channel, clock, logger, brokerId: nodeId },
      brokerEpoch: () => lifecycle.epoch,
      isOver: () => this.#isStopped,
    });
  }
}
