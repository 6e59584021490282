/**
 * Copies the partitions that one other broker leads: one fetch after another, each for all of them.
 *
 * What came is appended before the next request, which tells by its offsets that it was; and where
 * the leader asks for it, it is on the device before, too. A partition that fails rests alone; a
 * connection that fails lets all rest. Bytes of an answer are used within the turn in which it came.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { fetchRequest, fetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Infer } from '../protocol/schema.ts';
import { type FetchedPartition, FollowedPartition, verdictOn } from './followed-partition.ts';
import type { Partition } from './partition.ts';
import { EARLIEST, LATEST, offsetKey, peerOffsets } from './peer-offsets.ts';
import type { Peers } from './peers.ts';
import { ReplicaFetchSession, type Wanted } from './replica-fetch-session.ts';
import type { ReplicationQuota } from './replication-quota.ts';
import type { ReplicationStats } from './replication-stats.ts';

type Request = Infer<typeof fetchRequest>;
type Response = Infer<typeof fetchResponse>;

/** Of the broker's configuration, by the names that stand in `replication-keys.ts`. */
export interface FetcherSettings {
  readonly partitionBytesMax: number;
  readonly responseBytesMax: number;
  readonly minBytes: number;
  readonly waitMs: number;
  readonly backoffMs: number;
  readonly timeoutMs: number;
}

export interface ReplicaFetcherOptions {
  readonly nodeId: number;
  readonly leaderId: number;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: FetcherSettings;
  /** Under which this broker is registered now. */
  readonly brokerEpoch: () => number;
  readonly stats: ReplicationStats;
  readonly quota: ReplicationQuota;
}

/** Answers that only newer metadata can change; they are no fault of anybody. */
const BETWEEN_TERMS: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]);

export class ReplicaFetcher {
  readonly leaderId: number;
  readonly #options: ReplicaFetcherOptions;
  readonly #followed = new Map<string, FollowedPartition>();
  readonly #session = new ReplicaFetchSession();
  #isRunning = false;
  #stopped = false;
  /** Ends the rest that the loop takes. */
  #wake: (() => void) | null = null;
  #failures = 0;
  /** Requests that were answered. */
  fetches = 0;

  constructor(options: ReplicaFetcherOptions) {
    this.leaderId = options.leaderId;
    this.#options = options;
  }

  get size(): number {
    return this.#followed.size;
  }
  get followed(): IterableIterator<FollowedPartition> {
    return this.#followed.values();
  }

  /** Partitions whose disk has failed. */
  get failed(): number {
    let failed = 0;
    for (const { hasFailed } of this.#followed.values()) failed += Number(hasFailed);
    return failed;
  }

  /** Follows the partition in its term of now; what was under way for an earlier one is void. */
  add(partition: Partition): void {
    const followed = new FollowedPartition(partition);
    this.#followed.set(followed.key, followed);
    this.#wake?.();
    if (this.#isRunning || this.#stopped) return;
    this.#isRunning = true;
    // More of the same change of the metadata come in the same turn.
    queueMicrotask(() => void this.#run());
  }

  remove(partition: Partition): void {
    this.#followed.delete(`${partition.topicId}/${partition.index}`);
    this.#wake?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#followed.clear();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.#followed.size > 0) {
      const restMs = await this.#round();
      if (restMs > 0 && !this.#stopped && this.#followed.size > 0) await this.#rest(restMs);
    }
    this.#isRunning = false;
  }

  /** One request and what follows from it; returns how long to rest then, milliseconds. */
  async #round(): Promise<number> {
    const { clock, settings } = this.#options;
    const wanted = this.#wanted();
    if (wanted.size === 0) return this.#nextRestEnd() - clock.monotonic();
    let response: Response;
    try {
      response = await this.#fetch(wanted);
    } catch (error) {
      return this.#unreachable(error);
    }
    if (this.#stopped) return 0;
    if (response.errorCode !== ErrorCode.NONE) return this.#refused(response.errorCode);
    this.#reached();
    this.fetches += 1;
    this.#session.answered(response.sessionId);
    const outOfRange: FollowedPartition[] = [];
    const toFlush: FollowedPartition[] = [];
    const moved: FollowedPartition[] = [];
    const thinned: FollowedPartition[] = [];
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const followed = wanted.get(`${topicId}/${answer.partitionIndex}`);
        if (followed === undefined) continue;
        if (!this.#isFollowed(followed)) {
          // The leader counts as told what nobody has taken, and would not tell it again.
          if (this.#followed.has(followed.key)) this.#session.reset();
          continue;
        }
        const start = followed.partition.log.logStartOffset;
        this.#take(followed, answer, outOfRange, toFlush);
        const { log } = followed.partition;
        if (log.logStartOffset > start) moved.push(followed);
        if (!log.isRemovedToSaved) thinned.push(followed);
      }
    }
    await this.#each(toFlush, ({ partition }) => partition.flushed());
    // With the next request it may come in sync, and lead then.
    await this.#each(thinned, ({ partition }) => partition.log.saveRemovedTo());
    // The next request tells the leader of the starts, and the leader tells clients.
    await this.#each(moved, ({ partition }) => partition.log.saveLogStart());
    if (outOfRange.length > 0 && !this.#stopped) await this.#moveInto(outOfRange);
    // An answer at once with nothing in it must not become a busy loop.
    return settings.waitMs > 0 || response.responses.length > 0 ? 0 : 1;
  }

  #isFollowed(followed: FollowedPartition): boolean {
    return this.#followed.get(followed.key) === followed && followed.isCurrent;
  }

  /** Who is to be fetched now, by key. */
  #wanted(): Map<string, FollowedPartition> {
    const now = this.#options.clock.monotonic();
    const isShut = this.#options.quota.isExceeded;
    const wanted = new Map<string, FollowedPartition>();
    for (const [key, followed] of this.#followed) {
      if (followed.hasFailed || followed.restUntilMs > now) continue;
      if (!followed.isCurrent || (isShut && followed.isThrottled)) continue;
      wanted.set(key, followed);
    }
    return wanted;
  }

  /** When somebody who rests now is to be looked at again. */
  #nextRestEnd(): number {
    const { clock, settings } = this.#options;
    const now = clock.monotonic();
    // Who does not rest waits for its quota, or for metadata.
    let next = now + Math.max(settings.backoffMs, 1);
    for (const { hasFailed, restUntilMs } of this.#followed.values()) {
      if (!hasFailed && restUntilMs > now) next = Math.min(next, restUntilMs);
    }
    return next;
  }

  #fetch(wanted: ReadonlyMap<string, FollowedPartition>): Promise<Response> {
    const { peers, nodeId, settings, brokerEpoch } = this.#options;
    const asked: Wanted[] = [];
    for (const followed of wanted.values()) {
      try {
        const { key, partition } = followed;
        const { topicId } = partition;
        asked.push({ key, topicId, asked: followed.ask(settings.partitionBytesMax) });
      } catch (error) {
        this.#failed(followed, error);
      }
    }
    const request: Request = {
      clusterId: null,
      replicaId: nodeId,
      replicaState: { replicaId: nodeId, replicaEpoch: brokerEpoch() },
      maxWaitMs: settings.waitMs,
      minBytes: settings.minBytes,
      maxBytes: settings.responseBytesMax,
      isolationLevel: 0,
      ...this.#session.next(asked),
      rackId: '',
    };
    const timeoutMs = settings.waitMs + settings.timeoutMs;
    return peers.send(this.leaderId, 'fetch', calls.fetch, request, timeoutMs);
  }

  #take(
    followed: FollowedPartition,
    answer: FetchedPartition,
    outOfRange: FollowedPartition[],
    toFlush: FollowedPartition[],
  ): void {
    if (answer.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      outOfRange.push(followed);
      return;
    }
    if (answer.errorCode !== ErrorCode.NONE) return this.#denied(followed, answer.errorCode);
    const { stats, quota } = this.#options;
    try {
      const bytes = followed.take(answer);
      stats.bytesIn += bytes;
      if (followed.isThrottled) quota.passed(bytes);
      const { log } = followed.partition;
      if (answer.flushUpTo > log.flushedOffset) toFlush.push(followed);
    } catch (error) {
      this.#failed(followed, error);
    }
  }

  /** The leader has refused one partition. */
  #denied(followed: FollowedPartition, code: number): void {
    const { clock, settings, logger } = this.#options;
    followed.restUntilMs = clock.monotonic() + settings.backoffMs;
    const name = errorName(code);
    if (BETWEEN_TERMS.has(code) || followed.loggedFailure === name) return;
    followed.loggedFailure = name;
    logger.warn('the leader of a partition refuses it to its follower', {
      ...this.#fieldsOf(followed),
      'error.code': name,
    });
  }

  /** Something went wrong here: what came was damaged, or our disk fails. */
  #failed(followed: FollowedPartition, error: unknown): void {
    const { clock, settings, logger, stats } = this.#options;
    stats.fetchFailures += 1;
    if (error instanceof ProtocolError && error.code === ErrorCode.CORRUPT_MESSAGE) {
      stats.corruptBatches += 1;
    }
    if (verdictOn(followed, error) === 'failed') followed.hasFailed = true;
    else followed.restUntilMs = clock.monotonic() + settings.backoffMs;
    const reason = reasonOf(error);
    if (followed.loggedFailure === reason) return;
    followed.loggedFailure = reason;
    logger.error('what the leader of a partition has sent could not be taken', {
      ...this.#fieldsOf(followed),
      'error.message': reason,
    });
  }

  #fieldsOf({ partition }: FollowedPartition): Record<string, unknown> {
    return {
      'kafka.topic': partition.topic,
      'kafka.partition': partition.index,
      'weir.broker.id': this.leaderId,
    };
  }

  /** Waits for the disk, for all of them at the same time. */
  async #each(
    some: readonly FollowedPartition[],
    action: (followed: FollowedPartition) => Promise<void>,
  ): Promise<void> {
    if (some.length === 0) return;
    await Promise.all(
      some.map(async (followed) => {
        try {
          await action(followed);
        } catch (error) {
          if (this.#isFollowed(followed)) this.#failed(followed, error);
        }
      }),
    );
  }

  /** Asks where the leader's logs begin and end, for those of ours that are not within. */
  async #moveInto(outOfRange: readonly FollowedPartition[]): Promise<void> {
    try {
      const ends = await this.#offsets(outOfRange, LATEST);
      const starts = await this.#offsets(outOfRange, EARLIEST);
      for (const followed of outOfRange) {
        if (this.#stopped || !this.#isFollowed(followed)) continue;
        const { topic, index } = followed.partition;
        const key = offsetKey(topic, index);
        const [start, end] = [starts.get(key), ends.get(key)];
        if (start === undefined || end === undefined) {
          this.#denied(followed, ErrorCode.NOT_LEADER_OR_FOLLOWER);
          continue;
        }
        try {
          followed.moveInto(start, end);
        } catch (error) {
          this.#failed(followed, error);
        }
      }
      await this.#each(outOfRange, ({ partition }) => partition.log.saveLogStart());
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      for (const followed of outOfRange) {
        this.#denied(followed, ErrorCode.NOT_LEADER_OR_FOLLOWER);
      }
    }
  }

  #offsets(
    of: readonly FollowedPartition[],
    timestamp: number,
  ): Promise<ReadonlyMap<string, number>> {
    const { peers, nodeId, settings } = this.#options;
    const { timeoutMs } = settings;
    return peerOffsets(
      peers,
      { leader: this.leaderId, channel: 'fetch', replicaId: nodeId, timestamp, timeoutMs },
      of.map(({ partition: { topic, index }, leaderEpoch }) => ({
        topic,
        partition: index,
        leaderEpoch,
      })),
    );
  }

  #reached(): void {
    if (this.#failures > 0) {
      this.#options.logger.info('the leader answers again', { 'weir.broker.id': this.leaderId });
    }
    this.#failures = 0;
  }

  /** The leader can't be reached, or has not answered. */
  #unreachable(error: unknown): number {
    if (!(error instanceof OperatingError)) throw error;
    const { settings, logger, stats } = this.#options;
    this.#session.reset();
    this.#failures += 1;
    stats.fetchFailures += 1;
    if (this.#failures === 1) {
      logger.warn('the leader of partitions can’t be reached', {
        'weir.broker.id': this.leaderId,
        'error.message': reasonOf(error),
      });
    }
    return Math.max(settings.backoffMs, 1);
  }

  /** The whole request was refused: most often the leader has forgotten the session. */
  #refused(code: number): number {
    const { settings } = this.#options;
    const isLost =
      code === ErrorCode.FETCH_SESSION_ID_NOT_FOUND ||
      code === ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR;
    if (isLost) this.#session.forget();
    else this.#session.reset();
    this.#failures += 1;
    return this.#failures === 1 ? 0 : Math.max(settings.backoffMs, 1);
  }

  /** Until the time is over, or there is something new to follow. */
  #rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#options.clock.after(delayMs, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        timer.cancel();
        resolve();
      };
    });
  }
}
