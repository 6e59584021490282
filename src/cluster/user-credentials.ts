/**
 * The users of the metadata log: for each, what SCRAM keeps of the password, by mechanism (Kafka's
 * numbers: 1 SHA-256, 2 SHA-512). Part of the metadata image; passwords are nowhere.
 */
import type { MetadataRecord } from './metadata-records.ts';

export interface Credential {
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  readonly iterations: number;
}

export class UserCredentials {
  readonly #byUser = new Map<string, Map<number, Credential>>();
  #latest: Credential | null = null;

  get isEmpty(): boolean {
    return this.#byUser.size === 0;
  }
  get names(): IterableIterator<string> {
    return this.#byUser.keys();
  }
  /** Any credential, to tell what they look like. */
  get latest(): Credential | null {
    return this.#latest;
  }

  credential(name: string, mechanism: number): Credential | undefined {
    return this.#byUser.get(name)?.get(mechanism);
  }
  /** By mechanism; empty: there is no such user. */
  of(name: string): ReadonlyMap<number, Credential> {
    return this.#byUser.get(name) ?? NONE;
  }

  put(name: string, mechanism: number, credential: Credential): void {
    let own = this.#byUser.get(name);
    if (own === undefined) this.#byUser.set(name, (own = new Map()));
    const { salt, storedKey, serverKey, iterations } = credential;
    // What was read is a view of a batch that is much larger.
    const owned = {
      salt: Buffer.from(salt),
      storedKey: Buffer.from(storedKey),
      serverKey: Buffer.from(serverKey),
      iterations,
    };
    own.set(mechanism, owned);
    this.#latest = owned;
  }

  remove(name: string, mechanism: number): void {
    const own = this.#byUser.get(name);
    own?.delete(mechanism);
    if (own?.size === 0) this.#byUser.delete(name);
  }

  clear(): void {
    this.#byUser.clear();
    this.#latest = null;
  }

  /** Records that make the same users. */
  *records(): Generator<MetadataRecord> {
    for (const [name, own] of this.#byUser) {
      for (const [mechanism, credential] of own) {
        yield { type: 'UserScramCredential', value: { name, mechanism, ...credential } };
      }
    }
  }
}

const NONE: ReadonlyMap<number, Credential> = new Map();
