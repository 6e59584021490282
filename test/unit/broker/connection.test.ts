import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from './fixture.ts';

let running: RunningBroker;
const clients: WireClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await running.stop();
});

async function connect(): Promise<WireClient> {
  const client = await WireClient.connect(running.port);
  clients.push(client);
  return client;
}

const closes = (): Map<string, number> => running.broker.connectionStats.closedByReason;

const sized = (size: number, bytes: number): Buffer => {
  const frame = Buffer.alloc(4 + bytes);
  frame.writeInt32BE(size, 0);
  return frame;
};

describe('order', () => {
  it('answers the requests of a connection in their order, whatever they wait for', async () => {
    running = await startBroker();
    const client = await connect();
    await createTopic(client, 't');
    const frames: Promise<Buffer | null>[] = [];
    const send = (name: string, version: number, body: object): void => {
      frames.push(client.nextFrame());
      client.write(client.encode(name, version, { ...body }));
    };
    const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf(['a']) }] }];
    send('Produce', 9, { acks: -1, timeoutMs: 1000, topicData });
    send('Produce', 9, { acks: 1, timeoutMs: 1000, topicData });
    send('Metadata', 9, { topics: null });
    send('Fetch', 11, {
      maxWaitMs: 100,
      minBytes: 1_000_000,
      maxBytes: 1_000_000,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
    send('ApiVersions', 0, {});
    const answers = await Promise.all(frames);
    const ids = answers.map((frame) => frame!.readInt32BE(0));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(ids).size).toBe(5);
  });

  it('does not begin a request while an earlier fetch waits', async () => {
    running = await startBroker();
    const client = await connect();
    await createTopic(client, 't');
    const long = client.nextFrame();
    client.write(
      client.encode('Fetch', 11, {
        maxWaitMs: 60_000,
        minBytes: 1,
        maxBytes: 1000,
        topics: [
          { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
        ],
      }),
    );
    let answered = false;
    const next = client.nextFrame().then((frame) => {
      answered = true;
      return frame;
    });
    client.write(client.encode('ApiVersions', 0, {}));
    const other = await connect();
    await other.request('ApiVersions', 0);
    expect(answered).toBe(false);
    await produce(other, 't', batchOf(['x']));
    expect(await long).not.toBeNull();
    expect(await next).not.toBeNull();
  });
});

describe('frames', () => {
  it.each([
    ['a negative size', -1, 'frame-malformed'],
    ['the smallest size', -0x8000_0000, 'frame-malformed'],
    ['a size above the limit', 1_000_001, 'frame-too-large'],
    ['the largest size', 0x7fff_ffff, 'frame-too-large'],
    ['a plain HTTP request', 0x47455420, 'frame-too-large'],
  ])('%s closes the connection before anything is kept', async (_, size, reason) => {
    running = await startBroker({ 'socket.request.max.bytes': 1_000_000 });
    const client = await connect();
    client.write(sized(size, 100));
    await client.closed;
    expect(closes().get(reason)).toBe(1);
    expect(running.logged.at(-1)?.fields['event.reason']).toBe(reason);
  });

  it('takes a frame of exactly the limit', async () => {
    running = await startBroker({ 'socket.request.max.bytes': 100_000 });
    const client = await connect();
    await createTopic(client, 't');
    const overhead =
      client.encode('Produce', 9, {
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: Buffer.alloc(0) }] }],
      }).length - 4;
    // The length of the batch takes two more bytes than that of nothing.
    const batch = batchOf(['x'.repeat(100_000 - overhead - 2 - 61 - 10)]);
    const padding = 100_000 - overhead - 2 - batch.length;
    const exact =
      padding === 0 ? batch : batchOf(['x'.repeat(100_000 - overhead - 2 - 61 - 10 + padding)]);
    const answer = await produce(client, 't', exact);
    expect(answer.errorCode).toBe(0);
  });

  it('survives a request that comes byte by byte', async () => {
    running = await startBroker();
    const client = await connect();
    const answer = client.nextFrame();
    for (const byte of client.encode('Metadata', 9, { topics: null })) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await answer).not.toBeNull();
  });

  it('reads long frames in pieces and gives their memory back', async () => {
    running = await startBroker({ 'message.max.bytes': 20_000_000 });
    const client = await connect();
    await createTopic(client, 't');
    const value = 'x'.repeat(9_000_000);
    for (let i = 0; i < 3; i++) {
      const answer = await produce(client, 't', batchOf([value, String(i)]));
      expect(answer.errorCode).toBe(0);
      expect(answer.baseOffset).toBe(i * 2);
    }
    const text = await running.broker.metrics();
    expect(text).toContain('weir_broker_request_memory_bytes 0');
  });

  it('closes on a body that is none', async () => {
    running = await startBroker();
    const client = await connect();
    const frame = client.encode('Metadata', 9, { topics: null });
    client.write(Buffer.concat([sized(frame.length - 6, 0), frame.subarray(4, frame.length - 2)]));
    await client.closed;
    expect(closes().get('request-malformed')).toBe(1);
  });
});

describe('deadlines', () => {
  it('closes an idle connection without calling it an error', async () => {
    running = await startBroker({ 'connections.max.idle.ms': 300 });
    const client = await connect();
    await client.request('ApiVersions', 0);
    await client.closed;
    expect(closes().get('idle')).toBe(1);
    expect(running.logged).toEqual([]);
  });

  it('does not call a connection idle while its fetch waits', async () => {
    running = await startBroker({ 'connections.max.idle.ms': 300 });
    const client = await connect();
    await createTopic(client, 't');
    const answer = await client.request('Fetch', 11, {
      maxWaitMs: 1000,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
    expect(answer.errorCode).toBe(0);
  });

  it('closes a connection that never asks', async () => {
    running = await startBroker({ 'connections.first.request.max.ms': 200 });
    const client = await connect();
    await client.closed;
    expect(closes().get('first-request-timeout')).toBe(1);
  });

  it('closes a connection whose request does not end', async () => {
    running = await startBroker({ 'connections.request.max.ms': 300 });
    const client = await connect();
    await client.request('ApiVersions', 0);
    client.write(sized(1000, 10));
    await client.closed;
    expect(closes().get('request-timeout')).toBe(1);
  });
});

describe('limits', () => {
  it('refuses connections above max.connections and serves those that are there', async () => {
    running = await startBroker({ 'max.connections': 3 });
    const kept = [await connect(), await connect(), await connect()];
    for (const client of kept) await client.request('ApiVersions', 0);
    const refused = await connect();
    await refused.closed;
    expect(closes().get('max-connections')).toBe(1);
    for (const client of kept) await client.request('ApiVersions', 0);
    await kept[0]!.close();
    await expect.poll(() => running.broker.connectionStats.open).toBe(2);
    const later = await connect();
    await later.request('ApiVersions', 0);
  });

  describe('where brokers have a listener of their own', () => {
    const settings = {
      listeners: ['INSIDE://127.0.0.1:0', 'CLIENTS://127.0.0.1:0', 'MORE://127.0.0.1:0'],
      'listener.security.protocol.map': ['INSIDE', 'CLIENTS', 'MORE'].map((n) => `${n}:PLAINTEXT`),
      'max.connections': 3,
    };
    const to = async (listener: number): Promise<WireClient> => {
      const client = await WireClient.connect(running.broker.listeners[listener]!.port);
      clients.push(client);
      return client;
    };
    const isServed = async (client: WireClient): Promise<boolean> =>
      (await client.tryRequest('ApiVersions', 0, {})) !== null;

    it('a broker takes the place of the client that has been silent longest', async () => {
      running = await startBroker(settings);
      const [first, second, third] = [await to(1), await to(2), await to(1)];
      for (const client of [second, first, third]) expect(await isServed(client)).toBe(true);
      const peer = await to(0);
      expect(await isServed(peer)).toBe(true);
      await second.closed;
      expect(closes().get('displaced')).toBe(1);
      expect(running.broker.connectionStats.open).toBe(3);
      expect(await isServed(await to(1))).toBe(false);
      for (const client of [first, third]) expect(await isServed(client)).toBe(true);
    });

    it('brokers do not take the places of each other', async () => {
      running = await startBroker(settings);
      const peers = [await to(0), await to(0), await to(0)];
      for (const peer of peers) expect(await isServed(peer)).toBe(true);
      expect(await isServed(await to(0))).toBe(false);
      for (const peer of peers) expect(await isServed(peer)).toBe(true);
    });

    it('a broker that may not come in from its address displaces nobody', async () => {
      running = await startBroker({ ...settings, 'max.connections.per.ip': 3 });
      const three = [await to(1), await to(1), await to(2)];
      expect(await isServed(await to(0))).toBe(false);
      for (const client of three) expect(await isServed(client)).toBe(true);
    });

    it('each listener may have a limit of its own', async () => {
      running = await startBroker({
        ...settings,
        'listener.name.clients.max.connections': 1,
        'listener.name.inside.max.connections': 4,
      });
      expect(await isServed(await to(1))).toBe(true);
      expect(await isServed(await to(1))).toBe(false);
      expect(closes().get('max-connections')).toBe(1);
      expect(await isServed(await to(2))).toBe(true);
      // Beyond that of all, when it says so.
      const peers = [await to(0), await to(0), await to(0), await to(0)];
      for (const peer of peers) expect(await isServed(peer)).toBe(true);
      expect(await isServed(await to(0))).toBe(false);
    });
  });

  it('refuses connections above max.connections.per.ip', async () => {
    running = await startBroker({ 'max.connections.per.ip': 1 });
    const first = await connect();
    await first.request('ApiVersions', 0);
    const second = await connect();
    await second.closed;
    expect(closes().get('max-connections-per-ip')).toBe(1);
  });

  it('counts requests that wait as memory, however short they are, and stops reading', async () => {
    running = await startBroker({ 'queued.max.request.bytes': 1024 * 1024 });
    const client = await connect();
    await createTopic(client, 't');
    const before = running.broker.connectionStats.receivedBytes;
    const waiting = client.encode('Fetch', 11, {
      maxWaitMs: 1_000,
      minBytes: 1_000_000,
      maxBytes: 1_000_000,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
    client.clientId = 'x'.repeat(30_000);
    const more = Array.from({ length: 90 }, () => client.encode('ListGroups', 0, {}));
    const frames = [waiting, ...more].map(() => client.nextFrame());
    client.write(Buffer.concat([waiting, ...more]));
    const memory = async (): Promise<number> =>
      Number(/weir_broker_request_memory_bytes (\d+)/.exec(await running.broker.metrics())![1]);
    await expect.poll(memory, { interval: 10 }).toBeGreaterThan(1_000_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(running.broker.connectionStats.receivedBytes - before).toBeLessThan(1_600_000);
    expect(await Promise.all(frames)).not.toContain(null);
    expect(await memory()).toBe(0);
  });

  it('stops reading a client that does not take its answers', async () => {
    running = await startBroker({ 'connections.queued.response.max.bytes': 100_000 });
    const client = await connect();
    await createTopic(client, 't');
    await produce(client, 't', batchOf(['x'.repeat(500_000)]));
    client.pause();
    const asked = 200;
    const frames: Promise<Buffer | null>[] = [];
    for (let i = 0; i < asked; i++) {
      frames.push(client.nextFrame());
      client.write(
        client.encode('Fetch', 11, {
          maxWaitMs: 0,
          minBytes: 1,
          maxBytes: 1_000_000,
          topics: [
            {
              topic: 't',
              partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
            },
          ],
        }),
      );
    }
    const stats = running.broker.connectionStats;
    await expect.poll(() => stats.backpressurePauses).toBeGreaterThan(0);
    const other = await connect();
    await other.request('ApiVersions', 0);
    // One answer above the limit, and what the system's own buffers took.
    expect(stats.queuedResponseBytes).toBeLessThan(3_000_000);
    client.resume();
    for (const frame of await Promise.all(frames)) expect(frame!.length).toBeGreaterThan(500_000);
    await expect.poll(() => stats.queuedResponseBytes).toBe(0);
  });

  it('makes latecomers wait while the memory for requests is full', async () => {
    running = await startBroker({ 'queued.max.request.bytes': 1024 * 1024 });
    const admin = await connect();
    await createTopic(admin, 't');
    // Two halves of frames fill the memory; a third long frame waits, a short one does not.
    const halves = [await connect(), await connect()];
    const frame = admin.encode('Produce', 9, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        { name: 't', partitionData: [{ index: 0, records: batchOf(['x'.repeat(900_000)]) }] },
      ],
    });
    for (const client of halves) client.write(frame.subarray(0, 300_000));
    await expect
      .poll(
        async () =>
          /weir_broker_request_memory_bytes (\d+)/.exec(await running.broker.metrics())?.[1],
      )
      .toBe(String(2 * 1024 * 1024));
    const late = await connect();
    const lateAnswer = late.nextFrame();
    late.write(frame);
    await expect
      .poll(async () => await running.broker.metrics())
      .toContain('weir_broker_request_memory_waits_total 1');
    await admin.request('ApiVersions', 0);
    for (const client of halves) {
      const answer = client.nextFrame();
      client.write(frame.subarray(300_000));
      expect(await answer).not.toBeNull();
    }
    expect(await lateAnswer).not.toBeNull();
  });

  it('lets latecomers go on one after the other, however many they are and however long it takes', async () => {
    running = await startBroker({
      'queued.max.request.bytes': 1024 * 1024,
      'connections.first.request.max.ms': 300,
    });
    const admin = await connect();
    await createTopic(admin, 't');
    const frame = admin.encode('Produce', 9, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        { name: 't', partitionData: [{ index: 0, records: batchOf(['x'.repeat(900_000)]) }] },
      ],
    });
    const held = async (name: string): Promise<number> =>
      Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await running.broker.metrics())?.[1]);
    const begin = (client: WireClient): Promise<Buffer | null> => {
      client.write(frame.subarray(0, 600_000));
      return client.nextFrame();
    };
    const early = [await connect(), await connect()];
    for (const client of early) await client.request('ApiVersions', 0);
    const answers = early.map(begin);
    await expect.poll(() => held('weir_broker_request_memory_bytes')).toBe(2 * 1024 * 1024);
    const late: WireClient[] = [];
    while (late.length < 10) late.push(await connect());
    answers.push(...late.map(begin));
    await expect.poll(() => held('weir_broker_request_memory_waits_total')).toBe(10);
    // Those who wait hold what came with the beginning of their frames, and no more.
    expect(await held('weir_broker_request_memory_bytes')).toBeLessThan(2.5 * 1024 * 1024);
    // None of them has sent a whole request, as nobody reads from them.
    await new Promise((resolve) => setTimeout(resolve, 600));
    for (const client of [...early, ...late]) client.write(frame.subarray(600_000));
    expect(await Promise.all(answers)).not.toContain(null);
    expect(await held('weir_broker_request_memory_bytes')).toBe(0);
  });
});

describe('stopping', () => {
  it('does not wait for those who wait', async () => {
    running = await startBroker();
    const client = await connect();
    await createTopic(client, 't');
    const answer = client.request('Fetch', 11, {
      maxWaitMs: 600_000,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      ],
    });
    await expect.poll(() => running.broker.services.fetchPurgatory.size).toBe(1);
    const stopped = running.broker.stop();
    expect((await answer).errorCode).toBe(0);
    await stopped;
    expect(closes().get('shutdown')).toBeUndefined();
  });

  it('does not wait for members who wait for each other', async () => {
    running = await startBroker({ 'group.initial.rebalance.delay.ms': 600_000 });
    const client = await connect();
    const key = { key: 'g', keyType: 0 };
    await expect
      .poll(async () => (await client.request('FindCoordinator', 3, key)).errorCode)
      .toBe(0);
    const answer = client.request('JoinGroup', 3, {
      groupId: 'g',
      sessionTimeoutMs: 600_000,
      rebalanceTimeoutMs: 600_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    });
    const state = async () => {
      const other = await connect();
      const described = await other.request('DescribeGroups', 5, { groups: ['g'] });
      return described.groups[0].groupState;
    };
    await expect.poll(state).toBe('PreparingRebalance');
    const stopped = running.broker.stop();
    expect((await answer).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    await stopped;
    expect(closes().get('shutdown')).toBeUndefined();
  });

  it('answers what is under way and closes', async () => {
    running = await startBroker();
    const client = await connect();
    await createTopic(client, 't');
    const answer = produce(client, 't', batchOf(['last']), { acks: -1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stopped = running.broker.stop();
    expect((await answer).errorCode).toBe(0);
    await client.closed;
    await stopped;
  });
});
