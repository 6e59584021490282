/** DescribeTransactions, v0 (KIP-664). */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeTransactionsRequest,
  describeTransactionsResponse,
} from '../../protocol/messages/65-describe-transactions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Response = Infer<typeof describeTransactionsResponse>;

export const describeTransactionsHandler = handler<
  Infer<typeof describeTransactionsRequest>,
  Response
>(apis.get(65), (request, context) => ({
  throttleTimeMs: 0,
  transactionStates: request.transactionalIds.map((transactionalId) => {
    const none = {
      errorCode: ErrorCode.NONE,
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0,
      producerEpoch: 0,
      topics: [],
    };
    if (!context.may(AclOperation.describe, AclResource.transactionalId, transactionalId)) {
      return { ...none, errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
    }
    const found = context.broker.transactions.describe(transactionalId);
    if (typeof found === 'number') return { ...none, errorCode: found };
    const { fields } = found;
    return {
      ...none,
      transactionState: fields.state,
      transactionTimeoutMs: fields.timeoutMs,
      transactionStartTimeMs: fields.startedAtMs,
      producerId: fields.producerId,
      producerEpoch: fields.producerEpoch,
      topics: [...fields.partitions]
        .filter(([topic]) => context.may(AclOperation.describe, AclResource.topic, topic))
        .map(([topic, ids]) => ({ topic, partitions: [...ids] })),
    };
  }),
}));
