/** DescribeProducers, v0: the producers that the leader of a partition remembers (KIP-664). */
import type { Partition } from '../../cluster/partition.ts';
import { topicNameFault } from '../../cluster/topic-names.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeProducersRequest,
  describeProducersResponse,
} from '../../protocol/messages/61-describe-producers.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';
import { TOPIC_DENIED } from './rights.ts';

type Response = Infer<typeof describeProducersResponse>;
type PartitionAnswer = Response['topics'][number]['partitions'][number];

export const describeProducersHandler = handler<Infer<typeof describeProducersRequest>, Response>(
  apis.get(61),
  (request, context) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) => describe(name, index, context)),
    })),
  }),
);

function describe(topic: string, partitionIndex: number, context: RequestContext): PartitionAnswer {
  const { partitions, image, logger } = context.broker;
  const failed = (errorCode: number, text: string | null): PartitionAnswer => ({
    partitionIndex,
    errorCode,
    errorMessage: text,
    activeProducers: [],
  });
  const fault = topicNameFault(topic);
  if (fault !== null) return failed(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
  if (!context.may(AclOperation.read, AclResource.topic, topic)) {
    return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, TOPIC_DENIED);
  }
  if (image.topic(topic) === undefined) {
    const text = 'This server does not host this topic-partition.';
    return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text);
  }
  try {
    const partition = partitions.held(topic, partitionIndex);
    return { ...failed(ErrorCode.NONE, null), activeProducers: producersOf(partition) };
  } catch (error) {
    return failed(codeOfError(error, logger), null);
  }
}

function producersOf(partition: Partition): PartitionAnswer['activeProducers'] {
  return [...partition.log.activeProducers()].map((producer) => ({
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.lastSequence,
    lastTimestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.currentTxnFirstOffset,
  }));
}
