/**
 * A process that may take 256 MiB of memory and not a byte more, while a thousand producers send it
 * half a gigabyte at once. Nobody is turned away and nobody is killed: who comes late waits.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ByteReader } from '../../src/base/bytes.ts';
import { codec } from '../../src/protocol/codec.ts';
import { readResponseHeader } from '../../src/protocol/frame.ts';
import { residentMiB } from '../bench/measure.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep } from '../peers/peer.ts';
import { eventually } from '../support/cluster-processes.ts';
import { MemoryGroup } from '../support/memory-group.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { apiOf, batchOf, createTopic, produce, WireClient } from '../unit/broker/fixture.ts';

const MIB = 1024 * 1024;
const LIMIT_BYTES = 256 * MIB;
const PRODUCERS = 1_000;
const REQUEST_BYTES = 512 * 1024;
const VERSION = 9;
const TOPIC = 'heavy';
const PARTITIONS = 10;
/** Share of what it had before that it may have more in the end. */
const MORE_MAX = 0.2;
/** Requests that come before, one after the other. */
const WARM_UP = 20;
/** Longer than metrics are kept for the next one who asks. */
const SETTLED_MS = 2_000;

describeWithPeers(['memory'], 'a process that is short of memory', () => {
  let group: MemoryGroup;
  let weir: WeirProcess;
  let client: WireClient;

  beforeAll(async () => {
    group = MemoryGroup.create(LIMIT_BYTES);
    weir = await WeirProcess.start({
      roles: 'broker,console',
      under: group.under,
      settings: ['log.to.topic=false'],
    });
    client = await WireClient.connect(weir.port);
    await createTopic(client, TOPIC, PARTITIONS);
  });
  afterAll(async () => {
    await client?.close();
    await weir?.stop();
    group?.remove();
  });

  const rssBytes = (): number => residentMiB(weir.pid) * MIB;
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${weir.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1]);
  };

  test(`serves ${PRODUCERS} producers of large requests`, async () => {
    const record = batchOf(['x'.repeat(REQUEST_BYTES)]);
    // What it has when it has done such work before, and rests.
    for (let i = 0; i < WARM_UP; i++) await produce(client, TOPIC, record);
    await sleep(5_000);
    const before = rssBytes();

    const producers: WireClient[] = [];
    while (producers.length < PRODUCERS) producers.push(await WireClient.connect(weir.port));
    const frames = Array.from({ length: PARTITIONS }, (_, index) =>
      client.encode('Produce', VERSION, {
        acks: 1,
        timeoutMs: 30_000,
        topicData: [{ name: TOPIC, partitionData: [{ index, records: record }] }],
      }),
    );
    // All have begun before the first one ends: as much is under way as ever can be.
    const answers = producers.map((producer, i) => {
      producer.write(frames[i % PARTITIONS]!.subarray(0, -1));
      return producer.nextFrame();
    });
    await eventually('producers wait for memory', async () => {
      expect(group.kills).toBe(0);
      return (await metric('weir_broker_request_memory_waits_total')) > 0;
    });
    // Whoever it reads from has all but the end of a request there.
    let received = -1;
    await eventually('no more is read', async () => {
      expect(group.kills).toBe(0);
      const before = received;
      await sleep(SETTLED_MS);
      received = await metric('kafka_server_socket_server_metrics_incoming_byte_total');
      return received === before;
    });
    producers.forEach((producer, i) => {
      producer.write(frames[i % PARTITIONS]!.subarray(-1));
    });
    const errors = (await Promise.all(answers)).map(errorOf);
    expect(errors.filter((error) => error !== 0)).toEqual([]);
    expect(group.kills).toBe(0);
    await Promise.all(producers.map((producer) => producer.close()));

    // And each of the requests is in the log, once.
    const answer = await client.request('ListOffsets', 4, {
      replicaId: -1,
      topics: [
        {
          name: TOPIC,
          partitions: frames.map((_, partitionIndex) => ({ partitionIndex, timestamp: -1 })),
        },
      ],
    });
    const ends: number[] = answer.topics[0].partitions.map((p: any) => p.offset);
    expect(ends.reduce((sum, end) => sum + end, 0)).toBe(PRODUCERS + WARM_UP);
    await eventually(
      'no request holds memory',
      async () => (await metric('weir_broker_request_memory_bytes')) === 0,
    );
    await eventually('the memory is given back', () =>
      Promise.resolve(rssBytes() < before * (1 + MORE_MAX)),
    );
  }, 180_000);
});

/** The error code in the answer to one batch for one partition; null: the connection was closed. */
function errorOf(frame: Buffer | null): number | null {
  if (frame === null) return null;
  const reader = new ByteReader(frame);
  const api = apiOf('Produce');
  readResponseHeader(reader, api, VERSION);
  const { responses } = codec(api.response, VERSION).read(reader) as any;
  return responses[0].partitionResponses[0].errorCode;
}
