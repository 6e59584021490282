/**
 * The books of registers, each written by one writer, one value after the other: a key of a compacted
 * topic, a group's offset, a setting. What was answered is there after a kill; what was asked for and
 * not answered is there whole, or not at all.
 */
export class Registers {
  readonly #what: string;
  readonly #known = new Map<string, string | null>();
  readonly #asked = new Map<string, string | null>();
  /** Changes that were answered. */
  acknowledged = 0;

  constructor(what: string) {
    this.#what = what;
  }

  get names(): string[] {
    return [...new Set([...this.#known.keys(), ...this.#asked.keys()])];
  }

  /** What was answered last; null: nothing, or that it is gone. */
  known(name: string): string | null {
    return this.#known.get(name) ?? null;
  }

  ask(name: string, value: string | null): void {
    if (this.#asked.has(name)) throw new Error(`${this.#what} ${name} is being written already`);
    this.#asked.set(name, value);
  }

  acknowledge(name: string): void {
    if (!this.#asked.has(name)) throw new Error(`nobody has asked for ${this.#what} ${name}`);
    this.#known.set(name, this.#asked.get(name) ?? null);
    this.#asked.delete(name);
    this.acknowledged += 1;
  }

  /** What was asked for will not come to be: it was part of something that was aborted. */
  withdraw(name: string): void {
    this.#asked.delete(name);
  }

  /** What is wrong with what is there. It is what is known from now on: nothing comes later. */
  faults(found: ReadonlyMap<string, string | null>): string[] {
    const faults: string[] = [];
    for (const name of new Set([...this.names, ...found.keys()])) {
      const value = found.get(name) ?? null;
      const known = this.known(name);
      const asked = this.#asked.has(name) ? this.#asked.get(name) : undefined;
      if (value !== known && value !== asked) {
        const perhaps = asked === undefined ? '' : `, or perhaps ${asked ?? 'nothing'}`;
        faults.push(
          `${this.#what} ${name} is ${value ?? 'gone'}, not ${known ?? 'gone'}${perhaps}`,
        );
      }
      this.#known.set(name, value);
    }
    this.#asked.clear();
    return faults;
  }
}
