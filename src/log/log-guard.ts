/**
 * Whether one log may be used, and what its disk's errors come to: those of the protocol, and the end
 * of its directory's service where the disk has failed. Once closed it stays so.
 */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { LogDirectory } from './log-directory.ts';

export class LogGuard {
  readonly #directory: LogDirectory;
  readonly #path: string;
  #isClosed = false;
  #isFrozen = false;

  constructor(directory: LogDirectory, path: string) {
    this.#directory = directory;
    this.#path = path;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
  close(): void {
    this.#isClosed = true;
  }
  /** It still can be read, and flushed; from now on nothing changes where it ends. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Neither closed nor on a disk that has failed. */
  get isUsable(): boolean {
    return !this.#isClosed && this.#directory.failure === null;
  }
  assertUsable(): void {
    this.#directory.assertOnline();
    if (this.#isClosed) throw this.#closed();
  }
  /** Before anything is appended or cut. */
  assertWritable(): void {
    this.assertUsable();
    if (this.#isFrozen) throw this.#closed();
  }
  #closed(): ProtocolError {
    return new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER, `${this.#path} is closed`);
  }

  /** Runs what touches the disk; its failures become the protocol's, and fence the directory. */
  onDisk<T>(what: string, action: () => T): T {
    this.assertUsable();
    try {
      return action();
    } catch (error) {
      throw this.#directory.failed(`${what} ${this.#path}`, error);
    }
  }

  /** The same, where a failure need only show in the directory's state. */
  attempt(what: string, action: () => void): void {
    try {
      this.onDisk(what, action);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  /**
   * Runs changes that belong together: halfway through, the log would be neither what it was nor what
   * it is to be, so that no failure leaves its directory in service.
   */
  asOne(what: string, changes: () => void): void {
    try {
      changes();
    } catch (error) {
      this.#directory.takeOffline(`can't ${what} ${this.#path}`, error);
      throw error;
    }
  }

  /** The same for what has failed while the device was waited for. */
  failedHalfway(what: string, error: unknown): never {
    this.#directory.takeOffline(`can't ${what} ${this.#path}`, error);
    throw this.#directory.failed(`${what} ${this.#path}`, error);
  }
}
