/**
 * The contract between a sink connector's task, which reads the log and keeps offsets, and a
 * destination, which knows how to hand records over.
 *
 * Every record that a task adds to a window is settled exactly once: resolved (the destination has
 * it, or it was skipped on purpose and counted) or refused (the destination will never take it: it
 * goes to the dead letters). Until then it stays in its window and is tried again.
 */
import type { RecordView } from '../protocol/record-batch.ts';
import type { OffsetRange } from './offset-window.ts';

/** Why a destination will never take a record. */
export interface Refusal {
  /** Kind of error in the destination's words, for example `document_parsing_exception`. */
  readonly type: string;
  readonly reason: string;
  /** HTTP status where there is one, else 0. */
  readonly status: number;
}

/** What became of a record that was offered to a window. */
export type Added = 'added' | 'full' | Refusal;

/** Records on their way to the destination, in the destination's own form. */
export interface Window {
  readonly count: number;
  readonly bytes: number;
  /** `full`: the record was not taken and must be offered to the next window. */
  add(range: OffsetRange, record: RecordView): Added;
  /** Gives up memory beyond what a trickle needs. The window must be empty. */
  shrink(): void;
}

/** Told what became of records. A record leaves the window with it. */
export interface Settlement {
  /** `count` records of the range are with the destination; `duplicates` of them already were. */
  resolved(range: OffsetRange, count: number, duplicates: number): void;
  /** The destination will never take the records with these offsets, in ascending order. */
  refused(range: OffsetRange, refusals: ReadonlyMap<number, Refusal>): void;
}

/**
 * - `settled`: no record is left in the window.
 * - `again`: records are left, after a fault that passes (connection, timeout, 5xx).
 * - `slower`: records are left, because the destination asks for less load.
 * - `stuck`: records are left, and somebody must act (credentials, closed index, wrong server).
 */
export type Verdict = 'settled' | 'again' | 'slower' | 'stuck';

export interface WriteResult {
  readonly verdict: Verdict;
  /** One line for people; '' when settled. */
  readonly reason: string;
  /** The least time to wait that the destination asked for; 0 when it did not. */
  readonly retryAfterMs: number;
  /** Records settled by this attempt. */
  readonly settled: number;
}

export interface Destination<W extends Window = Window> {
  /**
   * Where records go at present, where that changes in the course of time (the write index of a data
   * stream); else ''. It may lag behind the truth. It is committed with offsets, so that whoever goes
   * on from them knows since when to look for what was handed over before.
   */
  readonly generation: string;
  /**
   * Makes what the destination needs (templates, streams). Idempotent; called again, with backoff,
   * until it says `settled`.
   */
  open(signal: AbortSignal): Promise<WriteResult>;
  /** An empty window; the task keeps a bounded number of them and uses them again. */
  createWindow(): W;
  /** One attempt at everything in the window. Never rejects for what the other side does. */
  write(window: W, attempt: number, to: Settlement, signal: AbortSignal): Promise<WriteResult>;
  close(): Promise<void>;
}

/** As in the Kafka Connect REST API. FAILED tries again by itself, slowly. */
export type ConnectorState = 'RUNNING' | 'PAUSED' | 'FAILED' | 'STOPPED';
