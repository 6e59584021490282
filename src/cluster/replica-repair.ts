/**
 * Has damaged logs of this broker mended from other replicas: a follower asks its leader, a leader one
 * that is in sync, and each asks the next one in sync where an answer is of no use.
 *
 * They are asked as by a consumer, who gets what is committed and that whole, in the term under way and
 * with the term of what lies before, so that nobody answers whose log is another one there. Whether the
 * answer fits is for the log to say. One range of one partition is mended at a time, over connections of
 * its own, with rests in between; replication does not wait for it. Nothing is remembered but when to try
 * again: what is damaged is in the logs, and who comes upon more of it wakes this up.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import type { DamagedRange, MendOutcome } from '../log/log-repair.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import type { Peers } from './peers.ts';

export interface ReplicaRepairOptions {
  readonly nodeId: number;
  readonly partitions: Partitions;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** After damage was met, and between two ranges. */
const PAUSE_MS = 50;
/** After an attempt has come to nothing: that, then ever longer. */
const REST_MS_MIN = 1_000;
const REST_MS_MAX = 60_000;
/** What another replica has did not fit: only compaction, or a further damage there, changes that. */
const MISFIT_REST_MS = 600_000;
const ANSWER_MS_MAX = 10_000;
/** Of one answer; a longer batch comes nevertheless. */
const ANSWER_BYTES = 1024 * 1024;
/** What a range may have, beyond the last answer. */
const RANGE_BYTES_MAX = 16 * ANSWER_BYTES;

/** As a consumer, without a session. */
const CONSUMER = {
  clusterId: null,
  replicaId: -1,
  replicaState: { replicaId: -1, replicaEpoch: -1 },
  isolationLevel: 0,
  sessionId: 0,
  sessionEpoch: -1,
  rackId: '',
} as const;

/** Of a log that could not be mended. */
interface Rest {
  readonly attempts: number;
  /** Of the monotonic clock. */
  readonly untilMs: number;
  /** The last reason that was logged. '': none was. */
  readonly logged: string;
  /** That what others have does not fit was told. */
  readonly isMisfitTold: boolean;
}

const NO_REST: Rest = { attempts: 0, untilMs: 0, logged: '', isMisfitTold: false };

export class ReplicaRepair {
  readonly #options: ReplicaRepairOptions;
  readonly #rests = new WeakMap<PartitionLog, Rest>();
  #timer: Timer | null = null;
  #isRunning = false;
  #hasStarted = false;
  #stopped = false;

  constructor(options: ReplicaRepairOptions) {
    this.#options = options;
  }

  /** Takes up what was met while the logs were opened. */
  start(): void {
    this.#hasStarted = true;
    this.#armNext();
  }
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Damage was met in some log. */
  wake(): void {
    this.#arm(PAUSE_MS);
  }

  #arm(delayMs: number): void {
    if (!this.#hasStarted || this.#stopped || this.#isRunning) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = null;
      void this.#round();
    });
  }

  /** When the one that rests the shortest is to be tried again; not at all where nothing is damaged. */
  #armNext(): void {
    const now = this.#options.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const { log } of this.#damaged()) next = Math.min(next, this.#restOf(log).untilMs);
    if (next < Number.POSITIVE_INFINITY) this.#arm(Math.max(next - now, PAUSE_MS));
  }

  *#damaged(): Generator<Partition> {
    for (const partition of this.#options.partitions.all()) {
      if (!partition.isOffline && partition.log.isDamaged) yield partition;
    }
  }

  #restOf(log: PartitionLog): Rest {
    return this.#rests.get(log) ?? NO_REST;
  }

  /** One range, of the partition whose turn it is. */
  async #round(): Promise<void> {
    const now = this.#options.clock.monotonic();
    let due: Partition | null = null;
    for (const partition of this.#damaged()) {
      if (this.#restOf(partition.log).untilMs > now) continue;
      due = partition;
      break;
    }
    if (due !== null) {
      this.#isRunning = true;
      await this.#tryToMend(due);
      this.#isRunning = false;
    }
    this.#armNext();
  }

  async #tryToMend(partition: Partition): Promise<void> {
    const { log } = partition;
    try {
      const range = log.damagedRange();
      if (range === null) return this.#isOver(log);
      const others = this.#others(partition);
      if (others.length === 0) return this.#rest(partition, log, 'there is no other replica');
      const { attempts } = this.#restOf(log);
      const peer = others[attempts % others.length]!;
      const outcome = await this.#mend(partition, log, range, peer);
      if (outcome.kind === 'mended') this.#mended(partition, log, range, peer, outcome.bytes);
      else if (outcome.kind === 'changed') this.#restUntil(log, REST_MS_MIN);
      else {
        const reason = outcome.kind === 'more' ? 'it is too long' : outcome.reason;
        const isLast = (attempts + 1) % others.length === 0;
        this.#doesNotFit(partition, log, reason, peer, isLast);
      }
    } catch (error) {
      const isPassing = error instanceof OperatingError || error instanceof ProtocolError;
      if (!isPassing) throw error;
      if (!this.#stopped) this.#rest(partition, log, reasonOf(error));
    }
  }

  /** The leader first. */
  #others({ leaderId, isr }: Partition): number[] {
    const ids = [leaderId, ...isr.filter((id) => id !== leaderId)];
    return ids.filter((id) => id >= 0 && id !== this.#options.nodeId);
  }

  async #mend(
    partition: Partition,
    log: PartitionLog,
    range: DamagedRange,
    peer: number,
  ): Promise<MendOutcome> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let offset = range.firstOffset;
    for (;;) {
      const records = await this.#fetch(partition, offset, range, peer);
      const isCurrent = !this.#stopped && !partition.isOffline && !partition.isRemoved;
      if (!isCurrent || partition.log !== log) return { kind: 'changed' };
      pieces.push(records);
      bytes += records.length;
      const outcome = await log.mend(range, Buffer.concat(pieces));
      if (outcome.kind !== 'more' || bytes > RANGE_BYTES_MAX) return outcome;
      offset = outcome.nextOffset;
    }
  }

  /** What the other one has from `offset` on. */
  async #fetch(
    { topicId, index, leaderEpoch }: Partition,
    offset: number,
    range: DamagedRange,
    peer: number,
  ): Promise<Buffer> {
    const request = {
      ...CONSUMER,
      forgottenTopicsData: [],
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: ANSWER_BYTES,
      topics: [
        {
          topic: '',
          topicId,
          partitions: [
            {
              partition: index,
              currentLeaderEpoch: leaderEpoch,
              fetchOffset: offset,
              lastFetchedEpoch: offset === range.firstOffset ? range.epochBefore : -1,
              logStartOffset: -1,
              partitionMaxBytes: ANSWER_BYTES,
              replicaDirectoryId: ZERO_UUID,
              highWatermark: Number.MAX_SAFE_INTEGER,
              flushedOffset: -1,
            },
          ],
        },
      ],
    };
    const { peers } = this.#options;
    const response = await peers.send(peer, 'repair', calls.fetch, request, ANSWER_MS_MAX);
    const answer = response.responses[0]?.partitions[0];
    const code = response.errorCode || (answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR);
    if (code !== ErrorCode.NONE) throw new ProtocolError(code, errorName(code));
    if (answer!.divergingEpoch.epoch >= 0) {
      throw new OperatingError('diverging', 'its log is another one there');
    }
    const records = answer!.records as Buffer | null;
    if (records === null || records.length === 0) {
      throw new OperatingError('nothing', `it has nothing committed at offset ${offset}`);
    }
    return records;
  }

  #isOver(log: PartitionLog): void {
    this.#rests.delete(log);
  }

  #mended(
    partition: Partition,
    log: PartitionLog,
    { firstOffset }: DamagedRange,
    peer: number,
    bytes: number,
  ): void {
    const { partitions, logger } = this.#options;
    partitions.replication.mendedRanges += 1;
    this.#isOver(log);
    logger.info('a damaged range of a log was mended from another replica', {
      ...fieldsOf(partition),
      'weir.broker.id': peer,
      'weir.log.offset': firstOffset,
      'weir.log.bytes_mended': bytes,
    });
  }

  /** It is told once: it will be the same with each attempt. */
  #doesNotFit(
    partition: Partition,
    log: PartitionLog,
    reason: string,
    peer: number,
    isLast: boolean,
  ): void {
    const { partitions, logger } = this.#options;
    const { isMisfitTold } = this.#restOf(log);
    this.#restUntil(log, isLast ? MISFIT_REST_MS : REST_MS_MIN, { isMisfitTold: true });
    if (isMisfitTold) return;
    partitions.replication.unmendableRanges += 1;
    logger.error('a damaged range of a log is left as it is: another replica’s does not fit', {
      ...fieldsOf(partition),
      'weir.broker.id': peer,
      'error.message': reason,
    });
  }

  #rest(partition: Partition, log: PartitionLog, reason: string): void {
    const { attempts, logged } = this.#restOf(log);
    this.#restUntil(log, Math.min(REST_MS_MIN * 2 ** attempts, REST_MS_MAX), { logged: reason });
    if (logged === reason) return;
    this.#options.logger.warn('a damaged range of a log could not be mended yet', {
      ...fieldsOf(partition),
      'error.message': reason,
    });
  }

  #restUntil(log: PartitionLog, delayMs: number, more: Partial<Rest> = {}): void {
    const before = this.#restOf(log);
    const untilMs = this.#options.clock.monotonic() + delayMs;
    this.#rests.set(log, { ...before, ...more, attempts: before.attempts + 1, untilMs });
  }
}

const fieldsOf = ({ topic, index }: Partition): Record<string, unknown> => ({
  'kafka.topic': topic,
  'kafka.partition': index,
});
