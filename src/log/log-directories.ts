/**
 * The log directories of a broker, and which log lies in which of them.
 *
 * Invariants: a log that is served is in the `logs` of one directory, and here under its partition's
 * name; no other log of that partition is. All of it is in memory: a start finds it out anew from
 * the names of the folders.
 */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { partitionDirectory } from './log-files.ts';
import type { ManagedDirectory } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';

export class LogDirectories {
  readonly #directories: ManagedDirectory[] = [];
  readonly #logs = new Map<string, PartitionLog>();

  /** In the order of `log.dirs`. */
  [Symbol.iterator](): IterableIterator<ManagedDirectory> {
    return this.#directories[Symbol.iterator]();
  }
  add(managed: ManagedDirectory): void {
    this.#directories.push(managed);
  }
  at(path: string): ManagedDirectory | undefined {
    return this.#directories.find((managed) => managed.path === path);
  }
  /** Those that work. */
  get online(): ManagedDirectory[] {
    return this.#directories.filter(({ directory }) => directory.failure === null);
  }
  /** One that does not, if there is any: nobody knows what lies in it. */
  get offline(): ManagedDirectory | undefined {
    return this.#directories.find(({ directory }) => directory.failure !== null);
  }
  /** In which the log lies. */
  of(log: PartitionLog): ManagedDirectory {
    return this.#directories.find(({ directory }) => directory === log.logDirectory)!;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(partitionDirectory(topic, partition));
  }
  logs(): Iterable<PartitionLog> {
    return this.#logs.values();
  }

  /** The log is its partition's from now on, in the place of any other. */
  serve(managed: ManagedDirectory, log: PartitionLog): void {
    const key = partitionDirectory(log.topic, log.partition);
    managed.add(log);
    this.#logs.set(key, log);
  }
  /** Nobody finds the log any more. */
  withdraw(log: PartitionLog): void {
    this.of(log).drop(log);
    this.#logs.delete(partitionDirectory(log.topic, log.partition));
  }
  /** `log`, in `target`, takes the place of `former` in one step. */
  replace(former: PartitionLog, log: PartitionLog, target: ManagedDirectory): void {
    this.of(former).drop(former);
    this.serve(target, log);
  }

  /** Throws KAFKA_STORAGE_ERROR when a directory is offline: `what` may lie in it. */
  assertWhole(what: string): void {
    const { offline } = this;
    if (offline === undefined) return;
    const text = `${what} may be in log directory ${offline.path}, which is offline`;
    throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, text);
  }
}
