/**
 * One epoch of being the leader: appends, says how far all is committed, serves the followers, and
 * changes who votes.
 *
 * Invariants: only steps of this very epoch are counted as committed, everything before follows
 * with them (Raft §5.4.2); of its own log the leader counts what is on its device and no more. Who
 * votes changes by one voter at a time, not before this epoch has a committed step, nor while the
 * change before is not committed.
 */
import type { Timer } from '../../base/clock.ts';
import { OperatingError, reasonOf } from '../../base/errors.ts';
import { calls } from '../../client/call.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { Voter } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import { beginRequestOf, type FetchAnswer, type FetchPartition, fetchAnswerOf } from './bodies.ts';
import type { QuorumContext } from './context.ts';
import { VOTERS_MAX } from './format.ts';
import { type Replica, Replicas } from './replicas.ts';
import { includes, isSame } from './voters.ts';
import { WaitingFetches } from './waiting-fetches.ts';

export interface LeadershipEvents {
  /** The first step of the epoch is committed and applied. */
  active(): void;
  /** A majority was not heard of, or nothing can be appended: leads no more. */
  resigned(reason: string): void;
}

interface Pending {
  readonly lastOffset: number;
  readonly appendedAtMs: number;
  readonly resolve: (lastOffset: number) => void;
  readonly reject: (error: Error) => void;
}

/** Steps that wait to be committed; one more is refused. The controller makes one at a time. */
const PENDING_MAX = 1_000;

/** Longest time that a majority may be silent, by the timeout of fetches. */
const MAJORITY_TIMES = 1.5;

const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

export class Leadership {
  readonly epoch: number;
  readonly #context: QuorumContext;
  readonly #events: LeadershipEvents;
  readonly #replicas: Replicas;
  readonly #waiting: WaitingFetches;
  /** In the order of their offsets. */
  readonly #pending: Pending[] = [];
  readonly #removals = new Map<number, { resolve: () => void; reject: (e: Error) => void }[]>();
  #firstOffset = -1;
  #isActive = false;
  #isOver = false;
  #timer: Timer | null = null;
  #flushing = false;

  constructor(context: QuorumContext, events: LeadershipEvents) {
    this.#context = context;
    this.#events = events;
    this.epoch = context.epoch;
    const { self, log, clock } = context;
    this.#replicas = new Replicas(self, log.voters.latest, clock.monotonic());
    this.#waiting = new WaitingFetches(clock);
  }

  /** The first step of the epoch is committed: who asks here is told of all that was before. */
  get isActive(): boolean {
    return this.#isActive;
  }
  get replicas(): Replicas {
    return this.#replicas;
  }

  /** Throws ProtocolError when the first step can't be appended. */
  start(first: readonly MetadataRecord[]): void {
    const { log, epoch } = this.#context;
    const { firstOffset } = log.append([{ type: 'NoOp', value: {} }, ...first], epoch);
    this.#firstOffset = firstOffset;
    this.#context.counters.appendRecords += 1 + first.length;
    this.#flush();
    this.#announce(this.#context.others());
    this.#arm();
  }

  /** Alone, and nothing can be appended: what there is can be read, and changes fail for now. */
  startWithoutRoom(): void {
    this.#firstOffset = this.#context.log.endOffset - 1;
    this.#flush();
  }

  append(records: readonly MetadataRecord[]): Promise<number> {
    if (!this.#isActive || this.#isOver) return Promise.reject(notController());
    if (records.length === 0) return Promise.resolve(this.#context.log.lastOffset);
    if (this.#pending.length >= PENDING_MAX) return Promise.reject(notController());
    let lastOffset: number;
    try {
      lastOffset = this.#append(records);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const appendedAtMs = this.#context.clock.monotonic();
      this.#pending.push({ lastOffset, appendedAtMs, resolve, reject });
    });
  }

  #append(records: readonly MetadataRecord[]): number {
    const { log, counters } = this.#context;
    let lastOffset: number;
    try {
      ({ lastOffset } = log.append(records, this.epoch));
    } catch (error) {
      this.#unwritable(error);
      throw error;
    }
    counters.appendRecords += records.length;
    this.#waiting.wake(log.endOffset, log.highWatermark);
    this.#flush();
    return lastOffset;
  }

  /** The disk takes nothing: somebody else's may. */
  #unwritable(error: unknown): void {
    const isStorage =
      error instanceof ProtocolError && error.code === ErrorCode.KAFKA_STORAGE_ERROR;
    if (!isStorage || this.#context.log.voters.latest.length < 2) return;
    queueMicrotask(() => {
      if (!this.#isOver) this.#events.resigned(reasonOf(error));
    });
  }

  #flush(): void {
    // One flush at a time is enough: whoever comes meanwhile is in the next one.
    if (this.#flushing) return;
    this.#flushing = true;
    const { log } = this.#context;
    const end = log.endOffset;
    log.flush().then(
      () => {
        this.#flushing = false;
        if (this.#isOver) return;
        this.#advance();
        if (!this.#isOver && log.endOffset > end) this.#flush();
      },
      (error: unknown) => {
        this.#flushing = false;
        this.#context.fail(error);
      },
    );
  }

  /** Finds out what is committed by now. */
  #advance(): void {
    const { log, clock, counters } = this.#context;
    const offset = this.#replicas.majorityOffset(log.voters.latest, log.flushedOffset);
    if (offset <= this.#firstOffset) return;
    if (offset <= log.highWatermark && this.#isActive) return;
    try {
      log.commit(offset);
    } catch (error) {
      return this.#context.fail(error);
    }
    if (!this.#isActive) {
      this.#isActive = true;
      this.#events.active();
    }
    const now = clock.monotonic();
    while (this.#pending.length > 0 && this.#pending[0]!.lastOffset < offset) {
      const { lastOffset, appendedAtMs, resolve } = this.#pending.shift()!;
      counters.committed(now - appendedAtMs);
      resolve(lastOffset);
    }
    this.#waiting.wake(log.endOffset, log.highWatermark);
    this.#changeVoters();
  }

  /** Answers a follower, now or when there is something for it. */
  fetch(
    partition: FetchPartition,
    replicaId: number,
    request: { maxWaitMs: number; maxBytes: number },
  ): Promise<FetchAnswer> | FetchAnswer {
    const { log, clock } = this.#context;
    const { fetchOffset, lastFetchedEpoch } = partition;
    const follower = { id: replicaId, directoryId: partition.replicaDirectoryId };
    const replica = this.#replicas.get(follower);
    const place = log.placeOf(fetchOffset, lastFetchedEpoch);
    if (place.kind !== 'valid') {
      replica.heardAtMs = clock.monotonic();
      replica.lastFetchTimestamp = clock.now();
      return place.kind === 'snapshot'
        ? this.#answer({ snapshotId: { endOffset: place.id.endOffset, epoch: place.id.epoch } })
        : this.#answer({ divergingEpoch: { epoch: place.epoch, endOffset: place.endOffset } });
    }
    replica.highWatermark = partition.highWatermark;
    this.#replicas.fetched(replica, fetchOffset, log.endOffset, clock.monotonic(), clock.now());
    if (includes(log.voters.latest, follower)) this.#advance();
    else this.#changeVoters();
    if (this.#isOver) return this.#answer({});
    const known = Math.min(partition.highWatermark, log.endOffset);
    if (fetchOffset < log.endOffset || known < log.highWatermark) {
      return this.#records(fetchOffset, request.maxBytes);
    }
    return new Promise((resolve) => {
      this.#waiting.wait(fetchOffset, log.highWatermark, request.maxWaitMs, () => {
        if (this.#isOver) return resolve(this.#answer({}));
        try {
          resolve(this.#records(fetchOffset, request.maxBytes));
        } catch (error) {
          resolve(this.#answer({ errorCode: codeOf(error) }));
        }
      });
    });
  }

  #records(offset: number, bytesMax: number): FetchAnswer {
    const { log } = this.#context;
    if (offset >= log.endOffset) return this.#answer({});
    return this.#answer({ records: log.read(offset, bytesMax) });
  }

  #answer(more: Partial<FetchAnswer>): FetchAnswer {
    const { log } = this.#context;
    if (this.#isOver) {
      return fetchAnswerOf({
        errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        currentLeader: { ...this.#context.leader },
      });
    }
    return fetchAnswerOf({
      highWatermark: log.highWatermark,
      logStartOffset: log.startOffset,
      currentLeader: { leaderId: this.#context.self.id, leaderEpoch: this.epoch },
      ...more,
    });
  }

  /** It asks for parts of a snapshot: it lives. */
  heardOf(replicaId: number, directoryId: string): void {
    this.#replicas.get({ id: replicaId, directoryId }).heardAtMs = this.#context.clock.monotonic();
  }

  /** Tells brokers who leads. */
  #announce(ids: readonly number[]): void {
    const { peers, clusterId, log, settings, leader, logger } = this.#context;
    for (const id of ids) {
      const directoryId = log.voters.latest.find((voter) => voter.id === id)?.directoryId;
      const to = { id, directoryId: directoryId ?? ZERO_UUID };
      peers
        .send(
          id,
          'quorum',
          calls.beginQuorumEpoch,
          beginRequestOf(clusterId, to, leader),
          settings.electionTimeoutMs,
        )
        .then((response) => {
          const answer = response.topics[0]?.partitions[0];
          if (answer !== undefined) this.#context.learn(answer.leaderEpoch, answer.leaderId);
        })
        .catch((error: unknown) => {
          // It will be told again, and it asks by itself.
          if (!isExpected(error)) return this.#context.fail(error);
          logger.debug('a broker was not told who leads', { 'error.message': reasonOf(error) });
        });
    }
  }

  /** A lone voter has nobody to look after. */
  #arm(): void {
    const { clock, settings, log } = this.#context;
    if (this.#timer !== null || log.voters.latest.length < 2) return;
    const delayMs = settings.fetchTimeoutMs / 2;
    const dueAtMs = clock.monotonic() + delayMs;
    this.#timer = clock.after(delayMs, () => {
      this.#timer = null;
      this.#arm();
      // After a pause of this process, what the others have sent meanwhile is read first.
      if (clock.monotonic() - dueAtMs < delayMs) this.#check();
    });
  }

  /** Regularly: is there still a majority, has everybody heard of this leader, who may vote. */
  #check(): void {
    const { log, clock, settings, self } = this.#context;
    const voters = log.voters.latest;
    const since = clock.monotonic() - settings.fetchTimeoutMs * MAJORITY_TIMES;
    if (!this.#replicas.hasMajority(voters, since)) {
      this.#context.counters.resignations++;
      return this.#events.resigned('a majority of the voters was not heard of');
    }
    const unheard = voters.filter(
      (voter) => !isSame(voter, self) && (this.#replicas.find(voter)?.lastFetchTimestamp ?? -1) < 0,
    );
    this.#announce(unheard.map(({ id }) => id));
    this.#changeVoters();
  }

  /**
   * Resolves when the broker does not vote any more, or never did. Rejects with NOT_CONTROLLER, and
   * with INVALID_REQUEST for the last voter.
   */
  removeVoter(id: number): Promise<void> {
    if (this.#isOver) return Promise.reject(notController());
    if (this.#context.log.voters.latest.every((voter) => voter.id === id)) {
      const text = `broker ${id} is the only one that keeps the metadata`;
      return Promise.reject(new ProtocolError(ErrorCode.INVALID_REQUEST, text));
    }
    return new Promise((resolve, reject) => {
      const waiting = this.#removals.get(id) ?? [];
      waiting.push({ resolve, reject });
      this.#removals.set(id, waiting);
      this.#changeVoters();
    });
  }

  /** Makes the next change of who votes, if one is due and allowed. */
  #changeVoters(): void {
    const { log, counters, logger } = this.#context;
    if (this.#isOver || !this.#isActive) return;
    if (log.voters.latestOffset >= log.highWatermark) return;
    const voters = log.voters.latest;
    if (!includes(voters, this.#context.self)) {
      return this.#events.resigned('this broker votes no more');
    }
    for (const [id, waiting] of this.#removals) {
      if (voters.some((voter) => voter.id === id)) continue;
      this.#removals.delete(id);
      for (const { resolve } of waiting) resolve();
    }
    const next = this.#nextVoters(voters);
    if (next === null) return;
    logger.info('the voters of the metadata quorum change', {
      'weir.voters': next.map(({ id }) => id).join(','),
    });
    counters.voterChanges++;
    try {
      this.#append([{ type: 'Voters', value: { voters: [...next] } }]);
      this.#arm();
    } catch (error) {
      if (!(error instanceof ProtocolError)) return this.#context.fail(error);
    }
  }

  #nextVoters(voters: readonly Voter[]): readonly Voter[] | null {
    const { clock, settings, log } = this.#context;
    const without = (gone: Voter): Voter[] => voters.filter((voter) => !isSame(voter, gone));
    const unwanted = voters.find(({ id }) => this.#removals.has(id));
    if (unwanted !== undefined && voters.length > 1) return without(unwanted);
    const now = clock.monotonic();
    const since = now - settings.fetchTimeoutMs * MAJORITY_TIMES;
    const observers = this.#replicas
      .observers(voters, since)
      .filter((o) => o.caughtUpAtMs >= since && o.directoryId !== ZERO_UUID);
    for (const observer of observers) {
      const old = voters.find(({ id }) => id === observer.id);
      // Its disk was replaced: the one that voted is not coming back.
      const silentMs = old === undefined ? 0 : now - this.#replicas.heardAt(old);
      if (old !== undefined && silentMs >= settings.fetchTimeoutMs) return without(old);
    }
    if (voters.length >= VOTERS_MAX) return null;
    const added = observers.find(
      (o: Replica) => log.image.brokers.has(o.id) && !voters.some(({ id }) => id === o.id),
    );
    if (added === undefined) return null;
    return [...voters, { id: added.id, directoryId: added.directoryId }];
  }

  /** The epoch is over for this leader. Idempotent. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isActive = false;
    this.#timer?.cancel();
    for (const { reject } of this.#pending.splice(0)) reject(notController());
    for (const waiting of this.#removals.values()) {
      for (const { reject } of waiting) reject(notController());
    }
    this.#removals.clear();
    this.#waiting.wakeAll();
  }
}

export const notController = (): ProtocolError =>
  new ProtocolError(
    ErrorCode.NOT_CONTROLLER,
    'This is not the correct controller for this cluster.',
  );

/** What may become of a request to another broker. */
export const isExpected = (error: unknown): boolean =>
  error instanceof OperatingError || error instanceof ProtocolError;

const codeOf = (error: unknown): number =>
  error instanceof ProtocolError ? error.code : ErrorCode.UNKNOWN_SERVER_ERROR;
