/**
 * A broker that may open 256 files and sockets, with more connections and more partitions than that.
 * Whoever is connected is served and appends do not fail, whichever came first; newcomers come in
 * when others have gone.
 */
import { afterEach, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { needProgram } from '../peers/peer.ts';
import { eventually } from '../support/cluster-processes.ts';
import { WeirProcess } from '../support/weir-process.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  valuesOf,
  WireClient,
} from '../unit/broker/fixture.ts';

const DESCRIPTORS = 256;
const CONNECTIONS = 400;
const PARTITIONS = 300;
/** Kafka's code for a log that can't be written just now. */
const STORAGE_ERROR = 56;
/** Two of them are more than a segment holds, so that each append opens a file. */
const RECORD = 'x'.repeat(600_000);
const SEGMENT_BYTES = '1048576';

describeWithPeers(['prlimit'], 'a broker that is short of descriptors', () => {
  let weir: WeirProcess;
  let client: WireClient;
  const others: WireClient[] = [];

  const start = async (): Promise<void> => {
    weir = await WeirProcess.start({
      roles: 'broker,console',
      under: [needProgram('prlimit', 'util-linux'), `--nofile=${DESCRIPTORS}`],
      settings: ['log.to.topic=false'],
    });
    client = await WireClient.connect(weir.port);
    await createTopic(client, 'rolls', 2, { 'segment.bytes': SEGMENT_BYTES });
    expect(await append('rolls', 0, RECORD)).toBe(0);
  };
  afterEach(async () => {
    await leave();
    await client?.close();
    await weir?.stop();
  });

  const append = async (topic: string, partition: number, record = 'x'): Promise<number> =>
    (await produce(client, topic, batchOf([record]), { partition })).errorCode;

  /** Appends and reads, in both partitions of the topic that is there first. */
  const works = async (): Promise<void> => {
    for (let n = 0; n < 40; n++) expect(await append('rolls', n % 2, RECORD)).toBe(0);
    const read = await fetch(client, 'rolls', 0);
    expect(valuesOf(read.records)[0]).toBe(RECORD);
  };

  /** True when the broker has taken the connection and answered. */
  const join = async (): Promise<boolean> => {
    const other = await WireClient.connect(weir.port);
    const isIn = (await other.tryRequest('ApiVersions', 0, {})) !== null;
    if (isIn) others.push(other);
    return isIn;
  };
  const leave = async (): Promise<void> => {
    for (const other of others.splice(0)) await other.close();
  };

  test('keeps its files from connections', async () => {
    await start();
    for (let n = 0; n < CONNECTIONS; n++) await join();
    expect(others.length).toBeGreaterThan(DESCRIPTORS / 2);
    expect(others.length).toBeLessThan(DESCRIPTORS);
    await works();
    for (const other of others) expect(await other.tryRequest('ApiVersions', 0, {})).not.toBeNull();
    // Some files were closed since; what that left is taken, and then nobody comes in.
    while (await join()) expect(others.length).toBeLessThan(DESCRIPTORS);
    await works();
    expect((await (await globalThis.fetch(`${weir.url}/metrics`)).text()).length).toBeGreaterThan(
      0,
    );

    await leave();
    await eventually('newcomers are taken', join);
    await works();
    await weir.kill();
    await weir.restart();
  }, 60_000);

  test('keeps room for clients from new partitions', async () => {
    await start();
    await createTopic(client, 'many', PARTITIONS);
    const codes: number[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      codes.push(await append('many', partition));
    }
    const written = codes.filter((code) => code === 0).length;
    expect(new Set(codes)).toEqual(new Set([0, STORAGE_ERROR]));
    expect(written).toBeGreaterThan(DESCRIPTORS / 4);
    for (let n = 0; n < 16; n++) expect(await join()).toBe(true);
    await works();
    for (const [partition, code] of codes.entries()) {
      if (code === 0) expect(await append('many', partition)).toBe(0);
    }
    // What there is can be opened again, and what could not be opened is once there is room.
    await weir.kill();
    await weir.restart();
    client = await WireClient.connect(weir.port);
    await eventually('it serves again', async () => (await append('rolls', 0)) === 0);
    await works();
    const answer = await client.request('DeleteTopics', 3, {
      topicNames: ['many'],
      timeoutMs: 10_000,
    });
    expect(answer.responses[0].errorCode).toBe(0);
    await createTopic(client, 'few', 50);
    await eventually('new partitions find room', async () => (await append('few', 49)) === 0);
  }, 60_000);
});
