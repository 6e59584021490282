/**
 * Opens the logs of partitions that this broker was given: at once, where they are few; in turns,
 * where one step of the metadata gives it many; and again after a while, where one can't be opened.
 *
 * A partition without its log is there all the same, and refuses everybody until it has it.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { Configs } from './configs.ts';
import type { Partition } from './partition.ts';

/**
 * Logs that one step of the metadata has opened at once. Making one takes nearly a millisecond, and
 * a broker that does nothing else for seconds is taken for dead: more are opened in turns of
 * `OPEN_TURN_MS`, with everything else between them.
 */
const OPEN_AT_ONCE_MAX = 64;
const OPEN_TURN_MS = 10;

/** Between two attempts to open a log that can't be opened. */
const OPEN_RETRY_MS = 1_000;

export interface LogOpeningOptions {
  readonly logs: LogManager;
  readonly configs: Configs;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Whose log is to be opened. */
export interface LogWanted {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
}

export class LogOpening {
  readonly #options: LogOpeningOptions;
  readonly #opened: (partition: Partition) => void;
  /** Could not be opened, with whether they are new. */
  readonly #unopened = new Map<Partition, boolean>();
  #retryTimer: Timer | null = null;
  /** Are opened in the turns to come, in this order. */
  #waiting: Partition[] = [];
  #turnTimer: Timer | null = null;
  #openedInStep = 0;

  /** `opened`: a partition that had to wait has its log. */
  constructor(options: LogOpeningOptions, opened: (partition: Partition) => void) {
    this.#options = options;
    this.#opened = opened;
  }

  /** Another step of the metadata begins. */
  beginStep(): void {
    this.#openedInStep = 0;
  }

  /**
   * The log; or null, and then the partition that is made for it is handed to `later`. `isNew`: it was
   * given to this broker while it ran; what is in its folder is not of it.
   */
  open(wanted: LogWanted, isNew: boolean): PartitionLog | null {
    if (this.#mustWait(isNew)) return null;
    try {
      const log = this.#openLog(wanted, isNew);
      this.#openedInStep += 1;
      return log;
    } catch (error) {
      this.#tellFailed(wanted, error);
      return null;
    }
  }

  /** Takes on a partition for which `open` has just given nothing. */
  later(partition: Partition, isNew: boolean): void {
    if (!this.#mustWait(isNew)) return this.#again(partition, isNew);
    partition.isOpening = true;
    this.#waiting.push(partition);
    this.#turnTimer ??= this.#options.clock.after(0, () => this.#openSome());
  }

  #mustWait(isNew: boolean): boolean {
    return isNew && this.#openedInStep >= OPEN_AT_ONCE_MAX;
  }

  #openLog({ topic, topicId, index }: LogWanted, isNew: boolean): PartitionLog {
    const { logs, configs } = this.#options;
    // Left by power loss, it does not say whose it is. A topic that is new is not the one.
    const isStray = isNew && logs.get(topic, index)?.topicId === null;
    if (isStray) logs.delete(topic, index);
    // Refuses a folder that holds another topic's data.
    const log = logs.create(topic, topicId, index, isNew);
    log.updateConfig(configs.logConfig(topic));
    return log;
  }

  #tellFailed({ topic, index }: LogWanted, error: unknown): void {
    this.#options.logger.error('the log of a partition cannot be opened', {
      'kafka.topic': topic,
      'kafka.partition': index,
      'error.message': reasonOf(error),
    });
  }

  #openSome(): void {
    const { clock } = this.#options;
    const until = clock.monotonic() + OPEN_TURN_MS;
    let done = 0;
    do this.#openAgain(this.#waiting[done++]!, true);
    while (done < this.#waiting.length && clock.monotonic() < until);
    this.#waiting = this.#waiting.slice(done);
    const isMore = this.#waiting.length > 0;
    this.#turnTimer = isMore ? clock.after(0, () => this.#openSome()) : null;
  }

  /** What kept the log from being opened may pass: a disk that was full, a lack of descriptors. */
  #again(partition: Partition, isNew: boolean): void {
    this.#unopened.set(partition, isNew);
    this.#retryTimer ??= this.#options.clock.after(OPEN_RETRY_MS, () => {
      this.#retryTimer = null;
      const waiting = [...this.#unopened];
      this.#unopened.clear();
      for (const [one, wasNew] of waiting) this.#openAgain(one, wasNew);
    });
  }

  #openAgain(partition: Partition, isNew: boolean): void {
    if (partition.isRemoved) return;
    const { topic, index, isOpening } = partition;
    try {
      partition.opened(this.#openLog(partition, isNew));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      partition.isOpening = false;
      if (isOpening) this.#tellFailed(partition, error);
      return this.#again(partition, isNew);
    }
    if (!isOpening) {
      const fields = { 'kafka.topic': topic, 'kafka.partition': index };
      this.#options.logger.info('the log of a partition could be opened at last', fields);
    }
    this.#opened(partition);
  }

  /** Opens nothing more. */
  stop(): void {
    this.#retryTimer?.cancel();
    this.#turnTimer?.cancel();
    this.#unopened.clear();
    this.#waiting = [];
  }
}
