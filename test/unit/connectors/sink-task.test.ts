import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { OperatingError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import { DeadLetters } from '../../../src/connectors/dead-letters.ts';
import { ElasticsearchDestination } from '../../../src/connectors/elasticsearch/elasticsearch-destination.ts';
import { readElasticsearchSettings } from '../../../src/connectors/elasticsearch/settings.ts';
import { SinkTask, type SinkTaskOptions } from '../../../src/connectors/sink-task.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { FakeServer, type Reaction } from './fake-server.ts';
import { MemoryLetters, MemoryLog, MemorySource, TOPIC_ID } from './memory-log.ts';

const HEAD = '{"@timestamp":"2026-11-22T10:00:00.000Z"';

let server: FakeServer;
let running: Rig[] = [];

beforeEach(async () => {
  server = await FakeServer.start();
});
afterEach(async () => {
  for (const rig of running) await rig.task.stop();
  running = [];
  await server.stop();
});

interface Rig {
  readonly task: SinkTask;
  readonly source: MemorySource;
  readonly letters: MemoryLetters;
}

async function startTask(
  log: MemoryLog,
  config: Record<string, string> = {},
  options: Partial<SinkTaskOptions> & {
    letters?: MemoryLetters;
    random?: Random;
    url?: string;
  } = {},
): Promise<Rig> {
  const settings = readElasticsearchSettings(
    {
      'connection.url': options.url ?? server.url,
      'linger.ms': '5',
      'retry.backoff.ms': '2',
      ...config,
    },
    null,
  );
  const seams = {
    clock: systemClock,
    random: options.random ?? seededRandom(7),
    logger: silentLogger,
  };
  const source = new MemorySource(log);
  const letters = options.letters ?? new MemoryLetters();
  const task = new SinkTask(
    {
      connector: 'es',
      task: 0,
      destinationClass: 'Elasticsearch',
      lingerMs: settings.lingerMs,
      inFlightMax: settings.inFlightMax,
      retryBackoffMs: settings.retryBackoffMs,
      malformed: settings.malformed,
      nullValues: settings.nullValues,
      commitIntervalMs: 5,
      drainTimeoutMs: 200,
      ...options,
    },
    source,
    new ElasticsearchDestination(settings, seams),
    new DeadLetters('dead-letters', letters, seams),
    seams,
  );
  await task.start();
  const rig = { task, source, letters };
  running.push(rig);
  return rig;
}

const eventually = async (what: string, condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 5_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`never: ${what}`);
};

const allCommitted = (log: MemoryLog): Promise<void> =>
  eventually('everything is committed', () =>
    log.committed.every((offset, partition) => offset === log.end(partition)),
  );

const idOf = (partition: number, offset: number, leaderEpoch = 0): string =>
  `${TOPIC_ID}-${partition}-${leaderEpoch}-${offset}`;

function numbered(log: MemoryLog, partition: number, count: number): void {
  const start = log.end(partition);
  log.append(
    partition,
    Array.from({ length: count }, (_, i) => ({
      key: `k${start + i}`,
      value: `${HEAD},"n":${start + i}}`,
    })),
    CompressionType.lz4,
  );
}

/** Every record is a document, a dead letter, or neither yet, and no offset is ahead of that. */
function checkAccounts(log: MemoryLog, letters: MemoryLetters): void {
  const dead = new Map<string, number>();
  for (const { headers } of letters.letters) {
    const id = idOf(
      Number(headers['__connect.errors.partition']),
      Number(headers['__connect.errors.offset']),
    );
    dead.set(id, (dead.get(id) ?? 0) + 1);
  }
  for (const [partition, records] of log.records.entries()) {
    for (const [offset, record] of records.entries()) {
      const id = idOf(partition, offset);
      const document = server.documents.get(id);
      if (document !== undefined) {
        expect(JSON.parse(document)).toEqual(JSON.parse(record.value ?? ''));
        expect(dead.has(id), `${id} is a document and a dead letter`).toBe(false);
      } else if (!dead.has(id)) {
        expect(offset, `${id} is committed and nowhere`).toBeGreaterThanOrEqual(
          log.committed[partition]!,
        );
      }
    }
  }
}

function expectAllDelivered(log: MemoryLog): void {
  const total = log.records.reduce((sum, records) => sum + records.length, 0);
  expect(server.documents.size).toBe(total);
  expect(server.repeated).toEqual([]);
  checkAccounts(log, new MemoryLetters());
}

describe('sink task with an Elasticsearch that behaves', () => {
  it('ships every record once and commits behind it', async () => {
    const log = new MemoryLog(3);
    for (let i = 0; i < 30; i++) numbered(log, i % 3, 50);
    const { task } = await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(server.conflicts).toBe(0);
    expect(task.state).toBe('RUNNING');
    expect(task.fault).toBe('');
    expect(task.probe.written).toBe(1_500);
  });

  it('sends nothing while there is nothing to send', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 1);
    await startTask(log);
    await allCommitted(log);
    const requests = server.bulkRequests + server.otherRequests.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(server.bulkRequests + server.otherRequests.length).toBe(requests);
  });

  it('sends a trickle after the linger time without a full request', async () => {
    const log = new MemoryLog(1);
    await startTask(log);
    for (let i = 1; i <= 3; i++) {
      numbered(log, 0, 1);
      await eventually('the record is a document', () => server.documents.size === i);
    }
  });

  it('keeps requests within the bounds of bytes and records', async () => {
    const log = new MemoryLog(1);
    for (let i = 0; i < 20; i++) numbered(log, 0, 100);
    await startTask(log, { 'batch.size': '70', 'bulk.size.bytes': '5000' });
    server.script = ({ items }) => {
      expect(items.length).toBeLessThanOrEqual(70);
      return { kind: 'items' };
    };
    await allCommitted(log);
    expectAllDelivered(log);
    expect(server.largestBody).toBeLessThanOrEqual(5_000);
  });

  it('reads nothing while it is paused, and goes on when it is resumed', async () => {
    const log = new MemoryLog(1);
    const { task } = await startTask(log);
    task.pause();
    await new Promise((resolve) => setTimeout(resolve, 20));
    numbered(log, 0, 10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(task.state).toBe('PAUSED');
    expect(server.bulkRequests).toBe(0);
    task.resume();
    await allCommitted(log);
    expect(task.state).toBe('RUNNING');
    expectAllDelivered(log);
  });

  it.each([
    [{ 'connection.api.key': 'a2V5' }, 'ApiKey a2V5'],
    [
      { 'connection.username': 'u', 'connection.password': 'p' },
      `Basic ${Buffer.from('u:p').toString('base64')}`,
    ],
  ])('shows its credentials %j', async (config, header) => {
    const log = new MemoryLog(1);
    numbered(log, 0, 1);
    await startTask(log, config as Record<string, string>);
    await allCommitted(log);
    expect(server.authorization).toBe(header);
  });

  it('sends compressed requests when told to', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 10);
    await startTask(log, { 'connection.compression': 'true' });
    await allCommitted(log);
    expectAllDelivered(log);
    expect(server.packedRequests).toBe(server.bulkRequests);
  });
});

describe('sink task with requests that fail', () => {
  const failures: [string, Reaction][] = [
    ['429 with Retry-After', { kind: 'status', status: 429, headers: { 'retry-after': '0' } }],
    ['502', { kind: 'status', status: 502 }],
    ['503', { kind: 'status', status: 503 }],
    ['a reset before it was carried out', { kind: 'reset', execute: false }],
    ['a reset after it was carried out', { kind: 'reset', execute: true }],
    ['an answer that breaks off', { kind: 'cut' }],
    ['half a JSON document as the answer', { kind: 'truncated' }],
    ['an answer with fewer items than actions', { kind: 'fewer' }],
  ];
  for (const [name, reaction] of failures) {
    it(`delivers once after ${name}`, async () => {
      const log = new MemoryLog(2);
      for (let i = 0; i < 10; i++) numbered(log, i % 2, 20);
      server.script = ({ number }) => (number <= 4 ? reaction : { kind: 'items' });
      const { letters, task } = await startTask(log);
      await allCommitted(log);
      expectAllDelivered(log);
      expect(letters.letters).toEqual([]);
      expect(task.shipping.retries).toBeGreaterThan(0);
    });
  }

  it('buries no record for a fault of its own after a long fault of the server', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 5);
    server.script = ({ number }) => {
      if (number <= 11) return { kind: 'reset', execute: false };
      if (number > 13) return { kind: 'items' };
      return { kind: 'items', item: () => ({ status: 500, type: 'unheard_of_exception' }) };
    };
    const { letters } = await startTask(log, { 'retry.backoff.ms': '1' });
    await allCommitted(log);
    expectAllDelivered(log);
    expect(letters.letters).toEqual([]);
  });

  it('knows its documents again after a server that carried out what it never answered', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 20);
    server.script = ({ number }) => (number <= 2 ? { kind: 'silent' } : { kind: 'items' });
    const { task } = await startTask(log, { 'read.timeout.ms': '100' });
    await allCommitted(log);
    expectAllDelivered(log);
    expect(task.probe.duplicates).toBe(20);
    expect(task.probe.written).toBe(0);
  });

  it('halves requests that are too large', async () => {
    const log = new MemoryLog(1);
    for (let i = 0; i < 4; i++) numbered(log, 0, 100);
    server.script = ({ items }) =>
      items.length > 7 ? { kind: 'status', status: 413 } : { kind: 'items' };
    const { letters } = await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(letters.letters).toEqual([]);
  });

  it('puts a single record that is too large into the dead letters', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 3);
    log.append(0, [{ key: 'big', value: `${HEAD},"x":"${'y'.repeat(5_000)}"}` }]);
    numbered(log, 0, 3);
    server.script = ({ items }) =>
      items.some(({ source }) => source.length > 4_000)
        ? { kind: 'status', status: 413 }
        : { kind: 'items' };
    const { letters } = await startTask(log);
    await allCommitted(log);
    expect(server.documents.size).toBe(6);
    expect(letters.letters.map(({ key }) => key)).toEqual(['big']);
    checkAccounts(log, letters);
  });

  it('waits for a server that is not there, and says so', async () => {
    const { port } = server;
    await server.stop();
    const log = new MemoryLog(1);
    numbered(log, 0, 10);
    const { task } = await startTask(log, {}, { url: `http://127.0.0.1:${port}` });
    await eventually('a fault', () => task.fault !== '');
    expect(task.shipping.isOpen).toBe(false);
    server = await FakeServer.start(port);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(task.fault).toBe('');
  });

  it('asks a server that is away with one request at a time', async () => {
    const log = new MemoryLog(4);
    for (let i = 0; i < 40; i++) numbered(log, i % 4, 100);
    // Two may be under way when the server goes away; whoever comes later waits for the probe.
    let refused = 0;
    server.script = ({ number }) => {
      if (number <= 2 || number > 10) return { kind: 'items' };
      refused++;
      return { kind: 'status', status: 503 };
    };
    await startTask(log, { 'batch.size': '50', 'max.in.flight.requests': '8' });
    await allCommitted(log);
    expect(refused).toBe(8);
    expectAllDelivered(log);
  });

  it('fails on credentials, without dead letters, and with the reason', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 10);
    server.script = () => ({ kind: 'status', status: 401, body: '{"error":"who are you"}' });
    const { task, letters } = await startTask(log);
    await eventually('FAILED', () => task.state === 'FAILED');
    expect(task.fault).toContain('who are you');
    expect(letters.letters).toEqual([]);
    expect(log.committed).toEqual([0]);
    expect(server.bulkRequests).toBe(1);
  });
});

describe('sink task with items that fail', () => {
  it('sends only the items again that were refused for load', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 40);
    const seen = new Map<string, number>();
    server.script = ({ items }) => {
      for (const { id } of items) seen.set(id, (seen.get(id) ?? 0) + 1);
      return {
        kind: 'items',
        item: ({ id }) =>
          seen.get(id) === 1 && Number(id.split('-').at(-1)) % 4 === 0
            ? { status: 429, type: 'es_rejected_execution_exception' }
            : null,
      };
    };
    await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(server.conflicts).toBe(0);
    for (const [id, times] of seen)
      expect(times).toBe(Number(id.split('-').at(-1)) % 4 === 0 ? 2 : 1);
  });

  it('delivers all others while those that found the server back fail still', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 200);
    // All that is in the first request.
    const isLate = (id: string): boolean => Number(id.split('-').at(-1)) < 10;
    server.script = () => ({ kind: 'status', status: 502 });
    const { task } = await startTask(log, { 'batch.size': '10' });
    await eventually('it is tried', () => server.bulkRequests > 4);
    server.script = () => ({
      kind: 'items',
      item: ({ id }) => (isLate(id) ? { status: 500, type: 'timeout_exception' } : null),
    });
    await eventually('the others are documents', () => server.documents.size === 190);
    expect(log.committed).toEqual([0]);
    server.script = () => ({ kind: 'items' });
    await allCommitted(log);
    expectAllDelivered(log);
    expect(task.fault).toBe('');
  });

  it('keeps poison with its key, headers and reason, and goes on', async () => {
    const log = new MemoryLog(1);
    log.append(0, [
      { key: 'a', value: `${HEAD},"n":0}` },
      {
        key: 'b',
        value: `${HEAD},"message":{"not":"text"}}`,
        headers: [{ key: 'weir.source', value: Buffer.from('syslog') }],
      },
      { key: 'c', value: `${HEAD},"n":2}` },
    ]);
    server.script = () => ({
      kind: 'items',
      item: ({ source }) =>
        source.includes('not') ? { status: 400, type: 'document_parsing_exception' } : null,
    });
    const { letters, task } = await startTask(log);
    await allCommitted(log);
    expect(server.documents.size).toBe(2);
    expect(letters.letters).toEqual([
      {
        topic: 'dead-letters',
        key: 'b',
        value: `${HEAD},"message":{"not":"text"}}`,
        headers: expect.objectContaining({
          'weir.source': 'syslog',
          '__connect.errors.topic': 'logs',
          '__connect.errors.partition': '0',
          '__connect.errors.offset': '1',
          '__connect.errors.connector.name': 'es',
          '__connect.errors.exception.class.name': 'document_parsing_exception',
          '__connect.errors.exception.message': 'scripted "status": 200',
        }),
      },
    ]);
    expect(task.probe.deadLetters).toBe(1);
  });

  it('keeps what is no JSON object without asking the server', async () => {
    const log = new MemoryLog(1);
    const values = ['plain text', null, '[1,2]', '{"broken":\n', '{"a":"b\nc"}', '42'];
    log.append(
      0,
      values.map((value) => ({ key: null, value })),
    );
    const { letters } = await startTask(log);
    await allCommitted(log);
    expect(letters.letters.map(({ value }) => value)).toEqual(values);
    expect(server.documents.size).toBe(0);
    expect(server.bulkRequests).toBe(0);
  });

  it('counts what it leaves out when told to', async () => {
    const log = new MemoryLog(1);
    log.append(0, [{ value: 'text' }, { value: null }, { value: `${HEAD}}` }]);
    const { letters, task } = await startTask(log, {
      'behavior.on.malformed.documents': 'ignore',
      'behavior.on.null.values': 'ignore',
    });
    await allCommitted(log);
    expect(letters.letters).toEqual([]);
    expect(task.probe.ignored).toBe(2);
    expect(server.documents.size).toBe(1);
  });

  it('commits nothing behind a dead letter that can not be written', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 5);
    log.append(0, [{ value: 'poison' }]);
    numbered(log, 0, 5);
    const letters = new MemoryLetters();
    letters.fault = new OperatingError('no-broker', 'the log is away');
    const { task } = await startTask(log, {}, { letters });
    await eventually('the rest is delivered', () => server.documents.size === 10);
    await eventually('a fault', () => task.fault.includes('the log is away'));
    expect(log.committed[0]).toBeLessThanOrEqual(5);
    letters.fault = null;
    await allCommitted(log);
    expect(letters.letters.length).toBe(1);
    expect(task.fault).toBe('');
  });

  it('stops reading while dead letters pile up, and starts again by itself', async () => {
    const log = new MemoryLog(1);
    const letters = new MemoryLetters();
    letters.fault = new OperatingError('no-broker', 'the log is away');
    for (let i = 0; i < 40; i++) {
      log.append(0, [{ value: 'x'.repeat(1_000_000) }], CompressionType.lz4);
    }
    const { task } = await startTask(log, {}, { letters });
    await eventually('a pile', () => task.probe.read > 10);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(task.probe.read).toBeLessThan(20);
    letters.fault = null;
    await allCommitted(log);
    expect(letters.letters.length).toBe(40);
  });

  it.each([
    [400, 'index_closed_exception'],
    [404, 'index_not_found_exception'],
    [400, 'validation_exception'],
  ])('waits for an index (%d %s) instead of burying its records', async (status, type) => {
    const log = new MemoryLog(1);
    numbered(log, 0, 5);
    server.script = () => ({ kind: 'items', item: () => ({ status, type }) });
    const { task, letters } = await startTask(log);
    await eventually('FAILED', () => task.state === 'FAILED');
    expect(letters.letters).toEqual([]);
    expect(log.committed).toEqual([0]);
  });

  it('tries again while a flood-stage block is on the index', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 5);
    server.script = ({ number }) => ({
      kind: 'items',
      item: () => (number < 6 ? { status: 403, type: 'cluster_block_exception' } : null),
    });
    const { letters } = await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(letters.letters).toEqual([]);
  });
});

describe('sink task that loses partitions or its life', () => {
  it('pauses a partition of which too much is unresolved, and resumes it', async () => {
    const log = new MemoryLog(1);
    for (let i = 0; i < 60; i++) numbered(log, 0, 100);
    let isBlocked = true;
    server.script = () => (isBlocked ? { kind: 'status', status: 503 } : { kind: 'items' });
    const { source, task } = await startTask(log, {}, { partitionBytesMax: 10_000 });
    await eventually('paused', () => source.paused.has(0));
    expect(task.assignment.paused).toBe(1);
    isBlocked = false;
    await allCommitted(log);
    expect(source.paused.size).toBe(0);
    expectAllDelivered(log);
  });

  it('commits what is resolved before a partition goes to another member', async () => {
    const log = new MemoryLog(2);
    numbered(log, 0, 50);
    numbered(log, 1, 50);
    const { source, task } = await startTask(log, {}, { commitIntervalMs: 1_000_000 });
    await eventually('delivered', () => server.documents.size === 100);
    await source.listener!.revoked([{ topic: 'logs', partition: 1 }], false);
    expect(log.committed[1]).toBe(50);
    expect([...task.assignment.offsets()].map(({ partition }) => partition)).toEqual([0]);
  });

  it('starts anew with a topic that was deleted and made again', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 20);
    const { source } = await startTask(log);
    await allCommitted(log);
    log.recreate('BAAAAAAAAAAAAAAAAAAAAQ');
    source.restartAtZero();
    numbered(log, 0, 5);
    await eventually('the new records are documents', () => server.documents.size === 25);
    await allCommitted(log);
    expect(log.committed).toEqual([5]);
  });

  it('ships what was given the offsets of records that the log has lost', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 10);
    numbered(log, 0, 10);
    const { source } = await startTask(log);
    await allCommitted(log);
    log.cut(0, 10);
    source.moveTo(0, 10);
    log.append(0, [{ value: `${HEAD},"n":"another"}` }]);
    await eventually('it is a document', () => server.documents.size === 21);
    expect(server.documents.get(idOf(0, 10, 1))).toContain('another');
    expect(server.conflicts).toBe(0);
    await allCommitted(log);
    expect(log.commits.at(-1)).toMatchObject({ offset: 11, leaderEpoch: 1 });
  });

  it('ships nothing that was deleted before it knew where the log begins', async () => {
    const log = new MemoryLog(1);
    const { source } = await startTask(log);
    source.moveTo(0, 12);
    numbered(log, 0, 10);
    numbered(log, 0, 10);
    await allCommitted(log);
    const kept = Array.from({ length: 8 }, (_, i) => idOf(0, 12 + i));
    expect([...server.documents.keys()].toSorted()).toEqual(kept);
  });

  it('shows that the log can not be read, and goes on when it can', async () => {
    const log = new MemoryLog(1);
    const { source, task } = await startTask(log);
    await eventually('it is open', () => task.shipping.isOpen);
    source.failPolls = 'logs-0: TOPIC_AUTHORIZATION_FAILED';
    await eventually('it says so', () => task.light === 'red');
    expect(task.fault).toBe('logs-0: TOPIC_AUTHORIZATION_FAILED');
    source.failPolls = '';
    numbered(log, 0, 5);
    await allCommitted(log);
    expect(task.light).toBe('green');
    source.fault = 'not in the group';
    expect([task.light, task.fault]).toEqual(['red', 'not in the group']);
  });

  it('commits at once where it reads a topic that was made again', async () => {
    const log = new MemoryLog(1);
    numbered(log, 0, 20);
    const { source } = await startTask(log);
    await allCommitted(log);
    // Nothing is delivered meanwhile; whoever comes next must not begin at the old offset.
    server.script = () => ({ kind: 'status', status: 503 });
    log.recreate('BAAAAAAAAAAAAAAAAAAAAQ');
    source.restartAtZero();
    numbered(log, 0, 40);
    await eventually('the place is committed', () => log.committed[0] === 0);
    server.script = () => ({ kind: 'items' });
    await allCommitted(log);
  });

  it('takes nothing more of a partition that it gives away', async () => {
    const log = new MemoryLog(2);
    server.script = () => ({ kind: 'items' });
    const { source } = await startTask(log, {}, { drainTimeoutMs: 8_000 });
    const pump = setInterval(() => numbered(log, 1, 100), 1);
    await eventually('it is under load', () => server.documents.size > 1_000);
    const started = performance.now();
    await source.listener!.revoked([{ topic: 'logs', partition: 1 }], false);
    const tookMs = performance.now() - started;
    clearInterval(pump);
    expect(tookMs).toBeLessThan(4_000);
    expect(source.paused).toEqual(new Set([1]));
    const missing = Array.from({ length: log.committed[1]! }, (_, offset) => idOf(1, offset));
    expect(missing.filter((id) => !server.documents.has(id))).toEqual([]);
    // It is not this test's to be read on.
    log.partitions[1]!.length = 0;
  });

  it('takes nothing that was read before its partitions were given anew', async () => {
    const log = new MemoryLog(3);
    numbered(log, 1, 10);
    server.script = () => ({ kind: 'status', status: 502 });
    const small = { 'batch.size': '10', 'max.in.flight.requests': '6' };
    const { source } = await startTask(log, small);
    await eventually('it is tried', () => server.bulkRequests > 1);
    // All of this comes with one poll, and waits for the windows that the first of it fills.
    numbered(log, 0, 200);
    numbered(log, 1, 10);
    numbered(log, 2, 600);
    await eventually('it waits', () => server.bulkRequests > 4);
    await source.listener!.revoked(source.partitions, true);
    source.restartAtZero();
    source.listener!.assigned(source.partitions);
    const isFirst = (id: string): boolean => /-1-0-\d$/.test(id);
    server.script = () => ({
      kind: 'items',
      item: ({ id }) => (isFirst(id) ? { status: 500, type: 'timeout_exception' } : null),
    });
    await eventually('the rest is taken', () => server.documents.size === 810);
    expect(log.commits.filter(({ partition, offset }) => partition === 1 && offset > 0)).toEqual(
      [],
    );
    server.script = () => ({ kind: 'items' });
    await allCommitted(log);
    expectAllDelivered(log);
  });

  it('delivers once when it dies between the answer and the commit', async () => {
    const log = new MemoryLog(2);
    for (let i = 0; i < 10; i++) numbered(log, i % 2, 30);
    const first = await startTask(log, {}, { commitIntervalMs: 1_000_000 });
    await eventually('some is delivered', () => server.documents.size > 100);
    first.source.die();
    await first.task.stop();
    expect(log.committed).toEqual([0, 0]);
    await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(server.conflicts).toBeGreaterThan(100);
  });

  it('knows again after a rollover what it has sent without an answer', async () => {
    const log = new MemoryLog(2);
    numbered(log, 0, 20);
    numbered(log, 1, 20);
    server.script = ({ number }) => {
      if (number > 1) return { kind: 'items' };
      // Carried out by then.
      setImmediate(() => server.rollOver());
      return { kind: 'reset', execute: true };
    };
    const { task } = await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(task.probe.duplicates + task.probe.written).toBe(40);
    expect(task.probe.duplicates).toBeGreaterThan(0);
  });

  it('knows again after rollovers what another life has sent, and sends the rest', async () => {
    const log = new MemoryLog(2);
    for (let i = 0; i < 10; i++) numbered(log, i % 2, 30);
    const first = await startTask(log);
    await allCommitted(log);
    first.source.failCommits = true;
    const small = { 'batch.size': '40' };
    for (let i = 0; i < 10; i++) numbered(log, i % 2, 30);
    await eventually('all is delivered', () => server.documents.size === 600);
    first.source.die();
    await first.task.stop();
    expect(log.committed).toEqual([150, 150]);
    expect(log.metadata).toEqual(['.ds-logs-000001', '.ds-logs-000001']);
    server.rollOver();
    for (let i = 0; i < 10; i++) numbered(log, i % 2, 30);
    const second = await startTask(log, small, { commitIntervalMs: 1_000_000 });
    await eventually('all is delivered', () => server.documents.size === 900);
    second.source.die();
    await second.task.stop();
    server.rollOver();
    const { task } = await startTask(log, small);
    await allCommitted(log);
    expectAllDelivered(log);
    expect(task.probe).toMatchObject({ duplicates: 600, written: 0 });
    expect(log.metadata).toEqual(['.ds-logs-000003', '.ds-logs-000003']);
  });

  it('looks no further back than what was committed says', async () => {
    const log = new MemoryLog(1);
    for (let i = 0; i < 3; i++) server.rollOver();
    numbered(log, 0, 10);
    log.metadata[0] = '.ds-logs-000003';
    await startTask(log);
    await allCommitted(log);
    const looked = server.otherRequests.filter((request) => request.includes('_mget'));
    expect(looked.map((request) => request.split('?')[0])).toEqual(['POST /.ds-logs-000003/_mget']);
    // What comes from now on, nobody can have sent before.
    numbered(log, 0, 10);
    await allCommitted(log);
    expect(server.otherRequests.filter((request) => request.includes('_mget'))).toEqual(looked);
  });

  it.each([
    [{ error: { type: 'index_closed_exception' } }, 0],
    [{ error: { type: 'no_shard_available_action_exception' } }, 1],
    [{ found: true }, 0],
  ])('judges an older index by its answer %j', async (doc, again) => {
    const log = new MemoryLog(1);
    server.rollOver();
    numbered(log, 0, 1);
    server.docs = (asked) => (again === 1 && asked > 1 ? { found: false } : doc);
    const { task } = await startTask(log);
    await allCommitted(log);
    expect(server.documents.size).toBe('found' in doc ? 0 : 1);
    expect(task.shipping.retries).toBe(again);
  });

  it('ships for a user who may write and not look', async () => {
    const log = new MemoryLog(1);
    server.rollOver();
    numbered(log, 0, 10);
    server.statusOfOthers = 403;
    await startTask(log);
    await allCommitted(log);
    expectAllDelivered(log);
  });

  for (let seed = 1; seed <= 12; seed++) {
    it(`accounts for every record in a storm of faults and deaths (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const log = new MemoryLog(3);
      const letters = new MemoryLetters();
      const isPoison = (id: string): boolean => {
        const [partition, , offset] = id.split('-').slice(-3).map(Number);
        return (offset! * 7 + partition!) % 29 === 0;
      };
      // Two requests under way could fall on either side of a rollover.
      const isAlone = seed % 2 === 0;
      server.script = ({ items }) => {
        if (isAlone && below(random, 5) === 0) setImmediate(() => server.rollOver());
        return storm(random, items.length, isPoison);
      };
      for (let life = 0; life < 4; life++) {
        for (let i = 0; i < 12; i++) numbered(log, below(random, 3), 1 + below(random, 60));
        const config = {
          ...{ 'batch.size': '37', 'read.timeout.ms': '500', 'linger.ms': '1' },
          'max.in.flight.requests': isAlone ? '1' : '4',
        };
        const rig = await startTask(log, config, { letters, random, commitIntervalMs: 3 });
        const before = server.bulkRequests;
        await eventually(
          'some requests',
          () => server.bulkRequests > before + 5 + below(random, 20),
        );
        checkAccounts(log, letters);
        rig.source.die();
        await rig.task.stop();
        server.rollOver();
      }
      server.script = () => ({
        kind: 'items',
        item: ({ id }) =>
          isPoison(id) ? { status: 400, type: 'document_parsing_exception' } : null,
      });
      await startTask(log, {}, { letters, random });
      await allCommitted(log);
      checkAccounts(log, letters);
      for (const [partition, records] of log.records.entries()) {
        for (const offset of records.keys()) {
          const id = idOf(partition, offset);
          expect(server.documents.has(id), id).toBe(!isPoison(id));
        }
      }
      expect(server.repeated).toEqual([]);
    });
  }
});

function storm(random: Random, count: number, isPoison: (id: string) => boolean): Reaction {
  const dice = below(random, 20);
  if (dice === 0) return { kind: 'status', status: 503 };
  if (dice === 1) return { kind: 'status', status: 429, headers: { 'retry-after': '0' } };
  if (dice === 2 && count > 5) return { kind: 'status', status: 413 };
  if (dice === 3) return { kind: 'reset', execute: false };
  if (dice === 4) {
    const type = 'document_parsing_exception';
    return { kind: 'cut', item: ({ id }) => (isPoison(id) ? { status: 400, type } : null) };
  }
  if (dice === 5) return { kind: 'status', status: 502 };
  return {
    kind: 'items',
    item: ({ id }) => {
      if (isPoison(id)) return { status: 400, type: 'document_parsing_exception' };
      const fate = below(random, 12);
      if (fate === 0) return { status: 429, type: 'es_rejected_execution_exception' };
      if (fate === 1) return { status: 503, type: 'unavailable_shards_exception' };
      return null;
    },
  };
}
