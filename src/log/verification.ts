/**
 * That the coordinator of transactions is being asked whether a partition belongs to the open
 * transaction of a producer (KIP-890). One object for one question: only who holds the one that its
 * log knows may begin a transaction in it. An end marker makes the log forget it, so an answer that
 * was given before the marker begins nothing behind it, and no transaction stays open for ever.
 */
export class Verification {
  /** Wall clock, milliseconds. */
  readonly sinceMs: number;
  /** The producer's epoch rises at every end (transaction version 2). */
  readonly bumpsEpoch: boolean;
  /** Smallest sequence that came while it was asked: nothing behind it may be first. */
  lowestSequence: number;
  epoch: number;

  constructor(sinceMs: number, sequence: number, epoch: number, bumpsEpoch: boolean) {
    this.sinceMs = sinceMs;
    this.lowestSequence = sequence;
    this.epoch = epoch;
    this.bumpsEpoch = bumpsEpoch;
  }

  /** Another batch of the producer wants to begin. */
  join(sequence: number, epoch: number): void {
    if (epoch === this.epoch && sequence < this.lowestSequence) this.lowestSequence = sequence;
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.lowestSequence = sequence;
  }
}
