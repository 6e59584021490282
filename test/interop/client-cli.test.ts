/** The commands as people run them, on Apache Kafka and on Weir. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { startKafka } from '../peers/kafka.ts';
import { runTool, type ToolResult } from '../peers/peer.ts';
import { root, WeirProcess } from '../support/weir-process.ts';

const MAIN = path.join(root, 'src/main.ts');

interface Engine {
  readonly bootstrap: string;
  stop(): Promise<unknown>;
}

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  'Apache Kafka': () => startKafka(),
  Weir: () => WeirProcess.start({ roles: 'broker' }),
};

for (const [name, start] of Object.entries(engines)) {
  describeWithPeers(['kafka'], `command line on ${name}`, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await start();
    });
    afterAll(async () => {
      await engine?.stop();
    });

    const weir = (args: readonly string[], stdin = ''): Promise<ToolResult> =>
      runTool(process.execPath, [MAIN, ...args, '--bootstrap-server', engine.bootstrap], {
        stdin,
        timeoutMs: 60_000,
      });
    const ok = async (args: readonly string[], stdin = ''): Promise<string> => {
      const { code, stdout, stderr } = await weir(args, stdin);
      expect(code, stderr).toBe(0);
      return stdout;
    };

    test('creates, shows, changes and deletes a topic', async () => {
      await ok(['topic', 'create', 'fish', '--partitions', '2', '--config', 'retention.ms=5000']);
      const again = await weir(['topic', 'create', 'fish']);
      expect(again.code).toBe(1);
      expect(again.stderr).toContain("'fish' already exists");
      await ok(['topic', 'create', 'fish', '--if-not-exists']);
      await ok(['topic', 'alter', 'fish', '--partitions', '3', '--delete-config', 'retention.ms']);
      const [topic] = JSON.parse(await ok(['topic', 'describe', 'fish', '--json']));
      expect(topic).toMatchObject({ topic: 'fish', replicationFactor: 1, configs: {} });
      expect(topic.partitions).toHaveLength(3);
      expect(await ok(['topic', 'list'])).toMatch(/^fish +3 +1 +0$/m);
      await ok(['topic', 'delete', 'fish']);
      expect(await ok(['topic', 'list'])).not.toContain('fish');
      expect((await weir(['topic', 'delete', 'fish'])).code).toBe(1);
      await ok(['topic', 'delete', 'fish', '--if-exists']);
    });

    test('shows its brokers, what is in trouble, and elects leaders', async () => {
      await ok(['topic', 'create', 'spread', '--partitions', '3']);
      const [broker, ...others] = JSON.parse(await ok(['broker', 'list', '--json']));
      expect(others).toEqual([]);
      expect(broker).toMatchObject({
        endpoint: engine.bootstrap,
        state: 'running',
        quorum: 'controller',
        outOfSync: 0,
      });
      expect(broker.leaders).toBeGreaterThanOrEqual(3);
      expect(broker.freeBytes).toBeGreaterThan(broker.usedBytes);
      const id = String(broker.id);
      const described = JSON.parse(await ok(['broker', 'describe', id, '--json']));
      expect(described).toMatchObject({ metadataLag: 0, outOfSyncPartitions: [] });
      expect(described.logDirs).toHaveLength(1);
      for (const trouble of ['under-replicated', 'unavailable', 'under-min-isr']) {
        expect(await ok(['topic', 'describe', `--${trouble}-partitions`])).toBe('');
      }
      const narrow = await ok(['topic', 'describe', 'spread', '--at-min-isr-partitions']);
      expect(narrow).toMatch(/^Topic: spread .*PartitionCount: 3/);
      expect(await ok(['topic', 'elect', 'spread'])).toBe('every leader is as it should be\n');
      const drain = await weir(['broker', 'drain', id]);
      expect(drain.stderr).toContain(`no broker is left for`);
      const gone = await weir(['broker', 'describe', '77']);
      expect(gone.stderr).toBe(`weir: there is no broker 77; there are ${id}\n`);
      const factor = await weir(['topic', 'alter', 'spread', '--replication-factor', '2']);
      expect(factor.stderr).toContain('2 replicas need 2 brokers; 1 run');
    });

    test('reads back what it sent, with keys, in JSON, from anywhere', async () => {
      await ok(['topic', 'create', 'lines', '--partitions', '1']);
      const lines = Array.from({ length: 20_000 }, (_, i) => `k${i}:line ${i}\n`);
      await ok(
        [
          ...['produce', 'lines', '--property', 'parse.key=true', '--compression-codec', 'lz4'],
          ...['--property', 'key.separator=:'],
        ],
        lines.join(''),
      );
      const all = await ok([
        ...['consume', 'lines', '--from-beginning', '--max-messages', '20000'],
        ...['--property', 'print.key=true', '--property', 'key.separator=:'],
      ]);
      expect(all).toBe(lines.join(''));
      const json = await ok([
        ...['consume', 'lines', '--offset', '19999', '--timeout-ms', '2000', '--json'],
      ]);
      expect(JSON.parse(json)).toMatchObject({
        topic: 'lines',
        partition: 0,
        offset: 19_999,
        key: 'k19999',
        value: 'line 19999',
      });
      const since = await ok([
        ...['consume', 'lines', '--offset', '2020-01-01T00:00:00Z', '--max-messages', '1'],
      ]);
      expect(since).toBe('line 0\n');
    });

    test('ends quietly when its reader goes away', async () => {
      const child = spawn(
        'sh',
        [
          ...['-c', '"$0" "$@" | head -2', process.execPath, MAIN, 'consume', 'lines'],
          ...['--from-beginning', '--bootstrap-server', engine.bootstrap],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let out = '';
      let err = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      await new Promise((resolve) => child.once('close', resolve));
      expect(out).toBe('line 0\nline 1\n');
      expect(err).not.toContain('EPIPE');
    });

    test('goes on where its group stopped, shows the lag, and resets it', async () => {
      const consume = ['consume', 'lines', '--group', 'readers', '--from-beginning'];
      const first = await ok([...consume, '--max-messages', '5000']);
      expect(first.trimEnd().split('\n').at(-1)).toBe('line 4999');
      const second = await ok([...consume, '--max-messages', '1']);
      expect(second).toBe('line 5000\n');
      const describe = ['group', 'describe', 'readers', '--json'];
      expect(JSON.parse(await ok(describe))).toMatchObject([
        { topic: 'lines', currentOffset: 5001, logEndOffset: 20_000, lag: 14_999 },
      ]);
      const reset = ['group', 'reset-offsets', 'readers', '--topic', 'lines'];
      expect(await ok([...reset, '--to-earliest'])).toMatch(/readers +lines +0 +0$/m);
      expect(JSON.parse(await ok(describe))[0].currentOffset).toBe(5001);
      await ok([...reset, '--shift-by', '-1001', '--execute']);
      expect(JSON.parse(await ok(describe))[0].currentOffset).toBe(4000);
      await ok([...reset, '--to-datetime', '2100-01-01T00:00:00Z', '--execute']);
      expect(JSON.parse(await ok(describe))[0].lag).toBe(0);
      await ok([...reset, '--to-offset', '99999999', '--execute']);
      expect(JSON.parse(await ok(describe))[0].currentOffset).toBe(20_000);
      expect(await ok(['group', 'list'])).toContain('readers');
      await ok(['group', 'delete', 'readers']);
      const gone = await weir(['group', 'describe', 'readers']);
      expect(gone.code).toBe(1);
      expect(gone.stderr).toContain("group 'readers' does not exist");
    });

    test('shows logs for people', async () => {
      await ok(['topic', 'create', 'logs', '--partitions', '2']);
      const record = (n: number): string =>
        JSON.stringify({
          '@timestamp': new Date(Date.UTC(2026, 10, 22, 15, 0, n)).toISOString(),
          message: `event ${n}`,
          log: { level: n % 2 === 0 ? 'info' : 'error' },
          service: { name: 'api' },
          host: { name: 'h1' },
        });
      const lines = Array.from({ length: 30 }, (_, n) => `${record(n)}\n`);
      for (const partition of ['0', '1']) {
        const half = lines.filter((_, n) => n % 2 === Number(partition)).join('');
        await ok(['produce', 'logs', '--partition', partition], half);
      }
      const shown = await ok(['tail', '--no-follow', '--lines', '5']);
      expect(
        shown
          .trimEnd()
          .split('\n')
          .map((line) => line.slice(24)),
      ).toEqual([
        'ERROR api/h1 event 25',
        'INFO  api/h1 event 26',
        'ERROR api/h1 event 27',
        'INFO  api/h1 event 28',
        'ERROR api/h1 event 29',
      ]);
      const found = await ok(['tail', '--no-follow', '--lines', '30', '--grep', 'event 1$']);
      expect(found).toContain('event 1\n');
      expect(found.trimEnd().split('\n')).toHaveLength(1);
      expect(await ok(['tail', '--no-follow', '-n', '1', '--json'])).toBe(lines.at(-1));
    });

    test('says what it misses', async () => {
      const { code, stderr } = await weir(['consume', 'no-such-topic']);
      expect(code).toBe(1);
      expect(stderr).toContain("topic 'no-such-topic' does not exist");
      const bad = await weir(['produce', 'lines', '--acks', 'al']);
      expect(bad.code).toBe(2);
      expect(bad.stderr).toContain("did you mean 'all'");
    });
  });
}

test('names the broker that is not there', async () => {
  const { code, stderr } = await runTool(
    process.execPath,
    [MAIN, 'topic', 'list', '--bootstrap-server', '127.0.0.1:1'],
    { timeoutMs: 30_000 },
  );
  expect(code).toBe(1);
  expect(stderr).toBe(
    'weir: expected a Kafka broker at 127.0.0.1:1, saw ECONNREFUSED; is `npm start` running?\n',
  );
});
