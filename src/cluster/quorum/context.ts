/** What the parts of a quorum member share. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Voter } from '../metadata-image.ts';
import type { Peers } from '../peers.ts';
import type { Leader } from './bodies.ts';
import type { QuorumCounters } from './counters.ts';
import type { QuorumLog } from './quorum-log.ts';

export interface QuorumSettings {
  /**
   * `controller.quorum.fetch.timeout.ms`: a leader that has not answered for so long counts as gone,
   * and one that has not heard of a majority for one and a half times as long resigns.
   */
  readonly fetchTimeoutMs: number;
  /** `controller.quorum.election.timeout.ms`: longest wait for votes, and between two attempts. */
  readonly electionTimeoutMs: number;
  /** `metadata.log.max.record.bytes.between.snapshots` */
  readonly snapshotBytes: number;
  /** `metadata.log.max.snapshot.interval.ms`; 0: no bound. */
  readonly snapshotMs: number;
}

export interface QuorumContext {
  readonly self: Voter;
  readonly clusterId: string | null;
  readonly log: QuorumLog;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: QuorumSettings;
  readonly counters: QuorumCounters;
  readonly epoch: number;
  readonly leader: Leader;
  /** This broker, with the directory that it has now, is a voter. */
  readonly isVoter: boolean;
  /** Ids of all brokers that are known, without this one. */
  others(): number[];
  /**
   * Somebody said that `epoch` has begun, and led by `leaderId` (-1: not known). Older news are
   * none. Throws ProtocolError when a later epoch could not be written down, and then nothing changed.
   */
  learn(epoch: number, leaderId: number): void;
  /** This member can't go on: an invariant does not hold, or its disk has failed. */
  fail(error: unknown): void;
}
