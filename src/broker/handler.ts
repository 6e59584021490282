/**
 * What one API's handler is, and what it is given. `handlers/index.ts` lists them all; dispatch,
 * ApiVersions and the request metrics read that list.
 */
import type { Api } from '../protocol/apis.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { Principal } from '../security/principal.ts';
import { isNotController } from './errors.ts';
import type { BrokerServices } from './services.ts';

/** Who asks, as far as the connection knows. */
export interface ConnectionInfo {
  /** Number of the connection, unique while the broker runs. */
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** Address of the client, without its port. */
  readonly clientHost: string;
  /** Name of the listener it came in by. */
  readonly listener: string;
  /** Where clients of this connection are told to connect to. */
  readonly advertised: { readonly host: string; readonly port: number };
  /** On whose behalf it asks: `User:ANONYMOUS` until authentication says otherwise, which sets it. */
  principal: Principal;
  /** What ApiVersions said of the client; '' until then. */
  softwareName: string;
  softwareVersion: string;
  /** Under which it is counted; '' when it is not. */
  softwareKey: string;
  /** Called once, when the connection is gone. */
  onClosed: (() => void) | null;
}

/** One request: its header, its connection, and the parts of the broker that a handler may use. */
export class RequestContext {
  readonly apiVersion: number;
  readonly correlationId: number;
  /** '' when the client gave none. */
  readonly clientId: string;
  readonly connection: ConnectionInfo;
  readonly broker: BrokerServices;
  /** `clock.monotonic()` when the frame was complete. */
  readonly receivedAtMs: number;
  /** When its handler began to wait; -1: it did not. */
  waitingSinceMs = -1;
  /** The connection is gone: nobody waits for the answer. */
  cancelled = false;
  /** Called when that happens, by a handler that waits. */
  onCancelled: (() => void) | null = null;
  /** ApiVersions only: the client asked with a version that we do not know. */
  unsupportedVersion = false;

  constructor(
    apiVersion: number,
    correlationId: number,
    clientId: string,
    connection: ConnectionInfo,
    broker: BrokerServices,
    receivedAtMs: number,
  ) {
    this.apiVersion = apiVersion;
    this.correlationId = correlationId;
    this.clientId = clientId;
    this.connection = connection;
    this.broker = broker;
    this.receivedAtMs = receivedAtMs;
  }

  /** The group coordinator. */
  get groups(): BrokerServices['groups'] {
    return this.broker.groups;
  }
  /** Kafka prints a client's host with a slash before it. */
  get clientHost(): string {
    return this.connection.clientHost;
  }
  /** This broker, as the client of this connection reaches it. */
  get endpoint(): { nodeId: number; host: string; port: number } {
    const { host, port } = this.connection.advertised;
    return { nodeId: this.broker.nodeId, host, port };
  }
}

/** No answer is sent (Produce with acks=0). */
export const NO_RESPONSE = null;

/** A body that refers to bytes which go back to a pool once the socket has taken them. */
export class BodyWithRelease {
  readonly body: unknown;
  readonly release: () => void;
  constructor(body: unknown, release: () => void) {
    this.body = body;
    this.release = release;
  }
}

/** The connection is closed instead of answered; `reason` is logged and counted. */
export class CloseConnection extends Error {
  override name = 'CloseConnection';
  readonly code: string;
  constructor(code: string, reason: string) {
    super(reason);
    this.code = code;
  }
}

export interface Handler {
  readonly api: Api;
  /**
   * Answers the request's body. Whatever it throws or rejects with, `CloseConnection` apart, is a
   * bug of the handler: logged, counted, and the connection closed.
   *
   * Byte strings of the request are views of a buffer that is reused as soon as `handle` returns:
   * a handler that waits must not touch them afterwards, unless `keepsRequest` is set.
   */
  handle(request: any, context: RequestContext): unknown;
  /** The frame is not reused: the handler keeps views of it (group metadata, assignments). */
  readonly keepsRequest: boolean;
  /** The next request of the same kind may start before this one's answer is there. */
  readonly pipelined: boolean;
  /** What the active controller does with it; null: every broker handles it itself. */
  readonly controller: ((request: any, context: RequestContext) => unknown) | null;
}

export interface HandlerOptions {
  readonly keepsRequest?: boolean;
  readonly pipelined?: boolean;
}

/** Declares the handler of an API; `Q` and `R` are the bodies, `Infer<typeof xxxRequest>`. */
export const handler = <Q, R>(
  api: Api | undefined,
  handle: (request: Q, context: RequestContext) => R | Promise<R>,
  options: HandlerOptions = {},
): Handler => {
  if (api === undefined) throw new TypeError('a handler of an API that the protocol table lacks');
  return {
    api,
    handle,
    keepsRequest: options.keepsRequest ?? true,
    pipelined: options.pipelined ?? false,
    controller: null,
  };
};

/** Longest time that a request waits for an active controller when it names none, milliseconds. */
const CONTROLLER_MS_MAX = 30_000;

/**
 * Declares the handler of an API that the active controller decides: on another broker the request
 * goes on to it (KIP-590), and its answer comes back. Without a controller in `timeoutOf`
 * milliseconds the connection is closed, as when a broker has gone: clients try again.
 */
export const controllerHandler = <Q, R>(
  api: Api | undefined,
  handle: (request: Q, context: RequestContext) => R | Promise<R>,
  timeoutOf: (request: Q) => number = () => CONTROLLER_MS_MAX,
): Handler => ({
  ...handler<Q, R>(api, async (request, context) => {
    const { store, channel } = context.broker;
    if (store.isActive) {
      try {
        return await handle(request, context);
      } catch (error) {
        if (!isNotController(error)) throw error;
      }
    }
    try {
      const { apiVersion } = context;
      return (await channel.forward(api!, apiVersion, request, timeoutOf(request))) as R;
    } catch (error) {
      if (error instanceof ProtocolError) throw new CloseConnection('no-controller', error.message);
      throw error;
    }
  }),
  controller: handle,
});
