/**
 * Snapshots of the metadata: `<end offset>-<epoch>.checkpoint` beside the segments of the log
 * (Kafka's names), each with everything that the committed records before its end offset add up to.
 *
 * A file is record batches: first who votes, then the records of the image, last a NoOp, which says
 * that nothing is missing. It gets its name only when it is complete and on the device, so a crash
 * leaves whole snapshots and files that end in `.part` or `.tmp`, which the next start removes.
 */
import type { Disk, DiskFile } from '../../base/disk.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { batchSize, validateBatch } from '../../protocol/record-batch.ts';
import type { Voter } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import { decodeSteps, encodeStepAt, type Step } from './steps.ts';

export interface SnapshotId {
  /** Offset of the first record that is not in it. */
  readonly endOffset: number;
  /** Of the last record that is. */
  readonly epoch: number;
}

export interface Snapshot extends SnapshotId {
  readonly voters: readonly Voter[];
  /** Of the last record that is in it, milliseconds since 1970. */
  readonly timestamp: number;
  readonly records: readonly MetadataRecord[];
}

const SUFFIX = '.checkpoint';
const PART_SUFFIX = '.part';
const TEMPORARY_SUFFIX = '.tmp';

/** Records of a batch of a snapshot. */
const STEP_RECORDS = 1_000;

export const snapshotName = ({ endOffset, epoch }: SnapshotId): string =>
  `${String(endOffset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}${SUFFIX}`;

function idOf(name: string): SnapshotId | null {
  const match = /^([0-9]{20})-([0-9]{10})\.checkpoint$/.exec(name);
  return match === null ? null : { endOffset: Number(match[1]), epoch: Number(match[2]) };
}

export function encodeSnapshot(
  snapshot: Omit<Snapshot, 'records'>,
  records: Iterable<MetadataRecord>,
): Buffer {
  const { epoch, voters, timestamp } = snapshot;
  const batches: Buffer[] = [];
  let offset = 0;
  const put = (step: readonly MetadataRecord[]): void => {
    batches.push(encodeStepAt(step, timestamp, offset, epoch));
    offset += step.length;
  };
  put([{ type: 'Voters', value: { voters: [...voters] } }]);
  let step: MetadataRecord[] = [];
  for (const record of records) {
    step.push(record);
    if (step.length < STEP_RECORDS) continue;
    put(step);
    step = [];
  }
  if (step.length > 0) put(step);
  put([{ type: 'NoOp', value: {} }]);
  return Buffer.concat(batches);
}

/** Throws RangeError on bytes that are no whole snapshot, FatalError on records of a later version. */
function decodeSnapshot(id: SnapshotId, bytes: Buffer): Snapshot {
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    const fault = validateBatch(bytes, at, bytes.length);
    if (fault !== null) throw new RangeError(`at byte ${at}: ${fault.reason}`);
  }
  const steps: Step[] = [...decodeSteps(bytes)];
  const timestamp = steps[0]?.timestamp ?? 0;
  const [head] = steps.shift()?.records ?? [];
  const [foot] = steps.pop()?.records ?? [];
  if (head?.type !== 'Voters' || foot?.type !== 'NoOp') throw new RangeError('it is cut off');
  const { voters } = head.value;
  return { ...id, voters, timestamp, records: steps.flatMap(({ records }) => records) };
}

export class SnapshotStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #logger: Logger;
  /** The oldest first. */
  #ids: SnapshotId[] = [];

  constructor(disk: Disk, directory: string, logger: Logger) {
    this.#disk = disk;
    this.#directory = directory;
    this.#logger = logger;
  }

  /** Looks what there is, and removes what a crash left half done. */
  load(): void {
    const ids: SnapshotId[] = [];
    for (const name of this.#disk.list(this.#directory)) {
      const id = idOf(name);
      if (id !== null) ids.push(id);
      if (!name.includes(SUFFIX) || id !== null) continue;
      if (name.endsWith(PART_SUFFIX) || name.endsWith(TEMPORARY_SUFFIX)) {
        this.#disk.remove(`${this.#directory}/${name}`);
      }
    }
    this.#ids = ids.sort((a, b) => a.endOffset - b.endOffset);
  }

  /** Where the log may begin: all before is in this one. */
  get oldest(): SnapshotId | null {
    return this.#ids[0] ?? null;
  }
  get newest(): SnapshotId | null {
    return this.#ids.at(-1) ?? null;
  }
  get count(): number {
    return this.#ids.length;
  }
  /** From the oldest on. */
  idAt(index: number): SnapshotId | null {
    return this.#ids[index] ?? null;
  }

  /** The newest one that is whole. What is damaged is told of, and left out from now on. */
  readNewest(): Snapshot | null {
    for (;;) {
      const id = this.newest;
      if (id === null) return null;
      try {
        return decodeSnapshot(id, this.#disk.readFile(this.#path(id)) ?? Buffer.alloc(0));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#logger.error('a snapshot of the metadata is damaged', {
          'file.path': this.#path(id),
          'error.message': reasonOf(error),
        });
        this.#ids.pop();
      }
    }
  }

  /** Durable when it returns. */
  write(snapshot: Omit<Snapshot, 'records'>, records: Iterable<MetadataRecord>): number {
    const bytes = encodeSnapshot(snapshot, records);
    this.#disk.replaceFile(this.#path(snapshot), bytes);
    this.#add(snapshot);
    return bytes.length;
  }

  /** Removes the oldest ones but for the newest `count`. */
  keep(count: number): void {
    for (const id of this.#ids.splice(0, Math.max(0, this.#ids.length - count))) {
      this.#disk.remove(this.#path(id));
    }
  }

  /** Up to `bytesMax` bytes at `position`; null when there is no such snapshot (any more). */
  readPart(
    id: SnapshotId,
    position: number,
    bytesMax: number,
  ): { readonly bytes: Buffer; readonly size: number } | null {
    if (
      !this.#ids.some(({ endOffset, epoch }) => endOffset === id.endOffset && epoch === id.epoch)
    ) {
      return null;
    }
    const file = this.#disk.open(this.#path(id), 'read');
    try {
      const size = file.size();
      const bytes = Buffer.alloc(Math.max(0, Math.min(bytesMax, size - position)));
      const read = file.read(bytes, 0, bytes.length, position);
      return { bytes: bytes.subarray(0, read), size };
    } finally {
      file.close();
    }
  }

  /** Begins to take a snapshot from somebody else. */
  receive(id: SnapshotId): IncomingSnapshot {
    const path = this.#path(id);
    const file = this.#disk.open(path + PART_SUFFIX, 'create');
    try {
      file.truncate(0);
    } catch (error) {
      file.close();
      throw error;
    }
    const check = (): Snapshot =>
      decodeSnapshot(id, this.#disk.readFile(path + PART_SUFFIX) ?? Buffer.alloc(0));
    const keep = (): void => {
      this.#disk.rename(path + PART_SUFFIX, path);
      this.#disk.syncDirectory(this.#directory);
      this.#add(id);
    };
    return new IncomingSnapshot(file, check, keep);
  }

  #add({ endOffset, epoch }: SnapshotId): void {
    const others = this.#ids.filter((id) => id.endOffset !== endOffset || id.epoch !== epoch);
    this.#ids = [...others, { endOffset, epoch }].sort((a, b) => a.endOffset - b.endOffset);
  }

  #path(id: SnapshotId): string {
    return `${this.#directory}/${snapshotName(id)}`;
  }
}

/**
 * One that comes in parts. It counts for nothing before `keep`: until then nobody may take what it
 * says of the log's end for the log's own.
 */
export class IncomingSnapshot {
  readonly #file: DiskFile;
  readonly #check: () => Snapshot;
  readonly #keep: () => void;
  #position = 0;

  constructor(file: DiskFile, check: () => Snapshot, keep: () => void) {
    this.#file = file;
    this.#check = check;
    this.#keep = keep;
  }

  /** Bytes that are here. */
  get position(): number {
    return this.#position;
  }

  put(bytes: Uint8Array): void {
    this.#file.write([bytes], this.#position);
    this.#position += bytes.length;
  }

  /** All is here: makes it durable and reads it. Rejects with RangeError when it is damaged. */
  async complete(): Promise<Snapshot> {
    try {
      await this.#file.sync();
    } finally {
      this.#file.close();
    }
    return this.#check();
  }

  /** Gives what is complete its name. */
  keep(): void {
    this.#keep();
  }

  /** What is here of it goes with the next start, or the next attempt. */
  abandon(): void {
    this.#file.close();
  }
}
