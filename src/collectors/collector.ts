import type { RoleStatus } from '../base/role.ts';
import type { Balance } from './balance.ts';

/** Names of a count that a collector keeps besides its balance, with its current value. */
export type Tally = readonly [name: string, value: number];

/**
 * One way records come in. `start` never rejects because of the outside (a port that is taken, a
 * folder that can't be read): the collector turns yellow, tries again, and says why.
 */
export interface Collector {
  /** `http`, `syslog`, `files`, `scrape`: the label of its metrics. */
  readonly name: string;
  readonly balance: Balance;
  start(): Promise<void>;
  /** Takes nothing new, hands over what it has, and resolves; bounded in time, idempotent. */
  stop(): Promise<void>;
  status(): RoleStatus;
  /** What else is worth counting: `weir_collector_events_total{collector,event}`. */
  tallies(): Iterable<Tally>;
  /** Values that go up and down: `weir_collector_state{collector,what}`. */
  gauges(): Iterable<Tally>;
}
