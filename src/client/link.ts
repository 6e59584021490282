/**
 * The way to one broker: at most one connection, opened when it is asked for, with backoff between
 * attempts. A link outlives its connections.
 */
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import { isRefusal } from './refusal-log.ts';

/** Between attempts at a broker that refuses us: passwords are seldom changed, and guessing is watched for. */
const REFUSED_BACKOFF: BackoffOptions = { minMs: 1_000, maxMs: 10_000 };

export class Link {
  readonly #open: () => Promise<Connection>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: BackoffOptions;
  #connection: Connection | null = null;
  #connecting: Promise<Connection> | null = null;
  #failures = 0;
  #retryAt = 0;
  #closed = false;

  constructor(
    open: () => Promise<Connection>,
    clock: Clock,
    random: Random,
    backoff: BackoffOptions,
  ) {
    this.#open = open;
    this.#clock = clock;
    this.#random = random;
    this.#backoff = backoff;
  }

  /** The connection that stands, or null. */
  get current(): Connection | null {
    return this.#connection?.isOpen === true ? this.#connection : null;
  }
  /** No attempt is made now: the last one has failed, or the connection has just been made and lost. */
  get isResting(): boolean {
    return this.current === null && this.#retryAt > this.#clock.monotonic();
  }
  /** Clock time (monotonic) before which no attempt is made. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** The connection that stands, or a new one after the backoff that is due. */
  connection(): Promise<Connection> {
    const current = this.current;
    if (current !== null) return Promise.resolve(current);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  async #connect(): Promise<Connection> {
    const wait = this.#retryAt - this.#clock.monotonic();
    if (wait > 0) await sleep(this.#clock, wait);
    if (this.#closed) throw new OperatingError('client-closed', 'the client is closed');
    try {
      const connection = await this.#open();
      if (this.#closed) connection.close();
      this.#connection = connection;
      this.#failures = 0;
      // A connection that dies at once must not make a loop without a pause.
      this.#retryAt = this.#clock.monotonic() + backoffMs(this.#backoff, 1, this.#random);
      return connection;
    } catch (error) {
      this.#failures++;
      const backoff = isRefusal(error) ? REFUSED_BACKOFF : this.#backoff;
      this.#retryAt = this.#clock.monotonic() + backoffMs(backoff, this.#failures, this.#random);
      throw error;
    }
  }
}
