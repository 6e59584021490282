import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-log-dirs-'));
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

const dirs = (): string[] => ['a', 'b', 'c'].map((name) => path.join(root, name));

const start = async (more = {}) => {
  const running = await startBroker({ 'log.dirs': dirs(), ...more }, { directory: root });
  return { running, client: await WireClient.connect(running.port) };
};

const alter = async (client: WireClient, to: string, name: string, ...partitions: number[]) => {
  const { results } = await client.request('AlterReplicaLogDirs', 2, {
    dirs: [{ path: to, topics: [{ name, partitions }] }],
  });
  return results[0].partitions.map((p: any) => p.errorCode);
};

/** Of the topic's partition, by directory. */
const placesOf = async (client: WireClient, topic: string, partition = 0) => {
  const { results } = await client.request('DescribeLogDirs', 4, {
    topics: [{ topic, partitions: [partition] }],
  });
  return results.flatMap((result: any) =>
    result.topics.flatMap(({ partitions }: any) =>
      partitions.map((p: any) => ({
        dir: path.basename(result.logDir),
        isFuture: p.isFutureKey,
        lag: p.offsetLag,
      })),
    ),
  );
};

const read = async (client: WireClient, partition = 0): Promise<string[]> =>
  valuesOf((await fetch(client, 't', 0, { partition })).records);

const put = async (client: WireClient, topic: string, values: string[]): Promise<void> => {
  for (const value of values) {
    expect((await produce(client, topic, batchOf([value]))).errorCode).toBe(0);
  }
};

const setRate = (client: WireClient, value: string | null) =>
  client.request('IncrementalAlterConfigs', 1, {
    resources: [
      {
        ...{ resourceType: 4, resourceName: '0' },
        configs: [
          {
            name: 'replica.alter.log.dirs.io.max.bytes.per.second',
            configOperation: value === null ? 1 : 0,
            value,
          },
        ],
      },
    ],
  });

describe('AlterReplicaLogDirs', () => {
  it('moves a partition at its pace, tells how far it is, and loses nothing', async () => {
    const { running, client } = await start();
    await createTopic(client, 't');
    const first = (await placesOf(client, 't'))[0].dir;
    const to = dirs().find((dir) => path.basename(dir) !== first)!;
    const sent = Array.from({ length: 50 }, (_, i) => `${i}-${'x'.repeat(1000)}`);
    await put(client, 't', sent);
    await setRate(client, '10000');
    expect(await alter(client, to, 't', 0)).toEqual([0]);
    await expect
      .poll(async () => (await placesOf(client, 't')).find((p: any) => p.isFuture)?.lag ?? 99)
      .toBeLessThan(45);
    const isMoving = await placesOf(client, 't');
    const places = isMoving.map(({ dir, isFuture }: any) => [dir, isFuture]);
    expect(new Map(places)).toEqual(
      new Map([
        [first, false],
        [path.basename(to), true],
      ]),
    );
    expect(isMoving.find((p: any) => p.isFuture).lag).toBeGreaterThan(0);
    expect(fs.readdirSync(to).some((name) => /^t-0\.[0-9a-f]{32}-future$/.test(name))).toBe(true);
    const metrics = await running.broker.metrics();
    expect(metrics).toContain('weir_log_moves 1');
    expect(metrics).toMatch(
      /kafka_server_replicaalterlogdirsmanager_maxlag\{clientId="ReplicaAlterLogDirs"\} [1-9]/,
    );
    await setRate(client, null);
    for (let i = 50; (await placesOf(client, 't')).length > 1; i++) {
      sent.push(`${i}`);
      await put(client, 't', [`${i}`]);
    }
    const lagged = { dir: path.basename(to), isFuture: false, lag: 0 };
    expect(await placesOf(client, 't')).toEqual([lagged]);
    expect(await running.broker.metrics()).toContain('weir_log_moves_total 1');
    await put(client, 't', ['last']);
    expect(await read(client)).toEqual([...sent, 'last']);
    await client.close();
    const again = await running.restart({ 'log.dirs': dirs() });
    const other = await WireClient.connect(again.port);
    expect(await placesOf(other, 't')).toEqual([lagged]);
    expect(await read(other)).toEqual([...sent, 'last']);
    await other.close();
    await again.stop();
  });

  it('goes on after a restart', async () => {
    const { running, client } = await start();
    await createTopic(client, 't');
    const from = (await placesOf(client, 't'))[0].dir;
    const to = dirs().find((dir) => path.basename(dir) !== from)!;
    const sent = Array.from({ length: 30 }, (_, i) => `${i}-${'x'.repeat(1000)}`);
    await put(client, 't', sent);
    await setRate(client, '5000');
    await alter(client, to, 't', 0);
    await client.close();
    const again = await running.restart({ 'log.dirs': dirs() });
    const other = await WireClient.connect(again.port);
    expect(await placesOf(other, 't')).toHaveLength(2);
    await setRate(other, null);
    await expect
      .poll(() => placesOf(other, 't'))
      .toEqual([{ dir: path.basename(to), isFuture: false, lag: 0 }]);
    expect(await read(other)).toEqual(sent);
    await other.close();
    await again.stop();
  });

  it('refuses what it cannot do, and remembers where a partition is wished for', async () => {
    const { running, client } = await start();
    await createTopic(client, 't', 2);
    const [, , third] = dirs() as [string, string, string];
    expect(await alter(client, path.join(root, 'd'), 't', 0)).toEqual([
      ErrorCode.LOG_DIR_NOT_FOUND,
    ]);
    expect(await alter(client, third, 't', 2)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    expect(await alter(client, third, 'x'.repeat(230), 0)).toEqual([
      ErrorCode.INVALID_TOPIC_EXCEPTION,
    ]);
    for (const index of [0, 1, 2]) {
      expect(await alter(client, third, 'wished', index)).toEqual([
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ]);
    }
    await createTopic(client, 'wished', 3);
    for (const index of [0, 1, 2]) {
      expect(await placesOf(client, 'wished', index)).toMatchObject([{ dir: 'c' }]);
    }
    await client.close();
    await running.stop();
  });
});

describe('a log directory that is broken at the start', () => {
  it('is served around, and comes back', async () => {
    const { running, client } = await start();
    await createTopic(client, 't', 3);
    const places: string[] = [];
    for (const partition of [0, 1, 2]) {
      places.push((await placesOf(client, 't', partition))[0].dir);
      expect((await produce(client, 't', batchOf(['x']), { partition })).errorCode).toBe(0);
    }
    const broken = places.indexOf('c');
    const well = places.findIndex((place) => place !== 'c');
    await client.close();
    await running.broker.stop();
    fs.renameSync(path.join(root, 'c'), path.join(root, 'kept'));
    fs.writeFileSync(path.join(root, 'c'), 'no folder');
    const alone = await startBroker({ 'log.dirs': dirs() }, { directory: root });
    const one = await WireClient.connect(alone.port);
    const { results } = await one.request('DescribeLogDirs', 4, { topics: null });
    expect(results.map((r: any) => r.errorCode)).toEqual([0, 0, ErrorCode.KAFKA_STORAGE_ERROR]);
    const send = async (partition: number) =>
      (await produce(one, 't', batchOf(['y']), { partition })).errorCode;
    expect(await send(well)).toBe(0);
    expect(await send(broken)).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(await alter(one, dirs()[0]!, 't', broken)).toEqual([ErrorCode.KAFKA_STORAGE_ERROR]);
    expect(await alter(one, dirs()[2]!, 't', well)).toEqual([ErrorCode.KAFKA_STORAGE_ERROR]);
    const metadata = await one.request('Metadata', 9, { topics: [{ name: 't' }] });
    const told = (index: number) =>
      metadata.topics[0].partitions.find((p: any) => p.partitionIndex === index);
    expect(told(broken)).toMatchObject({
      ...{ errorCode: ErrorCode.LEADER_NOT_AVAILABLE, leaderId: -1, offlineReplicas: [0] },
    });
    expect(told(well)).toMatchObject({ errorCode: 0, leaderId: 0, offlineReplicas: [] });
    // New ones are made where there is room.
    await createTopic(one, 'new', 2);
    expect((await produce(one, 'new', batchOf(['z']))).errorCode).toBe(0);
    const metrics = await alone.broker.metrics();
    expect(metrics).toContain('kafka_log_logmanager_offlinelogdirectorycount 1');
    expect(metrics).toContain(
      `kafka_log_logmanager_logdirectoryoffline{logDirectory="${dirs()[2]}"} 1`,
    );
    expect(metrics).toContain(`weir_log_directory_online{directory="${dirs()[2]}"} 0`);
    await one.close();
    await alone.broker.stop();
    fs.rmSync(path.join(root, 'c'));
    fs.renameSync(path.join(root, 'kept'), path.join(root, 'c'));
    const whole = await startBroker({ 'log.dirs': dirs() }, { directory: root });
    const back = await WireClient.connect(whole.port);
    expect(await read(back, broken)).toEqual(['x']);
    expect(await read(back, well)).toEqual(['x', 'y']);
    await back.close();
    await whole.stop();
  });
});
