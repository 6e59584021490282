/**
 * Writes batches that this broker makes itself to any partition of a topic: directly where it leads
 * one, else by the leader of another. What can't be written is dropped and counted.
 */
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import { NO_LEADER, type TopicImage } from './metadata-image.ts';
import type { Partitions } from './partitions.ts';
import type { Peers } from './peers.ts';

/** Bytes of batches that are on their way to other brokers. */
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** Time for the leader to take a batch, milliseconds. */
const PRODUCE_MS_MAX = 10_000;

export interface TopicWriterOptions {
  readonly nodeId: number;
  readonly partitions: Partitions;
  readonly peers: Peers;
  readonly logger: Logger;
}

export class TopicWriter {
  readonly #options: TopicWriterOptions;
  /** Records in the log. */
  stored = 0;
  /** Records that are not, by why. */
  readonly dropped = { no_leader: 0, buffer_full: 0, refused: 0 };
  #inFlightBytes = 0;
  #next = 0;

  constructor(options: TopicWriterOptions) {
    this.#options = options;
  }

  /** One batch of `count` records. */
  write(topic: TopicImage, batch: Buffer, count: number): void {
    const { nodeId } = this.#options;
    const led = topic.partitions.filter(({ leader }) => leader !== NO_LEADER);
    const own = led.filter(({ leader }) => leader === nodeId);
    const choice = own.length > 0 ? own : led;
    if (choice.length === 0) {
      this.dropped.no_leader += count;
      return;
    }
    this.#next += 1;
    const { index, leader } = choice[this.#next % choice.length]!;
    if (leader === nodeId) this.#append(topic, index, batch, count);
    else this.#produce(topic, index, leader, batch, count);
  }

  #append({ name }: TopicImage, index: number, batch: Buffer, count: number): void {
    try {
      const held = this.#options.partitions.get(name, index);
      if (held === undefined) throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
      held.append(batch, { origin: 'client', acksAll: false });
      this.stored += count;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refused(name, count, error.message);
    }
  }

  #produce(topic: TopicImage, index: number, leader: number, batch: Buffer, count: number): void {
    if (this.#inFlightBytes + batch.length > IN_FLIGHT_BYTES_MAX) {
      this.dropped.buffer_full += count;
      return;
    }
    this.#inFlightBytes += batch.length;
    const { name, id: topicId } = topic;
    const body = {
      transactionalId: null,
      acks: 1,
      timeoutMs: PRODUCE_MS_MAX,
      topicData: [{ name, topicId, partitionData: [{ index, records: batch }] }],
    };
    this.#options.peers
      .send(leader, 'produce', calls.produce, body, PRODUCE_MS_MAX)
      .then(({ responses }) => {
        const code = responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.NONE;
        if (code === ErrorCode.NONE) this.stored += count;
        else this.#refused(name, count, errorName(code));
      })
      .catch((error: unknown) => this.#refused(name, count, reasonOf(error)))
      .finally(() => {
        this.#inFlightBytes -= batch.length;
      });
  }

  #refused(topic: string, count: number, reason: string): void {
    this.dropped.refused += count;
    this.#options.logger.debug('records of this broker could not be stored', {
      'kafka.topic': topic,
      'error.message': reason,
    });
  }
}
