/**
 * DeleteRecords, v0-2: moves the start of a partition's log; -1 is the high watermark. Segments
 * that lie wholly before it go at the next search for old ones.
 */

import { isInternal } from '../../cluster/topic-names.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  deleteRecordsRequest,
  deleteRecordsResponse,
} from '../../protocol/messages/21-delete-records.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof deleteRecordsRequest>;
type Response = Infer<typeof deleteRecordsResponse>;

const HIGH_WATERMARK = -1;

export const deleteRecordsHandler = handler<Request, Response>(
  apis.get(21),
  (request, context) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => {
        try {
          const lowWatermark = deleteBefore(name, partitionIndex, offset, context);
          return { partitionIndex, lowWatermark, errorCode: ErrorCode.NONE };
        } catch (error) {
          const errorCode = codeOfError(error, context.broker.logger);
          context.broker.apiStats.get(21)?.countError(errorCode);
          return { partitionIndex, lowWatermark: -1, errorCode };
        }
      }),
    })),
  }),
);

function deleteBefore(
  topic: string,
  index: number,
  offset: number,
  context: RequestContext,
): number {
  const partition = context.broker.partitions.get(topic, index);
  if (partition === undefined) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const { log } = partition;
  if (isInternal(topic)) throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION);
  if (!log.config.cleanupPolicy.includes('delete')) {
    throw new ProtocolError(
      ErrorCode.POLICY_VIOLATION,
      `Records of partition ${partition.name} can not be deleted due to the configured policy`,
    );
  }
  const before = offset === HIGH_WATERMARK ? partition.highWatermark : offset;
  if (before < 0 || before > partition.highWatermark) {
    throw new ProtocolError(
      ErrorCode.OFFSET_OUT_OF_RANGE,
      `The specified offset ${before} is not between 0 and the high watermark ${partition.highWatermark}`,
    );
  }
  log.advanceLogStartOffset(before);
  partition.touched();
  return log.logStartOffset;
}
