/**
 * Bytes of requests that are arriving or wait for their turn, over all connections of a broker,
 * against `queued.max.request.bytes`. One that is handled at once where it was read costs nothing.
 *
 * Whoever begins a frame while the limit is passed waits, in order, without being read from, and
 * holds little until then. What those who wait hold does not count against the limit: it would keep
 * them waiting for each other. Frames begun before go on, so there is always somebody who makes
 * progress or runs into its deadline.
 */
interface Waiter {
  /** What it holds already. */
  readonly bytes: number;
  readonly go: () => void;
}

export class RequestMemory {
  readonly limitBytes: number;
  readonly #waiting = new Set<Waiter>();
  /** Of those who are read from. */
  #bytes = 0;
  /** Of those who wait. */
  #waitingBytes = 0;
  /** Times that a connection had to wait. */
  waits = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes + this.#waitingBytes;
  }
  get isFull(): boolean {
    return this.#bytes > this.limitBytes;
  }
  /** Whether it is so without these bytes, too. */
  isFullBeside(bytes: number): boolean {
    return this.#bytes - bytes > this.limitBytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    for (const waiter of this.#waiting) {
      if (this.isFull) return;
      this.#forget(waiter);
      waiter.go();
    }
  }

  /**
   * Calls `go` once there is room, which then adds what it takes of it; the returned function takes
   * it back. `bytes` were added before.
   */
  wait(bytes: number, go: () => void): () => void {
    this.waits += 1;
    const waiter: Waiter = { bytes, go };
    this.#waiting.add(waiter);
    this.#bytes -= bytes;
    this.#waitingBytes += bytes;
    return () => this.#forget(waiter);
  }

  #forget(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter)) return;
    this.#bytes += waiter.bytes;
    this.#waitingBytes -= waiter.bytes;
  }
}
