/**
 * Group commit: any number of callers wait for one sync. Whoever comes while a sync is under way
 * shares the next one, because the one under way may have begun before their bytes were written.
 */
export class LogFlusher {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  flush(): Promise<void> {
    if (this.#running === null) {
      this.#running = this.#run();
      return this.#running;
    }
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async #run(): Promise<void> {
    try {
      await this.#sync();
    } finally {
      this.#running = null;
    }
  }

  async #after(running: Promise<void>): Promise<void> {
    // Whoever waits for that one hears of its failure; the next one judges for itself.
    await running.catch(() => {});
    this.#next = null;
    await this.flush();
  }
}
