/** The metadata quorum as a broker's settings want it, over the log that the broker holds. */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Disk } from '../../base/disk.ts';
import { FatalError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { LogManager } from '../../log/log-manager.ts';
import type { PartitionLog } from '../../log/partition-log.ts';
import type { Configs } from '../configs.ts';
import type { MetadataImage } from '../metadata-image.ts';
import type { Peers } from '../peers.ts';
import { METADATA_TOPIC } from '../topic-names.ts';
import { METADATA_TOPIC_ID } from './bodies.ts';
import { MetadataQuorum } from './metadata-quorum.ts';

export interface OpenQuorumOptions {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly configs: Configs;
  readonly logs: LogManager;
  readonly image: MetadataImage;
  readonly peers: Peers;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFatal: (error: FatalError) => void;
}

interface BrokerAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** `1@localhost:9092`; throws FatalError. */
export function parseBroker(text: string): BrokerAddress {
  const match = /^(\d{1,9})@(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[2] ?? match?.[3];
  if (match === null || host === undefined || Number(match[4]) > 0xffff) {
    throw new FatalError(`cluster.brokers: expected ID@HOST:PORT, saw '${text}'`);
  }
  return { id: Number(match[1]), host, port: Number(match[4]) };
}

function metadataLog(logs: LogManager): PartitionLog {
  try {
    return logs.create(METADATA_TOPIC, METADATA_TOPIC_ID, 0, false);
  } catch (error) {
    // A new one in another directory would be a new cluster.
    throw new FatalError(`the metadata can't be opened: ${reasonOf(error)}`);
  }
}

/** Opens the metadata's log and tells the peers' addresses. The caller starts and stops the quorum. */
export function openQuorum(options: OpenQuorumOptions): MetadataQuorum {
  const { nodeId, clusterId, configs, logs, image, peers } = options;
  const { disk, clock, random, logger, onFatal } = options;
  const brokers = configs.list('cluster.brokers').map(parseBroker);
  for (const { id, host, port } of brokers) {
    if (id !== nodeId) peers.setAddress(id, host, port);
  }
  const log = metadataLog(logs);
  log.updateConfig(configs.logConfig(METADATA_TOPIC));
  const held = logs.directories().find(({ path }) => path === log.logDirectory.path);
  assert(held !== undefined, `the folder of ${log.path} is not known`);
  return new MetadataQuorum({
    nodeId,
    directoryId: held.directoryId,
    log,
    disk,
    clock,
    random,
    logger,
    peers,
    image,
    clusterId,
    alone: brokers.length === 0,
    brokers: brokers.map(({ id }) => id),
    onFatal,
    settings: {
      fetchTimeoutMs: configs.number('controller.quorum.fetch.timeout.ms'),
      electionTimeoutMs: configs.number('controller.quorum.election.timeout.ms'),
      snapshotBytes: configs.number('metadata.log.max.record.bytes.between.snapshots'),
      snapshotMs: configs.number('metadata.log.max.snapshot.interval.ms'),
    },
  });
}
