/**
 * Which partitions a fetch asks for: those it names, and with a session (KIP-227) those that the
 * session remembers; and which of them its answer must name.
 */
import { TOPIC_NAME_LENGTH_MAX } from '../../cluster/topic-names.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { fetchRequest } from '../../protocol/messages/01-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import {
  type FetchSession,
  FINAL_EPOCH,
  INITIAL_EPOCH,
  NO_SESSION,
  type SessionPartition,
  sessionKey,
} from '../fetch-session.ts';
import type { RequestContext } from '../handler.ts';

type Request = Infer<typeof fetchRequest>;

const SESSIONS_VERSION = 7;
const TOPIC_IDS_VERSION = 13;

export interface FetchPlan {
  readonly asked: readonly SessionPartition[];
  /** Goes into the answer. */
  readonly sessionId: number;
  readonly session: FetchSession | null;
  /** Only what has changed since the last answer is answered. */
  readonly incremental: boolean;
}

/** The plan, or the error code that answers the whole request. */
export function planFetch(request: Request, context: RequestContext): FetchPlan | number {
  const { fetchSessions, clock } = context.broker;
  const byId = context.apiVersion >= TOPIC_IDS_VERSION;
  const { sessionId, sessionEpoch } = request;
  if (context.apiVersion < SESSIONS_VERSION || sessionEpoch === FINAL_EPOCH) {
    if (sessionId !== NO_SESSION) fetchSessions.close(sessionId);
    return { asked: named(request), sessionId: NO_SESSION, session: null, incremental: false };
  }
  const now = clock.monotonic();
  if (sessionEpoch === INITIAL_EPOCH) {
    if (sessionId !== NO_SESSION) fetchSessions.close(sessionId);
    const asked = named(request);
    const session = isMemorable(request) ? fetchSessions.create(asked, byId, now) : null;
    return { asked, sessionId: session?.id ?? NO_SESSION, session, incremental: false };
  }
  const session = fetchSessions.resume(sessionId, sessionEpoch, byId, now);
  if (typeof session === 'number') return session;
  if (!isMemorable(request)) {
    fetchSessions.close(sessionId);
    return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
  }
  if (!fetchSessions.update(session, () => change(session, request))) {
    // The client begins again with all that it wants, and is served without a session.
    return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
  }
  const asked = [...session.partitions.values()];
  if (asked.length > 0) return { asked, sessionId, session, incremental: true };
  // Everything was forgotten: the session has no use any more.
  fetchSessions.close(sessionId);
  return { asked, sessionId: NO_SESSION, session: null, incremental: true };
}

/** Sessions are bounded by their partitions, so the names of these must be short. */
const isMemorable = ({ topics }: Request): boolean =>
  topics.every(({ topic }) => topic.length <= TOPIC_NAME_LENGTH_MAX);

function named(request: Request): SessionPartition[] {
  const asked: SessionPartition[] = [];
  for (const { topic, topicId, partitions } of request.topics) {
    for (const p of partitions) asked.push(asSessionPartition(topic, topicId, p));
  }
  return asked;
}

const asSessionPartition = (
  topic: string,
  topicId: string,
  p: Request['topics'][number]['partitions'][number],
): SessionPartition => ({
  topic,
  topicId,
  partition: p.partition,
  fetchOffset: p.fetchOffset,
  currentLeaderEpoch: p.currentLeaderEpoch,
  lastFetchedEpoch: p.lastFetchedEpoch,
  partitionMaxBytes: p.partitionMaxBytes,
  flushedOffset: p.flushedOffset,
  followerStart: p.logStartOffset,
  highWatermark: -1,
  logStartOffset: -1,
});

function change(session: FetchSession, request: Request): void {
  for (const { topic, topicId, partitions } of request.topics) {
    for (const p of partitions) {
      const key = sessionKey(topic, topicId, p.partition, session.byId);
      const known = session.partitions.get(key);
      if (known === undefined) {
        session.partitions.set(key, asSessionPartition(topic, topicId, p));
        continue;
      }
      known.fetchOffset = p.fetchOffset;
      known.currentLeaderEpoch = p.currentLeaderEpoch;
      known.lastFetchedEpoch = p.lastFetchedEpoch;
      known.partitionMaxBytes = p.partitionMaxBytes;
      known.flushedOffset = p.flushedOffset;
      known.followerStart = p.logStartOffset;
    }
  }
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    for (const partition of partitions) {
      session.partitions.delete(sessionKey(topic, topicId, partition, session.byId));
    }
  }
}

/** Remembers what is answered; returns whether the answer must name the partition at all. */
export function recordAnswer(
  plan: FetchPlan,
  asked: SessionPartition,
  answer: {
    readonly errorCode: number;
    readonly highWatermark: number;
    readonly logStartOffset: number;
    readonly divergingEpoch: { readonly epoch: number };
    readonly preferredReadReplica: number;
    readonly flushUpTo: number;
  },
  bytes: number,
): boolean {
  const { session } = plan;
  if (session === null) return true;
  const news =
    bytes > 0 ||
    answer.errorCode !== ErrorCode.NONE ||
    answer.divergingEpoch.epoch >= 0 ||
    answer.preferredReadReplica >= 0 ||
    answer.flushUpTo >= 0 ||
    asked.highWatermark !== answer.highWatermark ||
    asked.logStartOffset !== answer.logStartOffset;
  // Once the error is over, the partition is news again.
  asked.highWatermark = answer.errorCode === ErrorCode.NONE ? answer.highWatermark : -1;
  asked.logStartOffset = answer.logStartOffset;
  if (bytes > 0) {
    // Who got something goes to the end, so that byte limits starve nobody.
    const key = sessionKey(asked.topic, asked.topicId, asked.partition, session.byId);
    if (session.partitions.delete(key)) session.partitions.set(key, asked);
  }
  return news || !plan.incremental;
}
