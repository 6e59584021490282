/**
 * SaslHandshake, v0-1: the client says how it will prove who it is; see `sasl-session.ts`. Where
 * nobody is asked, or the client is known and its session has no end, it is out of place.
 */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  saslHandshakeRequest,
  saslHandshakeResponse,
} from '../../protocol/messages/17-sasl-handshake.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof saslHandshakeRequest>;
type Response = Infer<typeof saslHandshakeResponse>;

export const saslHandshakeHandler = handler<Request, Response>(
  apis.get(17),
  async ({ mechanism }, { apiVersion, connection, receivedAtMs }) => {
    const { sasl } = connection;
    if (sasl === null) return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
    const { errorCode, mechanisms } = await sasl.handshake(apiVersion, mechanism, receivedAtMs);
    return { errorCode, mechanisms: [...mechanisms] };
  },
);
