/**
 * Kafka Connect on Weir: a distributed worker with support for exactly once, a source that reads a
 * file and a sink that writes one. The worker is killed in the middle. Its source writes each line
 * once; a sink that writes files may repeat what it had not committed, as with any Kafka.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { startKafkaServer } from '../peers/kafka.ts';
import { freePort, type PeerProcess, temporaryDirectory } from '../peers/peer.ts';
import { readAll } from '../support/read-all.ts';
import { WeirProcess } from '../support/weir-process.ts';

const LINES = 200;
/** Of a transaction of the source, which makes one a second from what it has read. */
const BATCH = 100;
const PATIENCE = { timeout: 60_000, interval: 200 };
const STRINGS = 'org.apache.kafka.connect.storage.StringConverter';

describeWithPeers(['kafka'], 'Kafka Connect', () => {
  const folder = temporaryDirectory('connect-files');
  const source = path.join(folder, 'source.txt');
  const sink = path.join(folder, 'sink.txt');
  let weir: WeirProcess;
  let client: Client;
  let worker: PeerProcess;
  let url: string;

  const ask = async (method: string, of: string, body?: object): Promise<any> => {
    const answer = await fetch(`${url}${of}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${of}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

  beforeAll(async () => {
    weir = await WeirProcess.start({ roles: 'broker' });
    client = new Client({ bootstrap: weir.bootstrap, clientId: 'test' });
    await new Admin(client).createTopics([{ name: 'lines', partitions: 1 }]);
    fs.writeFileSync(source, '');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    worker = await startKafkaServer({
      name: 'connect',
      mainClass: 'org.apache.kafka.connect.cli.ConnectDistributed',
      heap: '256m',
      properties: {
        'bootstrap.servers': weir.bootstrap,
        'group.id': 'connect',
        'key.converter': STRINGS,
        'value.converter': STRINGS,
        'config.storage.topic': 'connect-configs',
        'offset.storage.topic': 'connect-offsets',
        'offset.storage.partitions': 3,
        'status.storage.topic': 'connect-status',
        'status.storage.partitions': 3,
        'config.storage.replication.factor': 1,
        'offset.storage.replication.factor': 1,
        'status.storage.replication.factor': 1,
        'exactly.once.source.support': 'enabled',
        'consumer.isolation.level': 'read_committed',
        'offset.flush.interval.ms': 500,
        // The one that was killed is missed soon, and nothing waits for it to come back.
        'session.timeout.ms': 6_000,
        'heartbeat.interval.ms': 1_000,
        'scheduled.rebalance.max.delay.ms': 0,
        'plugin.discovery': 'service_load',
        listeners: url,
      },
      ready: async () => (await fetch(`${url}/connectors`)).ok,
      startTimeoutMs: 90_000,
    });
  }, 180_000);
  afterAll(async () => {
    await worker?.stop();
    client?.close();
    await weir?.stop();
  });

  let written = 0;
  const write = (): void => {
    fs.appendFileSync(source, Array.from({ length: LINES }, () => `line ${written++}\n`).join(''));
  };
  const inSink = (): string[] =>
    fs.existsSync(sink) ? fs.readFileSync(sink, 'utf8').split('\n').slice(0, -1) : [];
  const states = async (): Promise<string[]> => {
    const names = ['source', 'sink'];
    const found = await Promise.all(names.map((name) => ask('GET', `/connectors/${name}/status`)));
    return found.flatMap(({ connector, tasks }) => [connector, ...tasks].map((one) => one.state));
  };
  const RUNNING = ['RUNNING', 'RUNNING', 'RUNNING', 'RUNNING'];

  it('moves each line from file to topic exactly once, and on to a file, though it is killed', async () => {
    await ask('PUT', '/connectors/source/config', {
      'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector',
      'exactly.once.support': 'required',
      'batch.size': String(BATCH),
      file: source,
      topic: 'lines',
    });
    await ask('PUT', '/connectors/sink/config', {
      'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
      topics: 'lines',
      file: sink,
    });
    write();
    await expect.poll(() => inSink().length, PATIENCE).toBeGreaterThan(0);
    await expect.poll(states, PATIENCE).toEqual(RUNNING);
    write();
    await sleep(700);
    await worker.kill(); // In the middle of it.
    write();
    await worker.restart();
    write();
    const lines = Array.from({ length: written }, (_, i) => `line ${i}`);
    await expect.poll(() => new Set(inSink()).size, PATIENCE).toBe(written);
    expect(await states()).toEqual(RUNNING);
    const records = await readAll(client, 'lines', 1);
    expect(records.map(({ value }) => value)).toEqual(lines);
    // What is repeated begins where the last commit was.
    expect([...new Set(inSink())]).toEqual(lines);
  }, 180_000);

  it('removes connectors, and resets the offsets of a source', async () => {
    await ask('PUT', '/connectors/source/stop').catch(() => {}); // Answers with nothing.
    const offsets = () => ask('GET', '/connectors/source/offsets');
    expect((await offsets()).offsets).toHaveLength(1);
    const state = async () => (await ask('GET', '/connectors/source/status')).connector.state;
    await expect.poll(state, PATIENCE).toBe('STOPPED');
    await ask('DELETE', '/connectors/source/offsets');
    expect(await offsets()).toEqual({ offsets: [] });
  });
});
