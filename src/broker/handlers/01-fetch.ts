/**
 * Fetch, v4-18: whole batches, waiting in the purgatory for `minBytes`. A client gets what is
 * committed, from the leader or, since v11, from a follower (KIP-392), and reading committed only what
 * belongs to no open transaction, with a list of the aborted ones; a follower gets everything
 * from the leader, and by asking tells how far it is.
 *
 * v7 sessions (KIP-227), v9 leader epochs, v12 flexible and diverging epochs, v13 topic ids, v15
 * the follower's broker epoch, v16 leader hints. Bytes go out by reference to the buffers they were
 * read into, which go back to their pool when the socket has taken them.
 */

import type { Partition } from '../../cluster/partition.ts';
import type { WatchFor } from '../../cluster/partition-watchers.ts';
import { isMetadataFetch } from '../../cluster/quorum/bodies.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { fetchRequest, fetchResponse } from '../../protocol/messages/01-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { NO_SESSION } from '../fetch-session.ts';
import { BodyWithRelease, handler, type RequestContext } from '../handler.ts';
import { fetchBytesMax, fetchedThrottleMs, fetchThrottleMs } from '../throttling.ts';
import { type FetchPlan, planFetch, recordAnswer } from './fetch-plan.ts';
import { type Fetcher, FetchRound, READ_COMMITTED } from './fetch-round.ts';

type Request = Infer<typeof fetchRequest>;
type Response = Infer<typeof fetchResponse>;
type PartitionAnswer = Response['responses'][number]['partitions'][number];

const REPLICA_STATE_VERSION = 15;
/** Since then clients say where they stand, and may read from followers. */
const FOLLOWERS_VERSION = 11;

/** A follower that only lacks a high watermark gets it after that time. Milliseconds. */
const HIGH_WATERMARK_NEWS_MS = 20;

export const fetchHandler = handler<Request, Response | BodyWithRelease>(
  apis.get(1),
  (request, context) => {
    if (isMetadataFetch(request)) {
      return context.mayToCluster(AclOperation.clusterAction)
        ? context.broker.quorum.handleFetch(request)
        : refused(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    }
    const plan = planFetch(request, context);
    if (typeof plan === 'number') return refused(plan);
    const fetcher = fetcherOf(request, context);
    const throttleMs = fetcher.replicaId < 0 ? fetchThrottleMs(context) : 0;
    if (throttleMs > 0) return throttled(throttleMs, plan, context);
    const round = readAll(request, plan, fetcher, context, false);
    const ready =
      request.maxWaitMs <= 0 ||
      plan.asked.length === 0 ||
      round.urgent ||
      round.bytes >= request.minBytes;
    if (ready) return answerOf(round, plan, context);
    round.release();
    return new Promise((resolve, reject) => {
      const complete = (): void => {
        try {
          // Nobody is there any more: what would be read would only have to be given back.
          const last = context.cancelled
            ? refused(ErrorCode.NONE)
            : answerOf(readAll(request, plan, fetcher, context, true), plan, context);
          resolve(last);
        } catch (error) {
          reject(error);
        }
      };
      const waiting = context.broker.fetchPurgatory.wait({
        partitions: round.watched,
        missingBytes: request.minBytes - round.bytes,
        waitMs: request.maxWaitMs,
        what: visibleBy(fetcher),
        follower: waitOf(fetcher, round, plan, context),
        complete,
      });
      context.onCancelled = () => waiting.abandon();
    });
  },
  { keepsRequest: false },
);

function fetcherOf(request: Request, context: RequestContext): Fetcher {
  const { apiVersion } = context;
  const state = request.replicaState;
  const replicaId = apiVersion >= REPLICA_STATE_VERSION ? state.replicaId : request.replicaId;
  const brokerEpoch = apiVersion >= REPLICA_STATE_VERSION ? state.replicaEpoch : -1;
  return {
    replicaId,
    brokerEpoch,
    rackId: request.rackId,
    leaderOnly: replicaId >= 0 || apiVersion < FOLLOWERS_VERSION,
    isolation: request.isolationLevel,
  };
}

function waitOf(fetcher: Fetcher, round: FetchRound, plan: FetchPlan, context: RequestContext) {
  const { replicaId } = fetcher;
  if (replicaId < 0) return null;
  // Consumers that read from followers see records as soon as those know that they are committed.
  const newsMs = context.broker.partitions.rackAware ? 0 : HIGH_WATERMARK_NEWS_MS;
  return { replicaId, newsMs, hasNews: round.hasNews && plan.session !== null };
}

function visibleBy({ replicaId, isolation }: Fetcher): WatchFor {
  if (replicaId >= 0) return 'appended';
  return isolation === READ_COMMITTED ? 'stable' : 'committed';
}

const refused = (errorCode: number): Response => ({
  throttleTimeMs: 0,
  errorCode,
  sessionId: NO_SESSION,
  responses: [],
  nodeEndpoints: [],
});

function readAll(
  request: Request,
  plan: FetchPlan,
  fetcher: Fetcher,
  context: RequestContext,
  isLast: boolean,
): FetchRound {
  const { hot, connectionStats } = context.broker;
  // While clients do not take what they have asked for, everybody gets the least there is.
  const congested = connectionStats.queuedResponseBytes > hot.queuedResponseBytesMax;
  const isFollower = fetcher.replicaId >= 0;
  const bytesMax = isFollower
    ? request.maxBytes
    : Math.min(request.maxBytes, hot.fetchBytesMax, fetchBytesMax(context));
  const round = new FetchRound(fetcher, context, {
    room: congested && !isFollower ? 0 : bytesMax,
    // What is no news to a session need not be built.
    onlyNews: plan.incremental,
    isLast,
  });
  for (const asked of plan.asked) round.read(asked);
  return round;
}

function answerOf(
  round: FetchRound,
  plan: FetchPlan,
  context: RequestContext,
): Response | BodyWithRelease {
  const throttleMs = round.fetcher.replicaId < 0 ? fetchedThrottleMs(context, round.bytes) : 0;
  if (throttleMs > 0 && round.bytes <= fetchBytesMax(context)) {
    round.release();
    return throttled(throttleMs, plan, context);
  }
  const responses: Response['responses'] = [];
  let last: Response['responses'][number] | undefined;
  for (const { asked, answer, partition } of round.answers) {
    const bytes = sizeOf(answer.records);
    if (!recordAnswer(plan, asked, answer, bytes)) continue;
    if (bytes > 0 && partition !== undefined) countBytes(round, partition, bytes, context);
    if (last === undefined || last.topic !== asked.topic || last.topicId !== asked.topicId) {
      last = { topic: asked.topic, topicId: asked.topicId, partitions: [] };
      responses.push(last);
    }
    last.partitions.push(answer);
  }
  const body: Response = {
    throttleTimeMs: throttleMs,
    errorCode: ErrorCode.NONE,
    sessionId: plan.sessionId,
    responses,
    nodeEndpoints: round.nodeEndpoints,
  };
  return round.holdsBytes ? new BodyWithRelease(body, () => round.release()) : body;
}

/** Nothing, and when to ask again; a session that has just begun is none yet. */
function throttled(throttleTimeMs: number, plan: FetchPlan, context: RequestContext): Response {
  const isOld = plan.incremental && plan.session !== null;
  if (!isOld && plan.session !== null) context.broker.fetchSessions.close(plan.sessionId);
  const sessionId = isOld ? plan.sessionId : NO_SESSION;
  return { ...refused(ErrorCode.NONE), throttleTimeMs, sessionId };
}

function countBytes(
  round: FetchRound,
  partition: Partition,
  bytes: number,
  { broker: { partitions } }: RequestContext,
): void {
  if (round.fetcher.replicaId < 0) {
    partition.stats.bytesOut += bytes;
    partitions.totals.bytesOut += bytes;
    return;
  }
  partitions.replication.bytesOut += bytes;
  if (partition.isLeaderThrottled) partitions.leaderQuota.passed(bytes);
}

function sizeOf(records: PartitionAnswer['records']): number {
  if (records === null) return 0;
  if (records instanceof Uint8Array) return records.length;
  let bytes = 0;
  for (const piece of records) bytes += piece.length;
  return bytes;
}
