/**
 * AssignReplicasToDirs: a broker tells in which of its directories replicas are. Which directory
 * that is makes no difference here, unless it is one that has failed: then what was there counts as
 * lost, and others lead.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  assignReplicasToDirsRequest,
  assignReplicasToDirsResponse,
} from '../../protocol/messages/73-assign-replicas-to-dirs.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { BrokerImage, PartitionImage } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import type { Succession } from './succession.ts';

export type AssignReplicasRequest = Infer<typeof assignReplicasToDirsRequest>;
export type AssignReplicasResponse = Infer<typeof assignReplicasToDirsResponse>;

/** The registration of the broker was checked before. */
export function assignReplicas(
  draft: Draft,
  succession: Succession,
  broker: BrokerImage,
  request: AssignReplicasRequest,
): AssignReplicasResponse {
  const failed: PartitionImage[] = [];
  const directories = request.directories.map(({ id, topics }) => {
    const works = broker.logDirs.includes(id);
    return {
      id,
      topics: topics.map(({ topicId, partitions }) => {
        const topic = draft.image.topicById(topicId);
        return {
          topicId,
          partitions: partitions.map(({ partitionIndex }) => {
            const partition = topic?.partitions[partitionIndex];
            let errorCode: number = ErrorCode.NONE;
            if (topic === undefined) errorCode = ErrorCode.UNKNOWN_TOPIC_ID;
            else if (partition === undefined) errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
            else if (!partition.replicas.includes(broker.id)) {
              errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER;
            } else if (!works) failed.push(partition);
            return { partitionIndex, errorCode };
          }),
        };
      }),
    };
  });
  succession.loseReplicas(draft, failed, broker.id);
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, directories };
}
