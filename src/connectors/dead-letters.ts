/**
 * Records that a destination refuses for good, kept in a topic of their own: key, value and headers
 * as they were, plus headers that say where the record comes from and what was wrong, under the
 * names that Kafka Connect gives them, so that tools which replay dead letters work.
 *
 * A letter counts as written when every in-sync replica has it. Until then the record stays
 * unresolved, so its offset is not committed; a topic that can't be written stops the connector at
 * that record instead of losing it.
 */
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { codeOf, OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  type Header,
  headersOf,
  keyOf,
  type RecordView,
  valueOf,
} from '../protocol/record-batch.ts';
import type { Refusal } from './connector.ts';
import { fullJitterMs } from './retry.ts';

/** The record's coordinates, and who refused it. */
export interface LetterOrigin {
  readonly topic: string;
  readonly partition: number;
  readonly connector: string;
  readonly task: number;
  /** Name of the destination's class. */
  readonly destination: string;
}

/** What the letters are written with: `Producer` of the client, at acks=all. */
export interface LetterProducer {
  append(
    topic: string,
    value: Uint8Array | null,
    options: {
      key: Uint8Array | null;
      timestamp: number;
      headers: readonly Header[];
      delivered: (error: Error | null) => void;
    },
  ): boolean;
  drained(): Promise<void>;
}

/** Letters that wait for the log; what is under way when it is reached still adds to it. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
/** What a letter takes beyond key and value, roughly. */
const LETTER_BYTES = 2_048;
const BACKOFF = { baseMs: 200, capMs: 30_000 };
const PREFIX = '__connect.errors.';
/** Where the stage of the fault goes; ours is always handing over to the destination. */
const STAGE = 'TASK_PUT';

const header = (key: string, value: string | number): Header => ({
  key: PREFIX + key,
  value: Buffer.from(String(value)),
});

export class DeadLetters {
  readonly topic: string;
  readonly #producer: LetterProducer;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  /** Makes the topic; called before the first letter, and again until it succeeded once. */
  readonly #prepare: () => Promise<void>;
  #prepared: Promise<void> | null = null;
  #failing = '';
  /** Letters that are acknowledged. */
  written = 0;
  /** Attempts that failed. */
  failures = 0;
  /** Letters on their way. */
  pending = 0;
  #pendingBytes = 0;

  constructor(
    topic: string,
    producer: LetterProducer,
    seams: { clock: Clock; random: Random; logger: Logger },
    prepare: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.topic = topic;
    this.#producer = producer;
    this.#clock = seams.clock;
    this.#random = seams.random;
    this.#logger = seams.logger;
    this.#prepare = prepare;
  }

  /** So much is on its way that no more should come. */
  get isFull(): boolean {
    return this.#pendingBytes > PENDING_BYTES_MAX;
  }

  /** Why letters can't be written at present; '' when they can. */
  get fault(): string {
    return this.#failing;
  }

  /**
   * Resolves to true when the letter is safe, to false when `signal` gave it up before. Tries for
   * ever. What it needs of `record` is copied before it returns.
   */
  async write(
    record: RecordView,
    origin: LetterOrigin,
    refusal: Refusal,
    signal: AbortSignal,
  ): Promise<boolean> {
    const letter = {
      key: copyOf(keyOf(record)),
      value: copyOf(valueOf(record)),
      timestamp: record.timestamp,
      headers: [...ownHeaders(record), ...errorHeaders(record.offset, origin, refusal)],
    };
    const bytes = LETTER_BYTES + (letter.key?.length ?? 0) + (letter.value?.length ?? 0);
    this.pending++;
    this.#pendingBytes += bytes;
    try {
      for (let failures = 1; !signal.aborted; failures++) {
        const error = await this.#attempt(letter, signal);
        if (error === null) {
          this.written++;
          this.#failing = '';
          return true;
        }
        this.failures++;
        if (isTooLarge(error) && letter.value !== null) {
          // The log holds the whole record still, at the coordinates in the headers.
          letter.headers.push(header('value.bytes', letter.value.length));
          letter.value = null;
          continue;
        }
        if (this.#failing === '') {
          this.#logger.error('dead letter could not be written; it is tried again', {
            'kafka.topic': this.topic,
            'error.message': reasonOf(error),
          });
        }
        this.#failing = `topic '${this.topic}': ${reasonOf(error)}`;
        await sleep(this.#clock, fullJitterMs(BACKOFF, failures, this.#random));
      }
      return false;
    } finally {
      this.pending--;
      this.#pendingBytes -= bytes;
    }
  }

  async #attempt(letter: Letter, signal: AbortSignal): Promise<Error | null> {
    try {
      this.#prepared ??= this.#prepare();
      await this.#prepared;
    } catch (error) {
      this.#prepared = null;
      return error as Error;
    }
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<Error | null>();
      const { key, timestamp, headers } = letter;
      const options = { key, timestamp, headers, delivered: resolve };
      if (this.#producer.append(this.topic, letter.value, options)) return promise;
      if (signal.aborted) return new OperatingError('aborted', 'given up');
      await this.#producer.drained();
    }
  }
}

interface Letter {
  readonly key: Buffer | null;
  value: Buffer | null;
  readonly timestamp: number;
  readonly headers: Header[];
}

const copyOf = (bytes: Buffer | null): Buffer | null =>
  bytes === null ? null : Buffer.from(bytes);

const ownHeaders = (record: RecordView): Header[] =>
  headersOf(record).map(({ key, value }) => ({
    key,
    value: value === null ? null : Buffer.from(value),
  }));

const errorHeaders = (offset: number, origin: LetterOrigin, refusal: Refusal): Header[] => [
  header('topic', origin.topic),
  header('partition', origin.partition),
  header('offset', offset),
  header('connector.name', origin.connector),
  header('task.id', origin.task),
  header('stage', STAGE),
  header('class.name', origin.destination),
  header('exception.class.name', refusal.type),
  header('exception.message', refusal.reason),
  header('exception.stacktrace', `${refusal.type}: ${refusal.reason} (status ${refusal.status})`),
];

const isTooLarge = (error: Error): boolean =>
  (error instanceof ProtocolError &&
    (error.code === ErrorCode.MESSAGE_TOO_LARGE ||
      error.code === ErrorCode.RECORD_LIST_TOO_LARGE)) ||
  codeOf(error) === 'record-too-large';
