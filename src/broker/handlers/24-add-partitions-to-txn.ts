/** AddPartitionsToTxn, v0-5: of producers up to v3, of other brokers since (KIP-890). */
import { apis } from '../../protocol/apis.ts';
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
>(apis.get(24), (request, { apiVersion, broker }) =>
  addPartitions(request, apiVersion, broker.transactions, broker.image),
);
