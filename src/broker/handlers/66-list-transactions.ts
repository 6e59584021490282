/**
 * ListTransactions, v0-2: the transactional ids that this broker coordinates (KIP-664), by state and
 * producer id, by how long they run (v1, KIP-994), and by a pattern of the id (v2, KIP-1152).
 */
import { stateNames, type Transaction } from '../../coordinator/transactions/transaction.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  listTransactionsRequest,
  listTransactionsResponse,
} from '../../protocol/messages/66-list-transactions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { compilePattern, type Pattern } from '../patterns.ts';

type Request = Infer<typeof listTransactionsRequest>;
type Response = Infer<typeof listTransactionsResponse>;

export const listTransactionsHandler = handler<Request, Response>(
  apis.get(66),
  (request, context) => {
    const { transactions, clock } = context.broker;
    const answer = (errorCode: number): Response => ({
      throttleTimeMs: 0,
      errorCode,
      unknownStateFilters: [],
      transactionStates: [],
    });
    if (transactions.isLoading) return answer(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    const { transactionalIdPattern: text } = request;
    const pattern = text === null || text === '' ? null : compilePattern(text);
    if (pattern === 'invalid') return answer(ErrorCode.INVALID_REGULAR_EXPRESSION);
    const isMeant = wanted(request, pattern, clock.now());
    const isWanted = (transaction: Transaction): boolean =>
      isMeant(transaction) &&
      context.may(AclOperation.describe, AclResource.transactionalId, transaction.id);
    return {
      ...answer(ErrorCode.NONE),
      unknownStateFilters: request.stateFilters.filter((name) => !stateNames.has(name)),
      transactionStates: [...transactions.all()].filter(isWanted).map(({ id, fields }) => ({
        transactionalId: id,
        producerId: fields.producerId,
        transactionState: fields.state,
      })),
    };
  },
);

function wanted(
  { stateFilters, producerIdFilters, durationFilter }: Request,
  pattern: Pattern | null,
  nowMs: number,
): (transaction: Transaction) => boolean {
  const states: ReadonlySet<string> = new Set(stateFilters);
  const producers = new Set(producerIdFilters);
  return ({ id, fields }) =>
    (producers.size === 0 || producers.has(fields.producerId)) &&
    (states.size === 0 || states.has(fields.state)) &&
    (durationFilter < 0 || nowMs - fields.startedAtMs > durationFilter) &&
    (pattern === null || pattern.matches(id));
}
