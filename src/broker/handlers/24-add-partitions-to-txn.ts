/** AddPartitionsToTxn, v0-5: of producers up to v3, of other brokers since (KIP-890). */
import { isInternal } from '../../cluster/topic-names.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from '../../protocol/messages/24-add-partitions-to-txn.ts';
import type { Infer } from '../../protocol/schema.ts';
import { addPartitions } from '../add-partitions.ts';
import { handler } from '../handler.ts';

export const addPartitionsToTxnHandler = handler<
  Infer<typeof addPartitionsToTxnRequest>,
  Infer<typeof addPartitionsToTxnResponse>
>(apis.get(24), (request, context) => {
  const { apiVersion, broker } = context;
  const isOfBroker = apiVersion >= BROKERS_VERSION;
  const none = { throttleTimeMs: 0, errorCode: ErrorCode.NONE, resultsByTransaction: [] };
  if (isOfBroker && !context.mayToCluster(AclOperation.clusterAction)) {
    const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    return { ...none, errorCode, resultsByTopicV3AndBelow: [] };
  }
  const { v3AndBelowTransactionalId: id, v3AndBelowTopics: topics } = request;
  if (!isOfBroker && !context.may(AclOperation.write, AclResource.transactionalId, id)) {
    const partitionErrorCode = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const refused = topics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map((partitionIndex) => ({
        ...{ partitionIndex, partitionErrorCode },
      })),
    }));
    return { ...none, resultsByTopicV3AndBelow: refused };
  }
  return addPartitions(
    request,
    apiVersion,
    broker.transactions,
    broker.image,
    (topic) =>
      isOfBroker ||
      (!isInternal(topic) && context.may(AclOperation.write, AclResource.topic, topic)),
  );
});

/** From here on, brokers ask, of which one may be the leader for any topic. */
const BROKERS_VERSION = 4;
