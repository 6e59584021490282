/** SaslAuthenticate, v0-2: one token of the exchange that SaslHandshake has begun. */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
} from '../../protocol/messages/36-sasl-authenticate.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof saslAuthenticateRequest>;
type Response = Infer<typeof saslAuthenticateResponse>;

export const saslAuthenticateHandler = handler<Request, Response>(
  apis.get(36),
  async ({ authBytes }, { connection: { sasl } }) => {
    if (sasl === null) {
      return {
        errorCode: ErrorCode.ILLEGAL_SASL_STATE,
        errorMessage: 'SaslAuthenticate request received after successful authentication',
        authBytes: Buffer.alloc(0),
        sessionLifetimeMs: 0,
      };
    }
    const { token, ...rest } = await sasl.authenticate(authBytes);
    return { ...rest, authBytes: token };
  },
);
