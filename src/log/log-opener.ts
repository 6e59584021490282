/** Opens the log in a folder of a log directory: what it shares with others, and what was saved of it. */
import type { LogConfig } from './log-config.ts';
import type { LogEnvironment } from './log-environment.ts';
import { partitionDirectory } from './log-files.ts';
import type { ManagedDirectory, SavedOffsets } from './managed-directory.ts';
import { PartitionLog } from './partition-log.ts';

/** Whose log it is. */
export interface LogIdentity {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string | null;
}

/** How its folder was left. */
export interface LeftBehind {
  /** Whether the last stop was clean: nothing needs to be recovered. */
  readonly clean: boolean;
  readonly offsets: SavedOffsets;
}

export interface LogOpenerOptions {
  readonly environment: LogEnvironment;
  readonly configFor: (topic: string) => LogConfig;
}

export class LogOpener {
  readonly #options: LogOpenerOptions;

  constructor(options: LogOpenerOptions) {
    this.#options = options;
  }

  /** The log in the folder `name`, which nobody is served yet. Throws what the disk does. */
  open(
    managed: ManagedDirectory,
    name: string,
    { topic, partition, topicId }: LogIdentity,
    { clean, offsets }: LeftBehind,
  ): PartitionLog {
    const key = partitionDirectory(topic, partition);
    return PartitionLog.open({
      environment: this.#options.environment,
      logDirectory: managed.directory,
      path: `${managed.path}/${name}`,
      topic,
      partition,
      topicId,
      config: this.#options.configFor(topic),
      clean,
      recoveryPoint: offsets.recoveryPoints.get(key) ?? 0,
      logStartOffset: offsets.logStarts.get(key) ?? 0,
      highWatermark: offsets.highWatermarks.get(key) ?? 0,
      cleanedTo: offsets.cleaned.get(key) ?? null,
      removedTo: offsets.removed.get(key) ?? null,
      checkpoints: managed,
    });
  }
}
