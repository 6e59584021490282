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

/** Asks the controller for a block, as the life of the broker that has this epoch. */
export async function allocateProducerIds(
  channel: ControllerChannel,
  brokerId: number,
  brokerEpoch: number,
): Promise<ProducerIdBlock> {
  const body = { brokerId, brokerEpoch };
  const answer = await channel.send(calls.allocateProducerIds, body, ALLOCATE_MS_MAX);
  const { errorCode, producerIdStart: first, producerIdLen: count } = answer;
  if (errorCode === ErrorCode.NONE) return { first, count };
  throw new ProtocolError(errorCode, `no producer ids were given: ${errorName(errorCode)}`);
}
