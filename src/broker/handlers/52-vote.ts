/** Vote: for the metadata quorum; another voter wants to lead it. */
import { apis } from '../../protocol/apis.ts';
import type { voteRequest, voteResponse } from '../../protocol/messages/52-vote.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof voteRequest>;
type Response = Infer<typeof voteResponse>;

export const voteHandler = handler<Request, Response>(apis.get(52), (request, context) =>
  context.broker.quorum.handleVote(request),
);
