/** Kafka's consumer reads from the replica in its rack (KIP-392): which broker gave it the records. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { TestCluster } from '../support/cluster.ts';

const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const SELECTOR = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';
const TOPIC = 'near';
const RECORDS = 200;
const RACKS = ['a', 'b', 'c'] as const;

describeWithPeers(['kafka'], 'Kafka’s consumer', () => {
  let cluster: TestCluster;
  let client: Client;
  let leader: number;
  beforeAll(async () => {
    cluster = await TestCluster.start(3, { 'replica.selector.class': SELECTOR }, ({ id }) => ({
      'broker.rack': RACKS[id]!,
    }));
    client = new Client({ bootstrap: cluster.bootstrap, clientId: 'near' });
    const admin = new Admin(client);
    const [made] = await admin.createTopics([{ name: TOPIC, partitions: 1, replicationFactor: 3 }]);
    expect(made?.error).toBeNull();
    const producer = new Producer(client, { acks: -1 });
    for (let i = 0; i < RECORDS; i++) producer.append(TOPIC, Buffer.from(`line ${i}`));
    await producer.flush();
    await producer.close();
    const [described] = await admin.describeTopics([TOPIC]);
    leader = described!.partitions[0]!.leader;
  });
  afterAll(async () => {
    client?.close();
    await cluster?.stop();
  });

  /** Bytes of the topic that each broker has given to consumers. */
  const given = (): number[] =>
    cluster.members.map(({ id }) => {
      const { partitions } = cluster.broker(id).services;
      return partitions.get(TOPIC, 0)!.stats.bytesOut;
    });

  it.each([...RACKS, 'elsewhere'])(
    'in rack %s is given all by the broker there, else by the leader',
    async (rack) => {
      // What is committed reaches every replica.
      for (const { id } of cluster.members) {
        const { partitions } = cluster.broker(id).services;
        await expect.poll(() => partitions.get(TOPIC, 0)!.log.highWatermark).toBe(RECORDS);
      }
      const before = given();
      const { code, stdout } = await kafkaTool(
        CONSUMER,
        [
          ...['--bootstrap-server', cluster.bootstrap.join(','), '--topic', TOPIC],
          ...['--from-beginning', '--max-messages', String(RECORDS), '--timeout-ms', '20000'],
          ...['--command-property', `client.rack=${rack}`],
        ],
        { timeoutMs: 60_000 },
      );
      expect(code).toBe(0);
      expect(stdout.trimEnd().split('\n')).toHaveLength(RECORDS);
      const there = RACKS.findIndex((name) => name === rack);
      const source = there < 0 ? leader : there;
      const took = given().map((bytes, id) => bytes - before[id]!);
      expect(took.map((bytes) => bytes > 0)).toEqual([0, 1, 2].map((id) => id === source));
    },
  );
});
