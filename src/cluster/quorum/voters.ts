/**
 * Who votes, by the log: each VotersRecord is in force from the moment it is appended, committed or
 * not, and stops being so when it is truncated away (KIP-853, Raft §6: one voter more or less at a
 * time, so that any two majorities in a row share a voter).
 */
import type { Voter } from '../metadata-image.ts';

export const majorityOf = (count: number): number => Math.floor(count / 2) + 1;

export const isSame = (a: Voter, b: Voter): boolean =>
  a.id === b.id && a.directoryId === b.directoryId;

export const includes = (voters: readonly Voter[], voter: Voter): boolean =>
  voters.some((other) => isSame(other, voter));

export interface VoterSet {
  /** Of the record that says so; the end of the snapshot when it stood there. */
  readonly offset: number;
  readonly voters: readonly Voter[];
}

export class VoterHistory {
  /** Offsets rise. */
  #sets: VoterSet[] = [];

  /** Empty: nobody is known to vote. */
  get latest(): readonly Voter[] {
    return this.#sets.at(-1)?.voters ?? [];
  }
  /** Offset of the record that is in force; -1: there is none. */
  get latestOffset(): number {
    return this.#sets.at(-1)?.offset ?? -1;
  }

  /** Who voted according to what lies before `endOffset`. */
  before(endOffset: number): readonly Voter[] {
    return this.#sets.findLast(({ offset }) => offset < endOffset)?.voters ?? [];
  }

  add(offset: number, voters: readonly Voter[]): void {
    this.#sets.push({ offset, voters });
  }

  /** Begins anew with what a snapshot that ends at `endOffset` says. */
  restart(endOffset: number, voters: readonly Voter[]): void {
    this.#sets = voters.length === 0 ? [] : [{ offset: endOffset - 1, voters }];
  }

  /** Forgets what was said at `endOffset` and behind it. */
  truncate(endOffset: number): void {
    this.#sets = this.#sets.filter(({ offset }) => offset < endOffset);
  }
}
