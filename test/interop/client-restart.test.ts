/** Our client while its broker is killed: nothing acknowledged is lost, nothing is there twice. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { Producer } from '../../src/client/producer.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { startKafka } from '../peers/kafka.ts';
import { sleep } from '../peers/peer.ts';
import { WeirProcess } from '../support/weir-process.ts';

interface Engine {
  readonly bootstrap: string;
  kill(): Promise<unknown>;
  restart(): Promise<unknown>;
  stop(): Promise<unknown>;
}

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  'Apache Kafka': () => startKafka({ local: true, properties: {} }),
  Weir: () => WeirProcess.start({ roles: 'broker' }),
};
const KILLS = 3;

for (const [name, start] of Object.entries(engines)) {
  describeWithPeers(['kafka'], `a killed ${name}`, () => {
    let engine: Engine;
    let client: Client;
    beforeAll(async () => {
      engine = await start();
      client = new Client({ bootstrap: engine.bootstrap, clientId: 'restart' });
    });
    afterAll(async () => {
      client?.close();
      await engine?.stop();
    });

    test('has every record once and in order, and is read to the end', async () => {
      await new Admin(client).createTopics([{ name: 'numbers', partitions: 1 }]);
      await client.metadata.require('numbers');
      const producer = new Producer(client, { acks: -1, lingerMs: 2, batchBytes: 4096 });
      const fetcher = new Fetcher(client);
      fetcher.assign([{ topic: 'numbers', partition: 0, offset: 0 }]);
      const seen: number[] = [];
      let last = Infinity;
      const reading = (async () => {
        while (seen.length === 0 || seen.at(-1)! < last) {
          for (const batch of await fetcher.poll(200)) {
            forEachFetchedRecord(batch, (record) => {
              seen.push(Number(valueOf(record)!.toString()));
            });
          }
        }
      })();
      let n = 0;
      let writing = true;
      const written = (async () => {
        while (writing) {
          for (let i = 0; i < 100; i++) {
            while (!producer.append('numbers', Buffer.from(String(n)))) await producer.drained();
            n++;
          }
          await sleep(2);
        }
      })();
      for (let kill = 0; kill < KILLS; kill++) {
        await sleep(1000);
        await engine.kill();
        await sleep(300);
        await engine.restart();
      }
      await sleep(500);
      writing = false;
      await written;
      await producer.close();
      last = n - 1;
      await reading;
      fetcher.close();
      expect(producer.counters).toMatchObject({ records: n, delivered: n, failed: 0 });
      expect(producer.counters.retries).toBeGreaterThan(0);
      expect(seen).toEqual(Array.from({ length: n }, (_, i) => i));
    }, 240_000);
  });
}
