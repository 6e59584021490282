import type { Disk } from '../base/disk.ts';
import { codeOf, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { LogProbe } from './probe.ts';

/** Codes that mean "no room now": nothing is damaged, and it may get better by itself. */
const NO_SPACE: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Codes of the process, not of the disk: too many open files. Retriable as well. */
const TRANSIENT: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);

export const isOutOfDescriptors = (error: unknown): boolean => TRANSIENT.has(codeOf(error));

/** True for an error that may go away by itself and says nothing against the disk. */
export const isPassing = (error: unknown): boolean =>
  NO_SPACE.has(codeOf(error)) || isOutOfDescriptors(error);

/** `ERR_…` is Node's: a call that is wrong, or something that only the process lacks. */
const isOfSystem = (code: string): boolean => code !== '' && !code.startsWith('ERR_');

/**
 * One log directory (one disk) and whether it can be trusted.
 *
 * A disk without room refuses appends one by one and stays in service. Any other failure, of a
 * write, a read or a sync, takes the directory offline in the same tick and for good: what a failed
 * write or sync left behind is unknown, so nothing more is appended, acknowledged or served until
 * a restart has read it again.
 */
export class LogDirectory {
  readonly path: string;
  readonly #probe: LogProbe;
  readonly #logger: Logger;
  readonly #onOffline: (directory: LogDirectory) => void;
  #failure: Error | null = null;
  /** Partitions were made or deleted, which the device may not know yet. */
  entriesDirty = true;
  /** What has begun since `entriesDirty` was last set. */
  #entriesSync: Promise<void> = Promise.resolve();

  constructor(options: {
    path: string;
    probe: LogProbe;
    logger: Logger;
    onOffline: (directory: LogDirectory) => void;
  }) {
    this.path = options.path;
    this.#probe = options.probe;
    this.#logger = options.logger;
    this.#onOffline = options.onOffline;
  }

  /** Why the directory is offline, or null. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Resolves when the device knows of all partitions that were made or deleted before the call. */
  syncEntries(disk: Disk): Promise<void> {
    if (this.entriesDirty) {
      this.entriesDirty = false;
      this.#entriesSync = disk.syncDirectoryLater(this.path).catch((error: unknown) => {
        this.entriesDirty = true;
        throw error;
      });
    }
    return this.#entriesSync;
  }

  assertOnline(): void {
    if (this.#failure !== null) {
      throw new ProtocolError(
        ErrorCode.KAFKA_STORAGE_ERROR,
        `log directory ${this.path} is offline: ${this.#failure.message}`,
      );
    }
  }

  /** Judges a disk error that happened while doing `what`; returns what to throw instead. */
  failed(what: string, error: unknown): Error {
    if (error instanceof ProtocolError) return error;
    const code = codeOf(error);
    const text = `${what}: ${reasonOf(error)}`;
    if (isPassing(error)) {
      this.#probe.noSpaceErrors++;
      return new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, text);
    }
    // A bug is a bug: it must not look like a broken disk.
    if (!isOfSystem(code) && !(error instanceof Error && error.cause !== undefined)) {
      return error instanceof Error ? error : new Error(text);
    }
    this.takeOffline(text, error);
    return new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, text);
  }

  takeOffline(reason: string, cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = new Error(reason, { cause });
    this.#probe.ioErrors++;
    this.#logger.error(`log directory ${this.path} goes offline: ${reason}`, {
      'error.message': reasonOf(cause),
    });
    this.#onOffline(this);
  }
}
