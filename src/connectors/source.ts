/** The log as a sink task sees it; `kafka-source.ts` is the real one. */
export interface SourcePartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface AssignedPartition extends SourcePartition {
  /** Where reading starts, or the log if that is later. */
  readonly offset: number;
  /** What was committed with that; '': nothing. */
  readonly metadata: string;
}

/** Whole record batches of one partition, one after another, as the broker keeps them, and checked. */
export interface SourceBatches {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Where reading was; the first batch may begin before it. */
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly records: Buffer;
}

export interface SourceListener {
  /** Partitions that are ours from now on. */
  assigned(partitions: readonly AssignedPartition[]): void;
  /**
   * Partitions that are about to belong to somebody else. What can be settled soon is settled and
   * committed before the promise resolves. `lost`: they belong to somebody else already.
   */
  revoked(
    partitions: readonly { topic: string; partition: number }[],
    lost: boolean,
  ): Promise<void>;
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to read. */
  readonly offset: number;
  /** Of the batch before it; -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface Source {
  /** What keeps it from its partitions; '' when nothing does. */
  readonly fault: string;
  /** Joins the group; resolves at once and goes on trying by itself. */
  start(listener: SourceListener): Promise<void>;
  /** Resolves with what has come, or with nothing after a while. */
  poll(): Promise<readonly SourceBatches[]>;
  pause(topic: string, partition: number): void;
  resume(topic: string, partition: number): void;
  /** Rejects when the offsets were not committed. */
  commit(offsets: readonly OffsetToCommit[]): Promise<void>;
  /** Leaves the group. Idempotent. */
  close(): Promise<void>;
}
