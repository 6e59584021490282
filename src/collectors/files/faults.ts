import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';

/**
 * What goes wrong while files are looked for: it is said once, and keeps nobody from the other
 * files. All that look share one, or each would say the fault of the same folder.
 */

/** Faults that were said; beyond that all are said again. */
const TOLD_MAX = 1000;

export class Faults {
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  guarded(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const reason = reasonOf(error);
      if (this.#told.has(reason)) return;
      if (this.#told.size >= TOLD_MAX) this.#told.clear();
      this.#told.add(reason);
      this.#logger.warn(what, { 'error.message': reason });
    }
  }
}
