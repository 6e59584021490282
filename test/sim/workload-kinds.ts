/** What clients do in a run beside writing and reading; `workloads.ts` lets them. */
import { chance, chanceFor } from './sim-random.ts';

export const WORKLOADS = [
  'administration',
  'authorization',
  'transactions',
  'groups',
  'consumerGroups',
  'compaction',
  'moving',
  'throttling',
] as const;
export type Workload = (typeof WORKLOADS)[number];

/** How likely a run has each: all at once would cost more than it shows. */
const LIKELIHOOD: Readonly<Record<Workload, number>> = {
  administration: 0.7,
  authorization: 0.4,
  transactions: 0.6,
  groups: 0.5,
  consumerGroups: 0.4,
  compaction: 0.4,
  moving: 0.3,
  throttling: 0.25,
};

/** Which of them a run has. */
export function drawWorkloads(seed: number): ReadonlySet<Workload> {
  const random = chanceFor(seed, 'workloads');
  return new Set(WORKLOADS.filter((kind) => chance(random, LIKELIHOOD[kind])));
}
