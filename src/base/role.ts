/**
 * A role is a part of the appliance that runs on a thread of its own (a broker, the collectors,
 * the connectors). The supervisor in `app.ts` starts it, asks for its metrics and status, restarts
 * it when it dies, and stops it.
 */
export interface Role {
  /** Resolves when the role serves. Rejects with a FatalError when it can't. */
  start(): Promise<void>;
  /** Idempotent and bounded in time: finish what is under way, flush, release. */
  stop(): Promise<void>;
  /** Prometheus text of this thread's metrics. */
  metrics(): Promise<string>;
  /** What `weir status` and the console show: plain JSON. */
  status(): RoleStatus;
}

export interface RoleStatus {
  /** `red`: does not do its work; `yellow`: does, with a warning; `green`. */
  readonly light: 'green' | 'yellow' | 'red';
  /** One line a person understands; '' when green. */
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
}
