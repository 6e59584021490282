/** What clients are told of leaders that they cannot reach, have not found yet, or just got. */
import { afterEach, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { TestCluster } from '../../support/cluster.ts';
import { ReplicaRig, TOPIC } from '../../support/replicas.ts';
import { batchOf, createTopic, produce, startBroker, WireClient } from './fixture.ts';

const PROTOCOLS = ['PLAINTEXT:PLAINTEXT', 'INSIDE:PLAINTEXT', 'OUTSIDE:PLAINTEXT'];

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function connect(port: number): Promise<WireClient> {
  const client = await WireClient.connect(port);
  cleanups.push(() => client.close());
  return client;
}

describe('a broker with several listeners', () => {
  it('answers every question for an address with that of the listener it came in by', async () => {
    const running = await startBroker({
      listeners: ['INSIDE://127.0.0.1:0', 'OUTSIDE://127.0.0.1:0'],
      'listener.security.protocol.map': PROTOCOLS,
      'advertised.listeners': ['OUTSIDE://logs.example.org:19092'],
    });
    cleanups.push(() => running.stop());
    const [inside, outside] = running.broker.listeners;
    const told = async (client: WireClient) => {
      const { brokers } = await client.request('Metadata', 9, { topics: [] });
      const cluster = await client.request('DescribeCluster', 0, {});
      const find = () => client.request('FindCoordinator', 3, { key: 'group', keyType: 0 });
      await expect.poll(async () => (await find()).errorCode).toBe(0);
      return [brokers[0], cluster.brokers[0], await find()].map(({ host, port }) => ({
        host,
        port,
      }));
    };
    const here = { host: '127.0.0.1', port: inside!.port };
    expect(await told(await connect(inside!.port))).toEqual([here, here, here]);
    const there = { host: 'logs.example.org', port: 19_092 };
    expect(await told(await connect(outside!.port))).toEqual([there, there, there]);
  });
});

describe('a leader', () => {
  it('that does not listen where the client is has no listener there', async () => {
    const cluster = await TestCluster.start(2, {}, ({ id, port }) => ({
      'listener.security.protocol.map': PROTOCOLS,
      listeners:
        id === 0
          ? [`PLAINTEXT://127.0.0.1:${port}`]
          : [`PLAINTEXT://127.0.0.1:${port}`, 'OUTSIDE://127.0.0.1:0'],
    }));
    cleanups.push(() => cluster.stop());
    const client = await connect(cluster.members[0]!.port);
    const made = await client.request('CreateTopics', 7, {
      timeoutMs: 10_000,
      topics: [
        {
          name: 't',
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ partitionIndex: 0, brokerIds: [0] }],
          configs: [],
        },
      ],
    });
    expect(made.topics[0].errorMessage).toBeNull();
    await expect
      .poll(() => cluster.broker(1).services.store.image.topic('t')?.partitions[0]?.leader)
      .toBe(0);
    const outside = await connect(cluster.broker(1).listeners[1]!.port);
    const codeIn = async (version: number) => {
      const asked = { topics: [{ name: 't' }], allowAutoTopicCreation: false };
      const { topics, brokers } = await outside.request('Metadata', version, asked);
      expect(brokers.map(({ nodeId }: { nodeId: number }) => nodeId)).toEqual([1]);
      expect(topics[0].partitions[0].leaderId).toBe(-1);
      return topics[0].partitions[0].errorCode;
    };
    expect(await codeIn(5)).toBe(ErrorCode.LEADER_NOT_AVAILABLE);
    expect(await codeIn(6)).toBe(ErrorCode.LISTENER_NOT_FOUND);
    expect(await codeIn(12)).toBe(ErrorCode.LISTENER_NOT_FOUND);
  });

  it('is named, with its address, to producers that ask another broker', async () => {
    const cluster = await TestCluster.start(2, { 'default.replication.factor': 1 });
    cleanups.push(() => cluster.stop());
    const client = await connect(cluster.members[0]!.port);
    const topicId = await createTopic(client, 't');
    const leaderOf = (id: number) =>
      cluster.broker(id).services.store.image.topic('t')?.partitions[0]?.leader ?? -1;
    await expect.poll(() => leaderOf(0) >= 0 && leaderOf(0) === leaderOf(1)).toBe(true);
    const leader = leaderOf(0);
    const other = await connect(cluster.members[1 - leader]!.port);
    const ask = (version: number) =>
      other.request('Produce', version, {
        acks: 1,
        timeoutMs: 5_000,
        topicData: [
          {
            ...(version >= 13 ? { topicId } : { name: 't' }),
            partitionData: [{ index: 0, records: batchOf(['a']) }],
          },
        ],
      });
    for (const version of [10, 12, 13]) {
      const { responses, nodeEndpoints } = await ask(version);
      expect(responses[0].partitionResponses[0]).toMatchObject({
        errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        currentLeader: { leaderId: leader, leaderEpoch: 0 },
      });
      const { port } = cluster.members[leader]!;
      expect(nodeEndpoints).toMatchObject([{ nodeId: leader, host: '127.0.0.1', port }]);
    }
    const before = await produce(other, 't', batchOf(['a']), { version: 9 });
    expect(before.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });

  it('that was just elected does not tell an end before it knows what is committed', async () => {
    const rig = await ReplicaRig.start(2);
    cleanups.push(() => rig.stop());
    // The follower has the record, and never hears that it is committed.
    rig.onPassing = ({ api, response }) => {
      if (api !== 1) return;
      for (const { partitions } of response.responses) {
        for (const partition of partitions) partition.highWatermark = 0;
      }
    };
    const produced = rig.get(0).produce(['a']);
    await rig.pass(100);
    expect(await produced).toMatchObject({ errorCode: 0 });
    expect(rig.get(1).log).toMatchObject({ logEndOffset: 1, highWatermark: 0 });
    rig.isolate(0);
    rig.elect(1, [0, 1]);
    await rig.pass(100);
    const end = async (version: number, timestamp: number) => {
      const answer = await rig.get(1).request(2, version, {
        replicaId: -1,
        isolationLevel: 0,
        timeoutMs: 0,
        topics: [
          { name: TOPIC, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp }] },
        ],
      });
      return answer.topics[0].partitions[0];
    };
    const [latest, earliest] = [-1, -2];
    expect((await end(5, latest)).errorCode).toBe(ErrorCode.OFFSET_NOT_AVAILABLE);
    expect((await end(4, latest)).errorCode).toBe(ErrorCode.LEADER_NOT_AVAILABLE);
    expect(await end(5, earliest)).toMatchObject({ errorCode: 0, offset: 0 });
    rig.change({ isr: [1] });
    await rig.pass(100);
    expect(await end(5, latest)).toMatchObject({ errorCode: 0, offset: 1 });
  });
});

describe('an append with acks=all', () => {
  it('that is stored when the replicas in sync have become too few is told so', async () => {
    const rig = await ReplicaRig.start(2, {
      'min.insync.replicas': 2,
      'log.flush.on.acks.all': true,
    });
    cleanups.push(() => rig.stop());
    await rig.pass(50);
    // Committed, but not yet on the leader's own device when the other one falls out.
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { log } = rig.get(0);
    const flush = log.flush.bind(log);
    log.flush = () => held.then(flush);
    const produced = rig.get(0).produce(['a']);
    await rig.pass(200);
    expect(log.highWatermark).toBe(1);
    rig.change({ isr: [0] });
    release();
    await rig.pass(100);
    expect((await produced).errorCode).toBe(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    expect((await rig.get(0).produce(['b'])).errorCode).toBe(ErrorCode.NOT_ENOUGH_REPLICAS);
    expect(log.logEndOffset).toBe(1);
  });
});

describe('a fetch that waits', () => {
  it('hears at once that its leader leads no more', async () => {
    const rig = await ReplicaRig.start(2);
    cleanups.push(() => rig.stop());
    await rig.pass(50);
    const inTerm = rig.get(0).fetch(0, { maxWaitMs: 60_000, currentLeaderEpoch: 0 });
    // Versions before 11 may read from the leader alone.
    const old = rig.get(0).request(1, 10, {
      ...{ replicaId: -1, replicaState: { replicaId: -1, replicaEpoch: -1 } },
      ...{ maxWaitMs: 60_000, minBytes: 1, maxBytes: 1000, isolationLevel: 0 },
      ...{ sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: '' },
      topics: [
        {
          topic: TOPIC,
          topicId: ZERO_UUID,
          partitions: [
            {
              ...{ partition: 0, currentLeaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1 },
              ...{ logStartOffset: -1, partitionMaxBytes: 1000, flushedOffset: -1 },
            },
          ],
        },
      ],
    });
    await rig.pass(100);
    const { fetchPurgatory } = rig.get(0).services;
    // The third is the follower's.
    expect(fetchPurgatory.size).toBe(3);
    rig.elect(1);
    await rig.settle();
    expect(fetchPurgatory.size).toBe(0);
    expect((await inTerm).errorCode).toBe(ErrorCode.FENCED_LEADER_EPOCH);
    const [{ partitions }] = (await old).responses;
    expect(partitions[0].errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });
});

describe('a broker that stops in order', () => {
  it('hands its partitions over before it closes connections, and tells who has them', async () => {
    const cluster = await TestCluster.start(2);
    cleanups.push(() => cluster.stop());
    const client = await connect(cluster.members[0]!.port);
    await createTopic(client, 'elsewhere');
    const made = await client.request('CreateTopics', 7, {
      timeoutMs: 10_000,
      topics: [
        {
          name: 'moving',
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ partitionIndex: 0, brokerIds: [1, 0] }],
          configs: [],
        },
      ],
    });
    expect(made.topics[0].errorMessage).toBeNull();
    const [heir, leaving] = [cluster.broker(0), cluster.broker(1)];
    await expect
      .poll(() => leaving.services.partitions.get('moving', 0)?.isLeader ?? false)
      .toBe(true);
    const producer = await connect(cluster.members[1]!.port);
    let stopping: Promise<void> | null = null;
    const leaders = new Set<number>();
    const codes = new Set<number>();
    let stored = 0;
    for (;;) {
      const answer = await producer.tryRequest('Produce', 12, {
        acks: -1,
        timeoutMs: 5_000,
        topicData: [
          { name: 'moving', partitionData: [{ index: 0, records: batchOf([`${stored}`]) }] },
        ],
      });
      if (answer === null) break;
      const [partition] = answer.responses[0].partitionResponses;
      codes.add(partition.errorCode);
      if (partition.errorCode === 0) {
        stored += 1;
        stopping ??= cluster.stopBroker(1);
      } else leaders.add(partition.currentLeader.leaderId);
    }
    // The connection is closed: by then the other one leads.
    const partition = heir.services.partitions.get('moving', 0)!;
    expect(partition.isLeader).toBe(true);
    expect(stored).toBeGreaterThan(0);
    const handedOver = [ErrorCode.NONE, ErrorCode.NOT_LEADER_OR_FOLLOWER];
    expect([...codes].filter((code) => !handedOver.includes(code as 0 | 6))).toEqual([]);
    expect([...leaders].filter((leader) => leader !== 0)).toEqual([]);
    await stopping;
    expect(partition.log.logEndOffset).toBeGreaterThanOrEqual(stored);
  });
});

describe('the controller that clients are told of', () => {
  it('is a broker that is there, whoever is asked, also when another one took over', async () => {
    const cluster = await TestCluster.start(3);
    cleanups.push(() => cluster.stop());
    const told = () =>
      Promise.all(
        cluster.members
          .filter(({ broker }) => broker !== null)
          .map(async ({ port }) => {
            const client = await connect(port);
            const { controllerId, brokers } = await client.request('Metadata', 9, { topics: [] });
            return brokers.some(({ nodeId }: { nodeId: number }) => nodeId === controllerId);
          }),
      );
    expect(await told()).toEqual([true, true, true]);
    await cluster.stopBroker(cluster.controllerId);
    await expect.poll(told).toEqual([true, true]);
  });
});
