import type { FaultKind } from './fault-kinds.ts';
import type { Workload } from './workload-kinds.ts';

/** What a run is made of, as it is given to a worker. */
export interface SeedOptions {
  readonly seed: number;
  /** Simulated seconds of work and faults; default 60. */
  readonly seconds?: number;
  /** Default: drawn from the seed. */
  readonly brokers?: number;
  /** What goes wrong; default: drawn from the seed. */
  readonly faults?: readonly FaultKind[];
  /** What clients do beside writing and reading; default: drawn from the seed. */
  readonly workloads?: readonly Workload[];
  /** Name of a deliberate mistake, see `mutants.ts`. */
  readonly mutant?: string;
}

/** The command that runs it again, and says all that happens. */
export function replayCommand(options: SeedOptions): string {
  const { seed, seconds, brokers, faults, workloads, mutant } = options;
  const parts = ['npm run sim --', `--seed ${seed}`];
  if (brokers !== undefined) parts.push(`--brokers ${brokers}`);
  if (seconds !== undefined) parts.push(`--seconds ${seconds}`);
  if (faults !== undefined) parts.push(`--faults ${faults.join(',')}`);
  if (workloads !== undefined) parts.push(`--workloads ${workloads.join(',') || 'none'}`);
  if (mutant !== undefined) parts.push(`--mutant ${mutant}`);
  parts.push('--loud');
  return parts.join(' ');
}
