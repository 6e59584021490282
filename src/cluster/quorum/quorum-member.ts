/**
 * A member of the metadata quorum: what it is at the moment (without a leader, candidate, follower
 * or leader), and what makes it another thing. Header of `metadata-quorum.ts`: why that is safe.
 *
 * Every change of role first closes what belonged to the one before; whoever waits there finds out.
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
import type { Peers } from '../peers.ts';
import { endRequestOf, type Leader } from './bodies.ts';
import type { QuorumContext, QuorumSettings } from './context.ts';
import { QuorumCounters } from './counters.ts';
import { Discovery } from './discovery.ts';
import { Election } from './election.ts';
import { Following } from './following.ts';
import { isExpected, Leadership } from './leadership.ts';
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

export class QuorumMember implements QuorumContext {
  readonly self: Voter;
  readonly clusterId: string | null;
  readonly log: QuorumLog;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: QuorumSettings;
  readonly counters = new QuorumCounters();
  readonly requests: Requests;
  readonly #options: MetadataQuorumOptions;
  readonly #file: QuorumStateFile;
  readonly #election: Election;
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
  /** It takes part no more: what somebody waits for will not come. */
  readonly #over = Promise.withResolvers<void>();

  constructor(options: MetadataQuorumOptions) {
    this.#options = options;
    const { nodeId, directoryId, log, disk, clock, random, logger, peers, settings } = options;
    const { directory = log.path, image = new MetadataImage(), clusterId = null } = options;
    this.self = { id: nodeId, directoryId };
    this.clusterId = clusterId;
    this.peers = peers;
    this.clock = clock;
    this.random = random;
    this.logger = logger;
    this.settings = settings;
    const snapshots = new SnapshotStore(disk, directory, logger);
    const { snapshotBytes, snapshotMs } = settings;
    this.log = new QuorumLog({ log, snapshots, clock, logger, image, snapshotBytes, snapshotMs });
    this.#file = new QuorumStateFile(disk, directory);
    this.#election = new Election(this, {
      candidacy: () => this.#candidacy(),
      won: () => this.#won(),
    });
    this.#discovery = new Discovery(this);
    this.requests = new Requests(this, {
      leadership: () => this.#leadership,
      wouldVote: () => this.#wouldVote(),
      vote: (candidate, epoch) => this.#vote(candidate, epoch),
      leaderResigned: (candidates) => this.#leaderResigned(candidates),
    });
    peers.onLost((id, channel) => {
      if (id !== this.#following?.leaderId) return;
      if (channel === 'metadata' || channel === 'quorum') this.#following.suspect();
    });
  }

  get epoch(): number {
    return this.#epoch;
  }
  get leader(): Leader {
    return { leaderId: this.#leaderId, leaderEpoch: this.#epoch };
  }
  /** While this broker leads. */
  get leadership(): Leadership | null {
    return this.#leadership;
  }
  get votedFor(): Voter | null {
    return this.#votedFor;
  }
  get voters(): readonly Voter[] {
    return this.log.voters.latest;
  }
  get isVoter(): boolean {
    return includes(this.voters, this.self);
  }
  /** Kafka's names: leader, candidate, prospective, follower, observer, unattached, resigned. */
  get state(): string {
    if (this.#role === 'leader' || this.#role === 'candidate') return this.#role;
    if (this.#election.phase === 'pre-vote') return 'prospective';
    if (this.#role === 'follower') return this.isVoter ? 'follower' : 'observer';
    return this.#role === 'stopped' ? 'resigned' : 'unattached';
  }

  onLeaderChange(listener: () => void): void {
    this.#leaderListeners.push(listener);
  }

  /**
   * Resolves when it takes part, a lone voter being active by then, or does so no more. Rejects with
   * FatalError.
   */
  async start(): Promise<void> {
    this.log.load();
    const state = this.#file.read();
    const isFirst = this.#isFirst(state);
    if (isFirst) this.log.voters.restart(this.log.endOffset, [this.self]);
    this.#checkState(state);
    if (state !== null) this.#cutDamage(state.epoch);
    this.#epoch = Math.max(state?.epoch ?? 0, this.log.lastEpoch);
    this.#votedFor = state?.epoch === this.#epoch ? state.votedFor : null;
    if (this.voters.length === 1 && this.isVoter) return this.#leadAlone(isFirst);
    this.#unattached();
    this.#election.cancel();
    // Whoever led when this broker stopped is asked first.
    const leaderId = state?.epoch === this.#epoch ? state.leaderId : -1;
    if (leaderId >= 0 && leaderId !== this.self.id) this.#follow(leaderId);
    else if (this.isVoter) this.#election.soon();
  }

  /**
   * Nobody votes as far as the log says. If a broker that was alone has written it, in the days
   * before there were voters or just now, that was this one. (One that copies another's log knows
   * an epoch before it has a record, and has voted for nobody.)
   */
  #isFirst(state: QuorumState | null): boolean {
    if (this.voters.length > 0) return false;
    if (this.log.endOffset === 0 && !(this.#options.alone ?? false)) return false;
    return state === null || (state.votedFor !== null && isSame(state.votedFor, this.self));
  }

  /** A voter that has records, and no memory of its epoch, might vote twice. */
  #checkState(state: QuorumState | null): void {
    const isOne = this.isVoter && this.voters.length > 1;
    if (state !== null || !isOne || this.log.lastEpoch === 0) return;
    throw new FatalError(
      `quorum-state is missing in ${this.#options.log.path}: whom this broker has voted for is not known; remove the folder, and it joins anew`,
    );
  }

  /**
   * A batch's checksum does not cover its epoch. What claims to be of a later one than this broker
   * knew of, which it writes down before it takes a record of it, was torn by a loss of power.
   */
  #cutDamage(knownEpoch: number): void {
    const isByItself = this.isVoter && this.voters.length === 1;
    if (isByItself || this.log.lastEpoch <= knownEpoch) return;
    this.logger.warn('the end of the metadata log is damaged, and is cut off', {
      'weir.epoch.known': knownEpoch,
      'weir.epoch.read': this.log.lastEpoch,
    });
    this.log.truncateToEndOf(knownEpoch, this.log.endOffset);
  }

  /** Nobody else is to be asked: all that is in the log is committed. */
  async #leadAlone(isFirst: boolean): Promise<void> {
    const { logger } = this;
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
        if (this.#isActive) resolve();
      };
      this.#leaderListeners.push(seen);
    });
    this.#lead(isFirst);
    if (this.#leadership !== null) await Promise.race([active, this.#over.promise]);
  }

  others(): number[] {
    const ids = new Set(this.#options.brokers ?? []);
    for (const { id } of this.voters) ids.add(id);
    for (const id of this.log.image.brokers.keys()) ids.add(id);
    ids.delete(this.self.id);
    return [...ids];
  }

  /** Throws ProtocolError, and then nothing has changed. */
  #persist(state: QuorumState): void {
    // Where nobody is to hear of the epoch, its first step in the log tells it well enough.
    const isByItself = this.isVoter && this.voters.length === 1 && this.others().length === 0;
    if (!isByItself) this.log.onDisk('write quorum-state to', () => this.#file.write(state));
    // Whoever is answered from here on (a fetch that waited) must not take the leader of the epoch
    // before for that of this one: it would follow it, and hear nothing of the real one.
    if (state.epoch !== this.#epoch) this.#leaderId = -1;
    this.#epoch = state.epoch;
    this.#votedFor = state.votedFor;
  }

  learn(epoch: number, leaderId: number): void {
    if (this.#isOver || epoch < this.#epoch) return;
    const isNew = epoch > this.#epoch;
    if (isNew) this.#persist({ epoch, leaderId, votedFor: null });
    const isKnown = leaderId >= 0 && leaderId !== this.self.id;
    if (isKnown && (isNew || this.#leaderId < 0)) this.#follow(leaderId);
    else if (isNew) this.#unattached();
  }

  get #isActive(): boolean {
    return this.#leadership?.isActive ?? false;
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
    this.#following = new Following(this, leaderId, {
      fetched: (highWatermark) => this.#fetched(highWatermark),
      lost: () => this.#leaderLost(),
    });
    this.#following.start();
  }

  #fetched(highWatermark: number): void {
    this.#election.settle();
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
    this.#persist({ epoch, leaderId: -1, votedFor: this.self });
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
    this.#leadership = new Leadership(this, {
      active: () => {
        this.#catchUpTo = this.log.highWatermark;
        this.#tellCaughtUp();
        this.#tellLeaderChange();
      },
      resigned: (reason) => {
        logger.warn('this broker leads the metadata quorum no more', { 'error.message': reason });
        void this.#resign();
      },
    });
    this.#setLeader(this.self.id);
    const voters: MetadataRecord = { type: 'Voters', value: { voters: [...this.voters] } };
    try {
      this.#leadership.start(isFirst ? [voters] : []);
    } catch (error) {
      if (!isExpected(error)) return this.fail(error);
      // Its disk has failed, and whoever was told has ended all this.
      if (this.#isOver) return;
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
    const { peers, clusterId } = this;
    const replicas = this.#leadership?.replicas;
    const others = this.voters.filter((voter) => !isSame(voter, this.self));
    const endOf = (voter: Voter): number => replicas?.find(voter)?.endOffset ?? -1;
    const candidates = others.toSorted((a, b) => endOf(b) - endOf(a));
    const body = endRequestOf(clusterId, candidates, this.leader);
    const ids = [...new Set([...candidates.map(({ id }) => id), ...this.others()])];
    this.#unattached();
    const told = ids.map((id) =>
      peers
        .send(id, 'quorum', calls.endQuorumEpoch, body, RESIGN_MS_MAX)
        .catch((error: unknown) => {
          // It will notice by itself.
          if (!isExpected(error)) this.fail(error);
        }),
    );
    return Promise.all(told);
  }

  /** The leader says that it leads no more; `candidates`: the best first. */
  #leaderResigned(candidates: readonly Voter[]): void {
    this.#unattached();
    if (!this.isVoter) return;
    const rank = candidates.findIndex((candidate) => isSame(candidate, this.self));
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
    if (this.#catchUpTo < 0 || this.log.lastOffset + 1 < this.#catchUpTo) return false;
    return this.log.lastAppliedEpoch === this.#epoch || this.#isActive;
  }

  /**
   * Resolves when the image has everything that was committed when a leader was first heard of, or it
   * takes part no more.
   */
  caughtUp(): Promise<void> {
    if (this.#isCaughtUp) return Promise.resolve();
    const caughtUp = new Promise<void>((resolve) => this.#caughtUp.push(resolve));
    return Promise.race([caughtUp, this.#over.promise]);
  }

  fail(error: unknown): void {
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
    const told = this.#leadership !== null && this.voters.length > 1 ? this.#resign() : null;
    this.#end();
    await told;
  }

  /** Takes part no more, at once and without a word, as a killed process. */
  abandon(): void {
    this.#end();
    this.#leaderId = -1;
    this.#tellLeaderChange();
  }

  #end(): void {
    this.#isOver = true;
    this.#leave();
    this.#role = 'stopped';
    this.#over.resolve();
  }
}
