/**
 * Requests to the active controller, wherever it is: on this broker they are handled at once, else
 * they travel in an Envelope (KIP-590) to the broker that the quorum names. While there is no
 * controller, or it has just changed, they wait and are sent again, until their time is over.
 *
 * A request whose connection broke may have been carried out; who sends it again must bear that,
 * as clients of Kafka must.
 */
import { ByteReader } from '../base/bytes.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { type Call, calls } from '../client/call.ts';
import { hostBytes } from '../protocol/address.ts';
import type { Api } from '../protocol/apis.ts';
import { codec } from '../protocol/codec.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { readResponseHeader, writeRequest } from '../protocol/frame.ts';
import { principalData } from '../protocol/stored/principal-data.ts';
import { encodeVersioned } from '../protocol/stored/versioned.ts';
import type { MetadataStore } from './metadata-store.ts';
import type { Peers } from './peers.ts';

const SIZE_BYTES = 4;

/** Between two looks for a controller, milliseconds. */
const RETRY_MS = 20;

/** The client on whose behalf a request is made. */
export interface Asker {
  readonly principal: { readonly type: string; readonly name: string };
  readonly clientHost: string;
  readonly clientId: string;
}

/** Handles a request on this broker, which is the active controller; null: this broker's own. */
export type LocalController = (
  api: Api,
  version: number,
  body: unknown,
  asker: Asker | null,
) => Promise<unknown>;

export interface ControllerChannelOptions {
  readonly nodeId: number;
  readonly store: MetadataStore;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly local: LocalController;
}

export class ControllerChannel {
  readonly #options: ControllerChannelOptions;
  #closed = false;

  constructor(options: ControllerChannelOptions) {
    this.#options = options;
  }

  /**
   * Sends a request of this broker. Rejects with ProtocolError REQUEST_TIMED_OUT when no controller
   * has answered in `timeoutMs`.
   */
  send<Q, R>(call: Call<Q, R>, body: Q, timeoutMs: number): Promise<R> {
    return this.forward(call, call.max, body, timeoutMs, null) as Promise<R>;
  }

  /** The same of a client's request, in the version that the client has used. */
  async forward(
    api: Api,
    version: number,
    body: unknown,
    timeoutMs: number,
    asker: Asker | null,
  ): Promise<unknown> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + timeoutMs;
    let why = 'there is no active controller';
    while (!this.#closed) {
      const left = deadline - clock.monotonic();
      if (left <= 0) break;
      try {
        const answer = await this.#attempt(api, version, body, left, asker);
        if (answer !== null) return answer;
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
        why = reasonOf(error);
      }
      await sleep(clock, RETRY_MS);
    }
    throw new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, `${api.name}: ${why}`);
  }

  /** Nobody who waits is served any more. */
  close(): void {
    this.#closed = true;
  }

  /** Null: there is no controller, or not where we thought. */
  async #attempt(
    api: Api,
    version: number,
    body: unknown,
    timeoutMs: number,
    asker: Asker | null,
  ): Promise<unknown> {
    const { nodeId, store, local } = this.#options;
    if (store.isActive) {
      try {
        return refusal(await local(api, version, body, asker));
      } catch (error) {
        if (error instanceof ProtocolError && error.code === ErrorCode.NOT_CONTROLLER) return null;
        throw error;
      }
    }
    const { leaderId } = store;
    if (leaderId < 0 || leaderId === nodeId) return null;
    return this.#remote(leaderId, api, version, body, timeoutMs, asker);
  }

  async #remote(
    leaderId: number,
    api: Api,
    version: number,
    body: unknown,
    timeoutMs: number,
    asker: Asker | null,
  ): Promise<unknown> {
    const frame = writeRequest(api, version, 0, asker?.clientId ?? null, body);
    const envelope = {
      requestData: Buffer.concat(frame).subarray(SIZE_BYTES),
      requestPrincipal: asker === null ? null : principalBytes(asker.principal),
      clientHostAddress: hostBytes(asker?.clientHost ?? ''),
    };
    const { peers } = this.#options;
    const answer = await peers.send(leaderId, 'control', calls.envelope, envelope, timeoutMs);
    if (answer.errorCode === ErrorCode.NOT_CONTROLLER) return null;
    if (answer.errorCode !== ErrorCode.NONE || answer.responseData === null) {
      throw new ProtocolError(answer.errorCode, `${api.name} was refused by the controller`);
    }
    const reader = new ByteReader(answer.responseData);
    readResponseHeader(reader, api, version);
    return refusal(codec(api.response, version).read(reader));
  }
}

const principalBytes = ({ type, name }: Asker['principal']): Buffer =>
  encodeVersioned(principalData, principalData.max, { type, name, tokenAuthenticated: false });

/** Null in place of an answer that says that the broker is not the controller any more. */
function refusal(answer: unknown): unknown {
  const { errorCode } = answer as { errorCode?: unknown };
  return errorCode === ErrorCode.NOT_CONTROLLER ? null : answer;
}
