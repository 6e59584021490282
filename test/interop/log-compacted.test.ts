/**
 * What our cleaner leaves is a compacted log to Apache Kafka: its dump tool finds nothing wrong with
 * the files, its broker opens them, and its consumer reads the last record of each key.
 */

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { systemRandom } from '../../src/base/random.ts';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { CompressionType } from '../../src/protocol/compression.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, kafkaTool, startKafka } from '../peers/kafka.ts';
import { close, type Pair, put, stored } from '../unit/log/compacted.ts';
import { MemoryLogger } from '../unit/log/support.ts';

const KEYS = 200;
const BATCHES = 3000;

describeWithPeers(['kafka'], 'a log that we compacted', () => {
  let kafka: Kafka;
  let directory = '';
  let end = 0;
  const last = new Map<string, string | null>();

  async function tool(name: string, args: readonly string[]): Promise<string> {
    const result = await kafkaTool(name, ['--bootstrap-server', kafka.bootstrap, ...args], {
      timeoutMs: 60_000,
    });
    expect(result.code, result.stderr).toBe(0);
    return result.stdout;
  }

  beforeAll(async () => {
    kafka = await startKafka({ local: true });
    await tool('org.apache.kafka.tools.TopicCommand', [
      ...['--create', '--topic', 'compacted', '--partitions', '1', '--replication-factor', '1'],
      ...['--config', 'cleanup.policy=compact', '--config', 'segment.bytes=1048576'],
    ]);
    await kafka.halt();
    directory = path.join(kafka.logDirs[0]!, 'compacted-0');
    await fillAndClean(kafka.logDirs[0]!);
  });
  afterAll(() => kafka?.stop());

  async function fillAndClean(data: string): Promise<void> {
    const properties = fs.readFileSync(path.join(data, 'meta.properties'), 'utf8');
    const manager = new LogManager({
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger: new MemoryLogger(),
      dirs: [data],
      brokerId: 1,
      clusterId: /^cluster\.id=(.*)$/m.exec(properties)![1]!,
      configFor: () => ({
        ...defaultLogConfig,
        cleanupPolicy: ['compact'],
        minCleanableDirtyRatio: 0,
        segmentBytes: 100_000,
        indexIntervalBytes: 1024,
      }),
    });
    await manager.start();
    const log = manager.get('compacted', 0)!;
    const codecs = Object.values(CompressionType);
    const sequences = [0, 0, 0];
    for (let i = 0; i < BATCHES; i++) {
      const pairs: Pair[] = Array.from({ length: 1 + (i % 5) }, (_, n) => {
        const number = (i * 7919 + n * 31) % KEYS;
        const value =
          number % 10 === 0 && i > BATCHES - 400 ? null : `value ${i} ${'x'.repeat(i % 90)}`;
        return [`key-${number}`, value] as const;
      });
      for (const [key, value] of pairs) last.set(key, value);
      const id = i % 3;
      put(log, pairs, {
        compression: codecs[i % codecs.length]!,
        timestamp: Date.now(),
        producer: { id: 7000 + id, epoch: 1, baseSequence: sequences[id]! },
      });
      sequences[id]! += pairs.length;
      if (i === BATCHES / 2) await manager.cleaner.run();
    }
    await close(log);
    await manager.cleaner.run();
    expect(manager.cleaner.stats.failures).toBe(0);
    expect(stored(log).records.length).toBe(last.size);
    end = log.logEndOffset;
    await manager.stop();
  }

  it('is dumped without a complaint, its tombstones marked', async () => {
    const files = fs
      .readdirSync(directory)
      .filter((name) => /\.(log|index|timeindex)$/.test(name))
      .map((name) => path.join(directory, name));
    const result = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', [
      ...['--deep-iteration', '--verify-index-only', '--files', files.join(',')],
    ]);
    expect(result.code).toBe(0);
    expect(result.stdout).not.toMatch(/mismatch|not found|out of order|isvalid: false/i);
    expect(result.stdout).toMatch(/deleteHorizonMs: OptionalLong\[\d+\]/);
  });

  it('is opened by Kafka, which serves the last record of each key', async () => {
    await kafka.restart();
    const offsets = await tool('org.apache.kafka.tools.GetOffsetShell', ['--topic', 'compacted']);
    expect(offsets).toContain(`compacted:0:${end}`);
    const out = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--topic', 'compacted', '--from-beginning', '--max-messages', String(last.size)],
      ...['--timeout-ms', '30000', '--formatter-property', 'print.key=true'],
    ]);
    const read = new Map(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t') as [string, string]),
    );
    expect(Object.fromEntries(read)).toEqual(
      Object.fromEntries([...last].map(([key, value]) => [key, value ?? 'null'])),
    );
  });
});
