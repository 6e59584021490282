import type { Disk } from '../base/disk.ts';
import { PARTITION_METADATA_FILE, replaceFileLazily } from './log-files.ts';

/**
 * `partition.metadata` in a partition's directory: the id of the topic that the data belongs to, so
 * that a topic made anew under the same name never serves the old one's records.
 * Written when the directory is made, and on the device with the first flush of the log; a damaged file reads as "unknown", never as another topic.
 */
export function readTopicId(disk: Disk, directory: string): string | null {
  const bytes = disk.readFile(`${directory}/${PARTITION_METADATA_FILE}`);
  if (bytes === null) return null;
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(bytes.toString('latin1'));
  return match === null ? null : match[1]!;
}

export function writeTopicId(disk: Disk, directory: string, topicId: string): void {
  const text = `version: 0\ntopic_id: ${topicId}`;
  replaceFileLazily(disk, `${directory}/${PARTITION_METADATA_FILE}`, Buffer.from(text));
}

/** Waits until the file is on the device. */
export async function syncTopicId(disk: Disk, directory: string): Promise<void> {
  const path = `${directory}/${PARTITION_METADATA_FILE}`;
  if (!disk.exists(path)) return;
  const file = disk.open(path, 'read');
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
