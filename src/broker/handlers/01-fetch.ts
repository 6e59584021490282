/**
 * Fetch, v4-18: whole batches up to the high watermark, waiting in the purgatory for `minBytes`.
 *
 * v7 sessions (KIP-227), v9 leader epochs, v12 flexible and diverging epochs, v13 topic ids.
 * Bytes go out by reference to the buffers they were read into, which go back to their pool when
 * the socket has taken them.
 */
import type { Partition } from '../../cluster/partition.ts';
import type { LogRead } from '../../log/log-reader.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { fetchRequest, fetchResponse } from '../../protocol/messages/01-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { NO_SESSION, type SessionPartition } from '../fetch-session.ts';
import { BodyWithRelease, handler, type RequestContext } from '../handler.ts';
import { type FetchPlan, planFetch, recordAnswer } from './fetch-plan.ts';

type Request = Infer<typeof fetchRequest>;
type Response = Infer<typeof fetchResponse>;
type PartitionAnswer = Response['responses'][number]['partitions'][number];

const READ_COMMITTED = 1;
/** Before this version, clients do not know KAFKA_STORAGE_ERROR. */
const TOPIC_IDS_VERSION = 13;
const STORAGE_ERROR_VERSION = 6;

const EMPTY = Buffer.alloc(0);
const NONE_DIVERGING = { epoch: -1, endOffset: -1 };
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };
const NO_SNAPSHOT = { endOffset: -1, epoch: -1 };

interface Round {
  readonly answers: { readonly asked: SessionPartition; readonly answer: PartitionAnswer }[];
  readonly watched: Partition[];
  readonly releases: (() => void)[];
  bytes: number;
  /** Something that the client should hear of now. */
  urgent: boolean;
}

export const fetchHandler = handler<Request, Response | BodyWithRelease>(
  apis.get(1),
  (request, context) => {
    const plan = planFetch(request, context);
    if (typeof plan === 'number') return refused(plan);
    const round = readAll(request, plan, context);
    const ready =
      request.maxWaitMs <= 0 ||
      plan.asked.length === 0 ||
      round.urgent ||
      round.bytes >= request.minBytes;
    if (ready) return answerOf(round, plan, context);
    for (const release of round.releases) release();
    return new Promise((resolve, reject) => {
      const missing = request.minBytes - round.bytes;
      const waiting = context.broker.fetchPurgatory.wait(
        round.watched,
        missing,
        request.maxWaitMs,
        () => {
          try {
            // Nobody is there any more: what would be read would only have to be given back.
            const last = context.cancelled
              ? refused(ErrorCode.NONE)
              : answerOf(readAll(request, plan, context), plan, context);
            resolve(last);
          } catch (error) {
            reject(error);
          }
        },
      );
      context.onCancelled = () => waiting.abandon();
    });
  },
  { keepsRequest: false },
);

const refused = (errorCode: number): Response => ({
  throttleTimeMs: 0,
  errorCode,
  sessionId: NO_SESSION,
  responses: [],
  nodeEndpoints: [],
});

function readAll(request: Request, plan: FetchPlan, context: RequestContext): Round {
  const { hot, connectionStats } = context.broker;
  const round: Round = { answers: [], watched: [], releases: [], bytes: 0, urgent: false };
  // While clients do not take what they have asked for, everybody gets the least there is.
  const congested = connectionStats.queuedResponseBytes > hot.queuedResponseBytesMax;
  let room = congested ? 0 : Math.min(request.maxBytes, hot.fetchBytesMax);
  for (const asked of plan.asked) {
    const before = round.bytes;
    readOne(asked, room, request.isolationLevel, context, round);
    room = Math.max(room - (round.bytes - before), 0);
  }
  return round;
}

function readOne(
  asked: SessionPartition,
  room: number,
  isolation: number,
  context: RequestContext,
  round: Round,
): void {
  const { partitions, logger } = context.broker;
  const topic =
    asked.topic === '' ? partitions.topicById(asked.topicId) : partitions.topic(asked.topic);
  const partition = topic?.partitions[asked.partition];
  const totals = partitions.totals;
  totals.fetchRequests += 1;
  try {
    if (partition === undefined) {
      throw new ProtocolError(
        topic === undefined && context.apiVersion >= TOPIC_IDS_VERSION
          ? ErrorCode.UNKNOWN_TOPIC_ID
          : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      );
    }
    partition.stats.fetchRequests += 1;
    partition.checkLeaderEpoch(asked.currentLeaderEpoch);
    const answer = read(partition, asked, room, isolation, round);
    round.watched.push(partition);
    round.answers.push({ asked, answer });
  } catch (error) {
    let code = codeOfError(error, logger);
    if (partition !== undefined) partition.stats.failedFetchRequests += 1;
    totals.failedFetchRequests += 1;
    context.broker.apiStats.get(1)?.countError(code);
    if (code === ErrorCode.KAFKA_STORAGE_ERROR && context.apiVersion < STORAGE_ERROR_VERSION) {
      code = ErrorCode.NOT_LEADER_OR_FOLLOWER;
    }
    round.urgent = true;
    const answer = emptyAnswer(asked.partition, isolation);
    answer.errorCode = code;
    answer.abortedTransactions = partition === undefined ? [] : null;
    round.answers.push({ asked, answer });
  }
}

function read(
  partition: Partition,
  asked: SessionPartition,
  room: number,
  isolation: number,
  round: Round,
): PartitionAnswer {
  const { log } = partition;
  const answer = emptyAnswer(asked.partition, isolation);
  answer.highWatermark = log.highWatermark;
  answer.lastStableOffset = partition.lastStableOffset;
  answer.logStartOffset = log.logStartOffset;
  if (asked.lastFetchedEpoch >= 0) {
    const diverging = divergence(partition, asked);
    if (diverging !== null) {
      answer.divergingEpoch = diverging;
      round.urgent = true;
      return answer;
    }
  }
  const upTo = isolation === READ_COMMITTED ? answer.lastStableOffset : answer.highWatermark;
  const bytesMax = Math.min(room, Math.max(asked.partitionMaxBytes, 0));
  const bounds = { upTo, minOneMessage: round.bytes === 0 };
  const records: LogRead = log.read(asked.fetchOffset, bytesMax, bounds);
  if (records.release !== null) round.releases.push(records.release);
  answer.records = records.records;
  round.bytes += records.bytes;
  return answer;
}

/** KIP-595: where the log of the fetcher stops being ours. */
function divergence(
  partition: Partition,
  asked: SessionPartition,
): { epoch: number; endOffset: number } | null {
  const end = partition.log.endOffsetForEpoch(asked.lastFetchedEpoch);
  if (end.epoch < 0) throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
  const diverges = end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.fetchOffset;
  return diverges ? end : null;
}

const emptyAnswer = (partitionIndex: number, isolation: number): PartitionAnswer => ({
  partitionIndex,
  errorCode: ErrorCode.NONE,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  divergingEpoch: NONE_DIVERGING,
  currentLeader: NO_LEADER,
  snapshotId: NO_SNAPSHOT,
  flushUpTo: -1,
  abortedTransactions: isolation === READ_COMMITTED ? [] : null,
  preferredReadReplica: -1,
  records: EMPTY,
});

function answerOf(
  round: Round,
  plan: FetchPlan,
  context: RequestContext,
): Response | BodyWithRelease {
  const { partitions } = context.broker;
  const responses: Response['responses'] = [];
  let last: Response['responses'][number] | undefined;
  for (const { asked, answer } of round.answers) {
    const bytes = sizeOf(answer.records);
    if (!recordAnswer(plan, asked, answer, bytes)) continue;
    const topic = asked.topic === '' ? undefined : partitions.topic(asked.topic);
    const stats = topic?.stats ?? partitions.topicById(asked.topicId)?.stats;
    if (stats !== undefined) stats.bytesOut += bytes;
    partitions.totals.bytesOut += bytes;
    if (last === undefined || last.topic !== asked.topic || last.topicId !== asked.topicId) {
      last = { topic: asked.topic, topicId: asked.topicId, partitions: [] };
      responses.push(last);
    }
    last.partitions.push(answer);
  }
  const body: Response = {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    sessionId: plan.sessionId,
    responses,
    nodeEndpoints: [],
  };
  const { releases } = round;
  if (releases.length === 0) return body;
  return new BodyWithRelease(body, () => {
    for (const release of releases) release();
  });
}

function sizeOf(records: PartitionAnswer['records']): number {
  if (records === null) return 0;
  if (records instanceof Uint8Array) return records.length;
  let bytes = 0;
  for (const piece of records) bytes += piece.length;
  return bytes;
}
