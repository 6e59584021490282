/**
 * How handlers keep out who lacks a right: of the whole request, or of single items of it. What they
 * ask is Kafka's (KafkaApis, ControllerApis); see `RequestContext.may` for the rest.
 */
import { AclResource } from '../../protocol/acl.ts';
import { ErrorCode, errorSentence } from '../../protocol/error-codes.ts';
import type { RequestContext } from '../handler.ts';

export const CLUSTER_DENIED = errorSentence(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
export const TOPIC_DENIED = errorSentence(ErrorCode.TOPIC_AUTHORIZATION_FAILED);

type Handle<Q, R> = (request: Q, context: RequestContext) => R | Promise<R>;

/** For requests that need a right on the cluster; others get `refused`. */
export const forCluster =
  <Q, R>(
    operation: number,
    handle: Handle<Q, R>,
    refused: (errorCode: number, request: Q, context: RequestContext) => R,
  ): Handle<Q, R> =>
  (request, context) =>
    context.mayToCluster(operation)
      ? handle(request, context)
      : refused(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, request, context);

/** For requests that need a right on their group; others get `refused`. */
export const forGroup =
  <Q extends { readonly groupId: string }, R>(
    operation: number,
    handle: Handle<Q, R>,
    refused: (errorCode: number, request: Q, context: RequestContext) => R,
  ): Handle<Q, R> =>
  (request, context) =>
    context.may(operation, AclResource.group, request.groupId)
      ? handle(request, context)
      : refused(ErrorCode.GROUP_AUTHORIZATION_FAILED, request, context);

/** Items that the client may touch, and the others; each name is looked up once. */
export function splitByRight<T>(
  context: RequestContext,
  operation: number,
  resourceType: number,
  items: readonly T[],
  nameOf: (item: T) => string,
): { readonly allowed: readonly T[]; readonly refused: readonly T[] } {
  if (context.broker.access === null) return { allowed: items, refused: [] };
  const allowed: T[] = [];
  const refused: T[] = [];
  const isAllowed = new Map<string, boolean>();
  for (const item of items) {
    const name = nameOf(item);
    let may = isAllowed.get(name);
    if (may === undefined) {
      may = context.may(operation, resourceType, name);
      isAllowed.set(name, may);
    }
    (may ? allowed : refused).push(item);
  }
  return { allowed, refused };
}
