/** PLAIN (RFC 4616) on the broker's side: one token with name and password. */
import { createHash } from 'node:crypto';
import { OperatingError } from '../../base/errors.ts';
import {
  type Authenticated,
  NOTHING,
  plainFailure,
  SaslFailure,
  type SaslServer,
} from './sasl-server.ts';
import { areEqual, isPassword, type ScramCredential, scramMechanisms } from './scram.ts';
import { decoy, type ScramUsers } from './scram-server.ts';

/** Passwords that are being checked or wait for it. */
const CHECKS_MAX = 64;

/** One takes a thread for some milliseconds, of the four that the disk needs, too. */
const CHECKED_AT_ONCE = 2;

/**
 * Names and passwords of the configuration (`user_NAME="…"` of `sasl.jaas.config`), and behind them
 * the users of the metadata log: one user, one password, whatever mechanism the client speaks.
 */
export class Passwords {
  readonly #given: ReadonlyMap<string, string>;
  readonly #users: ScramUsers;
  readonly #decoyKey: Buffer;
  #checks = 0;
  /** Those who wait for one of the threads. */
  readonly #waiting: (() => void)[] = [];

  constructor(given: ReadonlyMap<string, string>, users: ScramUsers, decoyKey: Buffer) {
    this.#given = given;
    this.#users = users;
    this.#decoyKey = decoyKey;
  }

  /** Takes as long for a user who does not exist. Rejects with OperatingError `busy`. */
  async check(name: string, password: string): Promise<boolean> {
    const given = this.#given.get(name);
    const isGiven = areEqual(digest(given ?? ''), digest(password)) && given !== undefined;
    if (this.#users.isEmpty) return isGiven;
    if (this.#checks >= CHECKS_MAX) {
      throw new OperatingError('busy', `${CHECKS_MAX} passwords are being checked already`);
    }
    this.#checks += 1;
    try {
      if (this.#checks > CHECKED_AT_ONCE) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      return (await this.#isStored(name, password)) && given === undefined ? true : isGiven;
    } finally {
      this.#checks -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #isStored(name: string, password: string): Promise<boolean> {
    let [mechanism] = scramMechanisms;
    let credential: ScramCredential | undefined;
    for (const candidate of scramMechanisms) {
      credential ??= this.#users.find(candidate, name);
      if (credential !== undefined) {
        mechanism = candidate;
        break;
      }
    }
    const exists = credential !== undefined;
    credential ??= decoy(mechanism!, this.#users, this.#decoyKey, name);
    return (await isPassword(mechanism!, credential, password)) && exists;
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export class PlainServer implements SaslServer {
  readonly #passwords: Passwords;
  authenticated: Authenticated | null = null;

  constructor(passwords: Passwords) {
    this.#passwords = passwords;
  }

  async evaluate(token: Buffer): Promise<Buffer> {
    const parts = token.toString('utf8').split('\0');
    if (parts.length !== 3) {
      throw plainFailure(
        `Invalid SASL/PLAIN response: expected 3 tokens, got ${Math.min(parts.length, 4)}`,
      );
    }
    const [authorizationId, name, password] = parts as [string, string, string];
    if (name === '') throw plainFailure('Authentication failed: username not specified');
    if (password === '') throw plainFailure('Authentication failed: password not specified');
    let isRight: boolean;
    try {
      isRight = await this.#passwords.check(name, password);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      throw new SaslFailure(
        error.message,
        'Authentication failed: credentials for user could not be verified',
      );
    }
    if (!isRight) {
      throw new SaslFailure(
        `wrong name or password of user '${name}'`,
        'Authentication failed: Invalid username or password',
      );
    }
    if (authorizationId !== '' && authorizationId !== name) {
      throw plainFailure(
        'Authentication failed: Client requested an authorization id that is different from username',
      );
    }
    this.authenticated = { name, expiresAtMs: null };
    return NOTHING;
  }
}
