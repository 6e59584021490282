/** SASL over a connection, as a client (KIP-43, KIP-152): SaslHandshake, then tokens. */
import { OperatingError } from '../base/errors.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';
import type { SaslClient } from '../security/sasl/sasl-client.ts';
import { type Call, calls } from './call.ts';

export interface Way {
  versionOf(call: Call<any, any>): number;
  send<Q, R>(call: Call<Q, R>, version: number, body: Q): Promise<R>;
}

/** A broker that goes on asking for tokens is none. */
const TOKENS_MAX = 10;

/** SaslHandshake since which tokens travel in requests. */
const FRAMED_VERSION = 1;

/**
 * Resolves to the milliseconds after which it must be done again, 0: never. Rejects with
 * OperatingError `not-authenticated`, which says why.
 */
export async function authenticate(client: SaslClient, remote: string, way: Way): Promise<number> {
  const refuse = (reason: string): never => {
    throw new OperatingError(
      'not-authenticated',
      `${remote} does not let this client in: ${reason}`,
    );
  };
  const { mechanism } = client;
  const handshake = { version: way.versionOf(calls.saslHandshake), call: calls.saslHandshake };
  const version = way.versionOf(calls.saslAuthenticate);
  if (handshake.version < FRAMED_VERSION || version < 0) return refuse('it does not speak SASL');
  const chosen = await way.send(handshake.call, handshake.version, { mechanism });
  if (chosen.errorCode === ErrorCode.UNSUPPORTED_SASL_MECHANISM) {
    return refuse(`it does not take ${mechanism} but ${chosen.mechanisms.join(', ')}`);
  }
  if (chosen.errorCode !== ErrorCode.NONE) return refuse(errorName(chosen.errorCode));
  let token: Buffer | null = await client.first();
  for (let i = 0; i < TOKENS_MAX && token !== null; i++) {
    const answer: Answer = await way.send(calls.saslAuthenticate, version, { authBytes: token });
    if (answer.errorCode !== ErrorCode.NONE) {
      return refuse(answer.errorMessage ?? errorName(answer.errorCode));
    }
    token = await client.next(answer.authBytes);
    if (token === null) return answer.sessionLifetimeMs;
  }
  return refuse('it asks for ever more tokens');
}

interface Answer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly authBytes: Buffer;
  readonly sessionLifetimeMs: number;
}
