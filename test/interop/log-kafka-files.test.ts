/**
 * Files go both ways: our log opens what Apache Kafka wrote, and Apache Kafka opens what we wrote.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { systemRandom } from '../../src/base/random.ts';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, kafkaTool, startKafka } from '../peers/kafka.ts';
import { batchOf, MemoryLogger, readAll } from '../unit/log/support.ts';

const RECORDS = 3000;

describeWithPeers(['kafka'], 'a log that goes from Kafka to us and back', () => {
  let kafka: Kafka;
  let data = '';
  const logger = new MemoryLogger();

  beforeAll(async () => {
    kafka = await startKafka({
      local: true,
      properties: { 'log.index.interval.bytes': 1024 },
    });
    data = kafka.logDirs[0]!;
    await tool('org.apache.kafka.tools.TopicCommand', [
      ...['--create', '--topic', 'wander', '--partitions', '1', '--replication-factor', '1'],
      ...['--config', 'segment.bytes=1048576'],
    ]);
    await produce('lz4', RECORDS);
    await produce('none', RECORDS);
  });
  afterAll(() => kafka?.stop());

  async function tool(name: string, args: readonly string[], input?: string): Promise<string> {
    const result = await kafkaTool(name, ['--bootstrap-server', kafka.bootstrap, ...args], {
      ...(input === undefined ? {} : { input }),
      timeoutMs: 60_000,
    });
    expect(result.code, result.stderr).toBe(0);
    return result.stdout;
  }

  /** Idempotent, as Kafka's producer is by default. */
  async function produce(codec: string, count: number): Promise<void> {
    const result = await kafkaTool(
      'org.apache.kafka.tools.ProducerPerformance',
      [
        ...['--topic', 'wander', '--num-records', String(count), '--record-size', '700'],
        ...['--throughput', '-1', '--bootstrap-server', kafka.bootstrap],
        ...['--producer-props', `compression.type=${codec}`, 'acks=all'],
      ],
      { timeoutMs: 60_000 },
    );
    expect(result.code, result.stderr).toBe(0);
  }

  async function openOurs(): Promise<LogManager> {
    const properties = fs.readFileSync(path.join(data, 'meta.properties'), 'utf8');
    const manager = new LogManager({
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger,
      dirs: [data],
      brokerId: 1,
      clusterId: /^cluster\.id=(.*)$/m.exec(properties)![1]!,
      configFor: () => ({ ...defaultLogConfig, segmentBytes: 1_048_576 }),
    });
    await manager.start();
    return manager;
  }

  it('serves what Kafka left after a clean stop, without recovering anything', async () => {
    await kafka.halt();
    const manager = await openOurs();
    const log = manager.get('wander', 0)!;
    expect(log.logEndOffset).toBe(2 * RECORDS);
    expect(log.segmentCount).toBeGreaterThan(1);
    expect(manager.probe.segmentsRecovered).toBe(0);
    expect(manager.probe.indexRebuilds).toBe(0);
    const records = readAll(log, 100_000);
    expect(records.size).toBe(2 * RECORDS);
    for (let offset = 0; offset < 2 * RECORDS; offset += 997) {
      expect(readAll(log, 4096, offset).get(offset)).toBe(records.get(offset));
    }
    expect(log.offsetForTimestamp(0)?.offset).toBe(0);
    expect(log.latestEpoch).toBeGreaterThanOrEqual(0);
    // Two producers wrote, each with its own id: the second one's last batch is remembered.
    const producers = [...log.activeProducers()];
    expect(producers.length).toBe(2);
    const last = Math.max(...producers.map((p) => p.lastBatch!.lastOffset));
    expect(last).toBe(2 * RECORDS - 1);
    expect(logger.lines).toEqual([]);
    for (let i = 0; i < 2000; i++) {
      const batch = batchOf([`ours ${i} ${'x'.repeat(700)}`], { timestamp: Date.now() });
      log.append(batch, { leaderEpoch: log.latestEpoch, origin: 'client' });
    }
    await manager.stop();
  });

  it('is opened by Kafka again, which appends and serves all of it', async () => {
    await kafka.restart();
    await produce('zstd', 10);
    const out = await tool('org.apache.kafka.tools.GetOffsetShell', ['--topic', 'wander']);
    expect(out).toContain(`wander:0:${2 * RECORDS + 2010}`);
    const consumed = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--topic', 'wander', '--from-beginning'],
      ...['--max-messages', String(2 * RECORDS + 2010), '--timeout-ms', '30000'],
    ]);
    const lines = consumed.split('\n');
    expect(lines.filter((line) => line.startsWith('ours ')).length).toBe(2000);
    expect(lines.length - 1).toBe(2 * RECORDS + 2010);
  });

  it('is recovered by us when Kafka was killed', async () => {
    await produce('snappy', 500);
    await kafka.kill();
    const manager = await openOurs();
    const log = manager.get('wander', 0)!;
    expect(log.logEndOffset).toBe(2 * RECORDS + 2510);
    expect(readAll(log, 1_000_000).size).toBe(2 * RECORDS + 2510);
    await manager.stop();
  });
});
