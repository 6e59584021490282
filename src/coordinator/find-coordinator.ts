/** FindCoordinator: where the group, or the transactional id, is looked after. */
import { ErrorCode, errorSentence } from '../protocol/error-codes.ts';
import type {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from '../protocol/messages/10-find-coordinator.ts';
import type { Infer } from '../protocol/schema.ts';

type FindRequest = Infer<typeof findCoordinatorRequest>;
type FindResponse = Infer<typeof findCoordinatorResponse>;

export interface CoordinatorEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** By Kafka's number of the type. */
export const CoordinatorType = { group: 0, transaction: 1 } as const;

/**
 * Who leads the partition that holds the key. Undefined: nobody yet; where the internal topic is
 * missing, it is being created from now on (Kafka creates it on the first question, too).
 */
export type LocateCoordinator = (type: number, key: string) => CoordinatorEndpoint | undefined;

const known: ReadonlySet<number> = new Set(Object.values(CoordinatorType));

/** Kafka's number of what holds the state of share groups. */
const SHARE_TYPE = 2;

const NO_NODE: CoordinatorEndpoint = { nodeId: -1, host: '', port: -1 };
const SEVERAL_KEYS_VERSION = 4;

export function findCoordinator(
  request: FindRequest,
  apiVersion: number,
  locate: LocateCoordinator,
  /** The code that keeps the client from asking for that key, or NONE. */
  refusalOf: (type: number, key: string) => number = () => ErrorCode.NONE,
): FindResponse {
  const find = (key: string): [errorCode: number, node: CoordinatorEndpoint] => {
    // Share groups have no coordinator here; a client can't use what it asks for.
    if (!known.has(request.keyType)) return [ErrorCode.INVALID_REQUEST, NO_NODE];
    const refusal = refusalOf(request.keyType, key);
    if (refusal !== ErrorCode.NONE) return [refusal, NO_NODE];
    const node = locate(request.keyType, key);
    return node === undefined
      ? [ErrorCode.COORDINATOR_NOT_AVAILABLE, NO_NODE]
      : [ErrorCode.NONE, node];
  };
  const none = {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    coordinators: [],
  };
  if (apiVersion < SEVERAL_KEYS_VERSION) {
    const [errorCode, node] = find(request.key);
    return { ...none, ...node, errorCode, errorMessage: errorSentence(errorCode) };
  }
  // Kafka says no words of single keys, but of a type that there is not.
  const errorMessage =
    request.keyType === SHARE_TYPE || known.has(request.keyType)
      ? ''
      : errorSentence(ErrorCode.INVALID_REQUEST);
  const coordinators = request.coordinatorKeys.map((key) => {
    const [errorCode, node] = find(key);
    return { key, ...node, errorCode, errorMessage };
  });
  return { ...none, ...NO_NODE, coordinators };
}
