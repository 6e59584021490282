/**
 * `quorum-state`: the epoch that this broker has reached and whom it has voted for in it, in
 * Kafka's name and form. It is on the device before anybody is told of either; so after a crash the
 * broker neither goes back to an earlier epoch nor votes twice in one.
 */
import type { Disk } from '../../base/disk.ts';
import { FatalError } from '../../base/errors.ts';
import type { Voter } from '../metadata-image.ts';

export interface QuorumState {
  readonly epoch: number;
  /** As far as it was known when this was written; -1: it was not. */
  readonly leaderId: number;
  readonly votedFor: Voter | null;
}

export const QUORUM_STATE_FILE = 'quorum-state';
const DATA_VERSION = 1;
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

export class QuorumStateFile {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#path = `${directory}/${QUORUM_STATE_FILE}`;
  }

  /** Null: there is none. Throws FatalError when it can't be read: to guess could mean to vote twice. */
  read(): QuorumState | null {
    const bytes = this.#disk.readFile(this.#path);
    if (bytes === null) return null;
    const state = parsed(bytes.toString('utf8'));
    if (state === null) throw new FatalError(`${this.#path} is damaged`);
    return state;
  }

  write({ epoch, leaderId, votedFor }: QuorumState): void {
    const text = JSON.stringify({
      leaderId,
      leaderEpoch: epoch,
      votedId: votedFor?.id ?? -1,
      votedDirectoryId: votedFor?.directoryId ?? ZERO_UUID,
      data_version: DATA_VERSION,
    });
    this.#disk.replaceFile(this.#path, Buffer.from(text));
  }
}

function parsed(text: string): QuorumState | null {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { leaderId, leaderEpoch, votedId, votedDirectoryId } = value;
  if (!Number.isSafeInteger(leaderEpoch) || !Number.isSafeInteger(votedId)) return null;
  const votes = (votedId as number) >= 0;
  if (votes && typeof votedDirectoryId !== 'string') return null;
  return {
    epoch: leaderEpoch as number,
    leaderId: Number.isSafeInteger(leaderId) ? (leaderId as number) : -1,
    votedFor: votes ? { id: votedId as number, directoryId: votedDirectoryId as string } : null,
  };
}
