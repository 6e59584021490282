import type { PartitionImage } from '../../cluster/metadata-image.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { node } from '../endpoints.ts';
import type { RequestContext } from '../handler.ts';

/**
 * What Metadata and DescribeTopicPartitions tell of partitions, to one who asks. A partition whose
 * leader is not there for them, or whose log the leader can't use, has no leader.
 */
export class PartitionDescriber {
  readonly #context: RequestContext;
  /** By broker, as far as it was asked for: whether clients reach it, and whether it lives. */
  readonly #reachable = new Map<number, boolean>();
  readonly #alive = new Map<number, boolean>();

  constructor(context: RequestContext) {
    this.#context = context;
  }

  describe(topic: string, p: PartitionImage) {
    const isDown = this.#isDownHere(topic, p);
    const hasLeader = p.leader >= 0 && !(isDown && p.leader === this.#nodeId);
    const isKnown = hasLeader && this.#isReachable(p.leader);
    return {
      errorCode: isKnown ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
      partitionIndex: p.index,
      leaderId: isKnown ? p.leader : -1,
      leaderEpoch: p.leaderEpoch,
      replicaNodes: [...p.replicas],
      isrNodes: [...p.isr],
      offlineReplicas: p.replicas.filter(
        (id) => (id === this.#nodeId && isDown) || !this.#isAlive(id),
      ),
    };
  }

  get #nodeId(): number {
    return this.#context.broker.nodeId;
  }

  /** Our own log, if we should have one, can't be used. */
  #isDownHere(topic: string, p: PartitionImage): boolean {
    if (!p.replicas.includes(this.#nodeId)) return false;
    return this.#context.broker.partitions.get(topic, p.index)?.isOffline !== false;
  }

  #isReachable(id: number): boolean {
    let reachable = this.#reachable.get(id);
    if (reachable === undefined) {
      reachable = id === this.#nodeId || node(id, this.#context) !== null;
      this.#reachable.set(id, reachable);
    }
    return reachable;
  }

  #isAlive(id: number): boolean {
    let alive = this.#alive.get(id);
    if (alive === undefined) {
      const broker = this.#context.broker.store.image.brokers.get(id);
      alive = id === this.#nodeId || broker?.fenced === false;
      this.#alive.set(id, alive);
    }
    return alive;
  }
}
