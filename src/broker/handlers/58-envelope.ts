/**
 * Envelope, v0 (KIP-590): a request for the active controller that another broker passes on. Only
 * what the controller decides is taken; everything else a broker answers itself.
 */
import { ByteReader } from '../../base/bytes.ts';
import { apis } from '../../protocol/apis.ts';
import { codec } from '../../protocol/codec.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { readRequestHeader, writeResponse } from '../../protocol/frame.ts';
import type { envelopeRequest, envelopeResponse } from '../../protocol/messages/58-envelope.ts';
import type { Infer } from '../../protocol/schema.ts';
import { isNotController } from '../errors.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof envelopeRequest>;
type Response = Infer<typeof envelopeResponse>;

const SIZE_BYTES = 4;

const refused = (errorCode: number): Response => ({ responseData: null, errorCode });

export const envelopeHandler = handler<Request, Response>(
  apis.get(58),
  async (request, context) => {
    const { broker, connection } = context;
    const reader = new ByteReader(request.requestData);
    const { apiKey, apiVersion, correlationId } = readRequestHeader(reader);
    const api = apis.get(apiKey);
    if (api === undefined || apiVersion < api.min || apiVersion > api.max) {
      return refused(ErrorCode.UNSUPPORTED_VERSION);
    }
    if (!broker.store.isActive) return refused(ErrorCode.NOT_CONTROLLER);
    const body = codec(api.request, apiVersion).read(reader);
    let answer: unknown;
    try {
      answer = await broker.controllerRequest(api, apiVersion, body, connection);
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
