/**
 * The first start of a cluster: gives every broker's folders an owner, and says who votes first.
 *
 * The statement of who votes (a snapshot at offset 0) lies in every voter's folder before the first
 * folder has an owner. So after a crash either no folder has one, and all is done anew; or one has,
 * and then the statements are all there, and what lacks an owner is completed by them. A folder
 * without either is a new disk: its broker joins as an observer, under a new directory id.
 */
import type { Disk } from '../../base/disk.ts';
import { FatalError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { claimLogDirectory, readMetaProperties } from '../../log/meta-properties.ts';
import type { Voter } from '../metadata-image.ts';
import { METADATA_TOPIC } from '../topic-names.ts';
import { randomUuid } from '../uuid.ts';
import { encodeSnapshot, type SnapshotId, SnapshotStore, snapshotName } from './snapshots.ts';

export interface FormatOptions {
  readonly disk: Disk;
  readonly random: Random;
  /** `dirs` are its `log.dirs`; the first holds the metadata. */
  readonly brokers: readonly { readonly id: number; readonly dirs: readonly string[] }[];
}

/** More would make every change wait for more devices, and gain little. */
export const VOTERS_MAX = 5;

const BOOTSTRAP: SnapshotId = { endOffset: 0, epoch: 0 };

/**
 * Formats what has never been; may be called at every start, by one process at a time. Returns the
 * cluster's id. Throws FatalError when the folders belong to several clusters or other brokers.
 */
export function formatCluster({ disk, random, brokers }: FormatOptions): { clusterId: string } {
  const known = knownClusterId(disk, brokers);
  const clusterId = known ?? randomUuid(random);
  if (known === null) {
    const voters = brokers
      .slice(0, VOTERS_MAX)
      .map(({ id }) => ({ id, directoryId: randomUuid(random) }));
    brokers.forEach(({ dirs }, i) => {
      if (i < voters.length) writeBootstrap(disk, dirs[0]!, voters);
    });
  }
  for (const { id, dirs } of brokers) {
    dirs.forEach((dir, i) => {
      disk.makeDirectory(dir);
      const voter = i === 0 ? bootstrapVoter(disk, dir, id) : null;
      claimLogDirectory(disk, random, dir, { clusterId, nodeId: id }, voter?.directoryId);
    });
  }
  return { clusterId };
}

function knownClusterId(disk: Disk, brokers: FormatOptions['brokers']): string | null {
  let known: string | null = null;
  for (const { dirs } of brokers) {
    for (const dir of dirs) {
      const owner = readMetaProperties(disk, dir);
      if (owner === null) continue;
      if (known !== null && owner.clusterId !== known) {
        throw new FatalError(
          `${dir} belongs to cluster ${owner.clusterId}, other folders to ${known}`,
        );
      }
      known = owner.clusterId;
    }
  }
  return known;
}

const metadataDirectory = (dir: string): string => `${dir}/${METADATA_TOPIC}-0`;

function writeBootstrap(disk: Disk, dir: string, voters: readonly Voter[]): void {
  const directory = metadataDirectory(dir);
  disk.makeDirectory(directory);
  const bytes = encodeSnapshot({ ...BOOTSTRAP, voters, timestamp: 0 }, []);
  disk.replaceFile(`${directory}/${snapshotName(BOOTSTRAP)}`, bytes);
  disk.syncDirectory(dir);
}

/** What a format that was not completed has said of this broker. */
function bootstrapVoter(disk: Disk, dir: string, id: number): Voter | null {
  const directory = metadataDirectory(dir);
  if (!disk.exists(`${directory}/${snapshotName(BOOTSTRAP)}`)) return null;
  const snapshots = new SnapshotStore(disk, directory, silentLogger);
  snapshots.load();
  const voters = snapshots.readNewest()?.voters ?? [];
  return voters.find((voter) => voter.id === id) ?? null;
}
