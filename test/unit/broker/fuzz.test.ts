/**
 * Bytes that no client sends: the listener closes that connection or answers it, and serves the
 * others as if nothing had been.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import { handlers } from '../../../src/broker/handlers/index.ts';
import { fuzzRounds, fuzzSeed } from '../../support/fuzz.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

const ROUNDS = fuzzRounds(300);
const SEED = fuzzSeed(20_260_101);

let running: RunningBroker;
let neighbour: WireClient;
beforeAll(async () => {
  running = await startBroker({
    'socket.request.max.bytes': 1_000_000,
    'connections.request.max.ms': 60_000,
    'partitions.max': 300,
    'group.initial.rebalance.delay.ms': 0,
  });
  neighbour = await WireClient.connect(running.port);
  await createTopic(neighbour, 'steady');
});
afterAll(async () => {
  await neighbour.close();
  await running.stop();
});

let written = 0;
/** The neighbour still gets what it asks for. */
async function serves(): Promise<void> {
  const answer = await produce(neighbour, 'steady', batchOf([`v${written}`]));
  expect(answer).toMatchObject({ errorCode: 0, baseOffset: written });
  expect(valuesOf((await fetch(neighbour, 'steady', written)).records)).toEqual([`v${written}`]);
  written += 1;
}

/** Sends the bytes on a connection of their own and lets the broker do with them what it likes. */
async function throwAt(bytes: Uint8Array): Promise<void> {
  const client = await WireClient.connect(running.port);
  client.write(bytes);
  // Answered, closed or waiting for more: a round trip elsewhere gives it the time to show.
  await neighbour.request('ApiVersions', 0);
  await client.close();
}

/** Well-formed requests of every API, from which the broken ones are made. */
function seeds(): { name: string; bytes: Buffer }[] {
  const bodies: Record<string, object> = {
    Produce: {
      acks: 1,
      timeoutMs: 100,
      topicData: [{ name: 'fuzzed', partitionData: [{ index: 0, records: batchOf(['a', 'b']) }] }],
    },
    Fetch: {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        { topic: 'fuzzed', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] },
      ],
    },
    Metadata: { topics: [{ name: 'fuzzed' }], allowAutoTopicCreation: false },
    ListOffsets: {
      replicaId: -1,
      topics: [{ name: 'fuzzed', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    },
    JoinGroup: {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('m') }],
    },
    OffsetCommit: {
      groupId: 'g',
      topics: [
        {
          name: 'fuzzed',
          partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'm' }],
        },
      ],
    },
    CreateTopics: {
      topics: [
        {
          name: 'fuzzed-too',
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [],
        },
      ],
      validateOnly: true,
    },
    DescribeConfigs: {
      resources: [{ resourceType: 2, resourceName: 'fuzzed', configurationKeys: null }],
    },
  };
  const made: { name: string; bytes: Buffer }[] = [];
  for (const { api } of handlers) {
    const { name } = api;
    for (const version of new Set([api.min, Math.min(api.max, 12)])) {
      made.push({
        name: `${name} v${version}`,
        bytes: neighbour.encode(name, version, { ...bodies[name] }),
      });
    }
  }
  return made;
}

const framed = (body: Buffer): Buffer => {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeInt32BE(body.length, 0);
  body.copy(frame, 4);
  return frame;
};

const HOSTILE = [-1, -2, 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, -0x8000_0000];

function mutated(bytes: Buffer, random: Random): Buffer {
  const body = Buffer.from(bytes.subarray(4));
  const changes = 1 + below(random, 4);
  for (let i = 0; i < changes; i++) {
    const at = below(random, body.length);
    const value = HOSTILE[below(random, HOSTILE.length)]!;
    switch (below(random, 4)) {
      case 0:
        body[at] = below(random, 256);
        break;
      case 1:
        body[at] = body[at]! ^ (1 << below(random, 8));
        break;
      case 2:
        if (at + 4 <= body.length) body.writeInt32BE(value | 0, at);
        break;
      default:
        if (at + 2 <= body.length) body.writeUInt16BE(value & 0xffff, at);
    }
  }
  return framed(body);
}

describe('the listener', () => {
  it('survives random bytes', async () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Buffer.alloc(1 + below(random, 2000));
      random.fill(bytes);
      await throwAt(round % 2 === 0 ? bytes : framed(bytes));
    }
    await serves();
  });

  it('survives requests with bytes changed', async () => {
    const random = seededRandom(SEED + 1);
    const all = seeds();
    await createTopic(neighbour, 'fuzzed');
    for (let round = 0; round < ROUNDS; round++) {
      await throwAt(mutated(all[below(random, all.length)]!.bytes, random));
      if (round % 50 === 0) await serves();
    }
    await serves();
  });

  it('survives requests with every length made hostile', async () => {
    for (const { bytes } of seeds().filter((_, i) => i % 3 === 0)) {
      const client = await WireClient.connect(running.port);
      for (let at = 14; at + 8 < Math.min(bytes.length, 60); at += 3) {
        const body = Buffer.from(bytes.subarray(4));
        body.writeInt32BE(HOSTILE[at % HOSTILE.length]! | 0, at);
        if (client.isClosed) break;
        client.write(framed(body));
      }
      await neighbour.request('ApiVersions', 0);
      await client.close();
    }
    await serves();
  });

  it('survives every prefix of a request, and a peer that leaves in the middle', async () => {
    const { bytes } = seeds()[0]!;
    for (let length = 1; length < bytes.length; length++) await throwAt(bytes.subarray(0, length));
    await serves();
  });

  it('survives every prefix of a body that claims to be whole', async () => {
    for (const { bytes } of seeds().filter(({ name }) =>
      /Produce|Fetch|JoinGroup|OffsetCommit/.test(name),
    )) {
      for (let length = 0; length < bytes.length - 4; length += 2) {
        await throwAt(framed(bytes.subarray(4, 4 + length)));
      }
    }
    await serves();
  });

  it('keeps no memory of it all', async () => {
    await expect.poll(() => running.broker.connectionStats.open).toBe(1);
    const { connectionStats, fetchPurgatory } = running.broker.services;
    expect(connectionStats.queuedResponseBytes).toBe(0);
    expect(connectionStats.queuedRequests).toBe(0);
    expect(fetchPurgatory.size).toBe(0);
    expect(await running.broker.metrics()).toContain('weir_broker_request_memory_bytes 0');
    const bugs = running.logged.filter(({ level }) => level === 'error');
    expect(bugs).toEqual([]);
  });
});
