/**
 * From a frame to its handler and from the handler's answer to bytes, by the table of handlers.
 *
 * What a client may get wrong here: an API or version that is not served closes the connection,
 * except for ApiVersions, which is answered in version 0 with the versions there are (KIP-35).
 */
import type { ByteReader } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AclOperation } from '../protocol/acl.ts';
import { type Codec, codec } from '../protocol/codec.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { readRequestHeader, writeResponse } from '../protocol/frame.ts';
import { refusedBody } from '../protocol/refused-body.ts';
import { ApiStats, FetchStats } from './api-stats.ts';
import {
  BodyWithRelease,
  CloseConnection,
  type ConnectionInfo,
  type Handler,
  NO_RESPONSE,
  RequestContext,
} from './handler.ts';
import type { BrokerServices } from './services.ts';
import { produceThrottleMs, requestThrottleMs } from './throttling.ts';

const API_VERSIONS = 18;
const PRODUCE = 0;
const FETCH = 1;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

/** What brokers send each other that clients send, too. */
const whileStarting: ReadonlySet<number> = new Set([
  FETCH,
  API_VERSIONS,
  SASL_HANDSHAKE,
  SASL_AUTHENTICATE,
]);

/** Encoded, ready for the socket. No chunks: nothing is sent. */
export interface Answer {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly release: (() => void) | null;
  /** Nothing more is read from the client for so long. */
  readonly throttleMs: number;
}

const NO_ANSWER: Answer = { chunks: [], bytes: 0, release: null, throttleMs: 0 };

/** What is known of a request before its body is read. */
export interface Header {
  readonly handler: Handler;
  readonly stats: ApiStats;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
  readonly unsupported: boolean;
  /** Stands at the body. */
  readonly reader: ByteReader;
}

export interface Parsed {
  readonly handler: Handler;
  readonly stats: ApiStats;
  readonly context: RequestContext;
  readonly body: unknown;
  /** Of the request, without its size. */
  readonly bytes: number;
}

interface Registered {
  readonly handler: Handler;
  readonly stats: ApiStats;
  readonly readers: (Codec<unknown> | undefined)[];
}

export class Dispatcher {
  readonly #services: BrokerServices;
  readonly #clock: Clock;
  readonly #registered = new Map<number, Registered>();

  constructor(handlers: readonly Handler[], services: BrokerServices) {
    this.#services = services;
    this.#clock = services.clock;
    for (const handler of handlers) {
      const { key } = handler.api;
      if (this.#registered.has(key)) throw new TypeError(`two handlers of API ${key}`);
      const stats = services.apiStats.get(key) ?? made(handler);
      services.apiStats.set(key, stats);
      this.#registered.set(key, { handler, stats, readers: [] });
    }
  }

  /** Throws CloseConnection for what is not served, RangeError for what is no request. */
  header(reader: ByteReader): Header {
    const { apiKey, apiVersion, correlationId, clientId } = readRequestHeader(reader);
    const known = this.#registered.get(apiKey);
    const isForNobody = known?.handler.api.forPeers === true && !this.#services.hasPeers;
    if (known === undefined || isForNobody) {
      throw new CloseConnection('unsupported-api', `API key ${apiKey} is not served`);
    }
    const { handler, stats } = known;
    const { min, max, name, forPeers } = handler.api;
    if (!this.#services.serving.now && !forPeers && !whileStarting.has(apiKey)) {
      throw new CloseConnection('starting', `${name} comes before this broker has caught up`);
    }
    let version = apiVersion;
    let unsupported = false;
    if (version < min || version > max) {
      if (apiKey !== API_VERSIONS) {
        throw new CloseConnection(
          'unsupported-version',
          `${name} version ${version} is not served, ${min} to ${max} are`,
        );
      }
      version = 0;
      unsupported = true;
    }
    return {
      handler,
      stats,
      version,
      correlationId,
      clientId: clientId ?? '',
      unsupported,
      reader,
    };
  }

  /** Reads the body. Throws RangeError when it is none. */
  parse(header: Header, connection: ConnectionInfo, nowMs: number, bytes: number): Parsed {
    const { handler, version } = header;
    const context = new RequestContext(
      version,
      header.correlationId,
      header.clientId,
      connection,
      this.#services,
      nowMs,
      handler.api.name,
    );
    if (header.unsupported) {
      context.unsupportedVersion = true;
      header.stats.countRequest(version, bytes);
      return { handler, stats: header.stats, context, body: {}, bytes };
    }
    const { readers } = this.#registered.get(handler.api.key) as Registered;
    const reader = (readers[version] ??= codec(handler.api.request, version));
    const body = reader.read(header.reader);
    const stats = statsOf(header.stats, body);
    stats.countRequest(version, bytes);
    return { handler, stats, context, body, bytes };
  }

  handle(parsed: Parsed): unknown {
    const { handler, stats, context, body } = parsed;
    const began = this.#clock.monotonic();
    stats.requestQueueTime.record(began - context.receivedAtMs);
    const result =
      handler.api.forPeers && !context.mayToCluster(AclOperation.clusterAction)
        ? refusedBody(handler.api, ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
        : handler.handle(body, context);
    const ended = this.#clock.monotonic();
    noteHandled(parsed, result, ended, ended - began);
    return result;
  }

  /** The same for requests of one handler that takes them together; they share the time it takes. */
  handleTogether(all: readonly Parsed[]): unknown[] {
    const [{ handler }] = all as readonly [Parsed];
    const began = this.#clock.monotonic();
    for (const { stats, context } of all) {
      stats.requestQueueTime.record(began - context.receivedAtMs);
    }
    const bodies = all.map(({ body }) => body);
    const contexts = all.map(({ context }) => context);
    const results = handler.together!.handle(bodies, contexts);
    const ended = this.#clock.monotonic();
    const share = (ended - began) / all.length;
    all.forEach((parsed, i) => noteHandled(parsed, results[i], ended, share));
    return results;
  }

  encode(parsed: Parsed, result: unknown): Answer {
    const { context, stats, handler } = parsed;
    if (context.waitingSinceMs >= 0) {
      stats.remoteTime.record(this.#clock.monotonic() - context.waitingSinceMs);
    }
    let body = result;
    let release: (() => void) | null = null;
    if (result instanceof BodyWithRelease) {
      body = result.body;
      release = result.release;
    }
    const throttleMs = this.#throttleMs(parsed, body);
    if (body === NO_RESPONSE) return throttleMs > 0 ? { ...NO_ANSWER, throttleMs } : NO_ANSWER;
    if (throttleMs > 0) {
      body = { ...(body as object), throttleTimeMs: throttleMs };
    }
    const code = (body as { errorCode?: unknown }).errorCode;
    if (handler.api.key !== PRODUCE) stats.countError(typeof code === 'number' ? code : 0);
    const { apiVersion, correlationId } = context;
    const chunks = writeResponse(handler.api, apiVersion, correlationId, body);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    return { chunks, bytes, release, throttleMs };
  }

  /** The longest of what the handler or the controller has said, and what quotas say. */
  #throttleMs(parsed: Parsed, body: unknown): number {
    const { throttleTimeMs = 0 } = (body ?? {}) as { readonly throttleTimeMs?: number };
    const { handler, context, stats, bytes } = parsed;
    if (!this.#services.quotas.isOn || isOfBroker(handler, stats)) return throttleTimeMs;
    if (handler.api.key !== PRODUCE) return Math.max(throttleTimeMs, requestThrottleMs(context));
    const forBytes = produceThrottleMs(context, bytes);
    // Nobody who gets no answer is told of the time it has taken.
    return body === NO_RESPONSE ? forBytes : Math.max(forBytes, requestThrottleMs(context));
  }

  /** An answer that nobody waits for any more. */
  discard(result: unknown): void {
    if (result instanceof BodyWithRelease) result.release();
  }
}

/** `tookMs`: of the broker's thread, for this request. */
function noteHandled(
  { stats, context }: Parsed,
  result: unknown,
  ended: number,
  tookMs: number,
): void {
  stats.localTime.record(tookMs);
  context.handledMs = tookMs;
  if (result instanceof Promise) context.waitingSinceMs = ended;
}

const made = ({ api }: Handler): ApiStats =>
  api.key === FETCH ? new FetchStats(api) : new ApiStats(api);

const isOfBroker = (handler: Handler, stats: ApiStats): boolean =>
  handler.api.forPeers || (handler.api.key === FETCH && stats.isOfFollowers);

function statsOf(stats: ApiStats, body: unknown): ApiStats {
  if (!(stats instanceof FetchStats)) return stats;
  const { replicaId, replicaState } = body as {
    readonly replicaId: number;
    readonly replicaState: { readonly replicaId: number };
  };
  return replicaId >= 0 || replicaState.replicaId >= 0 ? stats.followers : stats.consumers;
}
