/**
 * Producer ids of this broker: handed out of a block that the metadata log says is ours. After a
 * crash the rest of the block is never used, so no id is given twice.
 */
import { calls } from '../client/call.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { ControllerChannel } from './controller-channel.ts';

/** Time for the controller to answer, milliseconds. */
const ALLOCATE_MS_MAX = 10_000;

export interface ProducerIdBlock {
  readonly first: number;
  readonly count: number;
}

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>;
  #next = 0;
  #left = 0;
  #under: Promise<void> | null = null;

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate;
  }

  async next(): Promise<number> {
    while (this.#left === 0) {
      this.#under ??= this.#refill();
      await this.#under;
    }
    this.#left -= 1;
    return this.#next++;
  }

  async #refill(): Promise<void> {
    try {
      const block = await this.#allocate();
      this.#next = block.first;
      this.#left = block.count;
    } finally {
      this.#under = null;
    }
  }
}

/**
 * Asks the controller for a block, as the life of the broker that has this epoch. Throws
 * COORDINATOR_LOAD_IN_PROGRESS, whatever the reason, as Apache Kafka's broker does: clients of every
 * age ask again then, and give up for good on what a broker and its controller tell each other.
 */
export async function allocateProducerIds(
  channel: ControllerChannel,
  brokerId: number,
  brokerEpoch: number,
): Promise<ProducerIdBlock> {
  const body = { brokerId, brokerEpoch };
  let why: string;
  try {
    const answer = await channel.send(calls.allocateProducerIds, body, ALLOCATE_MS_MAX);
    const { errorCode, producerIdStart: first, producerIdLen: count } = answer;
    if (errorCode === ErrorCode.NONE) return { first, count };
    why = errorName(errorCode);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    why = error.message;
  }
  const message = `the controller has given no producer ids yet: ${why}`;
  throw new ProtocolError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, message);
}
