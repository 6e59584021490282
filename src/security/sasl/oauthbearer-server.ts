/** OAUTHBEARER (RFC 7628) on the broker's side: one token, signed by somebody we trust. */
import {
  type Authenticated,
  NOTHING,
  plainFailure,
  SaslFailure,
  type SaslServer,
} from './sasl-server.ts';

/** Rejects with SaslFailure; the reason is logged and the client is told only that it is invalid. */
export type TokenValidator = (token: string) => Promise<Authenticated>;

const NAME = '(?:[\\x01-\\x2b\\x2d-\\x3c\\x3e-\\x7f]|=2C|=3D)+';
const FIRST = new RegExp(
  `^n,(?:a=(${NAME}))?,\\x01((?:[A-Za-z]+=[\\x21-\\x7e \\t\\r\\n]+\\x01)*)\\x01$`,
);
const BEARER = /^bearer +([-_~+/.a-zA-Z0-9]+=*)$/i;

export class OauthBearerServer implements SaslServer {
  readonly #validate: TokenValidator;
  /** What was wrong with the token, and what the client was told of it. */
  #refusal: SaslFailure | null = null;
  authenticated: Authenticated | null = null;

  constructor(validate: TokenValidator) {
    this.#validate = validate;
  }

  async evaluate(token: Buffer): Promise<Buffer> {
    // The client's word that it has read what was wrong, or another token: it had its one.
    if (this.#refusal !== null) throw this.#refusal;
    const { bearer, authorizationId } = parseFirst(token);
    let found: Authenticated;
    try {
      found = await this.#validate(bearer);
    } catch (error) {
      if (!(error instanceof SaslFailure)) throw error;
      // RFC 7628 3.2.2: what is wrong is told as JSON, the client acknowledges, and then it fails.
      const told = '{"status":"invalid_token"}';
      this.#refusal = new SaslFailure(error.message, told);
      return Buffer.from(told);
    }
    if (authorizationId !== '' && authorizationId !== found.name) {
      throw plainFailure(
        `Authentication failed: Client requested an authorization id (${authorizationId}) that is different from the token's principal name (${found.name})`,
      );
    }
    this.authenticated = found;
    return NOTHING;
  }
}

/** `n,[a=NAME],^Aauth=Bearer TOKEN^A[key=value^A…]^A`; extensions are taken and mean nothing here. */
function parseFirst(token: Buffer): { bearer: string; authorizationId: string } {
  const match = FIRST.exec(token.toString('utf8'));
  if (match === null) throw new SaslFailure('no OAUTHBEARER client message');
  const [, authorizationId = '', pairs = ''] = match;
  const auth = pairs
    .split('\x01')
    .find((pair) => pair.startsWith('auth='))
    ?.slice('auth='.length);
  if (auth === undefined) throw new SaslFailure("no 'auth' in the OAUTHBEARER client message");
  const bearer = BEARER.exec(auth)?.[1];
  if (bearer === undefined) throw new SaslFailure("no bearer token in 'auth'");
  return { bearer, authorizationId };
}
