/** What the commands of rights and quotas share. */
import type { SecurityAdmin } from '../client/security-admin.ts';
import type { Arguments } from './arguments.ts';

/** Runs `work` once the cluster is reached; what it needs is loaded only then. */
export async function withSecurityAdmin(
  args: Arguments,
  work: (admin: SecurityAdmin) => Promise<number>,
): Promise<number> {
  const [{ withAdministrator }, { SecurityAdmin: Class }] = await Promise.all([
    import('./cluster.ts'),
    import('../client/security-admin.ts'),
  ]);
  return withAdministrator(args, Class, work);
}
