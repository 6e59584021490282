/**
 * Produce requests that wait until the coordinator of their transaction has been asked. Those of one
 * transactional id go on in the order in which they came, whatever each of them waits for: their
 * sequence numbers allow no other one.
 */

/** Bytes of records that wait, over all requests; beyond it producers are asked to try again. */
export const VERIFYING_BYTES_MAX = 64 * 1024 * 1024;

export class VerifyingProduces {
  readonly #last = new Map<string, Promise<unknown>>();
  /** Bytes of records that wait. */
  bytes = 0;
  /** Requests refused because too much waits. */
  refused = 0;
  /** Time that the last one waited, milliseconds. */
  lastMs = 0;

  isWaiting(transactionalId: string): boolean {
    return this.#last.has(transactionalId);
  }

  /** Whether so much more may wait; counts the refusal. */
  hasRoom(bytes: number): boolean {
    if (this.bytes + bytes <= VERIFYING_BYTES_MAX) return true;
    this.refused++;
    return false;
  }

  /** Runs `work` when everything before of that transactional id is through. */
  async run<T>(transactionalId: string, bytes: number, work: () => Promise<T>): Promise<T> {
    this.bytes += bytes;
    const before = this.#last.get(transactionalId) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(transactionalId, turn);
    try {
      return await turn;
    } finally {
      this.bytes -= bytes;
      if (this.#last.get(transactionalId) === turn) this.#last.delete(transactionalId);
    }
  }
}
