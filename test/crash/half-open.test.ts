/**
 * Connections of clients whose packets are dropped from one moment on, in both directions and for
 * good: nobody says goodbye, and no reset ever comes. What they held in the broker is given back by
 * its own limits of time, and clients that come anew are served all the while.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep } from '../peers/peer.ts';
import { ClusterProcesses, eventually } from '../support/cluster-processes.ts';
import { Network } from '../support/network.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  valuesOf,
  WireClient,
} from '../unit/broker/fixture.ts';

const TOPIC = 'held';
const GROUP = 'group';
const CONSOLE_PORT = 8080;
const IDLE_CLIENTS = 20;
const IDLE_MS = 2_000;
const SESSION_MS = 3_000;
const RECORD = 'x'.repeat(900_000);
/** More than the kernels of both sides take for a client that does not read. */
const UNREAD_ANSWERS = 60;

const settings = {
  'connections.max.idle.ms': String(IDLE_MS),
  'connections.request.max.ms': String(IDLE_MS),
  'group.min.session.timeout.ms': '1000',
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '1',
};

describeWithPeers(['network'], 'connections that are half open', () => {
  let network: Network;
  let cluster: ClusterProcesses;
  let url: string;
  const clients: WireClient[] = [];

  beforeAll(async () => {
    network = Network.create(1);
    cluster = await ClusterProcesses.start({
      brokers: 1,
      network,
      settings,
      consolePort: CONSOLE_PORT,
    });
    url = `http://127.0.0.1:${await network.door(0, CONSOLE_PORT)}`;
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await cluster?.stop();
    network?.remove();
  });

  const connect = async (): Promise<WireClient> => {
    const client = await WireClient.connect(cluster.broker(0).port);
    clients.push(client);
    return client;
  };
  const metric = async (name: string, labels = ''): Promise<number> => {
    const text = await (await globalThis.fetch(`${url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  };
  const connections = (): Promise<number> =>
    metric('kafka_server_socket_server_metrics_connection_count');

  /** What a member of a group, and a transaction, hold on to. */
  const join = async (client: WireClient): Promise<void> => {
    let answer: any;
    await eventually('it is a member', async () => {
      // The first who asks for it has it made.
      await client.request('FindCoordinator', 3, { key: GROUP, keyType: 0 });
      answer = await client.request('JoinGroup', 3, {
        groupId: GROUP,
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: SESSION_MS,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      });
      return answer.errorCode === 0;
    });
    const { memberId, generationId } = answer;
    const synced = await client.request('SyncGroup', 2, {
      groupId: GROUP,
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Buffer.alloc(0) }],
    });
    expect(synced.errorCode).toBe(0);
  };
  const members = async (client: WireClient): Promise<number> => {
    const answer = await client.request('DescribeGroups', 3, { groups: [GROUP] });
    return answer.groups[0].members.length;
  };

  test('are closed, and hold nothing any more', async () => {
    const first = await connect();
    await createTopic(first, TOPIC);
    for (let n = 0; n < 3; n++) {
      expect((await produce(first, TOPIC, batchOf([RECORD]))).errorCode).toBe(0);
    }
    await first.close();

    for (let n = 0; n < IDLE_CLIENTS; n++) await (await connect()).request('ApiVersions', 0);
    // One has a part of a long request under way,
    const partial = await connect();
    const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: batchOf([RECORD]) }] }];
    partial.write(
      partial.encode('Produce', 9, { acks: 1, timeoutMs: 1_000, topicData }).subarray(0, 500_000),
    );
    // one does not read what it asked for,
    const deaf = await connect();
    await deaf.request('ApiVersions', 0);
    deaf.pause();
    for (let n = 0; n < UNREAD_ANSWERS; n++) {
      const topics = [
        {
          topic: TOPIC,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
        },
      ];
      deaf.write(
        deaf.encode('Fetch', 11, { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, topics }),
      );
    }
    // one is a member of a group,
    await join(await connect());
    // and one waits for records that do not come.
    const waiting = await connect();
    await waiting.request('ApiVersions', 0);
    const empty = [
      { topic: TOPIC, partitions: [{ partition: 0, fetchOffset: 3, partitionMaxBytes: 1_000 }] },
    ];
    waiting.write(
      waiting.encode('Fetch', 11, {
        maxWaitMs: IDLE_MS,
        minBytes: 1,
        maxBytes: 1_000,
        topics: empty,
      }),
    );
    await eventually('they hold all that', async () => {
      const held = await metric('weir_broker_request_memory_bytes');
      const unread = await metric('kafka_network_requestchannel_responsequeuesize');
      return held > 0 && unread > 0;
    });

    // Were there no limits of ours, the system would notice in the end.
    expect(network.probed(0, network.outside)).toBeGreaterThanOrEqual(IDLE_CLIENTS);
    expect(network.forgetConnections(0, network.outside)).toBeGreaterThanOrEqual(IDLE_CLIENTS);
    const alive = await connect();
    url = `http://127.0.0.1:${await network.door(0, CONSOLE_PORT)}`;
    await eventually('only the one that speaks is left', async () => {
      await alive.request('ApiVersions', 0);
      await sleep(IDLE_MS / 10);
      return (await connections()) === 1;
    });
    await eventually('nothing is held', async () => {
      await alive.request('ApiVersions', 0);
      const held = await metric('weir_broker_request_memory_bytes');
      const unread = await metric('kafka_network_requestchannel_responsequeuesize');
      return held === 0 && unread === 0 && (await members(alive)) === 0;
    });
    const reasons = ['idle', 'request-timeout', 'answers-not-taken'];
    for (const reason of reasons) {
      expect(
        await metric('weir_broker_connections_closed_total', `"${reason}"`),
        reason,
      ).toBeGreaterThan(0);
    }
    const { records } = await fetch(alive, TOPIC, 0);
    expect(valuesOf(records)).toEqual([RECORD]);
  }, 120_000);
});
