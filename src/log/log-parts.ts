import type { CompactionMark } from './compaction-mark.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogConfig } from './log-config.ts';
import type { LogDamage } from './log-damage.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { LogFlusher } from './log-flusher.ts';
import type { LogGuard } from './log-guard.ts';
import type { LogOffsets } from './log-offsets.ts';
import type { LogReader } from './log-reader.ts';
import type { LogSegments } from './log-segments.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';
import type { WatchedTail } from './watched-tail.ts';

/** What one log is made of; each part owns its state. For what changes several of them at once. */
export interface LogParts {
  readonly environment: LogEnvironment;
  /** `topic-partition`. */
  readonly name: string;
  /** Of the partition's directory. */
  readonly path: string;
  /** The topic's, as it is now. */
  config: LogConfig;
  /** To be called when a checkpoint says something else of the log than what is so. */
  readonly changed: () => void;
  readonly guard: LogGuard;
  readonly offsets: LogOffsets;
  readonly segments: LogSegments;
  readonly epochs: LeaderEpochFileCache;
  readonly producers: ProducerStateManager;
  readonly reader: LogReader;
  readonly flusher: LogFlusher;
  readonly tail: WatchedTail;
  readonly mark: CompactionMark;
  readonly damage: LogDamage;
}
