/** AddOffsetsToTxn, v0-4: the partition of `__consumer_offsets` that holds the group joins. */
import { OFFSETS_TOPIC } from '../../cluster/topic-names.ts';
import { partitionsByTopic } from '../../coordinator/transactions/transaction.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  addOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
} from '../../protocol/messages/25-add-offsets-to-txn.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

/** Before this version, clients do not know PRODUCER_FENCED. */
const FENCED_VERSION = 2;
/** Clients that know newer versions of transactions do not ask. */
const CLIENT_VERSION = 0;

export const addOffsetsToTxnHandler = handler<
  Infer<typeof addOffsetsToTxnRequest>,
  Infer<typeof addOffsetsToTxnResponse>
>(apis.get(25), async (request, context) => {
  const { apiVersion, broker } = context;
  const { transactionalId, groupId } = request;
  if (!context.may(AclOperation.write, AclResource.transactionalId, transactionalId)) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  }
  if (!context.may(AclOperation.read, AclResource.group, groupId)) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
  }
  const partitions = partitionsByTopic([[OFFSETS_TOPIC, [broker.groups.partitionFor(groupId)]]]);
  const { transactions } = broker;
  const code = await transactions.addPartitions(
    transactionalId,
    request,
    partitions,
    CLIENT_VERSION,
  );
  const isNew = apiVersion >= FENCED_VERSION || code !== ErrorCode.PRODUCER_FENCED;
  return { throttleTimeMs: 0, errorCode: isNew ? code : ErrorCode.INVALID_PRODUCER_EPOCH };
});
