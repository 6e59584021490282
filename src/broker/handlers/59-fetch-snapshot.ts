/** FetchSnapshot: for the metadata quorum; a follower takes a part of a snapshot. */
import { apis } from '../../protocol/apis.ts';
import type {
  fetchSnapshotRequest,
  fetchSnapshotResponse,
} from '../../protocol/messages/59-fetch-snapshot.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof fetchSnapshotRequest>;
type Response = Infer<typeof fetchSnapshotResponse>;

export const fetchSnapshotHandler = handler<Request, Response>(apis.get(59), (request, context) =>
  context.broker.quorum.handleFetchSnapshot(request),
);
