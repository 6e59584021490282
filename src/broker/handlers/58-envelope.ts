/**
 * Envelope, v0 (KIP-590): a request for the active controller that another broker passes on. Only
 * what the controller decides is taken; everything else a broker answers itself.
 */
import { ByteReader } from '../../base/bytes.ts';
import { hostOfBytes } from '../../protocol/address.ts';
import { apis } from '../../protocol/apis.ts';
import { codec } from '../../protocol/codec.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { readRequestHeader, writeResponse } from '../../protocol/frame.ts';
import type { envelopeRequest, envelopeResponse } from '../../protocol/messages/58-envelope.ts';
import type { Infer } from '../../protocol/schema.ts';
import { principalData } from '../../protocol/stored/principal-data.ts';
import { decodeVersioned } from '../../protocol/stored/versioned.ts';
import { BROKER, principalTold } from '../../security/principal.ts';
import { isNotController } from '../errors.ts';
import { type ConnectionInfo, handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof envelopeRequest>;
type Response = Infer<typeof envelopeResponse>;

const SIZE_BYTES = 4;

const refused = (errorCode: number): Response => ({ responseData: null, errorCode });

/**
 * The client on whose behalf it is: null when that cannot be read. Without a principal it is a
 * request of the broker that sent it, which has shown that it is one.
 */
function askerOf(request: Request, { connection }: RequestContext): ConnectionInfo | null {
  const { requestPrincipal, clientHostAddress } = request;
  if (requestPrincipal === null) return { ...connection, principal: BROKER, rights: null };
  try {
    const { type, name } = decodeVersioned(principalData, requestPrincipal);
    const clientHost = hostOfBytes(clientHostAddress);
    return { ...connection, clientHost, principal: principalTold(type, name), rights: null };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

export const envelopeHandler = handler<Request, Response>(
  apis.get(58),
  async (request, context) => {
    const { broker } = context;
    const reader = new ByteReader(request.requestData);
    const { apiKey, apiVersion, correlationId, clientId } = readRequestHeader(reader);
    const api = apis.get(apiKey);
    if (api === undefined || apiVersion < api.min || apiVersion > api.max) {
      return refused(ErrorCode.UNSUPPORTED_VERSION);
    }
    if (!broker.store.isActive) return refused(ErrorCode.NOT_CONTROLLER);
    const asker = askerOf(request, context);
    if (asker === null) return refused(ErrorCode.PRINCIPAL_DESERIALIZATION_FAILURE);
    const body = codec(api.request, apiVersion).read(reader);
    let answer: unknown;
    try {
      answer = await broker.controllerApis.handle(api, apiVersion, body, asker, clientId ?? '');
    } catch (error) {
      if (!isNotController(error)) throw error;
      return refused(ErrorCode.NOT_CONTROLLER);
    }
    if (answer === null) return refused(ErrorCode.INVALID_REQUEST);
    const frame = Buffer.concat(writeResponse(api, apiVersion, correlationId, answer));
    return { responseData: frame.subarray(SIZE_BYTES), errorCode: ErrorCode.NONE };
  },
  // No heartbeat stands behind a change that takes its time.
  { pipelined: true },
);
