/**
 * The process that the crash test kills: appends through a LogManager as fast as it can and writes
 * every acknowledged offset to its standard output.
 *
 * A line is `partition firstOffset lastOffset seed`. It is written after `append` has returned,
 * which is what acks=1 promises on. Arguments: data directory, seed.
 */
import fs from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { below, seededRandom } from '../../src/base/random.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { crashBatch, crashConfig, PARTITIONS, TOPIC_ID } from './log-kill-data.ts';

const [directory, seedText] = process.argv.slice(2);
const seed = Number(seedText);
const random = seededRandom(seed);

const manager = new LogManager({
  disk: nodeDisk,
  clock: systemClock,
  random,
  logger: silentLogger,
  dirs: [directory!],
  brokerId: 1,
  clusterId: 'crash',
  configFor: () => crashConfig,
  checkpointMs: 20,
});
await manager.start();
const logs = Array.from({ length: PARTITIONS }, (_, p) => manager.create('crash', TOPIC_ID, p));
fs.writeSync(1, 'ready\n');

for (let n = 0; ; n++) {
  const partition = below(random, PARTITIONS);
  const log = logs[partition]!;
  const first = log.logEndOffset;
  // Most batches are small; a large one is more likely to be under way when the end comes.
  const padding = below(random, 10) === 0 ? 4000 : below(random, 100);
  const batch = crashBatch(seed, partition, first, 1 + below(random, 30), padding);
  const info = log.append(batch, { leaderEpoch: 0, origin: 'client' });
  fs.writeSync(1, `${partition} ${info.firstOffset} ${info.lastOffset} ${seed}\n`);
  if (below(random, 50) === 0) log.flushInBackground();
  // Lets syncs and checkpoints happen between appends.
  if (n % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
}
