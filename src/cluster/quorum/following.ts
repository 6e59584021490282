/**
 * Following one leader in one epoch: fetches what it has, puts it on the device, and only then
 * asks for more, by which the leader knows; takes a snapshot when the leader's log begins later.
 *
 * It never ends by itself: whoever learns of a later epoch, or elects another leader, closes it.
 */
import { sleep, type Timer } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import { calls } from '../../client/call.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { type FetchAnswer, fetchRequestOf, snapshotRequestOf } from './bodies.ts';
import type { QuorumContext } from './context.ts';
import { isExpected } from './leadership.ts';
import type { Snapshot, SnapshotId } from './snapshots.ts';

export interface FollowingEvents {
  /** The leader answers: the log is what the leader's was, and it has told its high watermark. */
  fetched(highWatermark: number): void;
  /** The leader can't be reached, or has not answered for too long. */
  lost(): void;
}

const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const SNAPSHOT_PART_BYTES_MAX = 1024 * 1024;

/** Share of the fetch timeout that a fetch waits at the leader at most. */
const WAIT_SHARE = 0.4;

/** After a failure, and after a refusal or a lack of room, milliseconds. */
const RETRY_MS = 25;
const REFUSED_MS = 50;

export class Following {
  readonly leaderId: number;
  readonly epoch: number;
  readonly #context: QuorumContext;
  readonly #events: FollowingEvents;
  #isOver = false;
  #fetchedAtMs: number;
  #isSuspect = false;
  #timer: Timer | null = null;

  constructor(context: QuorumContext, leaderId: number, events: FollowingEvents) {
    this.#context = context;
    this.#events = events;
    this.leaderId = leaderId;
    this.epoch = context.epoch;
    this.#fetchedAtMs = context.clock.monotonic();
  }

  /** The leader does not answer as far as this broker sees. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  start(): void {
    this.#watch(this.#context.settings.fetchTimeoutMs);
    this.#run().catch((error: unknown) => {
      if (!this.#isOver) this.#context.fail(error);
    });
  }

  close(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  /** A connection to the leader was lost. */
  suspect(): void {
    if (this.#isOver) return;
    this.#isSuspect = true;
    this.#events.lost();
  }

  /** Looks after the leader that hangs, or whose answers do not come through. */
  #watch(delayMs: number): void {
    const { clock, settings } = this.#context;
    this.#timer = clock.after(delayMs, () => {
      if (this.#isOver) return;
      const silentMs = clock.monotonic() - this.#fetchedAtMs;
      if (silentMs >= settings.fetchTimeoutMs) this.suspect();
      if (this.#isOver) return;
      const leftMs = settings.fetchTimeoutMs - silentMs;
      this.#watch(leftMs > 0 ? Math.ceil(leftMs) : settings.fetchTimeoutMs);
    });
  }

  async #run(): Promise<void> {
    const { log, clock, counters, logger } = this.#context;
    while (!this.#isOver) {
      try {
        // What a crash has left in the log is not on the device for certain.
        await log.flush();
        if (this.#isOver) return;
        const answer = await this.#fetch();
        if (this.#isOver || answer === null) return;
        await this.#handle(answer);
      } catch (error) {
        if (this.#isOver) return;
        if (!isExpected(error) || !log.isOnline) throw error;
        counters.fetchFailures++;
        logger.debug('the metadata could not be fetched', { 'error.message': reasonOf(error) });
        if (!(error instanceof ProtocolError)) this.suspect();
        await sleep(clock, error instanceof ProtocolError ? REFUSED_MS : RETRY_MS);
      }
    }
  }

  async #fetch(): Promise<FetchAnswer | null> {
    const { log, peers, clusterId, self, settings, counters } = this.#context;
    const body = fetchRequestOf({
      clusterId,
      from: self,
      epoch: this.epoch,
      fetchOffset: log.endOffset,
      lastEpoch: log.lastEpoch,
      logStartOffset: log.startOffset,
      highWatermark: log.highWatermark,
      maxWaitMs: Math.floor(settings.fetchTimeoutMs * WAIT_SHARE),
      maxBytes: FETCH_BYTES_MAX,
    });
    counters.fetches++;
    const { fetchTimeoutMs } = settings;
    const response = await peers.send(this.leaderId, 'metadata', calls.fetch, body, fetchTimeoutMs);
    if (this.#isOver) return null;
    const answer = response.responses[0]?.partitions[0];
    const code = answer?.errorCode ?? response.errorCode;
    if (answer !== undefined && code !== ErrorCode.NONE) {
      const { leaderEpoch, leaderId } = answer.currentLeader;
      this.#context.learn(leaderEpoch, leaderId);
    }
    if (this.#isOver) return null;
    if (answer === undefined || code !== ErrorCode.NONE) {
      // It leads no more, and nobody else is known to: as good as gone.
      if (code === ErrorCode.NOT_LEADER_OR_FOLLOWER) this.suspect();
      throw new ProtocolError(code);
    }
    return answer;
  }

  async #handle(answer: FetchAnswer): Promise<void> {
    const { log, counters } = this.#context;
    this.#heard();
    if (answer.snapshotId.endOffset >= 0) return this.#fetchSnapshot(answer.snapshotId);
    const { epoch, endOffset } = answer.divergingEpoch;
    if (epoch >= 0) {
      counters.truncations++;
      return log.truncateToEndOf(epoch, endOffset);
    }
    const records = answer.records as Buffer | null;
    if (records !== null && records.length > 0) {
      counters.fetchRecords += log.appendFetched(records);
    }
    // The device works while the image is brought up to date.
    const flushed = log.flush();
    flushed.catch(() => {});
    log.commit(answer.highWatermark);
    this.#events.fetched(answer.highWatermark);
    await flushed;
  }

  #heard(): void {
    this.#fetchedAtMs = this.#context.clock.monotonic();
    this.#isSuspect = false;
  }

  async #fetchSnapshot(id: SnapshotId): Promise<void> {
    const { log, clusterId, self, peers, settings, counters, logger } = this.#context;
    logger.info('the metadata comes as a snapshot', { 'kafka.offset': id.endOffset });
    const incoming = log.onDisk('write a snapshot of', () => log.snapshots.receive(id));
    try {
      for (let size = -1; incoming.position !== size; ) {
        const body = snapshotRequestOf({
          clusterId,
          from: self,
          epoch: this.epoch,
          id,
          position: incoming.position,
          maxBytes: SNAPSHOT_PART_BYTES_MAX,
        });
        const { fetchTimeoutMs: timeoutMs } = settings;
        const response = await peers.send(
          this.leaderId,
          'metadata',
          calls.fetchSnapshot,
          body,
          timeoutMs,
        );
        if (this.#isOver) return incoming.abandon();
        const part = response.topics[0]?.partitions[0];
        const bytes = part?.unalignedRecords as Buffer | undefined;
        const code = part?.errorCode ?? response.errorCode;
        if (part === undefined || bytes === undefined || code !== ErrorCode.NONE) {
          throw new ProtocolError(code);
        }
        if (part.position !== incoming.position || (bytes.length === 0 && part.size > 0)) {
          throw new ProtocolError(ErrorCode.POSITION_OUT_OF_RANGE);
        }
        this.#heard();
        log.onDisk('write a snapshot of', () => incoming.put(bytes));
        size = part.size;
      }
    } catch (error) {
      incoming.abandon();
      throw error;
    }
    let snapshot: Snapshot;
    try {
      snapshot = await incoming.complete();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, error.message);
    }
    // Only with the log that goes on behind it: by its epoch alone this log would seem another one.
    if (this.#isOver) return;
    log.onDisk('write a snapshot of', () => incoming.keep());
    log.install(snapshot);
    counters.snapshotsFetched++;
  }
}
