/** Which log directory of this broker a replica is to be in (AlterReplicaLogDirs, KIP-113). */
import { futureDirectory, NAME_LENGTH_MAX } from '../log/log-files.ts';
import type { LogManager } from '../log/log-manager.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { MetadataImage } from './metadata-image.ts';
import type { Partitions } from './partitions.ts';

export interface ReplicaPlaces {
  readonly logs: LogManager;
  readonly partitions: Partitions;
  readonly image: MetadataImage;
}

/** As long as the unique part of a directory's name. */
const UNIQUE = '0'.repeat(32);

/**
 * Moves the replica to the directory `path`; the copy goes on when this returns. Where the partition
 * is not held, the wish is remembered until it is made here, and refused all the same, as Kafka does.
 *
 * Throws ProtocolError: INVALID_TOPIC_EXCEPTION for a name too long for a copy's directory,
 * LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, REPLICA_NOT_AVAILABLE when others hold the partition,
 * UNKNOWN_TOPIC_OR_PARTITION when nobody does.
 */
export function alterLogDirectory(
  { logs, partitions, image }: ReplicaPlaces,
  topic: string,
  index: number,
  path: string,
): void {
  if (futureDirectory(topic, index, UNIQUE).length > NAME_LENGTH_MAX) {
    throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION, 'the topic name is too long');
  }
  const directory = logs.directories().find((one) => one.path === path);
  if (directory === undefined) {
    const text = `log directory ${path} is not in log.dirs`;
    throw new ProtocolError(ErrorCode.LOG_DIR_NOT_FOUND, text);
  }
  if (directory.failure !== null) {
    throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, `log directory ${path} is offline`);
  }
  const partition = partitions.get(topic, index);
  if (partition === undefined || partition.isOpening) {
    logs.prefer(topic, index, path);
    const isKnown = image.topic(topic)?.partitions[index] !== undefined;
    throw new ProtocolError(
      isKnown ? ErrorCode.REPLICA_NOT_AVAILABLE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `${topic}-${index} is not held here`,
    );
  }
  partition.log.logDirectory.assertOnline();
  logs.move(partition.log, path);
}
