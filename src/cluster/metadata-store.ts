/**
 * The metadata log as the parts of a broker see it: an image of what is committed, kept up to date
 * on every broker, and one broker at a time, the active controller, that may append to it.
 */
import type { MetadataDelta } from './metadata-delta.ts';
import type { MetadataImage } from './metadata-image.ts';
import type { MetadataRecord } from './metadata-records.ts';

/** Told of every committed step after the image has it, in order, on every broker. */
export type MetadataListener = (delta: MetadataDelta, image: MetadataImage) => void;

export interface MetadataStore {
  /** Committed and applied here. */
  readonly image: MetadataImage;
  /** Offset of the last record that the image has; -1: none. */
  readonly lastOffset: number;
  /** Milliseconds since 1970 of the same. */
  readonly lastTimestamp: number;
  /** The active controller as far as it is known here; -1: it is not. */
  readonly leaderId: number;
  /** Term of the controller; every later one has a greater number. */
  readonly epoch: number;
  /** This broker is the controller, and its image has everything that was committed before. */
  readonly isActive: boolean;
  /**
   * Appends one step: all of it or nothing. Resolves with the offset of its last record when it is
   * committed (on the devices of a majority of the voters) and applied here. Rejects with
   * ProtocolError NOT_CONTROLLER when this broker is not, or is no longer, the controller: then
   * the step may still come to be committed, and who cares looks at the image.
   */
  append(records: readonly MetadataRecord[]): Promise<number>;
  /** Calls it after every step from now on. */
  onCommitted(listener: MetadataListener): void;
  /** Calls it when this broker becomes or stops being the active controller, or the leader changes. */
  onLeaderChange(listener: () => void): void;
}
