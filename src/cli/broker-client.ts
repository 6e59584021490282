/** Both kinds of administrator on one client. */
import type { Admin } from '../client/admin.ts';
import type { Client } from '../client/client.ts';
import type { ClusterAdmin } from '../client/cluster-admin.ts';
import type { Arguments } from './arguments.ts';

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
  return withClient(args, (client) =>
    work({ client, admin: new Topics(client), cluster: new Cluster(client) }),
  );
}
