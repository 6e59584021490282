/** Says on the error stream, from one second on, that an answer is still waited for. */
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import type { Terminal } from './command.ts';

/** After this long people want to know that something is going on, and again every so often. */
const PROGRESS_MS = 1000;

export class Progress {
  readonly #terminal: Terminal;
  /** `waiting for 127.0.0.1:9092`. */
  readonly #what: string;
  readonly #clock: Clock;
  /** Answers that are waited for just now. */
  #pending = 0;
  #since = 0;
  #timer: Timer | null = null;
  #shown = '';

  constructor(terminal: Terminal, what: string, clock: Clock = systemClock) {
    this.#terminal = terminal;
    this.#what = what;
    this.#clock = clock;
  }

  /** Waits for one answer. */
  async of<T>(answer: Promise<T>): Promise<T> {
    if (this.#pending++ === 0) {
      this.#since = this.#clock.monotonic();
      this.#later();
    }
    try {
      return await answer;
    } finally {
      if (--this.#pending === 0) this.#end();
    }
  }

  /** Somebody who is asked (an administrator), each of whose answers is waited for so. */
  with<A extends object>(asked: A): A {
    return new Proxy(asked, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          const result: unknown = Reflect.apply(member, target, args);
          return result instanceof Promise ? this.of(result) : result;
        };
      },
    });
  }

  #later(): void {
    this.#timer = this.#clock.after(PROGRESS_MS, () => {
      this.#show();
      this.#later();
    });
  }

  /** One line that grows old for people, a single one for a file. */
  #show(): void {
    const { errIsTty } = this.#terminal;
    if (!errIsTty && this.#shown !== '') return;
    const seconds = Math.round((this.#clock.monotonic() - this.#since) / 1000);
    this.#shown = errIsTty ? `${this.#what} … ${seconds} s` : `${this.#what} …`;
    this.#terminal.err(errIsTty ? `\r${this.#shown}` : `${this.#shown}\n`);
  }

  /** What follows begins in an empty line. */
  #end(): void {
    this.#timer?.cancel();
    if (!this.#terminal.errIsTty || this.#shown === '') return;
    this.#terminal.err(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}
