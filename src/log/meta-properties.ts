import type { Disk } from '../base/disk.ts';
import { FatalError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { META_PROPERTIES_FILE } from './log-files.ts';

export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly directoryId: string;
}

/**
 * `meta.properties` of a log directory (Kafka's version 1): whose data it is. A directory of another
 * cluster or node is never touched. Written once, durably, before anything else is put in there.
 */
export function claimLogDirectory(
  disk: Disk,
  random: Random,
  directory: string,
  owner: { clusterId: string; nodeId: number },
  /** Of a directory that has none yet; by default a random one. */
  newId?: string,
): MetaProperties {
  const path = `${directory}/${META_PROPERTIES_FILE}`;
  const bytes = disk.readFile(path);
  if (bytes === null) {
    const made = { ...owner, directoryId: newId ?? newDirectoryId(random) };
    disk.replaceFile(path, format(made));
    return made;
  }
  const found = parse(bytes);
  if (found === null) throw new FatalError(`${path} is damaged: expected cluster.id and node.id`);
  if (found.clusterId !== owner.clusterId || found.nodeId !== owner.nodeId) {
    throw new FatalError(
      `${path}: expected cluster ${owner.clusterId} node ${owner.nodeId}, ` +
        `saw cluster ${found.clusterId} node ${found.nodeId}`,
    );
  }
  if (found.directoryId !== '') return found;
  const completed = { ...found, directoryId: newId ?? newDirectoryId(random) };
  disk.replaceFile(path, format(completed));
  return completed;
}

/** Whose the directory is; null when nobody has claimed it, or it can't be told. */
export function readMetaProperties(disk: Disk, directory: string): MetaProperties | null {
  const bytes = disk.readFile(`${directory}/${META_PROPERTIES_FILE}`);
  return bytes === null ? null : parse(bytes);
}

/** 16 random bytes in base64url, not beginning with a dash, as Kafka makes them. */
function newDirectoryId(random: Random): string {
  const bytes = Buffer.alloc(16);
  do random.fill(bytes);
  while (bytes.toString('base64url').startsWith('-'));
  return bytes.toString('base64url');
}

const format = (properties: MetaProperties): Buffer =>
  Buffer.from(
    `cluster.id=${properties.clusterId}\ndirectory.id=${properties.directoryId}\n` +
      `node.id=${properties.nodeId}\nversion=1\n`,
  );

function parse(bytes: Buffer): MetaProperties | null {
  const values = new Map<string, string>();
  for (const line of bytes.toString('utf8').split('\n')) {
    const at = line.indexOf('=');
    if (at > 0 && !line.startsWith('#'))
      values.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const clusterId = values.get('cluster.id');
  const nodeId = values.get('node.id') ?? values.get('broker.id');
  if (clusterId === undefined || nodeId === undefined || !/^[0-9]+$/.test(nodeId)) return null;
  return { clusterId, nodeId: Number(nodeId), directoryId: values.get('directory.id') ?? '' };
}
