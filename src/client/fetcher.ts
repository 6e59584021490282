/**
 * Fetches raw record batches of the partitions that it is assigned: no work a record is done here.
 *
 * One Fetch request at a time is under way to each leader, and goes on while the caller works on
 * what it has, until `bufferBytes` lie unpolled. A partition's position moves when its data arrives;
 * what was fetched for a position that has changed since (`assign`, `seek`) is thrown away. Leaders
 * that move and brokers that come and go are followed without an error.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import type { fetchResponse } from '../protocol/messages/01-fetch.ts';
import { lastOffset, partitionLeaderEpoch, validateBatch } from '../protocol/record-batch.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client, Lane } from './client.ts';
import { FetchBuffer } from './fetch-buffer.ts';
import { type FetchOffset, FetchPosition } from './fetch-position.ts';
import { fetchBody, leaderHints } from './fetch-request.ts';
import { type FetchedBatch, forEachBatch } from './fetched-batch.ts';
import { listOffsets, partitionKey, type TopicPartition } from './list-offsets.ts';
import { WakeUp } from './wake-up.ts';

export interface FetcherOptions {
  /** What an answer of the broker waits for, and how long. */
  readonly minBytes?: number;
  readonly maxWaitMs?: number;
  /** Largest answer, as far as whole batches allow. */
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  /** Fetched and not polled; exceeded by at most one answer from each leader. */
  readonly bufferBytes?: number;
  /** Where to go when a position is outside the log; `none`: `poll` rejects. */
  readonly offsetReset?: 'earliest' | 'latest' | 'none';
  readonly isolation?: 'read_uncommitted' | 'read_committed';
}

export interface FetchStart extends TopicPartition {
  readonly offset: FetchOffset;
  /** Of the record before the offset, where known: by it a log that was truncated is noticed. */
  readonly leaderEpoch?: number;
}

type FetchResponse = Infer<typeof fetchResponse>;
type PartitionResponse = FetchResponse['responses'][number]['partitions'][number];

const TOPIC_ID_VERSION = 13;

export class Fetcher {
  /** Plain counters for whoever exposes them. */
  readonly counters = {
    requests: 0,
    bytes: 0,
    batches: 0,
    resets: 0,
    errors: 0,
    /** Times that what was fetched before was found to be gone from the log (unclean election). */
    truncations: 0,
    /** Times that a topic was found to be another one of the same name. */
    replacements: 0,
  };
  readonly #client: Client;
  readonly #options: Required<FetcherOptions>;
  readonly #lane: Lane;
  /** In the order in which they are asked for. */
  readonly #partitions = new Map<string, FetchPosition>();
  readonly #buffer: FetchBuffer;
  readonly #wakeUp: WakeUp;
  readonly #underWay = new Set<number>();
  readonly #stopListening: () => void;
  /** Positions that are being looked up. */
  readonly #lookedUp = new Set<FetchPosition>();
  #closed = false;

  constructor(client: Client, options: FetcherOptions = {}) {
    this.#client = client;
    this.#options = {
      minBytes: options.minBytes ?? 1,
      maxWaitMs: options.maxWaitMs ?? 500,
      maxBytes: options.maxBytes ?? 8 * 1024 * 1024,
      partitionMaxBytes: options.partitionMaxBytes ?? 1024 * 1024,
      bufferBytes: options.bufferBytes ?? 32 * 1024 * 1024,
      offsetReset: options.offsetReset ?? 'latest',
      isolation: options.isolation ?? 'read_uncommitted',
    };
    this.#buffer = new FetchBuffer(client.clock);
    this.#wakeUp = new WakeUp(client.clock, () => this.#pump());
    this.#lane = client.newLane('fetch');
    this.#stopListening = client.metadata.onUpdate(() => this.#wakeUp.now());
  }

  /** Bytes that wait for `poll`. */
  get bufferedBytes(): number {
    return this.#buffer.bytes;
  }

  /**
   * Replaces the assignment. A partition whose offset is the one behind what was polled of it keeps
   * what it has fetched.
   */
  assign(positions: readonly FetchStart[]): void {
    const wanted = new Map(positions.map((p) => [partitionKey(p), p]));
    for (const key of this.#partitions.keys()) if (!wanted.has(key)) this.#partitions.delete(key);
    for (const [key, p] of wanted) {
      this.#client.metadata.watch(p.topic);
      const state = this.#partitions.get(key) ?? new FetchPosition(p);
      this.#partitions.set(key, state);
      const polled = this.#buffer.startOf(state) ?? state.position;
      if (polled === null || polled !== p.offset) state.move(p.offset, p.leaderEpoch);
    }
    this.#buffer.dropStale(this.#partitions);
    this.#wakeUp.now();
  }

  /** The next poll begins at `offset`. */
  seek(p: TopicPartition, offset: FetchOffset): void {
    this.#state(p).move(offset);
    this.#buffer.dropStale(this.#partitions);
    this.#wakeUp.now();
  }

  /** Fetches no more of these; what is fetched already is still polled. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const p of partitions) this.#state(p).paused = true;
  }
  resume(partitions: readonly TopicPartition[]): void {
    for (const p of partitions) this.#state(p).paused = false;
    this.#wakeUp.now();
  }

  /** Offset that the next fetch asks for; null while it is looked up. */
  position(p: TopicPartition): number | null {
    return this.#state(p).position;
  }
  /** As of the last answer; -1: none yet. */
  highWatermark(p: TopicPartition): number {
    return this.#state(p).highWatermark;
  }

  /**
   * Everything that has arrived; waits up to `timeoutMs` for the first of it, then resolves to [].
   * Rejects with ProtocolError when a partition can't be read (its position outside the log and
   * `offsetReset` none, no permission, …); the partition is tried again later.
   */
  async poll(timeoutMs = 500): Promise<FetchedBatch[]> {
    if (this.#closed) throw new OperatingError('fetcher-closed', 'the fetcher is closed');
    const polled = await this.#buffer.take(timeoutMs);
    this.#wakeUp.now();
    return polled;
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#wakeUp.close();
    this.#client.releaseLane(this.#lane);
    this.#buffer.clear();
    this.#buffer.wake();
  }

  #state(p: TopicPartition): FetchPosition {
    const state = this.#partitions.get(partitionKey(p));
    if (state === undefined) {
      throw new OperatingError('not-assigned', `${partitionKey(p)} is not assigned`);
    }
    return state;
  }

  #pump(): void {
    const now = this.#client.clock.monotonic();
    const byLeader = new Map<number, FetchPosition[]>();
    const lost = new Map<number, FetchPosition[]>();
    let unknown = false;
    for (const state of this.#partitions.values()) {
      const leader = this.#client.metadata.leader(state.topic, state.partition);
      // A new leader need not wait for what the one before it has refused.
      const mayHelp = leader >= 0 && state.position !== null && leader !== state.failedBroker;
      if (state.retryAt > now && !mayHelp) {
        this.#wakeUp.at(state.retryAt);
        continue;
      }
      if (state.position !== null && state.paused) continue;
      if (leader < 0) {
        unknown = true;
        this.#topicFailed(state);
      } else addTo(state.position === null ? lost : byLeader, leader, state);
    }
    if (unknown) this.#client.metadata.requestRefresh();
    for (const states of lost.values()) this.#resetPositions(states);
    for (const [leader, states] of byLeader) {
      if (this.#underWay.has(leader) || this.#buffer.bytes >= this.#options.bufferBytes) continue;
      this.#underWay.add(leader);
      this.#fetch(leader, states)
        .catch((error: unknown) => this.#brokerFailed(leader, states, error))
        .finally(() => {
          this.#underWay.delete(leader);
          this.#wakeUp.now();
        });
    }
  }

  async #fetch(leader: number, states: readonly FetchPosition[]): Promise<void> {
    const { metadata } = this.#client;
    const connection = await this.#client.connection(leader, this.#lane);
    if (states.some((state) => state.position === null)) return; // Moved while connecting.
    const asked = new Map(states.map((state) => [state.key, askedOf(state)]));
    const named = states.every((s) => (metadata.topic(s.topic)?.id ?? ZERO_UUID) !== ZERO_UUID);
    const version = connection.versionOf(
      calls.fetch,
      named ? calls.fetch.max : TOPIC_ID_VERSION - 1,
    );
    this.counters.requests++;
    const { maxWaitMs } = this.#options;
    // A broker that does not answer may have been replaced; then the new leader is asked, too.
    const suspicion = this.#client.clock.after(maxWaitMs + this.#client.suspectAfterMs, () =>
      metadata.requestRefresh(),
    );
    let response: FetchResponse;
    try {
      response = await connection.request(calls.fetch, fetchBody(states, this.#options, metadata), {
        version,
        timeoutMs: maxWaitMs + this.#client.requestTimeoutMs,
      });
    } finally {
      suspicion.cancel();
    }
    if (this.#closed) return;
    if (response.errorCode !== ErrorCode.NONE) throw new ProtocolError(response.errorCode);
    metadata.learn(leaderHints(response, metadata), response.nodeEndpoints);
    for (const topic of response.responses) {
      const name = topic.topicId === ZERO_UUID ? topic.topic : metadata.topicName(topic.topicId);
      for (const answer of topic.partitions) {
        if (name === undefined) continue;
        const key = partitionKey({ topic: name, partition: answer.partitionIndex });
        const of = asked.get(key);
        const state = this.#partitions.get(key);
        if (of === undefined || state !== of.state) continue;
        // Another leader may have answered for the same position meanwhile.
        if (state.generation !== of.generation || state.position !== of.offset) continue;
        this.#answered(leader, state, of.offset, topic.topicId, answer);
      }
    }
  }

  #answered(
    leader: number,
    state: FetchPosition,
    fetchOffset: number,
    topicId: string,
    answer: PartitionResponse,
  ): void {
    if (this.#isReplaced(state, topicId, answer.errorCode)) return;
    if (answer.errorCode !== ErrorCode.NONE) {
      return this.#partitionFailed(leader, state, answer.errorCode);
    }
    state.failures = 0;
    const { epoch, endOffset } = answer.divergingEpoch;
    if (epoch >= 0 && endOffset >= 0) return this.#truncated(leader, state, epoch, endOffset);
    state.highWatermark = answer.highWatermark;
    // The reader gives one view of the frame.
    const bytes = answer.records as Buffer | null;
    if (bytes === null || bytes.length === 0) return;
    let nextOffset = fetchOffset;
    let batchEpoch = state.epoch;
    // As Kafka's consumer: a broker reads what it has checked once as the disk gives it.
    const end = forEachBatch(bytes, (position) => {
      if (validateBatch(bytes, position, bytes.length) !== null) return false;
      nextOffset = Math.max(nextOffset, lastOffset(bytes, position) + 1);
      batchEpoch = partitionLeaderEpoch(bytes, position);
      this.counters.batches++;
      return true;
    });
    if (nextOffset === fetchOffset) {
      this.#backOff(leader, [state]);
      const { reason } = validateBatch(bytes, end, bytes.length)!;
      const what = `${state.key} at offset ${fetchOffset}: ${reason}`;
      return this.#buffer.fail(new OperatingError('damaged-records', what));
    }
    state.position = nextOffset;
    state.epoch = batchEpoch;
    this.#moveToEnd(state);
    this.counters.bytes += end;
    this.#buffer.add(state, {
      topic: state.topic,
      topicId,
      partition: state.partition,
      fetchOffset,
      nextOffset,
      highWatermark: answer.highWatermark,
      lastStableOffset: answer.lastStableOffset,
      logStartOffset: answer.logStartOffset,
      abortedTransactions: answer.abortedTransactions ?? [],
      records: bytes.subarray(0, end),
    });
  }

  /** An answer holds what was asked for first: whoever has got something asks last. */
  #moveToEnd(state: FetchPosition): void {
    this.#partitions.delete(state.key);
    this.#partitions.set(state.key, state);
  }

  /**
   * The topic was deleted and made anew: nothing of it was fetched, and the position is one of
   * another log, though there may be records behind it. Goes to its start, whatever is to be done
   * about positions outside a log.
   */
  #isReplaced(state: FetchPosition, topicId: string, errorCode: number): boolean {
    const isKnown = errorCode === ErrorCode.NONE || errorCode === ErrorCode.OFFSET_OUT_OF_RANGE;
    if (!isKnown || topicId === ZERO_UUID) return false;
    const before = state.topicId;
    state.topicId = topicId;
    if (before === null || before === topicId) return false;
    this.counters.replacements++;
    this.#client.logger.warn('the topic was made anew; it is read from its start', {
      'kafka.topic': state.topic,
      'kafka.partition': state.partition,
      'kafka.offset': state.position,
    });
    state.move('earliest');
    return true;
  }

  /**
   * What was fetched up to the position is not what the log has there any more (an unclean election
   * has truncated it): goes on where both still agreed, or tells of it. Never goes forward: the epoch
   * may end behind the position, and nothing of what the log has there was fetched.
   */
  #truncated(leader: number, state: FetchPosition, epoch: number, endOffset: number): void {
    this.counters.truncations++;
    this.#client.logger.warn('the log was truncated behind the fetch position', {
      'kafka.topic': state.topic,
      'kafka.partition': state.partition,
      'kafka.offset': state.position,
      'kafka.end_offset': endOffset,
    });
    if (this.#options.offsetReset !== 'none') {
      return state.move(Math.min(endOffset, state.position!), epoch);
    }
    this.#backOff(leader, [state]);
    const what = `${state.key} at offset ${state.position}: the log was truncated at ${endOffset}`;
    this.#buffer.fail(new OperatingError('log-truncated', what));
  }

  /** Tells why there is no leader to ask, where waiting alone does not help. */
  #topicFailed(state: FetchPosition): void {
    const code = this.#client.metadata.topic(state.topic)?.errorCode ?? ErrorCode.NONE;
    if (code === ErrorCode.NONE || isRetriable(code)) return;
    this.counters.errors++;
    this.#backOff(-1, [state]);
    this.#buffer.fail(new ProtocolError(code, `${state.key}: ${errorName(code)}`));
  }

  #partitionFailed(leader: number, state: FetchPosition, code: number): void {
    this.counters.errors++;
    const { offsetReset } = this.#options;
    if (code === ErrorCode.OFFSET_OUT_OF_RANGE && offsetReset !== 'none') {
      this.#client.logger.warn('fetch position is outside the log', {
        'kafka.topic': state.topic,
        'kafka.partition': state.partition,
        'kafka.offset': state.position,
        reset: offsetReset,
      });
      this.counters.resets++;
      state.move(offsetReset);
      return;
    }
    this.#backOff(leader, [state]);
    const known = this.#client.metadata.leader(state.topic, state.partition);
    if (known < 0 || known === leader) this.#client.metadata.requestRefresh();
    if (isRetriable(code)) return;
    const at = `${state.key} at offset ${state.position}`;
    this.#buffer.fail(new ProtocolError(code, `${at}: ${errorName(code)}`));
  }

  #brokerFailed(leader: number, states: readonly FetchPosition[], error: unknown): void {
    if (this.#closed) return;
    this.counters.errors++;
    this.#client.logger.debug('fetch failed', { 'error.message': reasonOf(error) });
    this.#backOff(leader, states);
    this.#client.metadata.requestRefresh();
    const lasting =
      (error instanceof ProtocolError && !isRetriable(error.code)) ||
      (error instanceof OperatingError && error.code === 'unsupported-version');
    if (lasting) this.#buffer.fail(error);
  }

  #backOff(leader: number, states: readonly FetchPosition[]): void {
    const { clock, random, retryBackoff } = this.#client;
    for (const state of states) {
      state.failedAt(leader);
      state.retryAt = clock.monotonic() + backoffMs(retryBackoff, state.failures, random);
    }
  }

  /**
   * Looks up positions that are not numbers, of partitions of one leader: nobody waits for the leader
   * of another one.
   */
  #resetPositions(lost: readonly FetchPosition[]): void {
    for (const spec of ['earliest', 'latest'] as const) {
      const states = lost.filter((state) => state.reset === spec && !this.#lookedUp.has(state));
      if (states.length > 0) void this.#lookUp(states, spec);
    }
  }

  async #lookUp(states: readonly FetchPosition[], spec: 'earliest' | 'latest'): Promise<void> {
    const generations = states.map((state) => state.generation);
    for (const state of states) this.#lookedUp.add(state);
    try {
      const found = await listOffsets(this.#client, states, spec, this.#options.isolation);
      for (const [i, state] of states.entries()) {
        if (state.generation === generations[i]) state.position = found[i]!.offset;
      }
    } catch (error) {
      this.#brokerFailed(-1, states, error);
    } finally {
      for (const state of states) this.#lookedUp.delete(state);
      this.#wakeUp.now();
    }
  }
}

function addTo<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** What a fetch asks of a partition. */
const askedOf = (state: FetchPosition) => ({
  state,
  generation: state.generation,
  offset: state.position!,
});
