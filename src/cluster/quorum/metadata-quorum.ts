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
import type { Clock } from '../../base/clock.ts';
import type { Disk } from '../../base/disk.ts';
import { FatalError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { calls } from '../../client/call.ts';
import type { PartitionLog } from '../../log/partition-log.ts';
import { ProtocolError } from '../../protocol/error-codes.ts';
import { MetadataImage, type Voter } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import type { MetadataListener, MetadataStore } from '../metadata-store.ts';
import type { Peers } from '../peers.ts';
import {
  type BeginRequest,
  type BeginResponse,
  type DescribeRequest,
  type DescribeResponse,
  type EndRequest,
  type EndResponse,
  endRequestOf,
  type FetchRequest,
  type FetchResponse,
  type Leader,
  type SnapshotRequest,
  type SnapshotResponse,
  type VoteRequest,
  type VoteResponse,
} from './bodies.ts';
import type { QuorumContext, QuorumSettings } from './context.ts';
import { QuorumCounters } from './counters.ts';
import { Discovery } from './discovery.ts';
import { Election } from './election.ts';
import { Following } from './following.ts';
import { isExpected, Leadership, notController } from './leadership.ts';
import { QuorumLog } from './quorum-log.ts';
import { type QuorumState, QuorumStateFile } from './quorum-state.ts';
import { Requests } from './requests.ts';
import { SnapshotStore } from './snapshots.ts';
import { includes, isSame } from './voters.ts';

export interface MetadataQuorumOptions {
  readonly nodeId: number;
  /** Id of the log directory that holds `log`. */
  readonly directoryId: string;
  readonly log: PartitionLog;
  readonly disk: Disk;
  /** Of `quorum-state` and the snapshots; by default the log's own. */
  readonly directory?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly peers: Peers;
  readonly settings: QuorumSettings;
  /** Fetches from and votes for another one are refused; null: not checked. */
  readonly clusterId?: string | null;
  /** An empty one, to be filled. */
  readonly image?: MetadataImage;
  /** No other broker is configured: with an empty log it is the only voter. */
  readonly alone?: boolean;
  /** Ids of the brokers in the configuration. */
  readonly brokers?: readonly number[];
  /** It can't go on; by default it throws. */
  readonly onFatal?: (error: FatalError) => void;
}

type Role = 'stopped' | 'unattached' | 'candidate' | 'follower' | 'leader';

/** Time that a leader which stops gives the others to hear of it. */
const RESIGN_MS_MAX = 500;

export class MetadataQuorum implements MetadataStore {
  readonly image: MetadataImage;
  readonly counters = new QuorumCounters();
  readonly #options: MetadataQuorumOptions;
  readonly #self: Voter;
  readonly #log: QuorumLog;
  readonly #file: QuorumStateFile;
  readonly #context: QuorumContext;
  readonly #election: Election;
  readonly #requests: Requests;
  readonly #discovery: Discovery;
  readonly #leaderListeners: (() => void)[] = [];
  #role: Role = 'stopped';
  #epoch = 0;
  #leaderId = -1;
  #votedFor: Voter | null = null;
  #leadership: Leadership | null = null;
  #following: Following | null = null;
  #isOver = false;
  /** What was committed when a leader of now was first heard of; -1: none was yet. */
  #catchUpTo = -1;
  #caughtUp: (() => void)[] = [];

  constructor(options: MetadataQuorumOptions) {
    this.#options = options;
    const { nodeId, directoryId, log, disk, clock, logger, settings } = options;
    const { directory = log.path, image = new MetadataImage() } = options;
    this.image = image;
    this.#self = { id: nodeId, directoryId };
    this.#file = new QuorumStateFile(disk, directory);
    const snapshots = new SnapshotStore(disk, directory, logger);
    const { snapshotBytes, snapshotMs } = settings;
    this.#log = new QuorumLog({ log, snapshots, clock, logger, image, snapshotBytes, snapshotMs });
    this.#context = this.#makeContext();
    this.#election = new Election(this.#context, {
      candidacy: () => this.#candidacy(),
      won: () => this.#won(),
    });
    this.#discovery = new Discovery(this.#context);
    this.#requests = new Requests(this.#context, {
      leadership: () => this.#leadership,
      wouldVote: () => this.#wouldVote(),
      vote: (candidate, epoch) => this.#vote(candidate, epoch),
      leaderResigned: (candidates) => this.#leaderResigned(candidates),
    });
    options.peers.onLost((id, channel) => {
      if (id !== this.#following?.leaderId) return;
      if (channel === 'metadata' || channel === 'quorum') this.#following.suspect();
    });
  }

  #makeContext(): QuorumContext {
    const quorum = this;
    const { peers, clock, random, logger, settings, clusterId = null } = this.#options;
    return {
      self: this.#self,
      log: this.#log,
      counters: this.counters,
      clusterId,
      peers,
      clock,
      random,
      logger,
      settings,
      get epoch() {
        return quorum.#epoch;
      },
      get leader() {
        return quorum.#leader;
      },
      get isVoter() {
        return quorum.isVoter;
      },
      others: () => quorum.#others(),
      learn: (epoch, leaderId) => quorum.#learn(epoch, leaderId),
      fail: (error) => quorum.#fail(error),
    };
  }

  get lastOffset(): number {
    return this.#log.lastOffset;
  }
  get lastTimestamp(): number {
    return this.#log.lastTimestamp;
  }
  get leaderId(): number {
    return this.#leaderId;
  }
  get epoch(): number {
    return this.#epoch;
  }
  get isActive(): boolean {
    return this.#leadership?.isActive ?? false;
  }
  get isLeader(): boolean {
    return this.#leadership !== null;
  }
  get isVoter(): boolean {
    return includes(this.#log.voters.latest, this.#self);
  }
  get votedFor(): Voter | null {
    return this.#votedFor;
  }
  get voters(): readonly Voter[] {
    return this.#log.voters.latest;
  }
  /** That the leader, this broker, has heard of lately. */
  get observers(): readonly Voter[] {
    const { clock, settings } = this.#options;
    const since = clock.monotonic() - settings.fetchTimeoutMs * 2;
    return this.#leadership?.replicas.observers(this.voters, since) ?? [];
  }
  get highWatermark(): number {
    return this.#log.highWatermark;
  }
  get logStartOffset(): number {
    return this.#log.startOffset;
  }
  get logEndOffset(): number {
    return this.#log.endOffset;
  }
  get logEndEpoch(): number {
    return this.#log.lastEpoch;
  }
  get snapshotCounts(): QuorumLog['counts'] {
    return this.#log.counts;
  }
  /** Kafka's names: leader, candidate, prospective, follower, observer, unattached, resigned. */
  get state(): string {
    if (this.#role === 'leader' || this.#role === 'candidate') return this.#role;
    if (this.#election.phase === 'pre-vote') return 'prospective';
    if (this.#role === 'follower') return this.isVoter ? 'follower' : 'observer';
    return this.#role === 'stopped' ? 'resigned' : 'unattached';
  }

  get #leader(): Leader {
    return { leaderId: this.#leaderId, leaderEpoch: this.#epoch };
  }

  onCommitted(listener: MetadataListener): void {
    this.#log.onCommitted(listener);
  }
  onLeaderChange(listener: () => void): void {
    this.#leaderListeners.push(listener);
  }

  append(records: readonly MetadataRecord[]): Promise<number> {
    return this.#leadership?.append(records) ?? Promise.reject(notController());
  }

  /**
   * Takes the broker out of the voters; resolves when that is committed. It comes back when it
   * registers again. Rejects with NOT_CONTROLLER.
   */
  removeVoter(id: number): Promise<void> {
    return this.#leadership?.removeVoter(id) ?? Promise.reject(notController());
  }

  /** Resolves when it takes part; a lone voter is active by then. Rejects with FatalError. */
  async start(): Promise<void> {
    this.#log.load();
    const state = this.#file.read();
    const isFirst = this.#isFirst(state);
    if (isFirst) this.#log.voters.restart(this.#log.endOffset, [this.#self]);
    this.#checkState(state);
    this.#epoch = Math.max(state?.epoch ?? 0, this.#log.lastEpoch);
    this.#votedFor = state?.epoch === this.#epoch ? state.votedFor : null;
    if (this.voters.length === 1 && this.isVoter) return this.#leadAlone(isFirst);
    this.#unattached();
    this.#election.cancel();
    // Whoever led when this broker stopped is asked first.
    const leaderId = state?.epoch === this.#epoch ? state.leaderId : -1;
    if (leaderId >= 0 && leaderId !== this.#self.id) this.#follow(leaderId);
    else if (this.isVoter) this.#election.soon();
  }

  /**
   * Nobody votes as far as the log says. If a broker that was alone has written it, in the days
   * before there were voters or just now, that was this one. (One that copies another's log knows
   * an epoch before it has a record, and has voted for nobody.)
   */
  #isFirst(state: QuorumState | null): boolean {
    if (this.voters.length > 0) return false;
    if (this.#log.endOffset === 0 && !(this.#options.alone ?? false)) return false;
    return state === null || (state.votedFor !== null && isSame(state.votedFor, this.#self));
  }

  /** A voter that has records, and no memory of its epoch, might vote twice. */
  #checkState(state: QuorumState | null): void {
    const isOne = this.isVoter && this.voters.length > 1;
    if (state !== null || !isOne || this.#log.lastEpoch === 0) return;
    throw new FatalError(
      `quorum-state is missing in ${this.#options.log.path}: whom this broker has voted for is not known; remove the folder, and it joins anew`,
    );
  }

  /** Nobody else is to be asked: all that is in the log is committed. */
  async #leadAlone(isFirst: boolean): Promise<void> {
    await this.#log.flush();
    this.#log.commit(this.#log.endOffset);
    const { logger } = this.#options;
    try {
      this.#candidacy();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // No other voter could be misled: what is stored must stay readable when the disk is full.
      logger.error('the epoch could not be written down', { 'error.message': error.message });
      this.#epoch++;
    }
    const active = new Promise<void>((resolve) => {
      const seen = (): void => {
        if (this.isActive || this.#isOver) resolve();
      };
      this.#leaderListeners.push(seen);
    });
    this.#lead(isFirst);
    if (this.#leadership !== null) await active;
  }

  #others(): number[] {
    const ids = new Set(this.#options.brokers ?? []);
    for (const { id } of this.voters) ids.add(id);
    for (const id of this.image.brokers.keys()) ids.add(id);
    ids.delete(this.#self.id);
    return [...ids];
  }

  /** Throws ProtocolError, and then nothing has changed. */
  #persist(state: QuorumState): void {
    this.#log.onDisk('write quorum-state to', () => this.#file.write(state));
    this.#epoch = state.epoch;
    this.#votedFor = state.votedFor;
  }

  #learn(epoch: number, leaderId: number): void {
    if (this.#isOver || epoch < this.#epoch) return;
    const isNew = epoch > this.#epoch;
    if (isNew) {
      this.#persist({ epoch, leaderId, votedFor: null });
      this.#leaderId = -1;
    }
    const isKnown = leaderId >= 0 && leaderId !== this.#self.id;
    if (isKnown && (isNew || this.#leaderId < 0)) this.#follow(leaderId);
    else if (isNew) this.#unattached();
  }

  #leave(): void {
    this.#following?.close();
    this.#following = null;
    this.#leadership?.close();
    this.#leadership = null;
    this.#election.cancel();
    this.#discovery.stop();
  }

  /** No leader is known. */
  #unattached(): void {
    this.#leave();
    this.#role = 'unattached';
    this.#setLeader(-1);
    this.#discovery.start();
    if (this.isVoter) this.#election.later();
  }

  #follow(leaderId: number): void {
    this.#leave();
    this.#role = 'follower';
    this.#setLeader(leaderId);
    this.#following = new Following(this.#context, leaderId, {
      fetched: (highWatermark) => this.#fetched(highWatermark),
      lost: () => this.#leaderLost(),
    });
    this.#following.start();
  }

  #fetched(highWatermark: number): void {
    this.#election.cancel();
    if (this.#catchUpTo < 0) this.#catchUpTo = highWatermark;
    this.#tellCaughtUp();
  }

  #leaderLost(): void {
    if (this.isVoter) return this.#election.soon();
    // An observer elects nobody; it asks around.
    this.#unattached();
  }

  #candidacy(): void {
    const epoch = this.#epoch + 1;
    this.#persist({ epoch, leaderId: -1, votedFor: this.#self });
    this.#following?.close();
    this.#following = null;
    this.#discovery.stop();
    this.#role = 'candidate';
    this.#setLeader(-1);
  }

  #won(): void {
    this.counters.elected(this.#election.elapsedMs);
    this.#lead(false);
  }

  #lead(isFirst: boolean): void {
    this.#leave();
    this.#role = 'leader';
    const { logger } = this.#options;
    this.#leadership = new Leadership(this.#context, {
      active: () => {
        this.#catchUpTo = this.#log.highWatermark;
        this.#tellCaughtUp();
        this.#tellLeaderChange();
      },
      resigned: (reason) => {
        logger.warn('this broker leads the metadata quorum no more', { 'error.message': reason });
        void this.#resign();
      },
    });
    this.#setLeader(this.#self.id);
    const voters: MetadataRecord = { type: 'Voters', value: { voters: [...this.voters] } };
    try {
      this.#leadership.start(isFirst ? [voters] : []);
    } catch (error) {
      if (!isExpected(error)) return this.#fail(error);
      logger.error('the metadata quorum has no room on its disk', {
        'error.message': reasonOf(error),
      });
      // Alone it goes on with what it has; any other voter may have room.
      if (this.voters.length > 1) void this.#resign();
      else this.#leadership.startWithoutRoom();
    }
  }

  /** Tells the others to elect somebody else at once. */
  #resign(): Promise<unknown> {
    const { peers, clusterId = null } = this.#options;
    const replicas = this.#leadership?.replicas;
    const others = this.voters.filter((voter) => !isSame(voter, this.#self));
    const endOf = (voter: Voter): number => replicas?.find(voter)?.endOffset ?? -1;
    const candidates = others.toSorted((a, b) => endOf(b) - endOf(a));
    const body = endRequestOf(clusterId, candidates, this.#leader);
    const ids = [...new Set([...candidates.map(({ id }) => id), ...this.#others()])];
    this.#unattached();
    const told = ids.map((id) =>
      peers
        .send(id, 'quorum', calls.endQuorumEpoch, body, RESIGN_MS_MAX)
        .catch((error: unknown) => {
          // It will notice by itself.
          if (!isExpected(error)) this.#fail(error);
        }),
    );
    return Promise.all(told);
  }

  /** The leader says that it leads no more; `candidates`: the best first. */
  #leaderResigned(candidates: readonly Voter[]): void {
    this.#unattached();
    if (!this.isVoter) return;
    const rank = candidates.findIndex((candidate) => isSame(candidate, this.#self));
    this.#election.succeed(rank < 0 ? candidates.length : rank);
  }

  /** Nobody is known who leads well. */
  #wouldVote(): boolean {
    if (this.#role === 'unattached' || this.#role === 'candidate') return true;
    return this.#role === 'follower' && this.#following?.isSuspect === true;
  }

  /** Gives the epoch's vote, if it was not given to another one. Throws ProtocolError. */
  #vote(candidate: Voter, epoch: number): boolean {
    if (this.#isOver) return false;
    if (epoch === this.#epoch) {
      if (this.#votedFor !== null) return isSame(this.#votedFor, candidate);
      if (this.#role !== 'unattached') return false;
    }
    this.#persist({ epoch, leaderId: -1, votedFor: candidate });
    this.#unattached();
    return true;
  }

  #setLeader(leaderId: number): void {
    if (leaderId >= 0 && leaderId !== this.#leaderId) this.counters.leaderChanges++;
    this.#leaderId = leaderId;
    this.#tellLeaderChange();
  }

  #tellLeaderChange(): void {
    for (const listener of this.#leaderListeners) listener();
  }

  #tellCaughtUp(): void {
    if (!this.#isCaughtUp) return;
    for (const resolve of this.#caughtUp.splice(0)) resolve();
  }

  /** A step of the present epoch is applied: all that was committed before it is, too. */
  get #isCaughtUp(): boolean {
    if (this.#catchUpTo < 0 || this.#log.lastOffset + 1 < this.#catchUpTo) return false;
    return this.#log.lastAppliedEpoch === this.#epoch || this.isActive;
  }

  /** Resolves when the image has everything that was committed when a leader was first heard of. */
  caughtUp(): Promise<void> {
    if (this.#isCaughtUp) return Promise.resolve();
    return new Promise((resolve) => this.#caughtUp.push(resolve));
  }

  handleVote(request: VoteRequest): VoteResponse {
    return this.#requests.vote(request);
  }
  handleBeginQuorumEpoch(request: BeginRequest): BeginResponse {
    return this.#requests.begin(request);
  }
  handleEndQuorumEpoch(request: EndRequest): EndResponse {
    return this.#requests.end(request);
  }
  handleFetch(request: FetchRequest): Promise<FetchResponse> {
    return this.#requests.fetch(request);
  }
  handleFetchSnapshot(request: SnapshotRequest): SnapshotResponse {
    return this.#requests.fetchSnapshot(request);
  }
  describe(request: DescribeRequest): DescribeResponse {
    return this.#requests.describe(request);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.abandon();
    const { logger, onFatal } = this.#options;
    const text = `the metadata quorum can't go on: ${reasonOf(error)}`;
    logger.error(text, {
      'error.stack_trace': error instanceof Error ? error.stack : undefined,
    });
    const fatal = new FatalError(text, { cause: error });
    if (onFatal === undefined) throw fatal;
    onFatal(fatal);
  }

  /** Takes part no more; a leader first tells the others. Does not touch the log. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    const told = this.isLeader && this.voters.length > 1 ? this.#resign() : null;
    this.#isOver = true;
    this.#leave();
    this.#role = 'stopped';
    await told;
  }

  /** Takes part no more, at once and without a word, as a killed process. */
  abandon(): void {
    this.#isOver = true;
    this.#leave();
    this.#role = 'stopped';
    this.#leaderId = -1;
    this.#tellLeaderChange();
  }
}
