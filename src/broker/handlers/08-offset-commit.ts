/** OffsetCommit, v2-10: a group stores how far it has read. */
import { apis } from '../../protocol/apis.ts';
import type {
  offsetCommitRequest,
  offsetCommitResponse,
} from '../../protocol/messages/08-offset-commit.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const offsetCommitHandler = handler<
  Infer<typeof offsetCommitRequest>,
  Infer<typeof offsetCommitResponse>
>(apis.get(8), (request, context) => context.groups.commitOffsets(request, context));
