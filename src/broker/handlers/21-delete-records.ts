/**
 * DeleteRecords, v0-2: moves the start of a partition's log; -1 is the high watermark. Answered
 * when all replicas that live have done so. Segments that lie wholly before it go at the next
 * search for old ones.
 */

import type { Partition } from '../../cluster/partition.ts';
import { isInternal } from '../../cluster/topic-names.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
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
type PartitionAnswer = Response['topics'][number]['partitions'][number];

const HIGH_WATERMARK = -1;

export const deleteRecordsHandler = handler<Request, Response>(
  apis.get(21),
  async (request, context) => ({
    throttleTimeMs: 0,
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(({ partitionIndex, offset }) =>
            answer(name, partitionIndex, offset, request.timeoutMs, context),
          ),
        ),
      })),
    ),
  }),
);

async function answer(
  topic: string,
  partitionIndex: number,
  offset: number,
  timeoutMs: number,
  context: RequestContext,
): Promise<PartitionAnswer> {
  try {
    context.demand(AclOperation.delete, AclResource.topic, topic);
    const partition = deleteBefore(topic, partitionIndex, offset, context);
    const start = partition.log.logStartOffset;
    // What is answered holds, whatever happens to the machine.
    await partition.log.saveLogStart();
    const errorCode = await partition.whenLowWatermark(start, timeoutMs);
    const { leadership } = partition;
    return { partitionIndex, lowWatermark: leadership?.lowWatermark ?? -1, errorCode };
  } catch (error) {
    const errorCode = codeOfError(error, context.broker.logger);
    context.broker.apiStats.get(21)?.countError(errorCode);
    return { partitionIndex, lowWatermark: -1, errorCode };
  }
}

function deleteBefore(
  topic: string,
  index: number,
  offset: number,
  context: RequestContext,
): Partition {
  const partition = context.broker.partitions.held(topic, index);
  partition.leading();
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
  return partition;
}
