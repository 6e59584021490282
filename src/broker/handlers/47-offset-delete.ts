/** OffsetDelete, v0: single offsets are forgotten (KIP-496). */
import { apis } from '../../protocol/apis.ts';
import type {
  offsetDeleteRequest,
  offsetDeleteResponse,
} from '../../protocol/messages/47-offset-delete.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const offsetDeleteHandler = handler<
  Infer<typeof offsetDeleteRequest>,
  Infer<typeof offsetDeleteResponse>
>(apis.get(47), (request, context) => context.groups.deleteOffsets(request));
