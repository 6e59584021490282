/**
 * Which records of a partition are still under way, as a ring of batch ranges: one entry a record
 * batch, never one a record.
 *
 * A range counts its unresolved records; the reader that opened it holds one more until the whole
 * batch was read. Ranges are opened in the order of their offsets and may be resolved in any;
 * `committable` is the end of the resolved prefix, so it never passes an unresolved record.
 * Nothing here is kept: after a crash, reading starts at the committed offset, and what was
 * resolved beyond it comes again.
 */
import { assert } from '../base/assert.ts';

/** A power of two. */
const RANGES_INITIAL = 16;

const ring = (length: number): (OffsetRange | null)[] => Array.from({ length }, () => null);

/** A batch that was fetched. */
export interface Taken {
  /** Behind its last record. */
  readonly nextOffset: number;
  /** Term of the leader that has appended it; -1: unknown. */
  readonly leaderEpoch: number;
  /** Of the destination, now. */
  readonly generation: string;
  /** Where it starts in `source`, and how long it is there. */
  readonly source: Buffer;
  readonly position: number;
  readonly bytes: number;
}

/** The records of one batch. */
export class OffsetRange {
  readonly window: OffsetWindow;
  readonly nextOffset: number;
  readonly leaderEpoch: number;
  /** The first of the destination that records of it can have been handed over to; '': unknown. */
  readonly generation: string;
  /** Another life may have handed them over. */
  readonly mayRepeat: boolean;
  /** Dropped when the range is resolved. */
  source: Buffer | null;
  readonly position: number;
  readonly bytes: number;
  #unresolved = 1; // The reader.

  constructor(window: OffsetWindow, batch: Taken, mayRepeat: boolean) {
    this.window = window;
    this.nextOffset = batch.nextOffset;
    this.leaderEpoch = batch.leaderEpoch;
    this.generation = mayRepeat ? window.since : batch.generation;
    this.mayRepeat = mayRepeat;
    this.source = batch.source;
    this.position = batch.position;
    this.bytes = batch.bytes;
  }

  get isResolved(): boolean {
    return this.#unresolved === 0;
  }

  /** Takes a record under way. */
  hold(): void {
    this.#unresolved++;
  }

  /** `count` records (or the reader) are done with. */
  resolve(count: number): void {
    this.#unresolved -= count;
    assert(this.#unresolved >= 0, 'a record was settled twice');
    if (this.#unresolved > 0) return;
    this.source = null;
    this.window.advance();
  }
}

export class OffsetWindow {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** The first offset that was not read into a range yet. */
  nextOffset: number;
  /** End of the resolved prefix: what may be committed. */
  committable: number;
  /** Leader epoch of the batch before that; -1: unknown. */
  committableEpoch = -1;
  /** What was committed last; -1: nothing that counts. */
  committed: number;
  /** The generation of the destination that was committed where reading began; '': unknown. */
  readonly since: string;
  /** The partition's end as the broker told it last; -1: not yet. */
  highWatermark = -1;
  /** The partition's end when reading began: what lies before it, another life may have handed over. */
  #repeatsBefore = Number.POSITIVE_INFINITY;
  /** Bytes of the batches under way. */
  unresolvedBytes = 0;
  /** True when the partition belongs to another member by now: nothing more counts. */
  isClosed = false;
  #ring: (OffsetRange | null)[] = ring(RANGES_INITIAL);
  #head = 0;
  #size = 0;

  /** `committed` is given where it is not the offset that reading begins at. */
  constructor(
    topic: string,
    topicId: string,
    partition: number,
    offset: number,
    since = '',
    committed = offset,
  ) {
    this.topic = topic;
    this.topicId = topicId;
    this.partition = partition;
    this.nextOffset = offset;
    this.committable = offset;
    this.since = since;
    this.committed = committed;
  }

  /** Ranges that are not resolved, or wait for one before them. */
  get size(): number {
    return this.#size;
  }
  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /**
   * The first generation that anything at or behind `committable` can have been handed over to;
   * `present`: that of the destination now.
   */
  committableGeneration(present: string): string {
    return this.#ring[this.#head]?.generation ?? present;
  }

  /** The broker has told where the partition ends. */
  endsAt(highWatermark: number): void {
    if (this.highWatermark < 0) this.#repeatsBefore = highWatermark;
    this.highWatermark = highWatermark;
  }

  /** The log has nothing between what was read and `offset`. */
  skipTo(offset: number): void {
    if (offset <= this.nextOffset) return;
    this.nextOffset = offset;
    if (!this.isEmpty) return;
    this.committable = offset;
    this.committableEpoch = -1;
  }

  /** Opens the range of a batch that begins, or goes on, at `nextOffset`. */
  open(batch: Taken): OffsetRange {
    const { nextOffset, bytes } = batch;
    assert(nextOffset > this.nextOffset, 'ranges are opened in the order of their offsets');
    if (this.#size === this.#ring.length) this.#grow();
    const range = new OffsetRange(this, batch, this.nextOffset < this.#repeatsBefore);
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = range;
    this.#size++;
    this.nextOffset = nextOffset;
    this.unresolvedBytes += bytes;
    return range;
  }

  /** Called by a range that became resolved. */
  advance(): void {
    while (this.#size > 0) {
      const front = this.#ring[this.#head]!;
      if (!front.isResolved) return;
      this.committable = front.nextOffset;
      this.committableEpoch = front.leaderEpoch;
      this.unresolvedBytes -= front.bytes;
      this.#ring[this.#head] = null;
      this.#head = (this.#head + 1) & (this.#ring.length - 1);
      this.#size--;
    }
  }

  #grow(): void {
    const larger = ring(this.#ring.length * 2);
    for (let i = 0; i < this.#size; i++) {
      larger[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]!;
    }
    this.#ring = larger;
    this.#head = 0;
  }
}
