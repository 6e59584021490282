/**
 * A broker that is killed, while nothing else fails: the system closes its connections, and that is
 * how the others know, long before its session would be over. The session is too long here for
 * anything to happen by its end.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { eventually } from '../support/cluster-processes.ts';
import { WeirBrokers } from '../support/weir-brokers.ts';

const BROKERS = 3;
const PARTITIONS = 12;
const TOPIC = 'led';
const settings = [
  'broker.broker.session.timeout.ms=600000',
  'broker.auto.leader.rebalance.enable=false',
  'collectors.files.enabled=false',
  'collectors.syslog.enabled=false',
];

describe('leaderships of a killed broker', () => {
  let cluster: WeirBrokers;
  let client: Client;
  let admin: Admin;

  beforeAll(async () => {
    cluster = await WeirBrokers.start({ brokers: BROKERS, settings });
    client = new Client({ bootstrap: cluster.bootstrap.split(','), clientId: 'killed-broker' });
    admin = new Admin(client);
    await eventually('the topic is made', async () => {
      const topic = { name: TOPIC, partitions: PARTITIONS, replicationFactor: BROKERS };
      const [made] = await admin.createTopics([topic]);
      return made?.error === null;
    });
  });
  afterAll(async () => {
    client?.close();
    await cluster?.stop();
  });

  const partitions = async () => (await admin.describeTopics([TOPIC]))[0]!.partitions;

  test.each(['the active controller', 'another broker'])('go to others: %s', async (which) => {
    await eventually('all replicas are in sync', async () =>
      (await partitions()).every(({ isr }) => isr.length === BROKERS),
    );
    const { controllerId } = await admin.describeCluster();
    // Whoever was killed before leads nothing yet.
    const leaders = (await partitions()).map(({ leader }) => leader);
    const isController = which === 'the active controller';
    const victim = leaders.find((id) => (id === controllerId) === isController)!;
    expect(victim).toBeDefined();
    await cluster.brokers[victim]!.kill();
    await eventually(
      'others lead all of it',
      async () => (await partitions()).every(({ leader }) => leader >= 0 && leader !== victim),
      30_000,
    );
    await cluster.brokers[victim]!.restart();
  });
});
