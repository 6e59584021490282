import type {
  HeartbeatRequest,
  HeartbeatResponse,
} from '../../../../src/coordinator/consumer/heartbeats.ts';
import { context, type Harness } from '../harness.ts';

export const heartbeatRequest = (request: Partial<HeartbeatRequest> = {}): HeartbeatRequest => ({
  groupId: 'g',
  memberId: 'm',
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: -1,
  subscribedTopicNames: null,
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: null,
  ...request,
});

/** A member of a consumer group that does as it is told, one heartbeat at a time. */
export class TestMember {
  readonly h: Harness;
  readonly id: string;
  readonly groupId: string;
  readonly instanceId: string | null;
  epoch = 0;
  topics: string[] | null = ['t'];
  regex: string | null = null;
  assignor: string | null = null;
  /** What it holds, `topic id` to partitions. */
  owned = new Map<string, number[]>();
  /** It goes on to say that it holds what it was told to give up. */
  keeps = false;

  constructor(
    h: Harness,
    id: string,
    { groupId = 'g', instanceId = null }: { groupId?: string; instanceId?: string | null } = {},
  ) {
    this.h = h;
    this.id = id;
    this.groupId = groupId;
    this.instanceId = instanceId;
  }

  /** Partitions of topic `t`. */
  get partitions(): number[] {
    return this.of('t');
  }
  of(topic: string): number[] {
    return this.owned.get(this.h.topics.topicId(topic) ?? '') ?? [];
  }
  get count(): number {
    return [...this.owned.values()].reduce((sum, list) => sum + list.length, 0);
  }

  async join(more: Partial<HeartbeatRequest> = {}): Promise<HeartbeatResponse> {
    this.owned.clear();
    return this.send({
      memberEpoch: 0,
      instanceId: this.instanceId,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: this.topics,
      subscribedTopicRegex: this.regex,
      serverAssignor: this.assignor,
      topicPartitions: [],
      ...more,
    });
  }

  async beat(more: Partial<HeartbeatRequest> = {}): Promise<HeartbeatResponse> {
    return this.send({
      memberEpoch: this.epoch,
      instanceId: this.instanceId,
      topicPartitions: this.ownedPartitions(),
      ...more,
    });
  }

  leave(memberEpoch = -1): Promise<HeartbeatResponse> {
    return this.send({ memberEpoch, instanceId: this.instanceId });
  }

  ownedPartitions(): { topicId: string; partitions: number[] }[] {
    return [...this.owned].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  async send(request: Partial<HeartbeatRequest>): Promise<HeartbeatResponse> {
    const { id: memberId, groupId } = this;
    const whole = heartbeatRequest({ memberId, groupId, ...request });
    const response = await this.h.coordinator.consumerHeartbeat(whole, context(1));
    if (response.errorCode !== 0) return response;
    this.epoch = response.memberEpoch;
    if (response.assignment !== null) {
      const next = new Map(
        response.assignment.topicPartitions.map((t) => [t.topicId, t.partitions]),
      );
      if (this.keeps) for (const [id, list] of this.owned) if (!next.has(id)) next.set(id, list);
      this.owned = next;
    }
    return response;
  }
}

/** Heartbeats of all members, every five seconds, until nothing changes any more. */
export async function converge(h: Harness, members: readonly TestMember[]): Promise<void> {
  let quiet = 0;
  for (let round = 0; round < 40; round++) {
    const before = JSON.stringify(members.map((m) => [m.epoch, m.ownedPartitions()]));
    await h.clock.pass(1_500);
    for (const member of members) await member.beat();
    const after = JSON.stringify(members.map((m) => [m.epoch, m.ownedPartitions()]));
    // What one heartbeat gives cause to may show with the next one.
    quiet = after === before ? quiet + 1 : 0;
    if (quiet === 2) return;
  }
  throw new Error('the group does not come to rest');
}
