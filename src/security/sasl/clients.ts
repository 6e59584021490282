/** The clients of the mechanisms that Weir speaks; what they need to know comes with them. */
import { OperatingError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { SaslClient } from './sasl-client.ts';
import { SaslFailure } from './sasl-server.ts';
import {
  areEqual,
  clientProof,
  ITERATIONS_MIN,
  newNonce,
  parseServerFirst,
  type ScramMechanism,
  saltedPassword,
  saslName,
} from './scram.ts';
import { SECRET_MECHANISM, SECRET_SCRAM, saltedSecret } from './secret.ts';

/** Iterations beyond this would keep us busy for longer than anybody waits. */
const ITERATIONS_TAKEN_MAX = 1_000_000;

export const plainClient = (name: string, password: string): SaslClient => ({
  mechanism: 'PLAIN',
  first: () => Buffer.from(`\0${name}\0${password}`),
  next: () => null,
});

/** RFC 7628: what was wrong with a token comes as a challenge, and is acknowledged. */
export const oauthBearerClient = (token: () => Promise<string>): SaslClient => ({
  mechanism: 'OAUTHBEARER',
  first: async () => Buffer.from(`n,,\x01auth=Bearer ${await token()}\x01\x01`),
  next: (challenge) => (challenge.length === 0 ? null : Buffer.from([1])),
});

export const scramClient = (
  mechanism: ScramMechanism,
  name: string,
  password: string,
  random: Random,
): SaslClient =>
  new ScramClient(mechanism.name, mechanism, name, random, (salt, iterations) =>
    saltedPassword(mechanism, password, salt, iterations),
  );

/** For parts of the appliance; `name` is which of them this is. */
export function secretClient(secret: string, name: string, random: Random): SaslClient {
  const salted = saltedSecret(secret);
  return new ScramClient(SECRET_MECHANISM, SECRET_SCRAM, name, random, () => salted);
}

type Salted = (salt: Buffer, iterations: number) => Buffer | Promise<Buffer>;

class ScramClient implements SaslClient {
  readonly mechanism: string;
  readonly #scram: ScramMechanism;
  readonly #bare: string;
  readonly #nonce: string;
  readonly #salted: Salted;
  #signature: Buffer | null = null;

  constructor(
    mechanism: string,
    scram: ScramMechanism,
    name: string,
    random: Random,
    salted: Salted,
  ) {
    this.mechanism = mechanism;
    this.#scram = scram;
    this.#nonce = newNonce(random);
    this.#bare = `n=${saslName(name)},r=${this.#nonce}`;
    this.#salted = salted;
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.#bare}`);
  }

  next(challenge: Buffer): Buffer | null | Promise<Buffer | null> {
    if (this.#signature !== null) return this.#end(challenge, this.#signature);
    let server: ReturnType<typeof parseServerFirst>;
    try {
      server = parseServerFirst(challenge);
    } catch (error) {
      if (!(error instanceof SaslFailure)) throw error;
      throw distrust(error.message);
    }
    const { nonce, salt, iterations } = server;
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw distrust('it answered with another nonce');
    }
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_TAKEN_MAX) {
      throw distrust(
        `expected ${ITERATIONS_MIN} to ${ITERATIONS_TAKEN_MAX} iterations, saw ${iterations}`,
      );
    }
    const withoutProof = `c=biws,r=${nonce}`;
    const message = `${this.#bare},${challenge.toString('utf8')},${withoutProof}`;
    const prove = (salted: Buffer): Buffer => {
      const { proof, serverSignature } = clientProof(this.#scram, salted, message);
      this.#signature = serverSignature;
      return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
    };
    const salted = this.#salted(salt, iterations);
    return salted instanceof Promise ? salted.then(prove) : prove(salted);
  }

  #end(challenge: Buffer, signature: Buffer): null {
    const given = /^v=([A-Za-z0-9+/]+=*)/.exec(challenge.toString('latin1'))?.[1] ?? '';
    if (!areEqual(Buffer.from(given, 'base64'), signature)) {
      throw distrust('it does not know the password');
    }
    return null;
  }
}

const distrust = (reason: string): OperatingError =>
  new OperatingError('not-authenticated', `the broker is not the one it should be: ${reason}`);
