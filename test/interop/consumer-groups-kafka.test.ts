/**
 * Apache Kafka's consumers with `group.protocol=consumer` on our groups (KIP-848): both assignors,
 * regular expressions, static members that restart, groups that change their protocol in use, and its
 * tools on such groups.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { freePort } from '../peers/peer.ts';
import {
  batchOf,
  createTopic,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from '../unit/broker/fixture.ts';

const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const DUMP = 'org.apache.kafka.tools.DumpLogSegments';

const TOPIC = 'orders-1';
const PARTITIONS = 4;

describeWithPeers(['kafka'], 'Kafka’s consumers of the consumer protocol', () => {
  let running: RunningBroker;
  let bootstrap: string;
  let next = 0;

  /** Produces that many records to each partition; returns their values. */
  const fill = async (count: number, topic = TOPIC): Promise<string[]> => {
    const client = await WireClient.connect(running.port);
    const values: string[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (let i = 0; i < count; i++) {
        const value = `value-${next++}`;
        values.push(value);
        const answer = await produce(client, topic, batchOf([value]), { partition });
        expect(answer.errorCode).toBe(0);
      }
    }
    await client.close();
    return values.sort();
  };

  /** Consumes until nothing comes for a while; what came, in any order. */
  const consume = async (
    group: string,
    properties: Record<string, string>,
    from: readonly string[] = ['--topic', TOPIC],
    idleMs = 6_000,
  ): Promise<string[]> => {
    const given = { 'auto.offset.reset': 'earliest', 'group.protocol': 'consumer', ...properties };
    const { code, stdout, stderr } = await kafkaTool(
      CONSUMER,
      [
        ...['--bootstrap-server', bootstrap, '--group', group, '--timeout-ms', `${idleMs}`],
        ...from,
        ...Object.entries(given).flatMap(([k, v]) => ['--command-property', `${k}=${v}`]),
      ],
      { timeoutMs: 90_000 },
    );
    expect(code === 0 || stderr.includes('Processed a total of'), stderr).toBe(true);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('value-'))
      .sort();
  };

  /** The same for as long as others need to find it there. */
  const stay = (group: string, properties: Record<string, string>): Promise<string[]> =>
    consume(group, properties, ['--topic', TOPIC], 15_000);

  const groups = async (...args: string[]): Promise<string> => {
    const all = ['--bootstrap-server', bootstrap, ...args];
    const { code, stdout, stderr } = await kafkaTool(GROUPS, all, { timeoutMs: 60_000 });
    expect(`${code}\n${code === 0 ? '' : stdout + stderr}`).toBe('0\n');
    return stdout;
  };

  const group = (id: string) =>
    [...running.broker.services.groups.groupView()].find((g) => g.group === id);
  const become = (id: string, type: string, state: string, members: number): Promise<void> =>
    expect
      .poll(() => group(id), { timeout: 30_000, interval: 50 })
      .toEqual({ group: id, type, state, members });

  beforeAll(async () => {
    const port = await freePort();
    bootstrap = `127.0.0.1:${port}`;
    running = await startBroker({
      listeners: [`PLAINTEXT://${bootstrap}`],
      'group.consumer.heartbeat.interval.ms': 500,
      'group.consumer.min.heartbeat.interval.ms': 500,
      'group.consumer.assignment.interval.ms': 0,
    });
    const client = await WireClient.connect(running.port);
    await createTopic(client, TOPIC, PARTITIONS);
    await client.close();
  });
  afterAll(() => running?.stop());

  it.each(['uniform', 'range'])('read everything once, two of them, by %s', async (assignor) => {
    const values = await fill(10);
    const id = `both-${assignor}`;
    const properties = { 'group.remote.assignor': assignor };
    const [a, b] = await Promise.all([consume(id, properties), consume(id, properties)]);
    const seen = [...a, ...b].filter((value) => values.includes(value)).sort();
    expect(seen).toEqual(values);
    await become(id, 'consumer', 'Empty', 0);
    expect(await consume(id, {})).toEqual([]);
  });

  it('are shown by the tools while they live', async () => {
    const consuming = stay('live', { 'client.id': 'reader' });
    await become('live', 'consumer', 'Stable', 1);
    const [members, state, list] = [
      await groups('--describe', '--group', 'live', '--members', '--verbose'),
      await groups('--describe', '--group', 'live', '--state'),
      await groups('--list', '--type', 'consumer', '--state'),
    ];
    expect(members).toMatch(/^live +\S+ +\/127\.0\.0\.1 +reader +4 .*orders-1:0,1,2,3/m);
    expect(state).toMatch(/^live .*uniform +Stable/m);
    expect(list).toMatch(/^live +Consumer +Stable/m);
    await consuming;
    // Kafka's own reader of such records; its formatters of consoles leave out all but the classic ones.
    const logs = fs
      .globSync(path.join(running.directory, '__consumer_offsets-*', '*.log'))
      .filter((file) => fs.statSync(file).size > 0);
    const { stdout } = await kafkaTool(DUMP, [...['--offsets-decoder', '--files', logs.join(',')]]);
    const types = new Set(
      [...stdout.matchAll(/key: \{"type":"?(\d+)"?,"data":\{"groupId":"live"/g)].map(([, type]) =>
        Number(type),
      ),
    );
    for (const type of [3, 5, 6, 7, 8]) expect(types).toContain(type);
  });

  it('read the topics of a regular expression, which the server looks up', async () => {
    const values = await fill(1);
    const seen = await consume('pattern', {}, ['--include', 'orders-.*']);
    for (const value of values) expect(seen).toContain(value);
  });

  it('come back as static members to what they had', async () => {
    const properties = { 'group.instance.id': 'one' };
    await fill(1);
    await consume('static', properties);
    const { members } = group('static') as { members: number };
    expect(members).toBe(1);
    const values = await fill(2);
    expect(await consume('static', properties)).toEqual(values);
  });

  it('take a classic group over while it is in use, and give it back, and no offset is lost', async () => {
    const classic = { 'group.protocol': 'classic' };
    await fill(1);
    await consume('moves', classic);
    const values = await fill(5);
    // One after the other, so that each joins a group that has members.
    const first = stay('moves', classic);
    await become('moves', 'classic', 'Stable', 1);
    const second = stay('moves', {});
    await become('moves', 'consumer', 'Stable', 2);
    const seen = [...(await first), ...(await second)];
    expect(seen.sort()).toEqual(values);
    const more = await fill(5);
    const third = stay('moves', {});
    await become('moves', 'consumer', 'Stable', 1);
    const fourth = stay('moves', classic);
    await become('moves', 'consumer', 'Stable', 2);
    expect([...(await third), ...(await fourth)].sort()).toEqual(more);
    expect(await consume('moves', classic)).toEqual([]);
    expect(group('moves')?.type).toBe('classic');
  }, 180_000);
});
