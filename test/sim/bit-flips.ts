/**
 * Bits that flip on disks, in what had been flushed of the logs of users' topics. Compacted ones are
 * left alone, since replicas need not be the same there. Of each partition one copy is damaged at a time:
 * the others stay good ones.
 */
import { RECOVERY_POINT_FILE } from '../../src/log/log-files.ts';
import { batchSize, lastOffset, partitionLeaderEpoch } from '../../src/protocol/record-batch.ts';
import { COMPACTED } from './compaction.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimNode } from './sim-node.ts';
import { chance, pick } from './sim-random.ts';
import type { World } from './world.ts';

interface Flip {
  readonly node: SimNode;
  /** Folder of the partition. */
  readonly partition: string;
  readonly path: string;
  readonly position: number;
  /** As it is while nobody has mended it. */
  readonly byte: number;
}

const CLEAN_SHUTDOWN = '.kafka_cleanshutdown';
/** Of a batch. */
const EPOCH_BYTES: readonly number[] = [12, 13, 14, 15];

export class BitFlips {
  readonly #world: World;
  readonly #random;
  readonly #ofEpochs;
  #flips: Flip[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#random = world.chance('bit-flips');
    this.#ofEpochs = world.chance('bits-of-terms');
  }

  /** Damage that is still there. */
  get outstanding(): readonly string[] {
    this.#flips = this.#flips.filter(
      ({ node, path, position, byte }) => node.disk.content(path)?.[position] === byte,
    );
    return this.#flips.map(({ node, path, position }) => `${node.name} ${path} at ${position}`);
  }

  /** One bit of a broker that is down: of anything where it stopped in order, else of what it calls flushed. */
  flip(node: SimNode): void {
    const { disk, directories } = node;
    const isFlushed = directories.every((folder) => disk.content(`${folder}/${CLEAN_SHUTDOWN}`));
    const paths = disk.paths().filter((path) => this.#mayBeDamaged(path, node));
    if (paths.length === 0) return;
    const path = pick(this.#random, paths.sort());
    const bytes = disk.content(path)!;
    const end = isFlushed ? Infinity : flushedOffset(disk, path);
    const starts: number[] = [];
    for (let at = 0; at < bytes.length && lastOffset(bytes, at) < end; at += batchSize(bytes, at)) {
      starts.push(at);
    }
    if (starts.length === 0) return;
    const start = pick(this.#random, starts);
    const places = Array.from({ length: batchSize(bytes, start) }, (_, i) => i).filter(
      (i) => !EPOCH_BYTES.includes(i),
    );
    let position = start + pick(this.#random, places);
    // Few of all bytes are of epochs. Of the first batch of one they tell where it began, which nobody could
    // say where the file of epochs is torn as well.
    const before = starts[starts.indexOf(start) - 1];
    const isFirst =
      before === undefined ||
      partitionLeaderEpoch(bytes, before) !== partitionLeaderEpoch(bytes, start);
    if (chance(this.#ofEpochs, 0.1) && !isFirst)
      position = start + pick(this.#ofEpochs, EPOCH_BYTES);
    const bit = pick(this.#random, [0, 1, 2, 3, 4, 5, 6, 7]);
    const byte = bytes[position]! ^ (1 << bit);
    disk.overwrite(path, position, byte);
    const partition = partitionOf(path)!;
    this.#flips.push({ node, partition, path, position, byte });
    this.#world.note(node.name, `bit ${bit} flips at ${position} of ${path}, batch at ${start}`);
  }

  #mayBeDamaged(path: string, { disk }: SimNode): boolean {
    const partition = partitionOf(path);
    if (partition === null) return false;
    const topic = partition.slice(0, partition.lastIndexOf('-'));
    if (topic.startsWith('__') || COMPACTED.some(({ name }) => name === topic)) return false;
    if (this.outstanding.length > 0 && this.#flips.some((flip) => flip.partition === partition))
      return false;
    return (disk.content(path)?.length ?? 0) > 0;
  }
}

/** Of the log whose segment has that path, by its directory's checkpoint. */
function flushedOffset(disk: SimDisk, path: string): number {
  const folder = path.split('/').slice(0, -2).join('/');
  const partition = partitionOf(path)!;
  const cut = partition.lastIndexOf('-');
  const line = `${partition.slice(0, cut)} ${partition.slice(cut + 1)} `;
  const lines = disk.content(`${folder}/${RECOVERY_POINT_FILE}`)?.toString().split('\n') ?? [];
  return Number(lines.find((one) => one.startsWith(line))?.slice(line.length) ?? 0);
}

const partitionOf = (path: string): string | null =>
  /\/([a-zA-Z0-9_.]+-[0-9]+)\/[0-9]{20}\.log$/.exec(path)?.[1] ?? null;
