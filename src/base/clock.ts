/**
 * Time, injected. Nothing outside `base/` calls `Date.now`, `performance.now`, `setTimeout` or
 * `setInterval`, so that a simulation can own time.
 */
export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Clock {
  /** Wall clock in milliseconds since 1970; may jump. For timestamps in records only. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start. For every timeout and duration. */
  monotonic(): number;
  /** Calls `action` once, `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer;
}

/** Longest delay that the system's timers take; longer ones fire at this bound instead of at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, action) {
    const handle = setTimeout(action, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs` of the clock's time. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
