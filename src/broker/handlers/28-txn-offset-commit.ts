/** TxnOffsetCommit, v0-5: offsets of a group that count once the transaction is committed. */
import { apis } from '../../protocol/apis.ts';
import type {
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const txnOffsetCommitHandler = handler<
  Infer<typeof txnOffsetCommitRequest>,
  Infer<typeof txnOffsetCommitResponse>
>(apis.get(28), (request, context) => context.groups.commitInTransaction(request, context));
