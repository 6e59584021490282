/** Sends numbered records one after another at acks=all, and reads back what was acknowledged. */
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { Producer } from '../../src/client/producer.ts';
import { batchSize, forEachRecord, valueOf } from '../../src/protocol/record-batch.ts';

const PAUSE_MS = 2;

export class SteadyProducer {
  /** Numbers in the order of their acknowledgement. */
  readonly acknowledged: number[] = [];
  readonly errors: Error[] = [];
  readonly #client: Client;
  readonly #producer: Producer;
  readonly #topic: string;
  #next = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(bootstrap: readonly string[], topic: string) {
    this.#topic = topic;
    this.#client = new Client({ bootstrap, clientId: 'steady' });
    this.#producer = new Producer(this.#client, {
      acks: -1,
      delivery: ({ error, tags }) => {
        if (error === null) this.acknowledged.push(...(tags as number[]));
        else this.errors.push(error);
      },
    });
    this.#running = this.#run();
  }

  /** Resolves when so many more records are acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    while (this.acknowledged.length < wanted) await pause(PAUSE_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#producer.flush();
    await this.#producer.close();
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const n = this.#next;
      if (this.#producer.append(this.#topic, Buffer.from(String(n)), { tag: n })) this.#next += 1;
      else await this.#producer.drained();
      await pause(PAUSE_MS);
    }
  }
}

/** Every record of the topic's partitions, as numbers, with repetitions. */
export async function readNumbers(bootstrap: readonly string[], topic: string): Promise<number[]> {
  const client = new Client({ bootstrap, clientId: 'reader' });
  const numbers: number[] = [];
  try {
    const admin = new Admin(client);
    const [info] = await admin.describeTopics([topic]);
    const partitions = info!.partitions.map(({ index }) => ({ topic, partition: index }));
    const ends = await admin.listOffsets(partitions, 'latest');
    const fetcher = new Fetcher(client, {});
    fetcher.assign(partitions.map((p) => ({ ...p, offset: 0 })));
    const left = new Map(ends.map(({ partition, offset }) => [partition, offset]));
    for (const [partition, end] of left) if (end === 0) left.delete(partition);
    while (left.size > 0) {
      for (const { partition, records, fetchOffset, nextOffset } of await fetcher.poll()) {
        for (let at = 0; at < records.length; at += batchSize(records, at)) {
          forEachRecord(records, at, (record) => {
            const value = valueOf(record);
            if (record.offset >= fetchOffset && value !== null)
              numbers.push(Number(value.toString()));
          });
        }
        if (nextOffset >= (left.get(partition) ?? Infinity)) left.delete(partition);
      }
    }
    fetcher.close();
  } finally {
    client.close();
  }
  return numbers;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
