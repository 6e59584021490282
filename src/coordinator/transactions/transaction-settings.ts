/** Configuration and limits of the coordinator of transactions. */

export interface TransactionSettings {
  /** `transaction.max.timeout.ms`: longest timeout that a producer may ask for. */
  readonly maxTimeoutMs: number;
  /** `transactional.id.expiration.ms`: an id that is not used for so long is forgotten. */
  readonly idExpirationMs: number;
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly abortIntervalMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  readonly expireIntervalMs: number;
  /** Transactional ids that this coordinator holds; beyond it, new ones are asked to come back later. */
  readonly idsMax: number;
}

/** Kafka's defaults. */
export const transactionDefaults: TransactionSettings = {
  maxTimeoutMs: 900_000,
  idExpirationMs: 7 * 24 * 3_600_000,
  abortIntervalMs: 10_000,
  expireIntervalMs: 3_600_000,
  idsMax: 200_000,
};

/** Markers that could not be written, and ends that could not be stored, are tried again after this. */
export const RETRY_MS = 50;
/** Markers that one request to a broker carries at most. */
export const MARKERS_PER_REQUEST_MAX = 1_000;
/** Time for a broker to write markers, milliseconds. */
export const MARKERS_MS_MAX = 30_000;
/** Requests that wait until one transaction has ended; others are asked to come back. */
export const JOINING_MAX = 10;
