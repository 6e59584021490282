/** Our own producer, fetcher and group members while brokers are killed, stopped and ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { GroupMember } from '../../src/client/group-member.ts';
import { Producer } from '../../src/client/producer.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import { ClusterProcesses, eventually } from '../support/cluster-processes.ts';

const TOPIC = 'own';
const PARTITIONS = 3;

/** Reads and commits what it is assigned; notes every record, and offsets that went back. */
class Reader {
  readonly seen = new Set<string>();
  readonly faults: string[] = [];
  readonly #client: Client;
  readonly #member: GroupMember;
  readonly #committed: Map<number, number>;
  #fetcher: Fetcher | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(bootstrap: string, name: string, committed: Map<number, number>) {
    this.#client = new Client({ bootstrap, clientId: name });
    this.#committed = committed;
    this.#member = new GroupMember(this.#client, {
      groupId: 'own',
      topics: [TOPIC],
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 500,
      onAssigned: async (partitions) => {
        const found = await this.#member.committed(partitions);
        for (const { partition, offset } of found) {
          const promised = committed.get(partition) ?? -1;
          if (offset < promised) this.faults.push(`${partition}: ${promised} became ${offset}`);
        }
        const fetcher = new Fetcher(this.#client);
        fetcher.assign(found.map((p) => ({ ...p, offset: p.offset < 0 ? 'earliest' : p.offset })));
        this.#fetcher = fetcher;
        this.#reading = this.#read(fetcher);
      },
      onRevoked: async () => {
        this.#fetcher?.close();
        await this.#reading;
      },
      onFatal: (error) => this.faults.push(String(error)),
    });
    this.#member.start();
  }

  async #read(fetcher: Fetcher): Promise<void> {
    try {
      for (;;) {
        const batches = await fetcher.poll(200);
        for (const batch of batches) {
          forEachFetchedRecord(batch, (record) => {
            this.seen.add(`${batch.partition}/${valueOf(record)!.toString()}`);
          });
        }
        if (batches.length === 0) continue;
        const offsets = batches.map((b) => ({ ...b, offset: b.nextOffset }));
        await this.#member.commit(offsets);
        for (const { partition, offset } of offsets) {
          this.#committed.set(partition, Math.max(offset, this.#committed.get(partition) ?? -1));
        }
      }
    } catch {
      // Closed, or no member any more: what was not committed is read by the next one.
    }
  }

  async stop(): Promise<void> {
    await this.#member.leave();
    this.#client.close();
  }
}

describe('our own clients', () => {
  let cluster: ClusterProcesses;
  let client: Client;
  let admin: Admin;
  const readers: Reader[] = [];

  beforeAll(async () => {
    const settings = {
      'min.insync.replicas': '2',
      'replica.lag.time.max.ms': '2000',
      'offsets.topic.num.partitions': '3',
    };
    cluster = await ClusterProcesses.start({ settings });
    client = new Client({ bootstrap: cluster.bootstrap, clientId: 'own' });
    admin = new Admin(client);
    await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
  });
  afterAll(async () => {
    await Promise.all(readers.map((reader) => reader.stop()));
    client?.close();
    await cluster?.stop();
  });

  const healthy = (): Promise<void> =>
    eventually('all replicas are in sync', async () => {
      const topics = await admin.describeTopics([TOPIC, '__consumer_offsets']);
      return topics.every(({ partitions }) => partitions.every((p) => p.isr.length === 3));
    });

  test('lose nothing and double nothing', async () => {
    const failures: string[] = [];
    const producer = new Producer(client, {
      acks: -1,
      lingerMs: 2,
      delivery: ({ error }) => {
        if (error !== null) failures.push(error.message);
      },
    });
    const sent: number[] = [0, 0, 0];
    let ends = false;
    const producing = (async () => {
      while (!ends) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const number = sent[partition]!++;
          producer.append(TOPIC, Buffer.from(String(number)), { partition });
        }
        await sleep(4);
      }
      await producer.flush();
    })();
    const committed = new Map<number, number>();
    for (const name of ['reader-1', 'reader-2']) {
      readers.push(new Reader(cluster.bootstrap, name, committed));
    }
    await eventually('the group reads', () =>
      Promise.resolve(readers.every(({ seen }) => seen.size > 100)),
    );
    await healthy();
    for (const broker of cluster.brokers) {
      await broker.kill();
      await sleep(1_500);
      await broker.restart();
      await healthy();
    }
    const stopped = cluster.broker(1);
    stopped.stopProcess();
    await sleep(6_000);
    stopped.continueProcess();
    await healthy();
    await cluster.broker(0).halt();
    await cluster.broker(0).restart();
    await healthy();
    ends = true;
    await producing;
    expect(failures).toEqual([]);

    const fetcher = new Fetcher(client);
    const partitions = sent.map((_, partition) => ({ topic: TOPIC, partition, offset: 0 }));
    fetcher.assign(partitions);
    const found: string[][] = sent.map(() => []);
    const total = sent.reduce((sum, count) => sum + count, 0);
    await eventually('everything is read', async () => {
      for (const batch of await fetcher.poll(500)) {
        forEachFetchedRecord(batch, (record) => {
          found[batch.partition]!.push(valueOf(record)!.toString());
        });
      }
      return found.reduce((sum, list) => sum + list.length, 0) >= total;
    });
    fetcher.close();
    for (const [partition, count] of sent.entries()) {
      expect(found[partition]).toEqual(Array.from({ length: count }, (_, i) => String(i)));
    }
    const all = (): number => new Set(readers.flatMap(({ seen }) => [...seen])).size;
    await eventually('the group has seen everything', () => Promise.resolve(all() === total));
    expect(readers.flatMap(({ faults }) => faults)).toEqual([]);
  }, 240_000);
});
