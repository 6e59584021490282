/**
 * Producer ids of this broker: handed out of a block that the metadata log says is ours. After a
 * crash the rest of the block is never used, so no id is given twice.
 */
export interface ProducerIdBlock {
  readonly first: number;
  readonly count: number;
}

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>;
  #next = 0;
  #left = 0;
  #under: Promise<void> | null = null;

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate;
  }

  async next(): Promise<number> {
    while (this.#left === 0) {
      this.#under ??= this.#refill();
      await this.#under;
    }
    this.#left -= 1;
    return this.#next++;
  }

  async #refill(): Promise<void> {
    try {
      const block = await this.#allocate();
      this.#next = block.first;
      this.#left = block.count;
    } finally {
      this.#under = null;
    }
  }
}
