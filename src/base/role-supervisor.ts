/**
 * Keeps one role alive: starts its thread, and when that dies starts another one, after a wait
 * that doubles with each death in a row. Other roles notice nothing but its absence.
 */
import { type Clock, systemClock, type Timer } from './clock.ts';
import { OperatingError, reasonOf } from './errors.ts';
import type { RoleStatus } from './role.ts';
import { RoleThread, type RoleThreadOptions } from './role-thread.ts';

const RESTART_MS_MIN = 250;
const RESTART_MS_MAX = 30_000;

/** A role that ran so long is healthy: its next death is the first one again. */
const HEALTHY_MS = 60_000;

export interface SupervisorOptions<S> extends Omit<RoleThreadOptions<S>, 'onDied'> {
  /** The appliance is nothing without it: when its first start fails, `start` rejects. */
  readonly essential: boolean;
  /** Called before each thread; what it throws counts as a start that failed. */
  readonly prepare?: () => void;
}

export type RoleState = 'starting' | 'running' | 'waiting' | 'stopped';

export class RoleSupervisor<S = unknown> {
  readonly name: string;
  readonly #options: SupervisorOptions<S>;
  readonly #clock: Clock;
  #thread: RoleThread<S> | null = null;
  #state: RoleState = 'stopped';
  #reason = '';
  #restarts = 0;
  #deathsInARow = 0;
  #startedAtMs = 0;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: SupervisorOptions<S>) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get state(): RoleState {
    return this.#state;
  }

  /** Why it does not run; '' while it does. */
  get reason(): string {
    return this.#reason;
  }

  /** Threads started after the first one. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Resolves when the role serves, or when it does not but may later. Rejects only when the role
   * is essential and did not start.
   */
  async start(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#launch();
    } catch (error) {
      if (this.#options.essential) {
        this.#state = 'stopped';
        throw error;
      }
      this.#died(reasonOf(error), 'role did not start');
    }
  }

  /** Idempotent; bounded by `withinMs`. Resolves to whether the role finished by itself. */
  async stop(withinMs: number): Promise<boolean> {
    this.#stopped = true;
    this.#timer?.cancel();
    const finished = (await this.#thread?.stop(withinMs)) ?? true;
    this.#thread = null;
    this.#state = 'stopped';
    return finished;
  }

  /** Prometheus text. Rejects with an OperatingError when the role is down or does not answer. */
  metrics(): Promise<string> {
    if (this.#thread !== null && this.#state === 'running') return this.#thread.metrics();
    return Promise.reject(new OperatingError('role-gone', `role ${this.name} is not running`));
  }

  /** Never rejects: a role that is down or stuck is red. */
  async status(): Promise<RoleStatus> {
    const details = { restarts: this.#restarts };
    if (this.#state === 'starting') return { light: 'yellow', reason: 'is starting', details };
    if (this.#state !== 'running' || this.#thread === null) {
      const reason =
        this.#reason === '' ? 'does not run' : `does not run: ${firstLine(this.#reason)}`;
      return { light: 'red', reason, details };
    }
    try {
      const status = await this.#thread.status();
      return { ...status, details: { ...details, ...status.details } };
    } catch (error) {
      return { light: 'red', reason: firstLine(reasonOf(error)), details };
    }
  }

  /** What comes before each thread; may be called before the first start, to see whether it works. */
  prepare(): void {
    this.#options.prepare?.();
  }

  async #launch(): Promise<void> {
    this.#state = 'starting';
    this.prepare();
    const thread = new RoleThread<S>({
      ...this.#options,
      onDied: (reason) => this.#died(reason, 'role died'),
    });
    this.#thread = thread;
    await thread.start();
    if (this.#stopped) return;
    this.#startedAtMs = this.#clock.monotonic();
    this.#state = 'running';
    this.#reason = '';
  }

  #died(reason: string, message: string): void {
    this.#thread = null;
    if (this.#stopped) return;
    const ranMs = this.#state === 'running' ? this.#clock.monotonic() - this.#startedAtMs : 0;
    this.#deathsInARow = ranMs >= HEALTHY_MS ? 1 : this.#deathsInARow + 1;
    const waitMs = Math.min(RESTART_MS_MIN * 2 ** (this.#deathsInARow - 1), RESTART_MS_MAX);
    this.#state = 'waiting';
    this.#reason = reason;
    this.#options.logger.error(message, {
      'weir.role': this.name,
      'weir.restart_in_ms': waitMs,
      'error.stack_trace': reason,
    });
    this.#timer = this.#clock.after(waitMs, () => {
      this.#restarts += 1;
      this.#launch().catch((error: unknown) => this.#died(reasonOf(error), 'role did not start'));
    });
  }
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!;
