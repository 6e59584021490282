/** What administrators do with users: passwords for SCRAM (KIP-554), which go nowhere but into a salt. */
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  ITERATIONS_MAX,
  ITERATIONS_MIN,
  newSalt,
  saltedPassword,
  scramMechanism,
  scramMechanisms,
} from '../security/sasl/scram.ts';
import type { Result } from './admin.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';

export interface UserCredential {
  readonly mechanism: string;
  readonly iterations: number;
}

export interface User {
  readonly name: string;
  readonly credentials: readonly UserCredential[];
}

export const USER_ITERATIONS = { min: ITERATIONS_MIN, max: ITERATIONS_MAX, default: 8192 } as const;

export class UserAdmin {
  readonly #client: Client;
  readonly #random: Random;

  constructor(client: Client) {
    this.#client = client;
    this.#random = client.random;
  }

  /** Null: all of them. Rejects with ProtocolError, also for a user who does not exist. */
  async describe(names: readonly string[] | null): Promise<User[]> {
    const users = names?.map((name) => ({ name })) ?? null;
    const answer = await this.#client.request('any', calls.describeUserScramCredentials, { users });
    check(answer);
    return answer.results
      .map((result): User => {
        check(result);
        const credentials = result.credentialInfos.map(({ mechanism, iterations }) => ({
          mechanism:
            scramMechanisms.find(({ type }) => type === mechanism)?.name ?? String(mechanism),
          iterations,
        }));
        return { name: result.user, credentials };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Gives a user a password, or another one. */
  async put(
    name: string,
    password: string,
    mechanism: string,
    iterations: number,
  ): Promise<Result> {
    const scram = scramMechanism(mechanism)!;
    const salt = newSalt(this.#random);
    const salted = await saltedPassword(scram, password, salt, iterations);
    const upsertion = { name, mechanism: scram.type, iterations, salt, saltedPassword: salted };
    return this.#alter(name, [], [upsertion]);
  }

  /** Takes away the password for one mechanism. */
  remove(name: string, mechanism: string): Promise<Result> {
    const { type } = scramMechanism(mechanism)!;
    return this.#alter(name, [{ name, mechanism: type }], []);
  }

  async #alter(
    name: string,
    deletions: { name: string; mechanism: number }[],
    upsertions: {
      name: string;
      mechanism: number;
      iterations: number;
      salt: Buffer;
      saltedPassword: Buffer;
    }[],
  ): Promise<Result> {
    const body = { deletions, upsertions };
    const { results } = await this.#client.request('any', calls.alterUserScramCredentials, body);
    const { errorCode, errorMessage } = results[0]!;
    const isDone = errorCode === ErrorCode.NONE;
    return { name, error: isDone ? null : new ProtocolError(errorCode, errorMessage ?? undefined) };
  }
}

function check(of: { readonly errorCode: number; readonly errorMessage: string | null }): void {
  if (of.errorCode === ErrorCode.NONE) return;
  throw new ProtocolError(of.errorCode, of.errorMessage ?? undefined);
}
