/** Our client beside librdkafka and Java's, on Apache Kafka and on Weir. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { GroupMember } from '../../src/client/group-member.ts';
import { Producer } from '../../src/client/producer.ts';
import type { CompressionName } from '../../src/protocol/compression.ts';
import { partitionForKey } from '../../src/protocol/murmur2.ts';
import { headersOf, keyOf, valueOf } from '../../src/protocol/record-batch.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool, startKafka } from '../peers/kafka.ts';
import { kcat } from '../peers/kcat.ts';
import { WeirProcess } from '../support/weir-process.ts';

const COMPRESSIONS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const RECORDS = 5000;

interface Engine {
  readonly bootstrap: string;
  stop(): Promise<unknown>;
}

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  'Apache Kafka': () => startKafka(),
  Weir: () => WeirProcess.start({ roles: 'broker' }),
};

interface Read {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string;
  readonly headers: string;
}

for (const [name, start] of Object.entries(engines)) {
  describeWithPeers(['kafka', 'kcat'], `client on ${name}`, () => {
    let engine: Engine;
    let client: Client;
    let admin: Admin;

    beforeAll(async () => {
      engine = await start();
      client = new Client({ bootstrap: engine.bootstrap, clientId: 'interop' });
      admin = new Admin(client);
    });
    afterAll(async () => {
      client?.close();
      await engine?.stop();
    });

    const create = async (topic: string, partitions: number): Promise<void> => {
      const [created] = await admin.createTopics([{ name: topic, partitions }]);
      expect(created!.error).toBeNull();
      await client.metadata.require(topic);
    };

    const count = async (topic: string): Promise<number> => {
      const { partitions } = await client.metadata.require(topic);
      const at = partitions.map((p) => ({ topic, partition: p.index }));
      const ends = await admin.listOffsets(at, 'latest');
      return ends.reduce((sum, end) => sum + end.offset, 0);
    };

    const readAll = async (topic: string): Promise<Read[]> => {
      const { partitions } = await client.metadata.require(topic);
      const at = partitions.map((p) => ({ topic, partition: p.index }));
      const total = await count(topic);
      const fetcher = new Fetcher(client);
      fetcher.assign(at.map((p) => ({ ...p, offset: 'earliest' })));
      const records: Read[] = [];
      while (records.length < total) {
        for (const batch of await fetcher.poll(5000)) {
          forEachFetchedRecord(batch, (record) => {
            records.push({
              partition: batch.partition,
              key: keyOf(record)?.toString() ?? null,
              value: valueOf(record)!.toString(),
              headers: headersOf(record)
                .map((h) => `${h.key}=${Buffer.from(h.value ?? []).toString()}`)
                .join(),
            });
          });
        }
      }
      fetcher.close();
      return records;
    };

    test.each(COMPRESSIONS)('librdkafka reads what we produce with %s', async (compression) => {
      for (const acks of [0, 1, -1] as const) {
        const topic = `ours-${compression}-${acks === -1 ? 'all' : acks}`;
        await create(topic, 3);
        // Every leader must serve first: one that is named but not ready yet refuses what is sent
        // with acks=0 by closing the connection, and that is a loss no sender can know of.
        await expect.poll(() => count(topic)).toBe(0);
        const producer = new Producer(client, { acks, compression, batchBytes: 16_384 });
        for (let i = 0; i < RECORDS; i++) {
          const options = i % 2 === 0 ? { key: Buffer.from(`key-${i}`) } : {};
          expect(producer.append(topic, Buffer.from(`value number ${i}`), options)).toBe(true);
        }
        await producer.close();
        const { counters } = producer;
        expect(counters).toMatchObject({ records: RECORDS, delivered: RECORDS, failed: 0 });
        // With acks=0 the broker may still be at work.
        await expect.poll(() => count(topic)).toBe(RECORDS);
        const args = ['-C', '-t', topic, '-e', '-q', '-X', 'check.crcs=true', '-f', '%k %s\n'];
        const { stdout } = await kcat(engine.bootstrap, args);
        const lines = new Set(stdout.trimEnd().split('\n'));
        expect(lines.size).toBe(RECORDS);
        expect(lines.has('key-4998 value number 4998')).toBe(true);
        expect(lines.has(' value number 4999')).toBe(true);
      }
    });

    test("Java's console consumer reads what we produce, whatever the compression", async () => {
      await create('for-java', 2);
      for (const compression of COMPRESSIONS) {
        const producer = new Producer(client, { acks: -1, compression });
        for (let i = 0; i < 500; i++) {
          const headers = [{ key: 'n', value: Buffer.from(String(i)) }];
          producer.append('for-java', Buffer.from(`${compression} ${i}`), { headers });
        }
        await producer.close();
      }
      const { stdout } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
        ...['--bootstrap-server', engine.bootstrap, '--topic', 'for-java'],
        ...['--from-beginning', '--timeout-ms', '10000', '--max-messages', '2500'],
        ...['--formatter-property', 'print.headers=true'],
      ]);
      const lines = new Set(stdout.trimEnd().split('\n'));
      expect(lines.size).toBe(2500);
      expect(lines.has('n:499\tzstd 499')).toBe(true);
    });

    test('we read what librdkafka produces with every compression', async () => {
      await create('from-librdkafka', 2);
      for (const compression of COMPRESSIONS) {
        const lines = Array.from({ length: 300 }, (_, i) => `${compression} ${i}`);
        const args = ['-P', '-t', 'from-librdkafka', '-z', compression, '-H', 'h=1'];
        const { code, stderr } = await kcat(engine.bootstrap, args, { stdin: lines.join('\n') });
        expect(code, stderr).toBe(0);
      }
      const records = await readAll('from-librdkafka');
      expect(new Set(records.map((r) => r.value)).size).toBe(1500);
      expect(records.every((r) => r.headers === 'h=1')).toBe(true);
    });

    test('we read what Java produces, and put keys where Java puts them', async () => {
      await create('from-java', 7);
      // ASCII, several bytes a character, every length of the hash's tail.
      const keys = Array.from({ length: 200 }, (_, i) => `${'ключ-é-键'.slice(i % 9)}k${i}`);
      const input = keys.map((key) => `${key}\tv-${key}`).join('\n');
      for (const compression of ['snappy', 'lz4'] as const) {
        const { code, stderr } = await kafkaTool(
          'org.apache.kafka.tools.ConsoleProducer',
          [
            ...['--bootstrap-server', engine.bootstrap, '--topic', 'from-java'],
            ...['--compression-codec', compression, '--reader-property', 'parse.key=true'],
          ],
          { stdin: `${input}\n` },
        );
        expect(code, stderr).toBe(0);
      }
      const theirs = await readAll('from-java');
      expect(theirs).toHaveLength(400);
      for (const { key, value, partition } of theirs) {
        expect(value).toBe(`v-${key}`);
        expect(partitionForKey(Buffer.from(key!), 7), key!).toBe(partition);
      }
      await create('our-keys', 7);
      const producer = new Producer(client, { acks: -1 });
      for (const key of keys) producer.append('our-keys', null, { key: Buffer.from(key) });
      for (const key of keys) {
        producer.append('our-keys', Buffer.from(`v-${key}`), { key: Buffer.from(key) });
      }
      await producer.close();
      const javas = new Map(theirs.map(({ key, partition }) => [key, partition]));
      const fetcher = new Fetcher(client);
      fetcher.assign(
        Array.from({ length: 7 }, (_, partition) => ({
          topic: 'our-keys',
          partition,
          offset: 0,
        })),
      );
      let seen = 0;
      while (seen < keys.length * 2) {
        for (const batch of await fetcher.poll(5000)) {
          forEachFetchedRecord(batch, (record) => {
            seen++;
            expect(batch.partition).toBe(javas.get(keyOf(record)!.toString()));
          });
        }
      }
      fetcher.close();
    });

    test('shares a group with librdkafka: no record twice, none missing', async () => {
      await create('shared', 4);
      const mine = new Set<string>();
      const fetcher = new Fetcher(client, { offsetReset: 'earliest' });
      let assignments = 0;
      const next = new Map<number, number>();
      const member = new GroupMember(client, {
        groupId: 'mixed',
        topics: ['shared'],
        heartbeatIntervalMs: 300,
        onAssigned: async (partitions) => {
          assignments++;
          const committed = await member.committed(partitions);
          fetcher.assign(
            committed.map((c) => ({ ...c, offset: c.offset < 0 ? 'earliest' : c.offset })),
          );
        },
        onRevoked: async () => {
          fetcher.assign([]);
          await member.commit(new Map([['shared', new Map(next)]]));
          next.clear();
        },
      });
      member.start();
      while (assignments === 0) await fetcher.poll(100);
      expect(member.assigned).toHaveLength(4);
      const theirs = kcat(
        engine.bootstrap,
        [
          ...['-G', 'mixed', 'shared', '-c', '500', '-q', '-f', '%s\n'],
          ...['-X', 'auto.offset.reset=earliest', '-X', 'partition.assignment.strategy=range'],
        ],
        { timeoutMs: 60_000 },
      );
      while (assignments < 2) await fetcher.poll(100);
      expect(member.assigned).toHaveLength(2);
      const producer = new Producer(client, { acks: -1 });
      for (let i = 0; i < 1000; i++) {
        producer.append('shared', Buffer.from(String(i)), { partition: i % 4 });
      }
      await producer.close();
      while (mine.size < 500) {
        for (const batch of await fetcher.poll(1000)) {
          forEachFetchedRecord(batch, (record) => {
            mine.add(valueOf(record)!.toString());
            next.set(batch.partition, record.offset + 1);
          });
        }
      }
      const { stdout } = await theirs;
      const other = new Set(stdout.trimEnd().split('\n'));
      expect(other.size).toBe(500);
      expect(new Set([...mine, ...other]).size).toBe(1000);
      await member.leave();
      fetcher.close();
      const offsets = await admin.groupOffsets('mixed');
      expect(offsets.reduce((sum, o) => sum + o.offset, 0)).toBe(1000);
    });
  });
}
