/**
 * AlterPartition: a leader says who is in sync with it. Checked in Kafka's order and refused with
 * Kafka's codes, for the leader acts on them: it takes what is newer, tries again, or gives up.
 */
import type { Logger } from '../../base/logger.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  alterPartitionRequest,
  alterPartitionResponse,
} from '../../protocol/messages/56-alter-partition.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { PartitionImage, TopicImage } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import { changePartition, LeaderRecovery } from './partition-change.ts';
import type { Succession } from './succession.ts';

export type AlterPartitionRequest = Infer<typeof alterPartitionRequest>;
export type AlterPartitionResponse = Infer<typeof alterPartitionResponse>;
type TopicAnswer = AlterPartitionResponse['topics'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];
type Asked = AlterPartitionRequest['topics'][number]['partitions'][number];

interface Member {
  readonly brokerId: number;
  /** -1: not told. */
  readonly brokerEpoch: number;
}

/** The registration of the broker that asks was checked before. */
export function alterPartition(
  draft: Draft,
  succession: Succession,
  request: AlterPartitionRequest,
  logger: Logger,
): AlterPartitionResponse {
  const topics = request.topics.map(({ topicId, partitions }): TopicAnswer => {
    const topic = draft.image.topicById(topicId);
    return {
      topicId,
      partitions: partitions.map((asked) =>
        topic === undefined
          ? refusal(asked.partitionIndex, ErrorCode.UNKNOWN_TOPIC_ID)
          : alterOne(draft, succession, topic, request.brokerId, asked, logger),
      ),
    };
  });
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics };
}

function alterOne(
  draft: Draft,
  succession: Succession,
  topic: TopicImage,
  brokerId: number,
  asked: Asked,
  logger: Logger,
): PartitionAnswer {
  const { partitionIndex } = asked;
  const before = draft.partition(topic, partitionIndex);
  if (before === undefined) return refusal(partitionIndex, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  // Version 2 names the brokers without their epochs.
  const members: readonly Member[] =
    asked.newIsrWithEpochs.length > 0
      ? asked.newIsrWithEpochs
      : asked.newIsr.map((id) => ({ brokerId: id, brokerEpoch: -1 }));
  const fault = faultOf(before, brokerId, asked, members) ?? ineligible(draft, members);
  if (fault !== null) {
    logger.debug('a change of the in-sync replicas is refused', {
      'kafka.topic': topic.name,
      'kafka.partition': partitionIndex,
      'weir.broker.id': brokerId,
      'error.code': fault,
    });
    return refusal(partitionIndex, fault);
  }
  const after = changePartition(before, {
    ...succession.goal(topic.name),
    isr: members.map((member) => member.brokerId),
    leaderRecoveryState: asked.leaderRecoveryState,
  });
  if (after !== null) draft.change(before, after);
  const now = after ?? before;
  // The end of a reassignment may take the succession away from who has asked.
  if (now.leader !== brokerId) return refusal(partitionIndex, ErrorCode.NEW_LEADER_ELECTED);
  return {
    partitionIndex,
    errorCode: ErrorCode.NONE,
    leaderId: now.leader,
    leaderEpoch: now.leaderEpoch,
    isr: [...now.isr],
    leaderRecoveryState: now.leaderRecoveryState,
    partitionEpoch: now.partitionEpoch,
  };
}

function faultOf(
  p: PartitionImage,
  brokerId: number,
  asked: Asked,
  members: readonly Member[],
): number | null {
  // A leader that knows more than we do has it from another controller.
  if (asked.leaderEpoch > p.leaderEpoch) return ErrorCode.NOT_CONTROLLER;
  if (asked.partitionEpoch > p.partitionEpoch) return ErrorCode.NOT_CONTROLLER;
  if (asked.leaderEpoch < p.leaderEpoch) return ErrorCode.FENCED_LEADER_EPOCH;
  if (brokerId !== p.leader) return ErrorCode.INVALID_REQUEST;
  if (asked.partitionEpoch < p.partitionEpoch) return ErrorCode.INVALID_UPDATE_VERSION;
  const ids = members.map((member) => member.brokerId);
  const isIsr =
    ids.length > 0 &&
    new Set(ids).size === ids.length &&
    ids.every((id) => p.replicas.includes(id)) &&
    ids.includes(p.leader);
  if (!isIsr) return ErrorCode.INVALID_REQUEST;
  const recovers = asked.leaderRecoveryState === LeaderRecovery.recovering;
  if (recovers && (ids.length > 1 || p.leaderRecoveryState === LeaderRecovery.recovered)) {
    return ErrorCode.INVALID_REQUEST;
  }
  return null;
}

/** Nobody gets in sync who is out, on its way out, or has begun another life since. */
function ineligible(draft: Draft, members: readonly Member[]): number | null {
  const isEligible = ({ brokerId, brokerEpoch }: Member): boolean => {
    const broker = draft.image.brokers.get(brokerId);
    return (
      broker !== undefined &&
      !broker.inControlledShutdown &&
      !broker.fenced &&
      (brokerEpoch === -1 || brokerEpoch === broker.epoch)
    );
  };
  return members.every(isEligible) ? null : ErrorCode.INELIGIBLE_REPLICA;
}

const refusal = (partitionIndex: number, errorCode: number): PartitionAnswer => ({
  partitionIndex,
  errorCode,
  leaderId: 0,
  leaderEpoch: 0,
  isr: [],
  leaderRecoveryState: 0,
  partitionEpoch: 0,
});
