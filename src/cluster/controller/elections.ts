/**
 * ElectLeaders: leaders that somebody asks for, and the preferred ones, to which leadership returns
 * by itself from time to time.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  electLeadersRequest,
  electLeadersResponse,
} from '../../protocol/messages/43-elect-leaders.ts';
import type { Infer } from '../../protocol/schema.ts';
import { NO_LEADER, type PartitionImage, type TopicImage } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import { changePartition } from './partition-change.ts';
import type { PartitionIndex } from './partition-index.ts';
import type { Succession } from './succession.ts';

export type ElectLeadersRequest = Infer<typeof electLeadersRequest>;
export type ElectLeadersResponse = Infer<typeof electLeadersResponse>;
type TopicAnswer = ElectLeadersResponse['replicaElectionResults'][number];
type PartitionAnswer = TopicAnswer['partitionResult'][number];

const PREFERRED = 0;
const UNCLEAN = 1;

/** Leaders that move back in one step; the rest follows in the next ones. */
export const BALANCE_STEP_MAX = 1000;

/** Throws INVALID_REQUEST on a kind of election that there is not. */
export function electLeaders(
  draft: Draft,
  succession: Succession,
  request: ElectLeadersRequest,
): ElectLeadersResponse {
  const { electionType, topicPartitions } = request;
  if (electionType !== PREFERRED && electionType !== UNCLEAN) {
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, `Unknown election type ${electionType}`);
  }
  const { image } = draft;
  const elect = (topic: TopicImage, index: number): PartitionAnswer =>
    electOne(draft, succession, topic, index, electionType);
  const replicaElectionResults: TopicAnswer[] =
    topicPartitions === null
      ? [...image.topics.values()].map((topic) => ({
          topic: topic.name,
          partitionResult: topic.partitions
            .map(({ index }) => elect(topic, index))
            .filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED),
        }))
      : topicPartitions.map(({ topic: name, partitions }) => {
          const topic = image.topic(name);
          const answer = (index: number): PartitionAnswer =>
            topic === undefined
              ? failure(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `No such topic as ${name}`)
              : elect(topic, index);
          return { topic: name, partitionResult: partitions.map(answer) };
        });
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, replicaElectionResults };
}

function electOne(
  draft: Draft,
  succession: Succession,
  topic: TopicImage,
  index: number,
  electionType: number,
): PartitionAnswer {
  const before = draft.partition(topic, index);
  if (before === undefined) {
    const text = `No such partition as ${topic.name}-${index}`;
    return failure(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text);
  }
  const preferred = electionType === PREFERRED;
  const isGood = preferred ? before.leader === before.replicas[0] : before.leader !== NO_LEADER;
  if (isGood) {
    const text = 'Leader election not needed for topic partition.';
    return failure(index, ErrorCode.ELECTION_NOT_NEEDED, text);
  }
  const goal = succession.goal(topic.name);
  const after = changePartition(before, { ...goal, election: preferred ? 'preferred' : 'unclean' });
  const isDone = after !== null && after.leader !== before.leader && after.leader !== NO_LEADER;
  if (isDone) {
    draft.change(before, after);
    return { partitionId: index, errorCode: ErrorCode.NONE, errorMessage: null };
  }
  return preferred
    ? failure(
        index,
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        'The preferred leader was not available.',
      )
    : failure(
        index,
        ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        'Eligible topic partition leaders are not available.',
      );
}

const failure = (
  partitionId: number,
  errorCode: number,
  errorMessage: string,
): PartitionAnswer => ({ partitionId, errorCode, errorMessage });

/**
 * Moves leadership back to brokers that lead less than they should by more than `percentage` of the
 * partitions that prefer them. Returns whether more is left to do.
 */
export function balance(
  draft: Draft,
  succession: Succession,
  index: PartitionIndex,
  percentage: number,
): boolean {
  const away = new Map<number, PartitionImage[]>();
  for (const partition of index.imbalanced) {
    const preferred = partition.replicas[0]!;
    if (!succession.isAcceptable(preferred) || !partition.isr.includes(preferred)) continue;
    const list = away.get(preferred);
    if (list === undefined) away.set(preferred, [partition]);
    else list.push(partition);
  }
  if (away.size === 0) return false;
  const preferring = new Map<number, number>();
  for (const topic of draft.image.topics.values()) {
    for (const { replicas } of topic.partitions) {
      preferring.set(replicas[0]!, (preferring.get(replicas[0]!) ?? 0) + 1);
    }
  }
  let moved = 0;
  for (const [brokerId, partitions] of away) {
    if (partitions.length * 100 <= percentage * (preferring.get(brokerId) ?? 0)) continue;
    for (const { topicId, index: partitionId } of partitions) {
      if (moved === BALANCE_STEP_MAX) return true;
      const topic = draft.image.topicById(topicId);
      if (topic === undefined) continue;
      if (electOne(draft, succession, topic, partitionId, PREFERRED).errorCode === ErrorCode.NONE) {
        moved += 1;
      }
    }
  }
  return false;
}
