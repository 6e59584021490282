/**
 * This broker's part in the metadata quorum: Raft as KRaft shapes it (KIP-595, KIP-853, KIP-996).
 * Followers pull: a fetch tells the leader what the follower has, its answer brings what follows.
 *
 * Invariants, in Raft's terms.
 * - One leader an epoch: an epoch is won by the votes of a majority of the voters, and a voter
 *   gives one vote an epoch; vote and epoch are on its device before anybody hears of them.
 * - A leader has everything that was committed: a voter votes for none whose log ends before its
 *   own (by epoch of the last record, then by length), and what is committed is on the devices of a
 *   majority, one of whom is among those who vote. A leader never changes what is in its log.
 * - Logs match: a fetch names the epoch of the record before, and the leader refuses one that its
 *   own log does not have; the follower then cuts its log where the two part. A follower's fetch is
 *   sent when everything before it is on the follower's device, not earlier.
 * - Committed: on the devices of a majority of the voters, in a step of the leader's own epoch or
 *   before one. Every broker applies what is committed, in order, each step as a whole. The leader
 *   serves as the active controller once a step of its own epoch is committed and applied: then
 *   its image has everything that was committed before.
 * - Who votes stands in the log, and changes by one voter at a time. A voter is a broker with its
 *   directory: one whose disk was replaced is another one, that does not vote until it has caught
 *   up and the leader has made it a voter, for it has forgotten whom it voted for and what it had.
 *
 * A crash leaves the log with a torn end, which its recovery cuts, `quorum-state` as it was written
 * last, and snapshots that are whole; what had been acknowledged to anybody is in one of these.
 *
 * The brokers stand on one machine, on disks of their own. With three voters any one disk or
 * process may be lost and changes go on; with five, any two. With two, losing one stops all changes
 * until it is back (nothing is lost); with one, changes are as safe as its disk. When a majority of
 * the voters' disks is lost, what is left is not trusted to be complete, and no leader is elected.
 * It is no means against the loss of the machine, and makes no use of clocks but for its timeouts.
 */
import type { MetadataImage, Voter } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import type { MetadataListener, MetadataStore } from '../metadata-store.ts';
import type {
  BeginRequest,
  BeginResponse,
  DescribeRequest,
  DescribeResponse,
  EndRequest,
  EndResponse,
  FetchRequest,
  FetchResponse,
  SnapshotRequest,
  SnapshotResponse,
  VoteRequest,
  VoteResponse,
} from './bodies.ts';
import type { QuorumCounters } from './counters.ts';
import { notController } from './leadership.ts';
import type { QuorumLog } from './quorum-log.ts';
import { type MetadataQuorumOptions, QuorumMember } from './quorum-member.ts';

/** An observer that was silent for so many times of the fetch timeout is not counted. */
const SILENT_TIMES = 2;

export class MetadataQuorum implements MetadataStore {
  readonly #member: QuorumMember;

  constructor(options: MetadataQuorumOptions) {
    this.#member = new QuorumMember(options);
  }

  get image(): MetadataImage {
    return this.#member.log.image;
  }
  get lastOffset(): number {
    return this.#member.log.lastOffset;
  }
  get lastTimestamp(): number {
    return this.#member.log.lastTimestamp;
  }
  get leaderId(): number {
    return this.#member.leader.leaderId;
  }
  get epoch(): number {
    return this.#member.epoch;
  }
  get isActive(): boolean {
    return this.#member.leadership?.isActive ?? false;
  }

  get counters(): QuorumCounters {
    return this.#member.counters;
  }
  get snapshotCounts(): QuorumLog['counts'] {
    return this.#member.log.counts;
  }
  get state(): string {
    return this.#member.state;
  }
  get isLeader(): boolean {
    return this.#member.leadership !== null;
  }
  get isVoter(): boolean {
    return this.#member.isVoter;
  }
  get votedFor(): Voter | null {
    return this.#member.votedFor;
  }
  get voters(): readonly Voter[] {
    return this.#member.voters;
  }
  /** That the leader, this broker, has heard of lately. */
  get observers(): readonly Voter[] {
    const { clock, settings, leadership, voters } = this.#member;
    const since = clock.monotonic() - settings.fetchTimeoutMs * SILENT_TIMES;
    return leadership?.replicas.observers(voters, since) ?? [];
  }
  get highWatermark(): number {
    return this.#member.log.highWatermark;
  }
  get logStartOffset(): number {
    return this.#member.log.startOffset;
  }
  get logEndOffset(): number {
    return this.#member.log.endOffset;
  }
  get logEndEpoch(): number {
    return this.#member.log.lastEpoch;
  }

  onCommitted(listener: MetadataListener): void {
    this.#member.log.onCommitted(listener);
  }
  onLeaderChange(listener: () => void): void {
    this.#member.onLeaderChange(listener);
  }

  append(records: readonly MetadataRecord[]): Promise<number> {
    return this.#member.leadership?.append(records) ?? Promise.reject(notController());
  }

  /**
   * Takes the broker out of the voters; resolves when that is committed. It comes back when it
   * registers again. Rejects with NOT_CONTROLLER.
   */
  removeVoter(id: number): Promise<void> {
    return this.#member.leadership?.removeVoter(id) ?? Promise.reject(notController());
  }

  /** Writes a snapshot now; the log's beginning goes when there is another one before it. */
  takeSnapshot(): void {
    this.#member.log.takeSnapshot();
  }

  /**
   * Resolves when it takes part, a lone voter being active by then, or does so no more. Rejects with
   * FatalError.
   */
  start(): Promise<void> {
    return this.#member.start();
  }
  /**
   * Resolves when the image has everything that was committed when a leader was first heard of, or it
   * takes part no more.
   */
  caughtUp(): Promise<void> {
    return this.#member.caughtUp();
  }
  /** Takes part no more; a leader first tells the others. Does not touch the log. Idempotent. */
  stop(): Promise<void> {
    return this.#member.stop();
  }
  /** Takes part no more, at once and without a word, as a killed process. */
  abandon(): void {
    this.#member.abandon();
  }

  handleVote(request: VoteRequest): VoteResponse {
    return this.#member.requests.vote(request);
  }
  handleBeginQuorumEpoch(request: BeginRequest): BeginResponse {
    return this.#member.requests.begin(request);
  }
  handleEndQuorumEpoch(request: EndRequest): EndResponse {
    return this.#member.requests.end(request);
  }
  handleFetch(request: FetchRequest): Promise<FetchResponse> {
    return this.#member.requests.fetch(request);
  }
  handleFetchSnapshot(request: SnapshotRequest): SnapshotResponse {
    return this.#member.requests.fetchSnapshot(request);
  }
  describe(request: DescribeRequest): DescribeResponse {
    return this.#member.requests.describe(request);
  }
}
