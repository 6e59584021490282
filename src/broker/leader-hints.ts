/** Tells clients that have asked the wrong broker who leads a partition, and where (KIP-951). */
import { node } from './endpoints.ts';
import type { RequestContext } from './handler.ts';

export interface NodeEndpoint {
  nodeId: number;
  host: string;
  port: number;
  rack: string | null;
}

/** The leader as the metadata have it; its address is put into `endpoints`, once. */
export function leaderOf(
  topicId: string,
  index: number,
  context: RequestContext,
  endpoints: NodeEndpoint[],
): { leaderId: number; leaderEpoch: number } {
  const state = context.broker.store.image.topicById(topicId)?.partitions[index];
  if (state === undefined) return { leaderId: -1, leaderEpoch: -1 };
  tellEndpoint(state.leader, context, endpoints);
  return { leaderId: state.leader, leaderEpoch: state.leaderEpoch };
}

export function tellEndpoint(
  nodeId: number,
  context: RequestContext,
  endpoints: NodeEndpoint[],
): void {
  if (nodeId < 0 || endpoints.some((endpoint) => endpoint.nodeId === nodeId)) return;
  const found = node(nodeId, context);
  if (found !== null) endpoints.push({ ...found });
}
