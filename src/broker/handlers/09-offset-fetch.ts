/** OffsetFetch, v1-10: how far groups have read. */
import { apis } from '../../protocol/apis.ts';
import type {
  offsetFetchRequest,
  offsetFetchResponse,
} from '../../protocol/messages/09-offset-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const offsetFetchHandler = handler<
  Infer<typeof offsetFetchRequest>,
  Infer<typeof offsetFetchResponse>
>(apis.get(9), (request, context) => context.groups.fetchOffsets(request, context));
