import type { CompressionName } from '../protocol/compression.ts';
import type { Header } from '../protocol/record-batch.ts';
import type { Delivered } from './producer-batch.ts';

export interface ProducerOptions {
  /** 0: no answer; 1: the leader's; -1: that of all in-sync replicas. */
  readonly acks: 0 | 1 | -1;
  readonly compression?: CompressionName;
  readonly compressionLevel?: number;
  /** How long a batch waits for more records; 0: only for those of the same turn. */
  readonly lingerMs?: number;
  /** Size of a batch before compression. */
  readonly batchBytes?: number;
  /** Memory for records without an outcome. */
  readonly bufferBytes?: number;
  /** Sequence numbers, so that retries make no duplicates. Default: with acks -1. */
  readonly idempotent?: boolean;
  /** From `append` to the outcome. */
  readonly deliveryTimeoutMs?: number;
  /** Largest request, and largest record. */
  readonly requestBytesMax?: number;
  /** Requests without an answer, for each broker. */
  readonly inFlightMax?: number;
  /** Called once for each batch with its outcome. Must not throw. */
  readonly delivery?: (report: DeliveryReport) => void;
}

export interface DeliveryReport {
  readonly topic: string;
  /** -1 when the records failed before a partition was chosen. */
  readonly partition: number;
  /** Records. */
  readonly count: number;
  readonly bytes: number;
  readonly error: Error | null;
  /** Offset of the batch's first record; -1 when the broker did not tell (acks=0, failures). */
  readonly baseOffset: number;
  /** The `tag` of every record that had one, in order. */
  readonly tags: readonly unknown[];
}

export interface AppendOptions {
  readonly key?: Uint8Array | null;
  /** Milliseconds since 1970; default: now. */
  readonly timestamp?: number;
  /** Headers, or headers that `encodeHeaders` packed before. */
  readonly headers?: readonly Header[] | Uint8Array;
  readonly partition?: number;
  /** Comes back in the delivery report of the batch. */
  readonly tag?: unknown;
  /** Called with the outcome of the record's batch. Must not throw. */
  readonly delivered?: Delivered;
}
