/**
 * The folder of a log that is gone: from here on no start takes it for one. It is renamed, and goes
 * when nobody can read in it any more. But a longer name wants room, and logs are deleted where there is
 * none: then it goes at once.
 */
import type { Disk } from '../base/disk.ts';
import { isPassing } from './log-directory.ts';
import { PARTITION_METADATA_FILE } from './log-files.ts';

/** Renames `folder` to `dead`, which is to be removed later. False: there is nothing left to remove. */
export function setAside(disk: Disk, folder: string, dead: string): boolean {
  try {
    disk.rename(folder, dead);
    return true;
  } catch (error) {
    if (!isPassing(error)) throw error;
    removeNow(disk, folder);
    return false;
  }
}

/** After a crash, records without a word whose they are would be those of a new topic of that name. */
function removeNow(disk: Disk, folder: string): void {
  for (const name of disk.list(folder)) {
    if (name !== PARTITION_METADATA_FILE) disk.remove(`${folder}/${name}`);
  }
  disk.syncDirectory(folder);
  disk.removeDirectory(folder);
}
