/**
 * Without a leader: asks one broker after the other whether it knows of one. A new leader makes
 * itself known, too; this finds the one that was there before.
 */
import { type Clock, sleep } from '../../base/clock.ts';
import { below } from '../../base/random.ts';
import { calls } from '../../client/call.ts';
import { fetchRequestOf } from './bodies.ts';
import type { QuorumContext } from './context.ts';
import { isExpected } from './leadership.ts';

/** Between two rounds, milliseconds; and as much again by chance. */
const ROUND_MS = 50;

export class Discovery {
  readonly #context: QuorumContext;
  /** Goes up when it starts and stops; a run that belongs to an earlier one ends. */
  #run = 0;

  constructor(context: QuorumContext) {
    this.#context = context;
  }

  start(): void {
    const run = ++this.#run;
    this.#ask(run).catch((error: unknown) => {
      if (run === this.#run) this.#context.fail(error);
    });
  }

  stop(): void {
    this.#run++;
  }

  async #ask(run: number): Promise<void> {
    const { random } = this.#context;
    const clock: Clock = this.#context.clock;
    while (run === this.#run) {
      for (const id of this.#context.others()) {
        await this.#askOne(id, run);
        if (run !== this.#run) return;
      }
      await sleep(clock, ROUND_MS + below(random, ROUND_MS));
    }
  }

  /** By a fetch: who does not lead answers with the one that does. */
  async #askOne(id: number, run: number): Promise<void> {
    const { self, clusterId, epoch, log, peers, settings } = this.#context;
    const body = fetchRequestOf({
      clusterId,
      from: self,
      epoch,
      fetchOffset: log.endOffset,
      lastEpoch: log.lastEpoch,
      logStartOffset: log.startOffset,
      highWatermark: log.highWatermark,
      maxWaitMs: 0,
      maxBytes: 0,
    });
    try {
      const timeoutMs = settings.electionTimeoutMs;
      const response = await peers.send(id, 'metadata', calls.fetch, body, timeoutMs);
      if (run !== this.#run) return;
      const leader = response.responses[0]?.partitions[0]?.currentLeader;
      if (leader !== undefined) this.#context.learn(leader.leaderEpoch, leader.leaderId);
    } catch (error) {
      // The next one may know.
      if (!isExpected(error)) throw error;
    }
  }
}
