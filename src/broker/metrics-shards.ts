/** What metrics of the two coordinators have in common: the partitions that they read and serve. */
import type { Emit } from './metrics.ts';

/** Since the start; 0: nothing was read yet. */
export const meanLoadMs = ({
  loads,
  loadMsTotal,
}: {
  loads: number;
  loadMsTotal: number;
}): number => (loads === 0 ? 0 : loadMsTotal / loads);

export function emitPartitions(
  emit: Emit,
  coordinator: { partitionCounts(): { active: number; loading: number } },
): void {
  const { active, loading } = coordinator.partitionCounts();
  emit(active, 'active');
  emit(loading, 'loading');
}
