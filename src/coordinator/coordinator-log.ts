/**
 * `__consumer_offsets` as the coordinator sees it; the broker binds it to the partitions it leads.
 */
export interface CoordinatorLog {
  /** The partition that holds the group; see `groupPartition`. */
  partitionFor(groupId: string): number;
  /**
   * Appends one batch. Resolves when the batch is as safe as acks=all makes it, in the order of the
   * calls. Rejects with a ProtocolError, after which the batch may or may not be in the log.
   */
  append(partition: number, batch: Buffer): Promise<void>;
  /** First offset that can be read, and the one behind the last. */
  range(partition: number): { readonly start: number; readonly end: number };
  /** Whole batches from the one that holds `offset` on: at least one, then about `maxBytes`. */
  read(partition: number, offset: number, maxBytes: number): Buffer | Promise<Buffer>;
}

export const OFFSETS_TOPIC = '__consumer_offsets';

/** The hash of the Java platform's strings, which decides where clients look for a group. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The partition of `__consumer_offsets` that holds the group; equal to Kafka's. */
export function groupPartition(groupId: string, partitions: number): number {
  const hash = javaHash(groupId);
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}
