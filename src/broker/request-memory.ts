/**
 * Bytes of requests that are arriving or wait for their turn, over all connections of a broker,
 * against `queued.max.request.bytes`. One that is handled at once where it was read costs nothing.
 *
 * Whoever begins a frame while the limit is passed waits, in order, without being read from. Frames
 * begun before go on, so there is always somebody who makes progress or runs into its deadline.
 */
export class RequestMemory {
  readonly limitBytes: number;
  readonly #waiting = new Set<() => void>();
  #bytes = 0;
  /** Times that a connection had to wait. */
  waits = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }
  get isFull(): boolean {
    return this.#bytes > this.limitBytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    for (const go of this.#waiting) {
      if (this.isFull) return;
      this.#waiting.delete(go);
      go();
    }
  }

  /** Calls `go` once there is room; the returned function takes it back. */
  wait(go: () => void): () => void {
    this.waits += 1;
    this.#waiting.add(go);
    return () => this.#waiting.delete(go);
  }
}
