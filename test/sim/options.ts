import type { FaultKind } from './fault-kinds.ts';

/** What a run is made of, as it is given to a worker. */
export interface SeedOptions {
  readonly seed: number;
  /** Simulated seconds of work and faults; default 60. */
  readonly seconds?: number;
  /** Default: drawn from the seed. */
  readonly brokers?: number;
  /** What goes wrong; default: drawn from the seed. */
  readonly faults?: readonly FaultKind[];
  /** Name of a deliberate mistake, see `mutants.ts`. */
  readonly mutant?: string;
}

/** The command that runs it again, and says all that happens. */
export function replayCommand({ seed, seconds, brokers, faults, mutant }: SeedOptions): string {
  const parts = ['npm run sim --', `--seed ${seed}`];
  if (brokers !== undefined) parts.push(`--brokers ${brokers}`);
  if (seconds !== undefined) parts.push(`--seconds ${seconds}`);
  if (faults !== undefined) parts.push(`--faults ${faults.join(',')}`);
  if (mutant !== undefined) parts.push(`--mutant ${mutant}`);
  parts.push('--loud');
  return parts.join(' ');
}
