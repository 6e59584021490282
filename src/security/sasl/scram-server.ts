/**
 * SCRAM-SHA-256 and -512 on the broker's side. A user who does not exist is answered as one whose
 * password is wrong: with a salt that is the same whenever it is asked for, and at the end.
 */
import { createHmac } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import { type Authenticated, plainFailure, SaslFailure, type SaslServer } from './sasl-server.ts';
import {
  areEqual,
  type ClientFirst,
  ITERATIONS_MIN,
  newNonce,
  parseClientFinal,
  parseClientFirst,
  type ScramCredential,
  type ScramMechanism,
  saltText,
  serverFirstText,
  serverSignature,
} from './scram.ts';

/** Who may log in with a password. */
export interface ScramUsers {
  find(mechanism: ScramMechanism, name: string): ScramCredential | undefined;
  /** Iterations that a credential most likely has: what is made up looks like the rest. */
  readonly typicalIterations: number;
  /** Whether there is no user at all. */
  readonly isEmpty: boolean;
}

/** In place of the credential of a user who does not exist: no password makes it. */
export function decoy(
  mechanism: ScramMechanism,
  users: ScramUsers,
  key: Buffer,
  name: string,
): ScramCredential {
  const made = (what: string): Buffer =>
    createHmac('sha512', key).update(`${mechanism.name}\0${what}\0${name}`).digest();
  return {
    salt: saltText(made('salt')),
    storedKey: made('stored key').subarray(0, mechanism.bytes),
    serverKey: made('server key').subarray(0, mechanism.bytes),
    iterations: users.typicalIterations,
  };
}

export interface ScramServerOptions {
  readonly mechanism: ScramMechanism;
  readonly users: ScramUsers;
  /** Secret; salts of users who do not exist are made of it. */
  readonly decoyKey: Buffer;
  readonly random: Random;
}

export class ScramServer implements SaslServer {
  readonly #options: ScramServerOptions;
  #first: ClientFirst | null = null;
  #credential: ScramCredential | null = null;
  #exists = false;
  #nonce = '';
  #isOver = false;
  authenticated: Authenticated | null = null;

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  evaluate(token: Buffer): Buffer {
    if (this.#isOver) throw new SaslFailure('a token after the end of the exchange');
    try {
      return this.#first === null ? this.#begin(token) : this.#end(this.#first, token);
    } catch (error) {
      this.#isOver = true;
      this.#credential = null;
      throw error;
    }
  }

  #begin(token: Buffer): Buffer {
    const { mechanism, users, decoyKey, random } = this.#options;
    const first = parseClientFirst(token);
    if (first.authorizationId !== '' && first.authorizationId !== first.name) {
      throw plainFailure(
        'Authentication failed: Client requested an authorization id that is different from username',
      );
    }
    const found = users.find(mechanism, first.name);
    this.#exists = found !== undefined && found.iterations >= ITERATIONS_MIN;
    this.#credential =
      found !== undefined && this.#exists ? found : decoy(mechanism, users, decoyKey, first.name);
    this.#first = first;
    this.#nonce = first.nonce + newNonce(random);
    return Buffer.from(this.#serverFirst());
  }

  #serverFirst(): string {
    const { salt, iterations } = this.#credential!;
    return serverFirstText({ nonce: this.#nonce, salt, iterations });
  }

  #end(first: ClientFirst, token: Buffer): Buffer {
    const final = parseClientFinal(token);
    // librdkafka before 2.6.1 puts its own nonce before the whole one once more; whoever says so knows
    // both just as well (and Apache Kafka has refused it since CVE-2024-56128).
    const nonces = [this.#nonce, first.nonce + this.#nonce];
    if (!nonces.some((nonce) => areEqual(Buffer.from(final.nonce), Buffer.from(nonce)))) {
      throw new SaslFailure('the last message has another nonce');
    }
    if (final.channelBinding.toString() !== first.header) {
      throw new SaslFailure('the last message has another channel binding');
    }
    const authMessage = `${first.bare},${this.#serverFirst()},${final.withoutProof}`;
    const credential = this.#credential!;
    const signature = serverSignature(
      this.#options.mechanism,
      credential,
      authMessage,
      final.proof,
    );
    if (signature === null || !this.#exists) {
      throw new SaslFailure(`no proof of the password of user '${first.name}'`);
    }
    this.#isOver = true;
    this.#credential = null;
    this.authenticated = { name: first.name, expiresAtMs: null };
    return Buffer.from(`v=${signature.toString('base64')}`);
  }
}
