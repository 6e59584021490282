/**
 * AlterReplicaLogDirs, v0-2: moves replicas of this broker to other log directories of it. Of a
 * partition that is named several times, the last directory counts.
 */
import { alterLogDirectory } from '../../cluster/log-dir-moves.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '../../protocol/messages/34-alter-replica-log-dirs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';
import { forCluster } from './rights.ts';

type Request = Infer<typeof alterReplicaLogDirsRequest>;
type Response = Infer<typeof alterReplicaLogDirsResponse>;

export const alterReplicaLogDirsHandler = handler<Request, Response>(
  apis.get(34),
  forCluster<Request, Response>(
    AclOperation.alter,
    (request, context) => ({
      throttleTimeMs: 0,
      results: [...wishes(request)].map(([topicName, partitions]) => ({
        topicName,
        partitions: [...partitions].map(([partitionIndex, path]) => ({
          partitionIndex,
          errorCode: alter(context, topicName, partitionIndex, path),
        })),
      })),
    }),
    (errorCode, request) => ({
      throttleTimeMs: 0,
      results: request.dirs.flatMap(({ topics }) =>
        topics.map(({ name, partitions }) => ({
          topicName: name,
          partitions: partitions.map((partitionIndex) => ({ partitionIndex, errorCode })),
        })),
      ),
    }),
  ),
);

/** Directories by partition, by topic. */
function wishes({ dirs }: Request): Map<string, Map<number, string>> {
  const found = new Map<string, Map<number, string>>();
  for (const { path, topics } of dirs) {
    for (const { name, partitions } of topics) {
      if (partitions.length === 0) continue;
      let ofTopic = found.get(name);
      if (ofTopic === undefined) {
        ofTopic = new Map();
        found.set(name, ofTopic);
      }
      for (const index of partitions) ofTopic.set(index, path);
    }
  }
  return found;
}

function alter(context: RequestContext, topic: string, index: number, path: string): number {
  const { logger } = context.broker;
  try {
    alterLogDirectory(context.broker, topic, index, path);
    return ErrorCode.NONE;
  } catch (error) {
    if (error instanceof ProtocolError) {
      logger.warn('a replica cannot be moved to another log directory', {
        'kafka.topic': topic,
        'kafka.partition': index,
        'file.path': path,
        'error.message': error.message,
      });
    }
    return codeOfError(error, logger);
  }
}
