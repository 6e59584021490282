/** AlterPartitionReassignments and ListPartitionReassignments (KIP-455): begun, taken back, told. */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import type {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { MetadataImage, PartitionImage } from '../metadata-image.ts';
import { checkAssignment } from './assignment.ts';
import type { Draft } from './draft.ts';
import { changePartition } from './partition-change.ts';
import type { PartitionIndex } from './partition-index.ts';
import { isReassigning, reassignmentTo, reversal, targetCount } from './reassignment.ts';
import type { Succession } from './succession.ts';

export type AlterReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>;
export type AlterReassignmentsResponse = Infer<typeof alterPartitionReassignmentsResponse>;
export type ListReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>;
export type ListReassignmentsResponse = Infer<typeof listPartitionReassignmentsResponse>;

/** With nothing to do, Kafka answers what every field is by default. */
const nothingDone = (): AlterReassignmentsResponse => ({
  throttleTimeMs: 0,
  allowReplicationFactorChange: true,
  errorCode: ErrorCode.NONE,
  errorMessage: '',
  responses: [],
});

export function alterReassignments(
  draft: Draft,
  succession: Succession,
  request: AlterReassignmentsRequest,
): AlterReassignmentsResponse {
  if (request.topics.length === 0) return nothingDone();
  const { allowReplicationFactorChange: mayResize } = request;
  const responses = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => {
      try {
        alterOne(draft, succession, name, partitionIndex, replicas, mayResize);
        return { partitionIndex, errorCode: ErrorCode.NONE, errorMessage: null };
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return { partitionIndex, errorCode: error.code, errorMessage: error.words };
      }
    }),
  }));
  return {
    throttleTimeMs: 0,
    allowReplicationFactorChange: mayResize,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    responses,
  };
}

function alterOne(
  draft: Draft,
  succession: Succession,
  name: string,
  index: number,
  wanted: readonly number[] | null,
  mayResize: boolean,
): void {
  const topic = draft.image.topic(name);
  if (topic === undefined) {
    throw new ProtocolError(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `Unable to find a topic named ${name}.`,
    );
  }
  const before = draft.partition(topic, index);
  if (before === undefined) {
    throw new ProtocolError(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `Unable to find partition ${name}:${index}.`,
    );
  }
  const after =
    wanted === null
      ? reverted(before, succession, name)
      : reassigned(before, succession, name, wanted, mayResize, draft.image);
  if (after !== null) draft.change(before, after);
}

function reverted(p: PartitionImage, succession: Succession, name: string): PartitionImage | null {
  if (!isReassigning(p)) {
    throw new ProtocolError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS);
  }
  const { replicas, isr, isUnclean } = reversal(p);
  const goal = succession.goal(name);
  if (isUnclean && goal.election !== 'unclean') {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Unable to revert partition assignment for ${name}:${p.index} because it would require an unclean leader election.`,
    );
  }
  return changePartition(p, { ...goal, replicas, isr, adding: [], removing: [] });
}

function reassigned(
  p: PartitionImage,
  succession: Succession,
  name: string,
  wanted: readonly number[],
  mayResize: boolean,
  image: MetadataImage,
): PartitionImage | null {
  checkAssignment(wanted, null, image);
  if (!mayResize && targetCount(p) !== wanted.length) {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `The replication factor is changed from ${targetCount(p)} to ${wanted.length}`,
    );
  }
  return changePartition(p, { ...succession.goal(name), ...reassignmentTo(p.replicas, wanted) });
}

export function listReassignments(
  image: MetadataImage,
  index: PartitionIndex,
  request: ListReassignmentsRequest,
): ListReassignmentsResponse {
  const topics = new Map<string, ListReassignmentsResponse['topics'][number]>();
  const wanted =
    request.topics === null
      ? null
      : new Map(request.topics.map(({ name, partitionIndexes }) => [name, partitionIndexes]));
  for (const p of index.reassigning) {
    const name = image.topicById(p.topicId)?.name;
    if (name === undefined) continue;
    if (wanted !== null && wanted.get(name)?.includes(p.index) !== true) continue;
    let topic = topics.get(name);
    if (topic === undefined) topics.set(name, (topic = { name, partitions: [] }));
    topic.partitions.push({
      partitionIndex: p.index,
      replicas: [...p.replicas],
      addingReplicas: [...p.adding],
      removingReplicas: [...p.removing],
    });
  }
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topics: [...topics.values()],
  };
}
