import type { JoinResponse } from '../../../../src/coordinator/member.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../../src/protocol/stored/consumer-protocol.ts';
import { decodeVersioned, encodeVersioned } from '../../../../src/protocol/stored/versioned.ts';
import { context, type Harness, joinRequest } from '../harness.ts';

/**
 * A member of the classic protocol that rebalances cooperatively: it keeps what it has, gives up what
 * it is no longer given, and joins again. As the leader it gives each member a range of topic `t`.
 */
export class ClassicTestMember {
  readonly h: Harness;
  readonly instanceId: string | null;
  topics = ['t'];
  memberId = '';
  generation = -1;
  partitions: number[] = [];
  /** Its last answer said that it has to join again. */
  mustJoin = true;
  errors: number[] = [];
  #isBusy = false;

  constructor(h: Harness, instanceId: string | null = null) {
    this.h = h;
    this.instanceId = instanceId;
  }

  get subscription(): Buffer {
    return encodeVersioned(consumerProtocolSubscription, 3, {
      topics: this.topics,
      userData: null,
      ownedPartitions: [{ topic: 't', partitions: this.partitions }],
      generationId: this.generation,
      rackId: null,
    });
  }

  join(): Promise<JoinResponse> {
    return this.h.coordinator.joinGroup(
      joinRequest({
        memberId: this.memberId,
        groupInstanceId: this.instanceId,
        protocols: [{ name: 'cooperative-sticky', metadata: this.subscription }],
      }),
      context(9),
    );
  }

  async rejoin(): Promise<void> {
    let answer = await this.join();
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.memberId = answer.memberId;
      answer = await this.join();
    }
    if (answer.errorCode !== 0) return this.#failed(answer.errorCode);
    this.memberId = answer.memberId;
    this.generation = answer.generationId;
    const ids = answer.members.map((m) => m.memberId).sort();
    const size = Math.ceil(8 / Math.max(ids.length, 1));
    const assignments = ids.map((memberId, i) => ({
      memberId,
      assignment: encodeVersioned(consumerProtocolAssignment, 3, {
        assignedPartitions: [
          {
            topic: 't',
            partitions: [0, 1, 2, 3, 4, 5, 6, 7].slice(i * size, (i + 1) * size),
          },
        ],
        userData: null,
      }),
    }));
    const synced = await this.h.coordinator.syncGroup(
      {
        groupId: 'g',
        generationId: this.generation,
        memberId: this.memberId,
        groupInstanceId: this.instanceId,
        protocolType: 'consumer',
        protocolName: 'cooperative-sticky',
        assignments,
      },
      context(5),
    );
    if (synced.errorCode !== 0) return this.#failed(synced.errorCode);
    const { assignedPartitions } = decodeVersioned(consumerProtocolAssignment, synced.assignment);
    const given = assignedPartitions.find(({ topic }) => topic === 't')?.partitions ?? [];
    // What it gives up it tells with the next join.
    this.mustJoin = this.partitions.some((p) => !given.includes(p));
    this.partitions = given;
  }

  /** One heartbeat, and what its answer asks for; nothing while that waits for others. */
  async beat(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await this.#goOn();
    this.#isBusy = false;
  }

  async #goOn(): Promise<void> {
    if (!this.mustJoin) {
      const { errorCode } = this.h.coordinator.heartbeat({
        groupId: 'g',
        generationId: this.generation,
        memberId: this.memberId,
        groupInstanceId: this.instanceId,
      });
      if (errorCode !== 0) this.#failed(errorCode);
    }
    if (this.mustJoin) await this.rejoin();
  }

  #failed(errorCode: number): void {
    this.errors.push(errorCode);
    this.mustJoin = true;
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return;
    this.partitions = [];
    this.generation = -1;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.memberId = '';
  }

  commit(offset: number, partition: number): Promise<number> {
    const { memberId, generation } = this;
    return this.h.commit(offset, { memberId, generation, partition });
  }
}
