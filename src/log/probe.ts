/**
 * What the log engine counts. Plain fields: the hot path adds to a number, and the role that owns
 * the engine copies them into its metrics registry when it is scraped.
 */
export class LogProbe {
  /** Bytes and batches taken by `append`, duplicates not included. */
  appendedBytes = 0;
  appendedBatches = 0;
  appendedRecords = 0;
  /** Batches that an idempotent producer had sent before; answered, not stored again. */
  duplicateBatches = 0;
  /** Appends refused because they broke a rule of the topic or of the format. */
  rejectedBatches = 0;
  /** Bytes handed out by `read`, and which of them came from memory. */
  readBytes = 0;
  tailCacheBytes = 0;
  tailCacheHits = 0;
  tailCacheMisses = 0;
  /** Tail cache entries that had to go because the cache was full. */
  tailCacheEvictions = 0;
  /** Pieces read before they were asked for: bytes in memory, how often they were there in time or not. */
  readAheadBytes = 0;
  readAheadHits = 0;
  readAheadMisses = 0;
  /** Flushes that waited for the device, and how long they took together (milliseconds). */
  flushes = 0;
  flushMs = 0;
  flushFailures = 0;
  /** Segments made and deleted. */
  segmentsRolled = 0;
  segmentsDeleted = 0;
  deletedBytes = 0;
  /** Indexes that were missing or not sane, and were rebuilt from the log. */
  indexRebuilds = 0;
  /** Index or snapshot files that could not be written; they are rebuilt when next needed. */
  cacheWriteFailures = 0;
  /** Segments read by recovery after an unclean stop. */
  segmentsRecovered = 0;
  /** Torn bytes cut off behind the recovery point. */
  truncatedTailBytes = 0;
  /** Damaged bytes found where they had been flushed before, or while reading. */
  corruptBatches = 0;
  /** Appends refused for want of space; reads go on. */
  noSpaceErrors = 0;
  /** Other failures of a disk; each takes a log directory offline. */
  ioErrors = 0;
  /** Segments whose file and indexes were closed because too many were open. */
  segmentEvictions = 0;
  /** Idempotent producers forgotten before their time because a partition had too many. */
  producerEvictions = 0;
}
