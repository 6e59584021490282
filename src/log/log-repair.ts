/**
 * Mends a damaged range of one log with the batches that another replica has of it.
 *
 * Replicas of a log that is not compacted are the same to the byte, so that what belongs into a range
 * can be told without a look at what lies there now: it begins where the last whole batch before it
 * ends, it has every offset up to the next whole batch, in the terms that the log knows, and it is as
 * long as the gap between the two. What is not so is refused, and nothing changes. The bytes are written
 * over the damaged ones: nothing is cut, no offset moves, and what lies around them stays as it is.
 *
 * Who asks another replica has to wait for it, and the log goes on meanwhile. The range is looked for
 * anew when the answer is here; one that is gone, or is another one, is not touched. A crash while it is
 * written leaves a range that is damaged still, and is found as such again.
 */
import {
  attributes,
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  isControl,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  producerId,
  validateBatch,
} from '../protocol/record-batch.ts';
import { isPlausibleHeader, scanBatches } from './batch-scanner.ts';
import type { DamagedPlace } from './log-damage.ts';
import type { LogParts } from './log-parts.ts';
import type { LogSegment } from './log-segment.ts';
import { findAbortedAgain, rebuildProducers } from './producer-rebuild.ts';

export interface DamagedRange {
  /** The first offset that is missing. */
  readonly firstOffset: number;
  /** Of the term of the batch before it; -1: there is none in the segment. */
  readonly epochBefore: number;
  readonly segment: LogSegment;
  /** Behind the last whole batch before the damage. */
  readonly position: number;
  /** Of the segment behind, or the log's end: the segment has no offsets from there on. */
  readonly limit: number;
}

export type MendOutcome =
  | { readonly kind: 'mended'; readonly nextOffset: number; readonly bytes: number }
  /** The log is not as it was when the range was told. */
  | { readonly kind: 'changed' }
  /** All is well with what came, and it does not reach to the end of the range. */
  | { readonly kind: 'more'; readonly nextOffset: number }
  /** What came does not belong there. */
  | { readonly kind: 'misfit'; readonly reason: string };

const misfit = (reason: string): MendOutcome => ({ kind: 'misfit', reason });

export class LogRepair {
  readonly #parts: LogParts;
  /** Learns anew what a start has learnt from the segment on without the range. */
  readonly #readAgain: (from: LogSegment) => void;

  constructor(parts: LogParts, readAgain: (from: LogSegment) => void) {
    this.#parts = parts;
    this.#readAgain = readAgain;
  }

  /** The damage that is known of; null: there is none any more. */
  find(): DamagedRange | null {
    const { guard, damage } = this.#parts;
    if (damage.place === null) return null;
    return guard.onDisk('look for damage in', () => {
      const place = damage.place!;
      const range = this.#rangeAt(place);
      if (range === null) damage.forget(place);
      return range;
    });
  }

  #rangeAt({ segment, position }: DamagedPlace): DamagedRange | null {
    const { offsets } = this.#parts;
    const limit = this.#limitOf(segment);
    // Deleted, or replaced by one that was cleaned; or nobody may read it.
    if (limit === null || limit <= offsets.start || position >= segment.size) return null;
    for (let from = position; ; ) {
      from = segment.index.positionBefore(from);
      const range = this.#scan(segment, from, position, limit);
      // Where the index leads to damage, or astray, the batch before it is not known.
      if (range !== null && range.position === from && from > 0) continue;
      return range !== null && range.firstOffset < limit ? range : null;
    }
  }

  /** Null: the segment is not one of the log any more. */
  #limitOf(segment: LogSegment): number | null {
    const { segments, offsets } = this.#parts;
    const { list } = segments;
    if (list.at(list.floor(segment.baseOffset)) !== segment) return null;
    return list.limitOf(segment, offsets.end);
  }

  /** Reads whole batches from `from` on; null: they go on beyond `to`. */
  #scan(segment: LogSegment, from: number, to: number, limit: number): DamagedRange | null {
    let here = { position: from, firstOffset: segment.baseOffset, epochBefore: -1 };
    /** Where offsets are missing before the last batch: it may lie about its own. */
    let gap: typeof here | null = null;
    let isSound = false;
    let isBehind = false;
    let isFirst = false;
    const { reason } = scanBatches(segment.file, from, segment.size, (buffer, at, p) => {
      const first = baseOffset(buffer, at);
      const last = lastOffset(buffer, at);
      isBehind = first < here.firstOffset;
      if (isBehind || last >= limit) return false;
      isSound = p > to;
      if (isSound) return false;
      const isKnown = p > from || from === 0;
      gap = first > here.firstOffset && isKnown ? here : null;
      isFirst = p === from;
      const epochBefore = partitionLeaderEpoch(buffer, at);
      here = { position: p + batchSize(buffer, at), firstOffset: last + 1, epochBefore };
      return true;
    });
    if (isSound || reason === 'end') return null;
    // No checksum covers offsets. Of two batches that are out of order, one is out of place.
    if (isBehind && isFirst && from > 0) here = { ...here, position: from };
    else if (isBehind && gap !== null) here = gap;
    return { ...here, segment, limit };
  }

  /**
   * Puts `records`, which another replica has from the first missing offset on, into the range. With
   * 'mended' the device has it. Throws KAFKA_STORAGE_ERROR, and the log is damaged still.
   */
  async mend(range: DamagedRange, records: Buffer): Promise<MendOutcome> {
    const { guard, damage, reader, flusher } = this.#parts;
    guard.assertWritable();
    const { segment, position, firstOffset } = range;
    const now = this.find();
    const isSame =
      now !== null &&
      now.segment === segment &&
      now.position === position &&
      now.firstOffset === firstOffset;
    if (!isSame) return { kind: 'changed' };
    const place = damage.place!;
    const fit = guard.onDisk('look for damage in', () => this.#fit(now, records));
    if (fit.kind !== 'mended') return fit;
    const bytes = records.subarray(0, fit.bytes);
    const former = Buffer.allocUnsafe(BATCH_OVERHEAD);
    guard.onDisk('mend', () => {
      segment.read(former, 0, BATCH_OVERHEAD, position);
      segment.overwrite(position, bytes);
    });
    reader.forgetPlaces();
    await this.#synced(segment);
    if (!guard.isUsable || damage.place !== place || this.#limitOf(segment) === null) {
      return { kind: 'changed' };
    }
    guard.onDisk('mend', () => {
      damage.forget(place);
      segment.noteVerified(position, position + bytes.length);
      if (place.isOfStart) this.#learnAgain(segment);
      else {
        this.#noteIn(segment, position, bytes, maxTimestamp(former, 0));
        this.#noteProducers(segment, bytes);
      }
      this.#noteEpochs(bytes);
      damage.mended++;
    });
    flusher.entriesDirty = true;
    flusher.flushInBackground();
    return fit;
  }

  /** A start that looked for the terms in batches, be it an earlier one, may have missed one that began here. */
  #noteEpochs(bytes: Buffer): void {
    const { epochs, guard, offsets } = this.#parts;
    let isNews = false;
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      if (lastOffset(bytes, at) < offsets.start) continue;
      const offset = Math.max(baseOffset(bytes, at), offsets.start);
      if (epochs.learn(partitionLeaderEpoch(bytes, at), offset)) isNews = true;
    }
    if (isNews) guard.attempt('save the epochs of', () => epochs.complete());
  }

  /** What a failed sync has left is unknown. */
  async #synced(segment: LogSegment): Promise<void> {
    try {
      await segment.sync(false);
    } catch (error) {
      this.#parts.guard.failedHalfway('mend', error);
    }
  }

  /** How much of `records` fills the range. */
  #fit(range: DamagedRange, records: Buffer): MendOutcome {
    const { segment, position, limit } = range;
    let next = range.firstOffset;
    for (let at = 0; at < records.length; ) {
      const fault = validateBatch(records, at, records.length);
      if (fault !== null) return misfit(`what came for offset ${next} is damaged: ${fault.reason}`);
      const first = baseOffset(records, at);
      if (first !== next) return misfit(`a batch of offset ${first} came for offset ${next}`);
      next = lastOffset(records, at) + 1;
      at += batchSize(records, at);
      if (next > limit || position + at > segment.size) {
        return misfit(`what came for offset ${first} is longer than what is missing`);
      }
      if (this.#isEnd(range, position + at, next)) {
        const outcome: MendOutcome = { kind: 'mended', nextOffset: next, bytes: at };
        return this.#misfitOfTerms(range, records.subarray(0, at), next) ?? outcome;
      }
    }
    return { kind: 'more', nextOffset: next };
  }

  /** What is wrong with the terms of `records`, which fill the range up to the offset `end`. */
  #misfitOfTerms(range: DamagedRange, records: Buffer, end: number): MendOutcome | null {
    let before = range.epochBefore;
    for (let at = 0; at < records.length; at += batchSize(records, at)) {
      const offset = baseOffset(records, at);
      const written = partitionLeaderEpoch(records, at);
      if (written < before || !this.#parts.epochs.allows(written, offset, end)) {
        return misfit(`offset ${offset} came of term ${written}, which was another one here`);
      }
      before = written;
    }
    return null;
  }

  /** Whether the range can end at `position`: a whole batch of offset `next` begins there, or the segment ends. */
  #isEnd({ segment, limit }: DamagedRange, position: number, next: number): boolean {
    if (position === segment.size) return next === limit;
    const header = Buffer.allocUnsafe(BATCH_OVERHEAD);
    const read = segment.read(header, 0, BATCH_OVERHEAD, position);
    if (read < BATCH_OVERHEAD || !isPlausibleHeader(header, 0, segment.size - position))
      return false;
    if (baseOffset(header, 0) !== next || lastOffset(header, 0) >= limit) return false;
    const batch = Buffer.allocUnsafeSlow(batchSize(header, 0));
    segment.read(batch, 0, batch.length, position);
    return validateBatch(batch, 0, batch.length) === null;
  }

  #learnAgain(segment: LogSegment): void {
    this.#readAgain(segment);
    this.#rebuildProducers();
  }

  #rebuildProducers(): void {
    const { segments, producers, offsets } = this.#parts;
    rebuildProducers(producers, segments.list, {
      logStartOffset: offsets.start,
      logEndOffset: offsets.end,
      highWatermark: offsets.highWatermark,
    });
  }

  /**
   * An earlier start may have looked for what producers did without the range, and this one gone by that. A
   * snapshot behind is believed in what a producer has sent, which one that writes on makes right.
   */
  #noteProducers(segment: LogSegment, bytes: Buffer): void {
    const { segments, producers, offsets } = this.#parts;
    const { snapshots } = producers;
    let last = -1;
    let isMissing = false;
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      const id = producerId(bytes, at);
      if (id < 0) continue;
      last = lastOffset(bytes, at);
      const known = producers.producers.get(id)?.lastBatch?.lastOffset ?? -1;
      if (!isControl(attributes(bytes, at)) && known < last) isMissing = true;
    }
    const isNews =
      last >= 0 && findAbortedAgain(producers, segments.list, offsets.start, segment, last);
    if (isNews) snapshots.removeAfter(segment.baseOffset);
    const hasSnapshot = (snapshots.offsets.at(-1) ?? -1) > last;
    const isDoubtful = producers.doubtful !== null;
    if (isNews || isDoubtful || (isMissing && !hasSnapshot)) this.#rebuildProducers();
  }

  /**
   * An earlier start may have made the indexes without the range, or by what its first header said before:
   * `formerTimestamp`.
   */
  #noteIn(segment: LogSegment, position: number, bytes: Buffer, formerTimestamp: number): void {
    let youngest = -1;
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      youngest = Math.max(youngest, maxTimestamp(bytes, at));
    }
    const behind = segment.size - position - bytes.length;
    const { index } = segment;
    const isShort =
      index.lastPosition <= position && behind > 2 * this.#parts.config.indexIntervalBytes;
    const wasBelieved = formerTimestamp === segment.maxTimestamp && formerTimestamp > youngest;
    if (isShort || wasBelieved || youngest > segment.maxTimestamp)
      segment.rebuildIndexes('a range was mended');
  }
}
