/**
 * Where clients reach the brokers: each by the listener through which the client came in, under the
 * name that is advertised there, or, where nothing is advertised, under the one that the client
 * itself used.
 */
import type { BrokerImage } from '../cluster/metadata-image.ts';
import type { RequestContext } from './handler.ts';

export interface Node {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** Brokers that clients may use, by id; what has fallen silent is not among them. */
export function nodes(context: RequestContext): Node[] {
  const { broker } = context;
  const found: Node[] = [];
  for (const image of broker.store.image.brokers.values()) {
    const node = image.fenced && image.id !== broker.nodeId ? null : nodeOf(image, context);
    if (node !== null) found.push(node);
  }
  return found.sort((a, b) => a.nodeId - b.nodeId);
}

/** One broker; null: it is not known, not alive, or does not listen where the client is. */
export function node(id: number, context: RequestContext): Node | null {
  const image = context.broker.store.image.brokers.get(id);
  return image === undefined || image.fenced ? null : nodeOf(image, context);
}

export function nodeOf(image: BrokerImage, context: RequestContext): Node | null {
  const { connection, broker, endpoint } = context;
  const { id, rack } = image;
  if (id === broker.nodeId) return { ...endpoint, rack };
  const there = image.endPoints.find(({ name }) => name === connection.listener);
  if (there === undefined) return null;
  // An address that means "any" is ours to replace: all brokers are on one machine.
  const host = isAny(there.host) ? endpoint.host : there.host;
  return { nodeId: id, host, port: there.port, rack };
}

const isAny = (host: string): boolean => host === '' || host === '0.0.0.0' || host === '::';
