/** What `/api/v1/status`, the page and `weir status` show: one JSON object. */
import type { RoleStatus } from '../base/role.ts';
import type { TopicSummary } from './topics.ts';

export interface RoleReport extends RoleStatus {
  readonly name: string;
}

/** Where something listens, for the start screen and the page. */
export interface Endpoint {
  /** `Kafka`, `Console`, `Syslog` … */
  readonly what: string;
  /** `127.0.0.1:9092`, or a URL. */
  readonly where: string;
  readonly note: string;
}

export interface ApplianceStatus {
  readonly version: string;
  /** The worst of the roles' lights. */
  readonly light: RoleStatus['light'];
  readonly uptimeSeconds: number;
  readonly dataDir: string;
  readonly bootstrap: readonly string[];
  readonly endpoints: readonly Endpoint[];
  /** What the operator should know at each start, such as listeners without authentication. */
  readonly warnings: readonly string[];
  readonly roles: readonly RoleReport[];
  /** Null when the log can't be asked; `topicsReason` says why. */
  readonly topics: readonly TopicSummary[] | null;
  readonly topicsReason: string;
  readonly process: { readonly pid: number; readonly residentBytes: number; readonly node: string };
}

const order: readonly RoleStatus['light'][] = ['green', 'yellow', 'red'];

export const worstLight = (lights: Iterable<RoleStatus['light']>): RoleStatus['light'] => {
  let worst = 0;
  for (const light of lights) worst = Math.max(worst, order.indexOf(light));
  return order[worst]!;
};
