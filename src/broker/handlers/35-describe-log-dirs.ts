/**
 * DescribeLogDirs, v0-5: the folders that hold logs, which partitions are in each and how large
 * they are. v3 a top-level error, v4 the volume's total and usable bytes, v5 whether it is cordoned.
 */
import { codeOf } from '../../base/errors.ts';
import { METADATA_TOPIC } from '../../cluster/topic-names.ts';
import type { FutureLog } from '../../log/future-log.ts';
import type { PartitionLog } from '../../log/partition-log.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeLogDirsRequest,
  describeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler, type RequestContext } from '../handler.ts';
import { forCluster } from './rights.ts';

type Request = Infer<typeof describeLogDirsRequest>;
type Response = Infer<typeof describeLogDirsResponse>;
type Directory = Response['results'][number];

export const describeLogDirsHandler = handler<Request, Response>(
  apis.get(35),
  forCluster<Request, Response>(
    AclOperation.describe,
    (request, context) => ({
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      results: context.broker.logs.directories().map(({ path, failure, logs, futures }) => ({
        errorCode: failure === null ? ErrorCode.NONE : ErrorCode.KAFKA_STORAGE_ERROR,
        logDir: path,
        topics: failure === null ? topicsIn(logs, futures, request) : [],
        ...space(path, context),
        isCordoned: false,
      })),
    }),
    (errorCode) => ({ throttleTimeMs: 0, errorCode, results: [] }),
  ),
);

function topicsIn(
  logs: Iterable<PartitionLog>,
  futures: Iterable<FutureLog>,
  request: Request,
): Directory['topics'] {
  const wanted =
    request.topics === null
      ? null
      : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]));
  const topics = new Map<string, Directory['topics'][number]>();
  const add = (log: PartitionLog, offsetLag: number, isFutureKey: boolean): void => {
    if (log.topic === METADATA_TOPIC) return;
    if (wanted !== null && wanted.get(log.topic)?.has(log.partition) !== true) return;
    let topic = topics.get(log.topic);
    if (topic === undefined) {
      topic = { name: log.topic, partitions: [] };
      topics.set(log.topic, topic);
    }
    const { partition: partitionIndex, size: partitionSize } = log;
    topic.partitions.push({ partitionIndex, partitionSize, offsetLag, isFutureKey });
  };
  for (const log of logs) add(log, Math.max(log.highWatermark - log.logEndOffset, 0), false);
  for (const { future, lag } of futures) add(future, lag, true);
  return [...topics.values()];
}

function space(path: string, context: RequestContext): { totalBytes: number; usableBytes: number } {
  try {
    const { totalBytes, freeBytes } = context.broker.disk.space(path);
    return { totalBytes, usableBytes: freeBytes };
  } catch (error) {
    context.broker.logger.warn('the space of a log folder cannot be told', {
      'file.path': path,
      'error.code': codeOf(error),
    });
    return { totalBytes: -1, usableBytes: -1 };
  }
}
