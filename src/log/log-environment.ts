import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { LogProbe } from './probe.ts';
import type { ReadAhead } from './read-ahead.ts';
import type { SegmentCache } from './segment-cache.ts';
import type { TailCache } from './tail-cache.ts';

/** What all logs of a broker share. `LogManager` makes one; tests make their own. */
export interface LogEnvironment {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: LogProbe;
  readonly tailCache: TailCache;
  readonly segmentCache: SegmentCache;
  readonly buffers: BufferPool;
  readonly readAhead: ReadAhead;
  /** Check the CRC of batches that another process wrote before they are first handed out. */
  readonly verifyReads: boolean;
  /** Removes the files after the delay. */
  removeLater(paths: readonly string[], delayMs: number): void;
  /** Something was appended or flushed, so checkpoints are due. */
  onDirty(): void;
  /** A log is compacted, from its start or from now on. */
  onCompacted(): void;
  /** Damage was met in a log that no damage was known of. */
  onDamaged(): void;
}
