/** Which broker to ask: found once, and anew when it turns out to be another one, as clients do. */
import { ZERO_UUID } from '../../src/base/bytes.ts';
import { calls } from '../../src/client/call.ts';
import type { Client } from '../../src/client/client.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';

/** Kafka's number of the type of coordinator. */
const TRANSACTION = 1;

export class Finding {
  readonly #look: () => Promise<number>;
  #found: number | null = null;

  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  /** Asks it, and forgets it when there is no answer, or none that `isGood`. */
  async ask<R>(
    request: (nodeId: number) => Promise<R>,
    isGood: (answer: R) => boolean,
  ): Promise<R> {
    this.#found ??= await this.#look();
    const asked = this.#found;
    let good = false;
    try {
      const answer = await request(asked);
      good = isGood(answer);
      return answer;
    } finally {
      if (!good && this.#found === asked) this.#found = null;
    }
  }
}

/** Who leads a partition. */
export const findingLeader = (client: Client, topic: string, partition: number): Finding =>
  new Finding(async () => {
    const answer = await client.request('next', calls.metadata, {
      topics: [{ topicId: ZERO_UUID, name: topic }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
    const found = answer.topics[0]?.partitions.find((p) => p.partitionIndex === partition);
    if (found === undefined || found.leaderId < 0) throw new Error('no leader yet');
    return found.leaderId;
  });

/** Who coordinates a producer's transactions. */
export const findingCoordinator = (client: Client, transactionalId: string): Finding =>
  new Finding(async () => {
    const body = { key: '', keyType: TRANSACTION, coordinatorKeys: [transactionalId] };
    const answer = await client.request('next', calls.findCoordinator, body, { version: 4 });
    const [found] = answer.coordinators;
    if (found?.errorCode !== ErrorCode.NONE) throw new Error('no coordinator yet');
    return found.nodeId;
  });
