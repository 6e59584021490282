/**
 * Learns how far a broker has read a connection on which nothing is answered (acks=0).
 *
 * A broker works on a connection's requests in order, so the answer to a small request shows that
 * it has read everything before it. While records are handed over, one such request is sent every
 * second; when the connection breaks, the records behind the last answer are counted as uncertain.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { calls } from './call.ts';
import type { Connection } from './connection.ts';

const INTERVAL_MS = 1000;

export class ReadBarrier {
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #uncertain: (records: number) => void;
  #handed = 0;
  #confirmed = 0;
  #timer: Timer | null = null;
  #closed = false;

  constructor(clock: Clock, connection: Connection, uncertain: (records: number) => void) {
    this.#clock = clock;
    this.#connection = connection;
    this.#uncertain = uncertain;
  }

  /** The system took over `records` more. */
  handed(records: number): void {
    this.#handed += records;
    if (this.#timer === null && !this.#closed) {
      this.#timer = this.#clock.after(INTERVAL_MS, () => this.#ask());
    }
  }

  /** The connection broke. */
  lost(): void {
    if (this.#closed) return;
    this.close();
    if (this.#handed > this.#confirmed) this.#uncertain(this.#handed - this.#confirmed);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #ask(): void {
    const upTo = this.#handed;
    const version = this.#connection.versionOf(calls.apiVersions, 0);
    const body = { clientSoftwareName: '', clientSoftwareVersion: '', clusterId: null, nodeId: -1 };
    this.#connection.send(calls.apiVersions, Math.max(0, version), body, (error) => {
      // A broken connection is told by `lost`.
      if (error !== null || this.#closed) return;
      this.#confirmed = upTo;
      this.#timer = null;
      if (this.#handed > upTo) this.handed(0);
    });
  }
}
