/** TxnOffsetCommit, v0-5: offsets of a group that count once the transaction is committed. */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { splitByRight } from './rights.ts';

type Request = Infer<typeof txnOffsetCommitRequest>;
type Response = Infer<typeof txnOffsetCommitResponse>;

export const txnOffsetCommitHandler = handler<Request, Response>(
  apis.get(28),
  async (request, context) => {
    const { transactionalId, groupId, topics } = request;
    if (!context.may(AclOperation.write, AclResource.transactionalId, transactionalId)) {
      return failed(topics, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if (!context.may(AclOperation.read, AclResource.group, groupId)) {
      return failed(topics, ErrorCode.GROUP_AUTHORIZATION_FAILED);
    }
    const { allowed, refused } = splitByRight(
      context,
      AclOperation.read,
      AclResource.topic,
      topics,
      ({ name }) => name,
    );
    const wanted = { ...request, topics: [...allowed] };
    const response = await context.groups.commitInTransaction(wanted, context);
    const failures = failed(refused, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    return { ...response, topics: [...response.topics, ...failures.topics] };
  },
);

const failed = (topics: readonly Request['topics'][number][], errorCode: number): Response => ({
  throttleTimeMs: 0,
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  })),
});
