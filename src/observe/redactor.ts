/**
 * Keeps secrets out of the log. What is secret is known from the configuration tables (type
 * `password`, or marked so), never guessed from how a text looks: each secret value is replaced
 * wherever it occurs, and each field named like a secret key is masked whole.
 */
export const MASK = '***';

/** Shorter values would be found in ordinary words. */
const SECRET_CHARACTERS_MIN = 4;

export class Redactor {
  readonly #names: ReadonlySet<string>;
  readonly #values: readonly string[];

  /** `secrets`: the names of all secret keys, with their effective values (null: not set). */
  constructor(secrets: Iterable<readonly [name: string, value: string | null]>) {
    const names = new Set<string>();
    const values = new Set<string>();
    for (const [name, value] of secrets) {
      names.add(name);
      if (value !== null && value.length >= SECRET_CHARACTERS_MIN) values.add(value);
    }
    this.#names = names;
    // The longest first: a secret may be the beginning of another one.
    this.#values = [...values].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let result = text;
    for (const value of this.#values) {
      if (result.includes(value)) result = result.replaceAll(value, MASK);
    }
    return result;
  }

  field(name: string, value: unknown): unknown {
    if (this.#names.has(name)) return MASK;
    return typeof value === 'string' ? this.text(value) : value;
  }
}

export const redactNothing = new Redactor([]);
