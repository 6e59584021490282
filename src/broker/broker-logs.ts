/** The logs of a broker as its settings want them. */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Configs } from '../cluster/configs.ts';
import type { Partitions } from '../cluster/partitions.ts';
import { randomUuid } from '../cluster/uuid.ts';
import type { CleaningEngine } from '../log/cleaning-engine.ts';
import { LogManager } from '../log/log-manager.ts';
import { readMetaProperties } from '../log/meta-properties.ts';
import { cleanerSettings, moveRate } from './broker-settings.ts';
import type { LogDirFailures } from './log-dir-failures.ts';

export interface BrokerLogsOptions {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly configs: Configs;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Who holds the logs; undefined: nobody as yet. */
  readonly partitions: () => Partitions | undefined;
  /** Damage was met in a log of theirs. */
  readonly onDamaged: () => void;
  readonly failures: LogDirFailures;
  /** Where they are compacted; undefined: on this thread. */
  readonly cleaningEngine: CleaningEngine | undefined;
}

/** That of the data, or a new one where there is none. Throws FatalError without a folder for it. */
export function clusterIdOf(disk: Disk, random: Random, dirs: readonly string[]): string {
  if (dirs.length === 0) throw new FatalError('log.dirs: no folder is given');
  for (const dir of dirs) {
    const owner = readMetaProperties(disk, dir);
    if (owner !== null) return owner.clusterId;
  }
  return randomUuid(random);
}

/** The caller starts and stops them. */
export function brokerLogs(options: BrokerLogsOptions): LogManager {
  const { nodeId, clusterId, configs, partitions, failures, cleaningEngine } = options;
  const { disk, clock, random, logger, onDamaged } = options;
  return new LogManager({
    ...{ clusterId, disk, clock, random, logger, cleaningEngine, onDamaged },
    brokerId: nodeId,
    dirs: configs.list('log.dirs'),
    configFor: (topic) => configs.logConfig(topic),
    retentionCheckMs: configs.number('log.retention.check.interval.ms'),
    checkpointMs: configs.number('log.flush.offset.checkpoint.interval.ms'),
    cleanerSettings: () => cleanerSettings(configs),
    replicatedTo: ({ topic, partition }) => partitions()?.get(topic, partition)?.replicatedTo ?? 0,
    producerIdExpirationMs: () => configs.number('producer.id.expiration.ms'),
    moveBytesPerSecond: () => moveRate(configs),
    onMoved: (former, log) => partitions()?.logMoved(former, log),
    onDirectoryOffline: (path, held) => failures.failed(path, held),
  });
}
