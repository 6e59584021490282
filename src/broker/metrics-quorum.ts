/** Metrics of the quorum that keeps the metadata log, under the names of Kafka's raft metrics. */
import type { Clock } from '../base/clock.ts';
import type { QuorumTraffic } from '../cluster/peers.ts';
import type { QuorumCounters } from '../cluster/quorum/counters.ts';
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';

/** What they are made of; `MetadataQuorum` has it. */
export interface MeasuredQuorum {
  /** `leader`, `follower`, `candidate`, … */
  readonly state: string;
  /** -1: none. */
  readonly leaderId: number;
  readonly epoch: number;
  readonly votedFor: { readonly id: number } | null;
  readonly voters: readonly unknown[];
  readonly highWatermark: number;
  readonly logEndOffset: number;
  readonly counters: QuorumCounters;
}

export function registerQuorumMetrics(
  family: Family,
  quorum: MeasuredQuorum,
  traffic: QuorumTraffic,
  clock: Clock,
): void {
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  family('kafka_server_raftmetrics_current_state', (emit) => emit(1, quorum.state));
  value('kafka_server_raftmetrics_current_leader', () => quorum.leaderId);
  value('kafka_server_raftmetrics_current_vote', () => quorum.votedFor?.id ?? -1);
  value('kafka_server_raftmetrics_current_epoch', () => quorum.epoch);
  value('kafka_server_raftmetrics_high_watermark', () => quorum.highWatermark);
  value('kafka_server_raftmetrics_log_end_offset', () => quorum.logEndOffset);
  value('kafka_server_raftmetrics_number_of_voters', () => quorum.voters.length);
  const { counters } = quorum;
  value(
    'kafka_server_raftmetrics_append_records_rate',
    perSecond(clock, () => counters.appendRecords),
  );
  value(
    'kafka_server_raftmetrics_fetch_records_rate',
    perSecond(clock, () => counters.fetchRecords),
  );
  value(
    'kafka_server_raftmetrics_commit_latency_avg',
    meanOf(
      clock,
      () => counters.commitMsTotal,
      () => counters.commits,
    ),
  );
  value('kafka_server_raftmetrics_commit_latency_max', () => counters.commitMsMax);
  value('kafka_server_raftmetrics_election_latency_max', () => counters.electionMsMax);
  value('kafka_server_raftchannelmetrics_incoming_byte_total', () => traffic.receivedBytes);
  value('kafka_server_raftchannelmetrics_outgoing_byte_total', () => traffic.sentBytes);
  value('kafka_server_raftchannelmetrics_request_total', () => traffic.requests);
  value('kafka_server_raftchannelmetrics_response_total', () => traffic.responses);
  value('weir_quorum_elections_won_total', () => counters.electionsWon);
  value('weir_quorum_leader_changes_total', () => counters.leaderChanges);
  value('weir_quorum_truncations_total', () => counters.truncations);
  value('weir_quorum_fetch_failures_total', () => counters.fetchFailures);
}

/** Rates and means are over at least so long, however often somebody asks. */
const WINDOW_MS = 30_000;

/** What a count has grown by over the last window and the part of this one that has passed. */
class Window {
  readonly #clock: Clock;
  readonly #read: () => number;
  #before = { value: 0, atMs: 0 };
  #turn = { value: 0, atMs: 0 };

  constructor(clock: Clock, read: () => number) {
    this.#clock = clock;
    this.#read = read;
    this.#turn = this.#before = { value: read(), atMs: clock.monotonic() };
  }

  grown(): { by: number; inMs: number } {
    const now = { value: this.#read(), atMs: this.#clock.monotonic() };
    if (now.atMs - this.#turn.atMs >= WINDOW_MS) {
      this.#before = this.#turn;
      this.#turn = now;
    }
    return { by: now.value - this.#before.value, inMs: now.atMs - this.#before.atMs };
  }
}

function perSecond(clock: Clock, read: () => number): () => number {
  const window = new Window(clock, read);
  return () => {
    const { by, inMs } = window.grown();
    return inMs === 0 ? 0 : (by * 1_000) / inMs;
  };
}

function meanOf(clock: Clock, sum: () => number, count: () => number): () => number {
  const sums = new Window(clock, sum);
  const counts = new Window(clock, count);
  return () => {
    const { by } = counts.grown();
    const { by: total } = sums.grown();
    return by === 0 ? 0 : total / by;
  };
}
