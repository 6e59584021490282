/**
 * Takes the leaders' changes of the replicas in sync to the controller (AlterPartition, KIP-497):
 * one request at a time, with all changes that have come up meanwhile.
 *
 * A request that was not answered is sent again with what is still wanted: a change names the state
 * it was made from, so the controller makes it once at most.
 */
import { type Clock, type Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type Call, calls } from '../client/call.ts';
import { ErrorCode, errorName, isRetriable } from '../protocol/error-codes.ts';
import type {
  alterPartitionRequest,
  alterPartitionResponse,
} from '../protocol/messages/56-alter-partition.ts';
import type { Infer } from '../protocol/schema.ts';
import type { Partition } from './partition.ts';
import type { IsrChange, IsrUpdater } from './partition-environment.ts';

type Request = Infer<typeof alterPartitionRequest>;
type Response = Infer<typeof alterPartitionResponse>;

/** The way to the active controller, wherever it is. */
export interface ControllerSend {
  send<Q, R>(call: Call<Q, R>, body: Q, timeoutMs: number): Promise<R>;
}

export interface IsrUpdatesOptions {
  readonly nodeId: number;
  readonly brokerEpoch: () => number;
  readonly channel: ControllerSend;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Time for one attempt; the channel looks for a controller meanwhile. */
const ATTEMPT_MS = 2_000;
/** Between attempts that failed. */
const RETRY_MS = 50;
/** Changes in one request. */
const CHANGES_MAX = 10_000;

/** Answers after which the same change can be sent again; others wait for newer metadata. */
const FINAL: ReadonlySet<number> = new Set([
  ErrorCode.INELIGIBLE_REPLICA,
  ErrorCode.OPERATION_NOT_ATTEMPTED,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.INVALID_UPDATE_VERSION,
  ErrorCode.INVALID_REQUEST,
  ErrorCode.NEW_LEADER_ELECTED,
]);

export class IsrUpdates implements IsrUpdater {
  readonly #options: IsrUpdatesOptions;
  readonly #wanted = new Map<Partition, IsrChange>();
  #isSending = false;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: IsrUpdatesOptions) {
    this.#options = options;
  }

  /** Changes that wait or are under way. */
  get size(): number {
    return this.#wanted.size;
  }

  submit(partition: Partition, change: IsrChange): void {
    this.#wanted.set(partition, change);
    if (this.#isSending || this.#timer !== null || this.#stopped) return;
    // What comes up in the same turn goes along.
    this.#isSending = true;
    queueMicrotask(() => void this.#send());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#wanted.clear();
  }

  async #send(): Promise<void> {
    const { channel, logger } = this.#options;
    const sent = this.#current();
    let done = false;
    if (sent.length > 0) {
      try {
        const answer = await channel.send(calls.alterPartition, this.#body(sent), ATTEMPT_MS);
        done = !this.#stopped && this.#answered(sent, answer);
      } catch (error) {
        logger.debug('changes of the replicas in sync have not reached the controller', {
          'error.message': reasonOf(error),
        });
      }
    } else done = true;
    this.#isSending = false;
    if (this.#stopped || this.#wanted.size === 0) return;
    if (done) {
      this.#isSending = true;
      queueMicrotask(() => void this.#send());
    } else this.#retryLater();
  }

  #retryLater(): void {
    this.#timer = this.#options.clock.after(RETRY_MS, () => {
      this.#timer = null;
      if (this.#stopped) return;
      this.#isSending = true;
      void this.#send();
    });
  }

  /** What is wanted still: newer metadata may have overtaken it. */
  #current(): [Partition, IsrChange][] {
    const current: [Partition, IsrChange][] = [];
    for (const [partition, change] of this.#wanted) {
      if (partition.leadership?.pending !== change) this.#wanted.delete(partition);
      else if (current.length < CHANGES_MAX) current.push([partition, change]);
    }
    return current;
  }

  #body(changes: readonly (readonly [Partition, IsrChange])[]): Request {
    const { nodeId, brokerEpoch } = this.#options;
    const ownEpoch = brokerEpoch();
    const topics = new Map<string, Request['topics'][number]>();
    for (const [partition, change] of changes) {
      let topic = topics.get(partition.topicId);
      if (topic === undefined) {
        topic = { topicId: partition.topicId, partitions: [] };
        topics.set(partition.topicId, topic);
      }
      topic.partitions.push({
        partitionIndex: partition.index,
        leaderEpoch: change.leaderEpoch,
        newIsr: change.isr.map(({ brokerId }) => brokerId),
        newIsrWithEpochs: change.isr.map((member) =>
          member.brokerId === nodeId ? { brokerId: nodeId, brokerEpoch: ownEpoch } : { ...member },
        ),
        leaderRecoveryState: 0,
        partitionEpoch: change.partitionEpoch,
      });
    }
    return { brokerId: nodeId, brokerEpoch: ownEpoch, topics: [...topics.values()] };
  }

  /** Returns false when something of it is to be sent again. */
  #answered(sent: readonly (readonly [Partition, IsrChange])[], answer: Response): boolean {
    const { logger } = this.#options;
    if (answer.errorCode !== ErrorCode.NONE) {
      logger.warn('the controller refuses changes of the replicas in sync', {
        'error.code': errorName(answer.errorCode),
      });
      return false;
    }
    const answers = new Map<string, Response['topics'][number]['partitions'][number]>();
    for (const { topicId, partitions } of answer.topics) {
      for (const p of partitions) answers.set(`${topicId}/${p.partitionIndex}`, p);
    }
    let done = true;
    for (const [partition, change] of sent) {
      const result = answers.get(`${partition.topicId}/${partition.index}`);
      if (result === undefined || !this.#settled(partition, change, result)) done = false;
    }
    return done;
  }

  #settled(
    partition: Partition,
    change: IsrChange,
    result: Response['topics'][number]['partitions'][number],
  ): boolean {
    const { errorCode } = result;
    if (!FINAL.has(errorCode) && errorCode !== ErrorCode.NONE && isRetriable(errorCode)) {
      return false;
    }
    if (this.#wanted.get(partition) === change) this.#wanted.delete(partition);
    if (errorCode === ErrorCode.NONE) return true;
    this.#options.logger.info('a change of the replicas in sync was refused', {
      'kafka.topic': partition.topic,
      'kafka.partition': partition.index,
      'error.code': errorName(errorCode),
    });
    partition.isrRefused(change, errorCode);
    return true;
  }
}
