/**
 * Apache Kafka's own dump tool reads the files that our log writes.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { systemRandom } from '../../src/base/random.ts';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { CompressionType } from '../../src/protocol/compression.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { temporaryDirectory } from '../peers/peer.ts';
import { batchOf, START_MS } from '../unit/log/support.ts';

const TOPIC_ID = 'c29tZS10b3BpYy1pZC0xMg';
const DUMP = 'org.apache.kafka.tools.DumpLogSegments';

const lines = (count: number, from: number): string[] =>
  Array.from({ length: count }, (_, i) => `line ${from + i} ${'lorem ipsum '.repeat(i % 7)}`);

function fill(log: PartitionLog): void {
  const codecs = Object.values(CompressionType);
  for (let i = 0; i < 400; i++) {
    const batch = batchOf(lines(1 + (i % 20), log.logEndOffset), {
      compression: codecs[i % codecs.length]!,
      // Time goes back now and then.
      timestamp: START_MS + i * 1000 - (i % 5) * 3000,
      key: `key-${i}`,
      producer: { id: 4000 + (i % 3), epoch: 2, baseSequence: sequences[i % 3]! },
    });
    sequences[i % 3]! += 1 + (i % 20);
    log.append(batch, { leaderEpoch: Math.floor(i / 100), origin: 'client' });
  }
}
const sequences = [0, 0, 0];

/** What the tool says, but for its surprise that a segment does not begin at offset 0. */
const complaints = (stderr: string): string[] =>
  stderr
    .split('\n')
    .filter(
      (line) => line !== '' && !/^Non-consecutive offsets in|^ {2}-1 is followed by/.test(line),
    );

describeWithPeers(['kafka'], 'DumpLogSegments on our files', () => {
  const directory = temporaryDirectory('log-dump');
  const partition = path.join(directory, 't-0');
  const files = (suffix: string): string[] =>
    fs
      .readdirSync(partition)
      .filter((name) => name.endsWith(suffix))
      .map((name) => path.join(partition, name));
  let end = 0;

  beforeAll(async () => {
    const manager = new LogManager({
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      dirs: [directory],
      brokerId: 1,
      clusterId: 'cluster',
      configFor: () => ({
        ...defaultLogConfig,
        segmentBytes: 40_000,
        indexIntervalBytes: 1024,
        segmentMs: Number.MAX_SAFE_INTEGER,
      }),
    });
    await manager.start();
    const log = manager.create('t', TOPIC_ID, 0);
    fill(log);
    log.truncateTo(log.logEndOffset - 100);
    end = log.logEndOffset;
    for (let i = 0; i < 50; i++) {
      const batch = batchOf(lines(2, i), { timestamp: START_MS + 900_000 + i });
      log.append(batch, { leaderEpoch: 9, origin: 'client' });
    }
    end = log.logEndOffset;
    await manager.stop();
  });
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('verifies every index against its log, record by record', async () => {
    const all = [...files('.log'), ...files('.index'), ...files('.timeindex')];
    expect(files('.log').length).toBeGreaterThan(3);
    const result = await kafkaTool(DUMP, [
      '--deep-iteration',
      '--verify-index-only',
      '--files',
      all.join(','),
    ]);
    expect(complaints(result.stderr)).toEqual([]);
    expect(result.code).toBe(0);
    expect(result.stdout).not.toMatch(/mismatch|not found|out of order/i);
    expect(result.stdout).toContain(`lastOffset: ${end - 1} `);
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      expect(result.stdout).toContain(`compresscodec: ${codec}`);
    }
    expect(result.stdout).not.toContain('isvalid: false');
  });

  it('finds every index sane', async () => {
    const all = [...files('.index'), ...files('.timeindex')];
    const result = await kafkaTool(DUMP, ['--index-sanity-check', '--files', all.join(',')]);
    expect(result.stderr).toBe('');
    for (const file of all) {
      expect(result.stdout).toMatch(new RegExp(`${file} (passed sanity check|is empty)`));
    }
  });

  it('reads the producer snapshots', async () => {
    const snapshots = files('.snapshot');
    const result = await kafkaTool(DUMP, ['--files', snapshots.join(',')]);
    expect(result.stderr).toBe('');
    const newest = result.stdout.slice(result.stdout.indexOf(snapshots.at(-1)!));
    for (const id of [4000, 4001, 4002]) {
      expect(newest).toMatch(
        new RegExp(`producerId: ${id} producerEpoch: 2 coordinatorEpoch: -1 .* lastSequence: \\d+`),
      );
    }
  });
});
