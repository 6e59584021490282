/** WriteTxnMarkers, v1-2: a coordinator, or an administrator, ends transactions in our partitions. */
import { apis } from '../../protocol/apis.ts';
import type {
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const writeTxnMarkersHandler = handler<
  Infer<typeof writeTxnMarkersRequest>,
  Infer<typeof writeTxnMarkersResponse>
>(apis.get(27), (request, context) => context.broker.markers.write(request));
