/**
 * A consumer that asks for 2,000 records of 64 KiB in one go, and then reads a kilobyte a second. What
 * waits for it in the broker is bounded, and nobody else notices.
 */
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { residentMiB } from '../bench/measure.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep } from '../peers/peer.ts';
import { eventually } from '../support/cluster-processes.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { batchOf, createTopic, produce, WireClient } from '../unit/broker/fixture.ts';

const MIB = 1024 * 1024;
const RECORDS = 2_000;
const RECORD_BYTES = 64 * 1024;
const TOPIC = 'large';
/** `connections.queued.response.max.bytes`, unless told. */
const QUEUED_BYTES_MAX = 8 * MIB;
/** More than what waits for one consumer, and far less than what it asked for. */
const GROWTH_BYTES_MAX = 60 * MIB;
const READ_BYTES = 1_024;
const READ_EVERY_MS = 1_000;
const LOOKS = 25;
const LOOK_MS = 200;

describeWithPeers(['linux'], 'a consumer that hardly reads', () => {
  let weir: WeirProcess;
  let client: WireClient;
  let slow: net.Socket | null = null;

  beforeAll(async () => {
    weir = await WeirProcess.start({ roles: 'broker,console', settings: ['log.to.topic=false'] });
    client = await WireClient.connect(weir.port);
    await createTopic(client, TOPIC);
    const record = batchOf(['x'.repeat(RECORD_BYTES)]);
    for (let n = 0; n < RECORDS; n++) {
      expect((await produce(client, TOPIC, record)).errorCode).toBe(0);
    }
  });
  afterAll(async () => {
    slow?.destroy();
    await client?.close();
    await weir?.stop();
  });

  const rssBytes = (): number => residentMiB(weir.pid) * MIB;
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${weir.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1]);
  };
  const request = (fetchOffset: number): Buffer =>
    client.encode('Fetch', 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 2 * RECORD_BYTES,
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 }] }],
    });
  /** For every record of the topic, one after another. */
  const requests = (): Buffer =>
    Buffer.concat(Array.from({ length: RECORDS }, (_, offset) => request(offset)));

  test('takes no memory, and nobody else has to wait for it', async () => {
    // Somebody who reads gets all of it.
    const eager = await WireClient.connect(weir.port);
    const frames = Array.from({ length: RECORDS }, () => eager.nextFrame());
    eager.write(requests());
    for (const frame of await Promise.all(frames)) {
      expect(frame!.length).toBeGreaterThan(RECORD_BYTES);
    }
    await eager.close();

    const before = rssBytes();
    let received = 0;
    slow = net.connect({
      port: weir.port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.alloc(READ_BYTES),
        callback: (size) => {
          received += size;
          setTimeout(() => slow?.resume(), READ_EVERY_MS);
          return false;
        },
      },
    });
    slow.on('error', () => {});
    slow.write(requests());
    await eventually(
      'the broker reads no more from it',
      async () => (await metric('weir_broker_backpressure_pauses_total')) > 0,
    );

    const other = await WireClient.connect(weir.port);
    for (let look = 0; look < LOOKS; look++) {
      const answer = await produce(other, TOPIC, batchOf(['of another']));
      expect(answer.errorCode).toBe(0);
      const frame = other.nextFrame();
      other.write(request(look));
      expect((await frame)!.length).toBeGreaterThan(RECORD_BYTES);
      expect(rssBytes() - before).toBeLessThan(GROWTH_BYTES_MAX);
      const queued = await metric('kafka_network_requestchannel_responsequeuesize');
      expect(queued).toBeLessThan(QUEUED_BYTES_MAX + 2 * RECORD_BYTES);
      await sleep(LOOK_MS);
    }
    await other.close();
    // It is still being served, and at its own pace.
    expect(slow.destroyed).toBe(false);
    expect(received).toBeGreaterThan(READ_BYTES);
    expect(received).toBeLessThan(RECORD_BYTES);

    slow.destroy();
    await eventually(
      'what waited for it is gone',
      async () => (await metric('kafka_network_requestchannel_responsequeuesize')) === 0,
    );
  }, 120_000);
});
