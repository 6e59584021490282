/**
 * How a voter becomes the leader: it first asks whether it would be voted for (pre-vote, KIP-996),
 * which changes nothing anywhere, and only when a majority would, begins an epoch and asks for the
 * votes in earnest. So a voter that can't reach a leader which the others still hear disturbs nobody.
 *
 * Waits are random, and ordered by the voters' places in the list where several notice the loss of
 * a leader in the same moment. They grow with the attempts that come to nothing: on a machine where an
 * answer takes longer than the first of them, every attempt would begin before the answers to the one
 * before it, and end the term that another voter is about to win.
 */
import type { Timer } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import { below } from '../../base/random.ts';
import { calls } from '../../client/call.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { Voter } from '../metadata-image.ts';
import { voteRequestOf } from './bodies.ts';
import type { QuorumContext } from './context.ts';
import { isExpected } from './leadership.ts';
import { includes, isSame, majorityOf } from './voters.ts';

export interface ElectionEvents {
  /**
   * Begins the next epoch as a candidate that has voted for itself. Throws ProtocolError when that
   * could not be written down.
   */
  candidacy(): void;
  /** A majority has voted for this broker in the epoch of its candidacy. */
  won(): void;
}

/** Between the attempts of two voters that stand next to each other in the list, milliseconds. */
const RANK_MS = 25;
const JITTER_MS = 10;

/** Attempts after which waits double, and how often they do at most: then up to eight times as long. */
const ATTEMPTS_EQUAL = 2;
const DOUBLINGS_MAX = 3;

export class Election {
  readonly #context: QuorumContext;
  readonly #events: ElectionEvents;
  #timer: Timer | null = null;
  /** Goes up with every round; answers to earlier ones are void. */
  #round = 0;
  #phase: 'none' | 'pre-vote' | 'vote' = 'none';
  #begunAtMs = 0;
  /** Since a leader answered, or this broker was elected. */
  #attempts = 0;

  constructor(context: QuorumContext, events: ElectionEvents) {
    this.#context = context;
    this.#events = events;
  }

  get phase(): 'none' | 'pre-vote' | 'vote' {
    return this.#phase;
  }
  get isUnderWay(): boolean {
    return this.#timer !== null || this.#phase !== 'none';
  }

  /** The leader is lost. Does nothing when an attempt is under way. */
  soon(): void {
    if (this.isUnderWay) return;
    this.#begunAtMs = this.#context.clock.monotonic();
    const { self, log, leader, random } = this.#context;
    const rank = log.voters.latest
      .filter(({ id }) => id !== leader.leaderId)
      .findIndex((voter) => isSame(voter, self));
    this.#schedule(Math.max(rank, 0) * RANK_MS + below(random, JITTER_MS));
  }

  /** The leader has resigned and named its successors; this broker is the `rank`th of them. */
  succeed(rank: number): void {
    this.cancel();
    this.#begunAtMs = this.#context.clock.monotonic();
    if (rank > 0) return this.#schedule(rank * RANK_MS + below(this.#context.random, JITTER_MS));
    this.#schedule(this.#retryMs());
    this.#vote();
  }

  /** After somebody else was voted for: gives it time. */
  later(): void {
    this.cancel();
    this.#begunAtMs = this.#context.clock.monotonic();
    this.#schedule(this.#retryMs() + this.#context.settings.electionTimeoutMs / 4);
  }

  /** A leader answers. */
  settle(): void {
    this.#attempts = 0;
    this.cancel();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#phase = 'none';
    this.#round++;
  }

  /** Milliseconds since this broker began to try. */
  get elapsedMs(): number {
    return this.#context.clock.monotonic() - this.#begunAtMs;
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.after(delayMs, () => {
      this.#timer = null;
      // By the time of its next attempt this broker may vote.
      this.#schedule(this.#retryMs());
      if (this.#context.isVoter) this.#preVote();
      else this.#phase = 'none';
    });
  }

  /** By which waits are longer than at first. */
  get #patience(): number {
    return 2 ** Math.min(Math.max(this.#attempts - ATTEMPTS_EQUAL, 0), DOUBLINGS_MAX);
  }

  #retryMs(): number {
    const { random, settings } = this.#context;
    const leastMs = (settings.electionTimeoutMs / 4) * this.#patience;
    return leastMs + below(random, leastMs);
  }

  #preVote(): void {
    this.#phase = 'pre-vote';
    this.#attempts++;
    this.#context.counters.preVotes++;
    this.#ask(true, () => this.#vote());
  }

  #vote(): void {
    const { counters, logger } = this.#context;
    if (!this.#context.isVoter) return;
    try {
      this.#events.candidacy();
      // Of the time for answers nothing is gone that the device of this broker took.
      this.#schedule(this.#retryMs());
    } catch (error) {
      if (!isExpected(error)) return this.#context.fail(error);
      // The next attempt is scheduled already.
      this.#phase = 'none';
      return logger.warn('no candidate for the metadata quorum', {
        'error.message': reasonOf(error),
      });
    }
    this.#phase = 'vote';
    counters.elections++;
    this.#ask(false, () => {
      this.#attempts = 0;
      this.#events.won();
    });
  }

  /** One round: asks every other voter, and calls `won` when a majority has agreed. */
  #ask(preVote: boolean, won: () => void): void {
    const { self, log, clusterId, epoch, peers, settings } = this.#context;
    const voters = log.voters.latest;
    const timeoutMs = settings.electionTimeoutMs * this.#patience;
    const round = ++this.#round;
    const granted: Voter[] = [self];
    const count = (): void => {
      if (granted.filter((v) => includes(voters, v)).length < majorityOf(voters.length)) return;
      this.#round++;
      won();
    };
    for (const to of voters) {
      if (isSame(to, self) || round !== this.#round) continue;
      const body = voteRequestOf({
        clusterId,
        epoch,
        from: self,
        to,
        lastEpoch: log.lastEpoch,
        endOffset: log.endOffset,
        preVote,
      });
      peers.send(to.id, 'quorum', calls.vote, body, timeoutMs).then(
        (response) => {
          const answer = response.topics[0]?.partitions[0];
          if (answer === undefined || round !== this.#round) return;
          if (answer.leaderEpoch > epoch || (!answer.voteGranted && answer.leaderId >= 0)) {
            return this.#heard(answer.leaderEpoch, answer.leaderId);
          }
          if (answer.errorCode !== ErrorCode.NONE || !answer.voteGranted) return;
          granted.push(to);
          this.#guarded(count);
        },
        (error: unknown) => {
          // The next round asks again.
          if (!isExpected(error)) this.#context.fail(error);
        },
      );
    }
    this.#guarded(count);
  }

  #heard(epoch: number, leaderId: number): void {
    this.#guarded(() => this.#context.learn(epoch, leaderId));
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.#context.logger.warn('the metadata quorum could not go on', {
          'error.message': error.message,
        });
      } else this.#context.fail(error);
    }
  }
}
