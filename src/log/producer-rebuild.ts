/**
 * What producers did, found in the batches of one log: behind the newest snapshot, or where an index of
 * aborted transactions is lost, or was made without batches that are whole again.
 *
 * Headers are read, and markers whole. What is damaged is left out, and the state says where: it goes on
 * with the next whole batch.
 */
import { attributes, isControl, producerId, validateBatch } from '../protocol/record-batch.ts';
import type { Scan } from './batch-scanner.ts';
import { type LogSegment, placeOf } from './log-segment.ts';
import type { ProducerStateManager, ReloadBounds } from './producer-state-manager.ts';
import { findNextBatch } from './resync.ts';
import type { SegmentList } from './segment-list.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** Makes the producers' state that of the log up to its end. */
export function rebuildProducers(
  producers: ProducerStateManager,
  segments: SegmentList,
  bounds: ReloadBounds,
): void {
  producers.reload(bounds);
  readProducers(producers, segments, bounds.logEndOffset, () => {});
  producers.transactions.onHighWatermark(bounds.highWatermark);
}

/** Has the index of aborted transactions of one segment filled anew. */
export function findAborted(
  producers: ProducerStateManager,
  segments: SegmentList,
  logStartOffset: number,
  segment: LogSegment,
): void {
  const state = stateBefore(producers, segments, logStartOffset, segment);
  readProducers(state, segments, segments.limitOf(segment), (one) => segment.noteAborted(one));
}

/**
 * Batches of `segment` up to the offset `last` are whole again: makes the indexes of aborted transactions
 * right, of which those who began or ended in there may be missing. Whether there, or in what is known of
 * those under way, anything was; not beyond further damage, for which the same is done when that is mended.
 */
export function findAbortedAgain(
  producers: ProducerStateManager,
  segments: SegmentList,
  logStartOffset: number,
  segment: LogSegment,
  last: number,
): boolean {
  const state = stateBefore(producers, segments, logStartOffset, segment);
  const from = segments.floor(segment.baseOffset);
  const to = lastReachedInto(segments, from, last);
  let isNews = false;
  for (let i = from; i < segments.length; i++) {
    const one = segments.at(i)!;
    const found: AbortedTransaction[] = [];
    const end = segments.limitOf(one);
    if (!readProducers(state, segments, end, (aborted) => found.push(aborted))) return isNews;
    if (one.replaceTransactions(found)) isNews = true;
    const { firstUndecidedOffset } = state.transactions;
    const isOpen = firstUndecidedOffset >= 0 && firstUndecidedOffset <= last;
    if (i >= to && !isOpen) break;
  }
  return isNews || !state.transactions.agreesUpTo(last, producers.transactions);
}

/**
 * The last segment whose index says that a transaction ended in it that began at `offset` or before. Any may:
 * each was made by another start, with the damage or before it.
 */
function lastReachedInto(segments: SegmentList, from: number, offset: number): number {
  let to = from;
  for (let i = from; i < segments.length; i++) {
    const { transactionIndex: index } = segments.at(i)!;
    for (let slot = 0; slot < index.count; slot++) {
      if (index.at(slot).firstOffset <= offset) to = i;
    }
  }
  return to;
}

/** What is known of producers where the segment begins, on its own. */
export function stateBefore(
  producers: ProducerStateManager,
  segments: SegmentList,
  logStartOffset: number,
  { baseOffset: base }: LogSegment,
): ProducerStateManager {
  const state = producers.before(logStartOffset, base);
  readProducers(state, segments, base, () => {});
  return state;
}

/**
 * Reads the headers from the end of the state to `end`, and the markers whole; so, too, what producers
 * have sent that nobody has checked yet. False: some is damaged, and was left out.
 */
function readProducers(
  producers: ProducerStateManager,
  segments: SegmentList,
  end: number,
  onAborted: (aborted: AbortedTransaction) => void,
): boolean {
  if (producers.endOffset >= end) return true;
  let isWhole = true;
  const first = Math.max(0, segments.floor(producers.endOffset));
  for (let i = first; i < segments.length; i++) {
    const segment = segments.at(i)!;
    if (segment.baseOffset >= end) break;
    const from = i === first ? segment.index.lookup(producers.endOffset) : 0;
    const bounds = { end, limit: segments.limitOf(segment) };
    if (!readProducersIn(producers, segment, from, bounds, onAborted)) isWhole = false;
  }
  producers.endOffset = end;
  return isWhole;
}

/** The same in one segment, which has no offsets from `limit` on, from that position on. */
function readProducersIn(
  producers: ProducerStateManager,
  segment: LogSegment,
  from: number,
  { end, limit }: { readonly end: number; readonly limit: number },
  onAborted: (aborted: AbortedTransaction) => void,
): boolean {
  let isWhole = true;
  let next = from === 0 ? segment.baseOffset : -1;
  const leaveOut = (): boolean => {
    producers.doubt(Math.max(next, producers.endOffset, segment.baseOffset));
    isWhole = false;
    return true;
  };
  for (let position: number | null = from; position !== null; ) {
    const scan: Scan = segment.scanHeaders(position, (buffer, at, here) => {
      const place = placeOf(buffer, at, here);
      const { baseOffset: first, lastOffset: last } = place;
      if (first !== next && segment.isOutOfPlace(place, limit)) return leaveOut();
      if (first >= end) return false;
      const isNews = last >= producers.endOffset && producerId(buffer, at) >= 0;
      // What a damaged header says of producers may be nothing that there can be; nor its offsets.
      if ((isNews || last >= end) && !isWholeAt(segment, place.size, here)) return leaveOut();
      if (last >= end) return false;
      next = last + 1;
      if (!isNews) return true;
      const aborted = isControl(attributes(buffer, at))
        ? updateByMarker(producers, segment, place.size, here)
        : producers.update(buffer, at);
      if (aborted !== null) onAborted(aborted);
      return true;
    });
    if (scan.reason !== 'invalid') break;
    leaveOut();
    position = findNextBatch(segment.file, scan.position + 1, segment.size, Math.max(next, 0));
    next = -1;
  }
  return isWhole;
}

function isWholeAt(segment: LogSegment, size: number, position: number): boolean {
  if (segment.isVerified(position)) return true;
  const batch = Buffer.allocUnsafeSlow(size);
  return validateBatch(batch, 0, segment.read(batch, 0, size, position)) === null;
}

/** More than any control batch has. */
const MARKER_BYTES_MAX = 4096;

function updateByMarker(
  producers: ProducerStateManager,
  segment: LogSegment,
  size: number,
  position: number,
): AbortedTransaction | null {
  const batch = Buffer.alloc(Math.min(size, MARKER_BYTES_MAX));
  const read = segment.read(batch, 0, batch.length, position);
  // Damage is for the reader to tell; nothing is decided by it.
  if (read < size || validateBatch(batch, 0, read) !== null) return null;
  return producers.update(batch, 0);
}
