import type { PartitionImage } from '../../cluster/metadata-image.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { node } from '../endpoints.ts';
import type { RequestContext } from '../handler.ts';

/** Since this version of Metadata, clients know LISTENER_NOT_FOUND. */
const LISTENER_VERSION = 6;

/**
 * What Metadata and DescribeTopicPartitions tell of partitions, to one who asks. A partition whose
 * leader is not there for them, or whose log the leader can't use, has no leader.
 */
export class PartitionDescriber {
  readonly #context: RequestContext;
  /** By broker, as far as it was asked for: whether it lives, and listens where the client is. */
  readonly #reachable = new Map<number, boolean>();

  constructor(context: RequestContext) {
    this.#context = context;
  }

  describe(topic: string, p: PartitionImage) {
    const isDown = this.#isDownHere(topic, p);
    const hasLeader = p.leader >= 0 && !(isDown && p.leader === this.#nodeId);
    const isKnown = hasLeader && this.#isReachable(p.leader);
    return {
      errorCode: isKnown ? ErrorCode.NONE : this.#faultOf(hasLeader ? p.leader : -1),
      partitionIndex: p.index,
      leaderId: isKnown ? p.leader : -1,
      leaderEpoch: p.leaderEpoch,
      replicaNodes: [...p.replicas],
      isrNodes: [...p.isr],
      offlineReplicas: p.replicas.filter(
        (id) => (id === this.#nodeId && isDown) || !this.#isReachable(id),
      ),
    };
  }

  /** Why a partition has no leader for the one who asks: there is none, or it is not to be reached. */
  #faultOf(leader: number): number {
    const { broker, apiVersion } = this.#context;
    const isThere = broker.store.image.brokers.has(leader);
    return isThere && apiVersion >= LISTENER_VERSION
      ? ErrorCode.LISTENER_NOT_FOUND
      : ErrorCode.LEADER_NOT_AVAILABLE;
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
}
