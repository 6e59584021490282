/**
 * The process that the crash test kills in the middle of compactions: appends records under few keys,
 * and has the log cleaned all the time. After each append it writes `key offset` to its output.
 * Arguments: data directory, seed.
 */
import fs from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { below, seededRandom } from '../../src/base/random.ts';
import { ThreadEngine } from '../../src/log/cleaning-thread.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { put } from '../unit/log/compacted.ts';
import { compactedConfig, KEYS } from './compaction-kill-data.ts';
import { TOPIC_ID } from './log-kill-data.ts';

const [directory, seed] = process.argv.slice(2);
const random = seededRandom(Number(seed));
/** Each second process cleans as brokers do, the others on the one thread that they have. */
const isThreaded = Number(seed) % 2 === 1;
const manager = new LogManager({
  disk: nodeDisk,
  clock: systemClock,
  random,
  logger: silentLogger,
  dirs: [directory!],
  brokerId: 1,
  clusterId: 'crash',
  configFor: () => compactedConfig,
  checkpointMs: 20,
  cleaningEngine: isThreaded
    ? new ThreadEngine({ clock: systemClock, logger: silentLogger })
    : undefined,
});
await manager.start();
const log = manager.create('crash', TOPIC_ID, 0);
log.setHighWatermark(log.logEndOffset);
// A process lives for less than it takes to start the thread.
for (let n = 0; n < 2; n++) put(log, [['first', `first at ${log.logEndOffset} `]]);
log.roll();
await log.flush();
// The clock's timers keep no process alive.
const alive = setInterval(() => {}, 1000);
await manager.cleaner.run();
clearInterval(alive);
fs.writeSync(1, 'ready\n');

for (let n = 0; ; n++) {
  const key = `key-${below(random, KEYS)}`;
  const offset = put(log, [
    [key, `${key} at ${log.logEndOffset} ${'.'.repeat(below(random, 300))}`],
  ]);
  fs.writeSync(1, `${key} ${offset}\n`);
  if (n % 64 === 0) {
    await log.flush();
    void manager.cleaner.run();
  }
  if (n % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
}
