/** Both kinds of administrator on one client, and what they know together. */
import type { Admin } from '../client/admin.ts';
import type { Client } from '../client/client.ts';
import type { ClusterAdmin } from '../client/cluster-admin.ts';
import type { Arguments } from './arguments.ts';
import type { PlannedPartition } from './drain-plan.ts';

export interface Administrators {
  readonly client: Client;
  readonly admin: Admin;
  readonly cluster: ClusterAdmin;
}

/** Runs `work` once the cluster is reached; what it needs is loaded only then. */
export async function withBrokers(
  args: Arguments,
  work: (administrators: Administrators) => Promise<number>,
): Promise<number> {
  const [{ withClient }, { Admin: Topics }, { ClusterAdmin: Cluster }] = await Promise.all([
    import('./cluster.ts'),
    import('../client/admin.ts'),
    import('../client/cluster-admin.ts'),
  ]);
  return withClient(args, (client, progress) =>
    work({
      client,
      admin: progress.with(new Topics(client)),
      cluster: progress.with(new Cluster(client)),
    }),
  );
}

/** Every partition with the replicas that it has once what is under way is done. */
export async function settledPartitions(
  admin: Pick<Admin, 'listTopics'>,
  cluster: Pick<ClusterAdmin, 'listReassignments'>,
): Promise<PlannedPartition[]> {
  const underWay = new Map(
    (await cluster.listReassignments()).map((move) => [`${move.topic}-${move.partition}`, move]),
  );
  return (await admin.listTopics()).flatMap(({ name: topic, partitions }) =>
    partitions.map(({ index: partition, replicas }) => {
      const move = underWay.get(`${topic}-${partition}`);
      if (move === undefined) return { topic, partition, replicas };
      const left = move.replicas.filter((id) => !move.removing.includes(id));
      return { topic, partition, replicas: left };
    }),
  );
}
