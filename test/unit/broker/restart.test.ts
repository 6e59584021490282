import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Disk } from '../../../src/base/disk.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { BrokerState } from '../../../src/broker/broker.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { freePort } from '../../peers/peer.ts';
import {
  batchOf,
  createTopic,
  fetch,
  newBroker,
  produce,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

describe('a restart', () => {
  it('keeps topics, ids, settings, records and the cluster', async () => {
    let running = await startBroker();
    let client = await WireClient.connect(running.port);
    const topicId = await createTopic(client, 'kept', 3, { 'retention.ms': '123456789' });
    await createTopic(client, 'deleted');
    await client.request('DeleteTopics', 5, { topicNames: ['deleted'], timeoutMs: 1000 });
    await produce(client, 'kept', batchOf(['a', 'b']), { partition: 2 });
    const { clusterId } = running.broker.services;
    await client.close();
    running = await running.restart();
    client = await WireClient.connect(running.port);
    const metadata = await client.request('Metadata', 12, { topics: null });
    expect(metadata.clusterId).toBe(clusterId);
    expect(metadata.topics.map((t: any) => [t.name, t.topicId, t.partitions.length])).toEqual([
      ['kept', topicId, 3],
    ]);
    expect(valuesOf((await fetch(client, 'kept', 0, { partition: 2 })).records)).toEqual([
      'a',
      'b',
    ]);
    const configs = await client.request('DescribeConfigs', 4, {
      resources: [{ resourceType: 2, resourceName: 'kept', configurationKeys: ['retention.ms'] }],
    });
    expect(configs.results[0].configs[0].value).toBe('123456789');
    await client.close();
    await running.stop();
  });

  it('serves nobody when it is stopped before it has started, whenever that is', async () => {
    const running = await startBroker();
    await running.broker.stop();
    const { directory } = running;
    let early = 0;
    for (let turns = 0; turns < 60; turns++) {
      const port = await freePort();
      const given = { listeners: [`PLAINTEXT://127.0.0.1:${port}`] };
      const { broker } = newBroker(given, { directory });
      const started = broker.start();
      for (let i = 0; i < turns; i++) await turn();
      if (broker.state !== BrokerState.running) early++;
      await broker.stop();
      await started;
      expect(broker.state, `${turns} turns`).toBe(BrokerState.notRunning);
      await expect(WireClient.connect(port), `${turns} turns`).rejects.toThrow('ECONNREFUSED');
    }
    expect(early).toBeGreaterThan(5);
    const again = await startBroker({}, { directory });
    expect(again.broker.state).toBe(BrokerState.running);
    await again.stop();
  });

  it('goes on with settings that were changed while it ran', async () => {
    let running = await startBroker();
    expect(running.broker.services.hot.flushOnAcksAll).toBe(true);
    const client = await WireClient.connect(running.port);
    const change = { name: 'log.flush.on.acks.all', configOperation: 0, value: 'false' };
    const changed = await client.request('IncrementalAlterConfigs', 1, {
      resources: [{ resourceType: 4, resourceName: '', configs: [change] }],
    });
    expect(changed.responses[0].errorCode).toBe(0);
    await client.close();
    running = await running.restart();
    expect(running.broker.services.hot.flushOnAcksAll).toBe(false);
    await running.stop();
  });

  it('finds on file how far the logs were on the device, log.flush.offset.checkpoint.interval.ms ago', async () => {
    const running = await startBroker({ 'log.flush.offset.checkpoint.interval.ms': 20 });
    const client = await WireClient.connect(running.port);
    await createTopic(client, 'synced');
    await produce(client, 'synced', batchOf(['a', 'b']), { acks: -1 });
    const file = path.join(running.directory, 'recovery-point-offset-checkpoint');
    const found = () => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');
    // The default is seconds.
    await expect.poll(found, { timeout: 2_000, interval: 10 }).toContain('synced 0 2\n');
    await client.close();
    await running.stop();
  });

  it('never gives a producer id twice', async () => {
    let running = await startBroker();
    const ids: number[] = [];
    for (let round = 0; round < 3; round++) {
      const client = await WireClient.connect(running.port);
      for (let i = 0; i < 3; i++) {
        const body = { transactionalId: null, transactionTimeoutMs: 1000 };
        ids.push((await client.request('InitProducerId', 4, body)).producerId);
      }
      await client.close();
      running = await running.restart();
    }
    expect(new Set(ids).size).toBe(ids.length);
    await running.stop();
  });

  it('remembers the sequence of a producer', async () => {
    let running = await startBroker();
    let client = await WireClient.connect(running.port);
    await createTopic(client, 't');
    const batch = () => batchOf(['a'], { producer: { id: 5, epoch: 0, baseSequence: 0 } });
    await produce(client, 't', batch());
    await client.close();
    running = await running.restart();
    client = await WireClient.connect(running.port);
    expect((await produce(client, 't', batch())).baseOffset).toBe(0);
    expect((await fetch(client, 't', 0)).highWatermark).toBe(1);
    await client.close();
    await running.stop();
  });

  it('keeps a log whose topic is not known, and does not serve it', async () => {
    let running = await startBroker();
    const client = await WireClient.connect(running.port);
    await createTopic(client, 'known');
    await client.close();
    await running.broker.stop();
    const stray = path.join(running.directory, 'stray-0');
    fs.cpSync(path.join(running.directory, 'known-0'), stray, { recursive: true });
    const text = fs.readFileSync(path.join(stray, 'partition.metadata'), 'utf8');
    fs.writeFileSync(
      path.join(stray, 'partition.metadata'),
      text.replace(/topic_id: \S+/, 'topic_id: BBBBBBBBBBBBBBBBBBBBBA'),
    );
    running = await startBroker({}, { directory: running.directory });
    expect(fs.existsSync(stray)).toBe(true);
    expect(running.broker.services.partitions.topic('stray')).toBeUndefined();
    expect(running.logged.some(({ message }) => message.includes('belongs to no topic'))).toBe(
      true,
    );
    await running.stop();
  });

  it('makes the folders that a crash left out', async () => {
    let running = await startBroker();
    const client = await WireClient.connect(running.port);
    await createTopic(client, 't', 2);
    await client.close();
    await running.broker.stop();
    fs.rmSync(path.join(running.directory, 't-1'), { recursive: true });
    running = await startBroker({}, { directory: running.directory });
    const again = await WireClient.connect(running.port);
    expect((await produce(again, 't', batchOf(['x']), { partition: 1 })).errorCode).toBe(0);
    await again.close();
    await running.stop();
  });
});

/** The machine's disk, on which writes to files fail with `code` while `full`, and after `writesLeft`. */
function fillableDisk(
  code = 'ENOSPC',
  folder = '',
): { disk: Disk; state: { full: boolean; writesLeft: number } } {
  const state = { full: false, writesLeft: Number.POSITIVE_INFINITY };
  const disk: Disk = {
    ...nodeDisk,
    open(name, mode) {
      const file = nodeDisk.open(name, mode);
      return new Proxy(file, {
        get(target, property) {
          const isRefused = property === 'write' && name.includes(folder);
          if (isRefused && (state.full || --state.writesLeft < 0)) {
            return () => {
              throw Object.assign(new Error('injected'), { code });
            };
          }
          const value = Reflect.get(target, property, target) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
  return { disk, state };
}

/** A broker that had a record in topic `t` when its disk was filled, and was started then. */
async function startedOnFullDisk() {
  const { disk, state } = fillableDisk();
  const before = await startBroker({}, { disk });
  const writer = await WireClient.connect(before.port);
  await createTopic(writer, 't');
  await produce(writer, 't', batchOf(['stored']));
  await writer.close();
  await before.broker.stop();
  state.full = true;
  const running = await startBroker({}, { disk, directory: before.directory });
  return { running, client: await WireClient.connect(running.port), state };
}

describe('a full disk', () => {
  it('refuses appends and changes, serves reads, and recovers by itself', async () => {
    const { disk, state } = fillableDisk();
    const running = await startBroker({}, { disk });
    const client = await WireClient.connect(running.port);
    await createTopic(client, 't');
    await produce(client, 't', batchOf(['before']));
    state.full = true;
    expect((await produce(client, 't', batchOf(['refused']))).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    expect((await produce(client, 't', batchOf(['refused']), { acks: -1 })).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    const create = () =>
      client.request('CreateTopics', 7, {
        topics: [
          { name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
        ],
      });
    expect((await create()).topics[0].errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(valuesOf((await fetch(client, 't', 0)).records)).toEqual(['before']);
    state.full = false;
    expect((await produce(client, 't', batchOf(['after']))).baseOffset).toBe(1);
    expect((await create()).topics[0].errorCode).toBe(0);
    expect(valuesOf((await fetch(client, 't', 0)).records)).toEqual(['before', 'after']);
    await client.close();
    await running.stop();
  });

  it('takes in a partition whose log could not be made, once there is room', async () => {
    const { disk, state } = fillableDisk('ENOSPC', 'late-0');
    const running = await startBroker({}, { disk });
    const client = await WireClient.connect(running.port);
    state.full = true;
    await createTopic(client, 'late');
    expect((await produce(client, 'late', batchOf(['refused']))).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    state.full = false;
    await expect
      .poll(async () => (await produce(client, 'late', batchOf(['x']))).errorCode)
      .toBe(ErrorCode.NONE);
    expect(valuesOf((await fetch(client, 'late', 0)).records)).toEqual(['x']);
    await client.close();
    await running.stop();
  });

  it('does not keep a broker from starting and serving what it has', async () => {
    const { running, client } = await startedOnFullDisk();
    expect(valuesOf((await fetch(client, 't', 0)).records)).toEqual(['stored']);
    expect((await produce(client, 't', batchOf(['x']))).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    await client.close();
    await running.stop();
  });

  it('keeps a broker that started on it from the cluster only while there is no room', async () => {
    const { running, client, state } = await startedOnFullDisk();
    const newProducer = async () => {
      const body = { transactionalId: null, transactionTimeoutMs: 1_000 };
      return (await client.request('InitProducerId', 4, body)).errorCode;
    };
    expect(await newProducer()).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    state.full = false;
    // What only a registered broker gets of its controller.
    await expect.poll(newProducer, { timeout: 10_000 }).toBe(ErrorCode.NONE);
    await expect.poll(() => running.broker.services.lifecycle.isFenced).toBe(false);
    expect((await produce(client, 't', batchOf(['x']))).errorCode).toBe(ErrorCode.NONE);
    expect(valuesOf((await fetch(client, 't', 0)).records)).toEqual(['stored', 'x']);
    await client.close();
    await running.stop();
  });
});

describe('a failing disk', () => {
  it('ends the broker when it holds the metadata', async () => {
    const { disk, state } = fillableDisk('EIO');
    const fatal: Error[] = [];
    const running = await startBroker({}, { disk, onFatal: (error) => fatal.push(error) });
    const client = await WireClient.connect(running.port);
    await createTopic(client, 't');
    state.full = true;
    expect((await produce(client, 't', batchOf(['x']))).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    expect(fatal[0]?.message).toContain('which holds the metadata, has failed');
    state.full = false;
    // Nothing is believed of that disk until it has been read again.
    expect((await produce(client, 't', batchOf(['x']))).errorCode).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    await client.close();
    await running.stop();
  });

  it('ends a broker that is alone, too, whenever it fails while that starts', async () => {
    const { disk, state } = fillableDisk('EIO', '__cluster_metadata');
    const stopped = await startBroker({}, { disk });
    await stopped.broker.stop();
    let early = 0;
    for (let writes = 0; early === writes; writes++) {
      const directory = `${stopped.directory}-${writes}`;
      fs.cpSync(stopped.directory, directory, { recursive: true });
      state.writesLeft = writes;
      const fatal: unknown[] = [];
      const onFatal = (error: unknown) => fatal.push(error);
      const { broker } = newBroker({}, { disk, directory, onFatal });
      const started = broker.start();
      const isDecided = () => fatal.length > 0 || broker.state === BrokerState.running;
      await expect.poll(isDecided, { message: `after ${writes} writes` }).toBe(true);
      const failed = broker.services.logs.directories().filter(({ failure }) => failure !== null);
      expect(fatal.length > 0, `after ${writes} writes`).toBe(failed.length > 0);
      early += failed.length;
      await broker.stop();
      await started;
      fs.rmSync(directory, { recursive: true, force: true });
    }
    // The epoch, the first step of its term, and the two by which the broker enters.
    expect(early).toBeGreaterThanOrEqual(4);
    await stopped.stop();
  });

  it('takes the partitions on it offline, and no others', async () => {
    const first = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-disk-a-'));
    const second = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-disk-b-'));
    const { disk, state } = fillableDisk('EIO', second);
    const running = await startBroker({ 'log.dirs': [first, second] }, { disk });
    const client = await WireClient.connect(running.port);
    // The metadata is on the first disk, so partitions begin on the second.
    await createTopic(client, 't', 2);
    const held = running.broker.services.partitions.topic('t')!.partitions;
    const onSecond = held.findIndex((partition) => partition!.log.path.startsWith(second));
    const reader = await WireClient.connect(running.port);
    const waiting = fetch(reader, 't', 0, { partition: onSecond, maxWaitMs: 600_000 });
    const old = await WireClient.connect(running.port);
    const waiting5 = fetch(old, 't', 0, { partition: onSecond, maxWaitMs: 600_000, version: 5 });
    await expect.poll(() => running.broker.services.fetchPurgatory.size).toBe(2);
    state.full = true;
    const send = (partition: number) => produce(client, 't', batchOf(['x']), { partition });
    expect((await send(onSecond)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect((await send(1 - onSecond)).errorCode).toBe(0);
    expect((await waiting).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    // A consumer that is older than the error is told what it knows, and looks for a leader.
    expect((await waiting5).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    const metadata = await client.request('Metadata', 9, { topics: [{ name: 't' }] });
    const told = metadata.topics[0].partitions.find((p: any) => p.partitionIndex === onSecond);
    expect(told).toMatchObject({
      errorCode: ErrorCode.LEADER_NOT_AVAILABLE,
      leaderId: -1,
      offlineReplicas: [0],
    });
    expect(running.broker.status()).toMatchObject({
      light: 'red',
      reason: '1 partitions are offline',
    });
    expect(await running.broker.metrics()).toContain(
      'kafka_server_replicamanager_offlinereplicacount 1',
    );
    const dirs = await client.request('DescribeLogDirs', 4, { topics: null });
    expect(dirs.results.map((r: any) => r.errorCode)).toEqual([0, ErrorCode.KAFKA_STORAGE_ERROR]);
    await Promise.all([client.close(), reader.close(), old.close()]);
    await running.stop();
    for (const directory of [first, second]) fs.rmSync(directory, { recursive: true, force: true });
  });
});
