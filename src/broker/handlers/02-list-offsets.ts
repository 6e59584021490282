/**
 * ListOffsets, v0-11: the offset at a place (latest, earliest, of the largest timestamp) or of the
 * first record at least as young as a time.
 *
 * v1 one offset with its timestamp, v2 isolation level, v4 leader epochs, v6 flexible, v7 largest
 * timestamp, v8 earliest local, v9 latest tiered, v11 earliest pending upload (KIP-1023).
 */
import type { Partition } from '../../cluster/partition.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  listOffsetsRequest,
  listOffsetsResponse,
} from '../../protocol/messages/02-list-offsets.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof listOffsetsRequest>;
type Response = Infer<typeof listOffsetsResponse>;
type Asked = Request['topics'][number]['partitions'][number];
type PartitionAnswer = Response['topics'][number]['partitions'][number];

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;

const READ_COMMITTED = 1;
/** Before this version, clients do not know OFFSET_NOT_AVAILABLE. */
const NOT_AVAILABLE_VERSION = 5;

/** First version that may ask for each of the special places. */
const sinceVersion: ReadonlyMap<number, number> = new Map([
  [LATEST, 0],
  [EARLIEST, 0],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);

interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const NOTHING: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export const listOffsetsHandler = handler<Request, Response>(apis.get(2), (request, context) => ({
  throttleTimeMs: 0,
  topics: eachTopicOnce(request.topics).map(([name, partitions]) => {
    if (!context.may(AclOperation.describe, AclResource.topic, name)) {
      const code = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      return { name, partitions: partitions.map((asked) => refused(asked, code)) };
    }
    return {
      name,
      partitions: eachOnce(partitions).map(([asked, isDouble]) =>
        isDouble
          ? refused(asked, ErrorCode.INVALID_REQUEST)
          : answer(name, asked, request, context),
      ),
    };
  }),
}));

function eachTopicOnce(topics: Request['topics']): [name: string, partitions: readonly Asked[]][] {
  const byName = Map.groupBy(topics, ({ name }) => name);
  return [...byName].map(([name, parts]) => [name, parts.flatMap(({ partitions }) => partitions)]);
}

/** A partition that is named twice is answered once, with an error. */
function eachOnce(partitions: readonly Asked[]): (readonly [asked: Asked, isDouble: boolean])[] {
  const times = new Map<number, number>();
  for (const { partitionIndex } of partitions) {
    times.set(partitionIndex, (times.get(partitionIndex) ?? 0) + 1);
  }
  const first = new Map(partitions.map((asked) => [asked.partitionIndex, asked]));
  return [...first.values()].map((asked) => [asked, times.get(asked.partitionIndex) !== 1]);
}

const refused = ({ partitionIndex }: Asked, errorCode: number): PartitionAnswer => ({
  partitionIndex,
  errorCode,
  oldStyleOffsets: [],
  ...NOTHING,
});

function answer(
  topic: string,
  asked: Asked,
  request: Request,
  context: RequestContext,
): PartitionAnswer {
  const { partitionIndex } = asked;
  try {
    const partition = context.broker.partitions.held(topic, partitionIndex);
    partition.checkLeaderEpoch(asked.currentLeaderEpoch);
    const leadership = partition.leading();
    checkPlace(asked.timestamp, context.apiVersion);
    const isFollower = request.replicaId >= 0;
    const end = isFollower ? partition.log.logEndOffset : endFor(partition, request.isolationLevel);
    const found = find(partition, asked.timestamp, end);
    // A new leader does not know yet how much of what others committed is committed (KIP-207).
    const isUnsure = !isFollower && leadership.epochStart > partition.highWatermark;
    if (isUnsure && (asked.timestamp === LATEST || found === NOTHING)) {
      throw new ProtocolError(
        context.apiVersion >= NOT_AVAILABLE_VERSION
          ? ErrorCode.OFFSET_NOT_AVAILABLE
          : ErrorCode.LEADER_NOT_AVAILABLE,
      );
    }
    return {
      partitionIndex,
      errorCode: ErrorCode.NONE,
      oldStyleOffsets: context.apiVersion === 0 ? oldStyle(partition, asked, found) : [],
      ...found,
    };
  } catch (error) {
    const errorCode = codeOfError(error, context.broker.logger);
    context.broker.apiStats.get(2)?.countError(errorCode);
    return { partitionIndex, errorCode, oldStyleOffsets: [], ...NOTHING };
  }
}

function checkPlace(timestamp: number, version: number): void {
  if (timestamp >= 0) return;
  const since = sinceVersion.get(timestamp);
  if (since === undefined || version < since) {
    throw new ProtocolError(ErrorCode.UNSUPPORTED_VERSION);
  }
}

const endFor = (partition: Partition, isolation: number): number =>
  isolation === READ_COMMITTED ? partition.lastStableOffset : partition.highWatermark;

function find(partition: Partition, timestamp: number, end: number): Found {
  const { log } = partition;
  switch (timestamp) {
    case LATEST:
      return { offset: end, timestamp: -1, leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL: {
      const offset = log.logStartOffset;
      const epoch = log.epochForOffset(offset);
      // Nothing is there yet that could tell: what comes will be of this term.
      return { offset, timestamp: -1, leaderEpoch: epoch < 0 ? partition.leaderEpoch : epoch };
    }
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      // Nothing is tiered, and nothing waits for it.
      return NOTHING;
    case MAX_TIMESTAMP:
      return log.maxTimestampOffset() ?? NOTHING;
    default: {
      const found = log.offsetForTimestamp(timestamp);
      return found === null || found.offset >= end ? NOTHING : found;
    }
  }
}

/** v0 wants boundaries of segments, latest first; these two are always such. */
function oldStyle(partition: Partition, asked: Asked, found: Found): number[] {
  const start = partition.log.logStartOffset;
  const offsets = asked.timestamp === LATEST ? [found.offset, start] : [found.offset];
  return [...new Set(offsets)]
    .filter((offset) => offset >= 0)
    .slice(0, Math.max(asked.maxNumOffsets, 0));
}
