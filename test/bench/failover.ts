/**
 * How long Kafka's producer waits (acks=all, idempotent, three brokers, two of them in sync at least)
 * after the leader of a partition was killed, until that partition acknowledges again.
 *
 *   node test/bench/failover.ts [ROUNDS]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { ClusterAdmin } from '../../src/client/cluster-admin.ts';
import { Workload } from '../crash/workload/workload.ts';
import { ClusterProcesses, eventually } from '../support/cluster-processes.ts';

const ROUNDS = Number(process.argv[2] ?? 10);
const TOPIC = 'failover';

const settings = { 'min.insync.replicas': '2', 'offsets.topic.num.partitions': '3' };
const cluster = await ClusterProcesses.start({ settings });
const client = new Client({ bootstrap: cluster.bootstrap, clientId: 'failover' });
const admin = new Admin(client);
await admin.createTopics([{ name: TOPIC, partitions: 3 }]);
const workload = await Workload.start({
  bootstrap: cluster.bootstrap,
  topic: TOPIC,
  partitions: 3,
  acks: 'all',
  perSecond: 500,
});
const healthy = () =>
  eventually('all replicas are in sync', async () => {
    const topics = await admin.describeTopics([TOPIC, '__consumer_offsets']);
    return topics.every(({ partitions }) => partitions.every((p) => p.isr.length === 3));
  });
await healthy();
await eventually('records get through', async () => (await workload.status()).acknowledged > 1_000);

const controller = async (): Promise<number> =>
  (await new ClusterAdmin(client).describeQuorum()).leaderId;

const gaps: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const [topic] = await admin.describeTopics([TOPIC]);
  const controllerId = await controller();
  const leaders = topic!.partitions.map((p) => p.leader);
  // The controller in every other round, where it leads.
  const victim =
    round % 2 === 1 && leaders.includes(controllerId)
      ? controllerId
      : leaders.find((id) => id !== controllerId)!;
  await workload.mark();
  await cluster.broker(victim).kill();
  await sleep(4_000);
  const { gapMs, errors } = await workload.status();
  if (errors.length > 0) throw new Error(errors.join('\n'));
  gaps.push(gapMs);
  const what = victim === controllerId ? 'leader and controller' : 'leader';
  console.log(`${what} killed: ${gapMs} ms without an acknowledgement`);
  await cluster.broker(victim).restart();
  await healthy();
  await sleep(1_000);
}
gaps.sort((a, b) => a - b);
console.log(`median ${gaps[gaps.length >> 1]} ms, longest ${gaps.at(-1)} ms`);
await workload.end();
client.close();
await cluster.stop();
process.exit(0);
