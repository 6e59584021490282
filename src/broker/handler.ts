/**
 * What one API's handler is, and what it is given. `handlers/index.ts` lists them all; dispatch,
 * ApiVersions and the request metrics read that list.
 */

import {
  AclOperation,
  AclResource,
  CLUSTER_NAME,
  operationBits,
  refusalOf,
} from '../protocol/acl.ts';
import type { Api } from '../protocol/apis.ts';
import { errorSentence, ProtocolError } from '../protocol/error-codes.ts';
import type { Rights } from '../security/authorizer.ts';
import type { ClientMeters } from '../security/client-quotas.ts';
import { BROKER, type Principal } from '../security/principal.ts';
import { isNotController } from './errors.ts';
import type { SaslSession } from './sasl-session.ts';
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
  /** What the principal may do, as it was looked up last (see `security/access-control.ts`). */
  rights: Rights | null;
  /** How it may say who it is; null: it can't here. */
  readonly sasl: SaslSession | null;
  /** What its quotas have measured (see `security/client-quotas.ts`). */
  meters: ClientMeters | null;
  /** What ApiVersions said of the client; '' until then. */
  softwareName: string;
  softwareVersion: string;
  /** Under which it is counted; '' when it is not. */
  softwareKey: string;
  /**
   * Called once, when the connection is gone; by who wants to know, so that one asks once however
   * often it is asked. Of the connection itself: whoever it asks on behalf of shares them.
   */
  readonly onClosed: Map<'heartbeats' | 'telemetry', () => void>;
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
  /** Kafka's name of the API, for the audit log. */
  readonly apiName: string;
  /** Time of the broker's thread that its handler has taken until it answered or began to wait. */
  handledMs = 0;
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
    apiName = '',
  ) {
    this.apiVersion = apiVersion;
    this.correlationId = correlationId;
    this.clientId = clientId;
    this.connection = connection;
    this.broker = broker;
    this.receivedAtMs = receivedAtMs;
    this.apiName = apiName;
  }

  /** The group coordinator. */
  get groups(): BrokerServices['groups'] {
    return this.broker.groups;
  }
  /**
   * Whether the client may do that. This is how every handler asks, once for each resource that a
   * request names and before it looks whether that exists; a denial goes to the audit log. The error
   * to answer is `refusalOf[resourceType]`. Where no authorizer is configured, everybody may.
   */
  may(operation: number, resourceType: number, name: string): boolean {
    const { access } = this.broker;
    if (access === null) return true;
    return access.may(this.connection, operation, resourceType, name, this.apiName, true);
  }
  /** The same where the client has not asked for just that: for filters, and for one right of several. */
  mayQuietly(operation: number, resourceType: number, name: string): boolean {
    const { access } = this.broker;
    if (access === null) return true;
    return access.may(this.connection, operation, resourceType, name, this.apiName, false);
  }
  mayToCluster(operation: number): boolean {
    const { access, isGuarded } = this.broker;
    if (access === null && isGuarded && operation === AclOperation.clusterAction) {
      return this.connection.principal === BROKER;
    }
    return this.may(operation, AclResource.cluster, CLUSTER_NAME);
  }
  /** Throws the error to answer unless the client may. */
  demand(operation: number, resourceType: number, name: string): void {
    if (this.may(operation, resourceType, name)) return;
    const code = refusalOf[resourceType]!;
    throw new ProtocolError(code, errorSentence(code));
  }
  /** Whether there may be a resource of the kind on which the client may. */
  mayOnAny(operation: number, resourceType: number): boolean {
    const { access } = this.broker;
    return access === null || access.rightsOf(this.connection).mayOnAny(operation, resourceType);
  }
  /** What the client may do to the resource, one bit an operation, as describing APIs tell it. */
  operationsOn(resourceType: number, name: string): number {
    const { access } = this.broker;
    return access === null
      ? operationBits(resourceType)
      : access.rightsOf(this.connection).operations(resourceType, name);
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

/** How requests of one connection that have arrived together are handled. */
export interface Together<Q = any, R = unknown> {
  /** Whether the request may be one of several. */
  takes(request: Q): boolean;
  /** Each is answered in its place as `handle` would; their frames are reused afterwards, too. */
  handle(requests: readonly Q[], contexts: readonly RequestContext[]): (R | Promise<R>)[];
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
  /** Null: they are handled one after the other. */
  readonly together: Together | null;
  /** What the active controller does with it; null: every broker handles it itself. */
  readonly controller: ((request: any, context: RequestContext) => unknown) | null;
}

export interface HandlerOptions<Q, R> {
  readonly keepsRequest?: boolean;
  readonly pipelined?: boolean;
  readonly together?: Together<Q, R>;
}

/** Declares the handler of an API; `Q` and `R` are the bodies, `Infer<typeof xxxRequest>`. */
export const handler = <Q, R>(
  api: Api | undefined,
  handle: (request: Q, context: RequestContext) => R | Promise<R>,
  options: HandlerOptions<Q, R> = {},
): Handler => {
  if (api === undefined) throw new TypeError('a handler of an API that the protocol table lacks');
  return {
    api,
    handle,
    keepsRequest: options.keepsRequest ?? true,
    pipelined: options.pipelined ?? false,
    together: options.together ?? null,
    controller: null,
  };
};

/** Longest time that a request waits for an active controller when it names none, milliseconds. */
export const CONTROLLER_MS_MAX = 30_000;

/**
 * Declares the handler of an API that the active controller decides: on another broker the request
 * goes on to it (KIP-590), and its answer comes back. Without a controller in `timeoutOf`
 * milliseconds the connection is closed, as when a broker has gone: clients try again. What `check`
 * throws CloseConnection for goes nowhere. Rights are looked at by the controller, on behalf of the
 * client.
 */
export const controllerHandler = <Q, R>(
  api: Api | undefined,
  handle: (request: Q, context: RequestContext) => R | Promise<R>,
  timeoutOf: (request: Q) => number = () => CONTROLLER_MS_MAX,
  check: (request: Q) => void = () => {},
): Handler => ({
  ...handler<Q, R>(api, async (request, context) => {
    check(request);
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
      const { principal, clientHost } = context.connection;
      const asker = { principal, clientHost, clientId: context.clientId };
      return (await channel.forward(api!, apiVersion, request, timeoutOf(request), asker)) as R;
    } catch (error) {
      if (error instanceof ProtocolError) throw new CloseConnection('no-controller', error.message);
      throw error;
    }
  }),
  controller: handle,
});
