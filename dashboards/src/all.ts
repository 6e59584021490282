import { cluster } from './cluster.ts';
import { overview } from './overview.ts';
import type { DashboardSpec } from './panels.ts';

/** Each is written to `dashboards/<uid>.json`. */
export const dashboards: readonly DashboardSpec[] = [overview, cluster];
