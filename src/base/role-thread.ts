/**
 * A role on a thread of its own: `serveRole` is the thread's side, `RoleThread` the supervisor's.
 *
 * They speak over the worker's message port: one `call` at a time needs no order, because each has
 * a number. The thread's log lines travel the same way, so that one thread writes the process's
 * output; how many a second is bounded, and what was left out is said. A thread that throws, runs
 * out of memory or exits by itself is reported once through `onDied`; nothing of it is left then.
 */
import { isMainThread, parentPort, type Worker } from 'node:worker_threads';
import { assert } from './assert.ts';
import { type Clock, systemClock, type Timer } from './clock.ts';
import type { Disk } from './disk.ts';
import { FatalError, OperatingError, reasonOf } from './errors.ts';
import { collectWhenIdle } from './idle-collection.ts';
import type { LevelSwitch, Logger, LogLevel } from './logger.ts';
import { nodeDisk } from './node-disk.ts';
import { type Random, systemRandom } from './random.ts';
import type { Role, RoleStatus } from './role.ts';
import { type HeapLimits, newThread, type SpareThread } from './spare-thread.ts';

/** What a role gets besides its settings. */
export interface Seams {
  /** The role's name, as `--roles` and `weir status` say it. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** Lines go to the process's log, with `weir.role` added; from which level on can be changed. */
  readonly logger: Logger & LevelSwitch;
}

type Fields = Readonly<Record<string, unknown>>;

type Method = 'start' | 'stop' | 'metrics' | 'status';

/** `role` comes with `start`. */
type Call = { readonly id: number; readonly method: Method; readonly role?: RoleData };

type Reply =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'failure';
      readonly id: number;
      readonly fatal: boolean;
      readonly reason: string;
    }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Fields | undefined;
    };

interface RoleData {
  readonly name: string;
  readonly settings: unknown;
  readonly logLevel: LogLevel;
}

/** Log lines a role may send in a second; the rest is counted and said in the next second. */
const LOG_LINES_PER_SECOND_MAX = 200;

const ANSWER_MS_MAX = 5_000;

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/**
 * Serves the role that `factory` makes, for as long as the supervisor wants. The entry module of a
 * role calls it once. An exception that nobody catches ends the thread, and only the thread.
 */
export function serveRole<S>(factory: (settings: S, seams: Seams) => Role | Promise<Role>): void {
  const port = parentPort;
  assert(port !== null && !isMainThread, 'serveRole runs on a thread that RoleThread started');
  const send = (reply: Reply): void => port.postMessage(reply);
  let role: Role | null = null;
  const stopCollecting = collectWhenIdle(systemClock);

  const start = async ({ name, settings, logLevel }: RoleData): Promise<void> => {
    const logger = portLogger(send, logLevel, systemClock);
    const seams = { name, clock: systemClock, random: systemRandom, disk: nodeDisk, logger };
    role = await factory(settings as S, seams);
    await role.start();
  };
  const perform = async ({ method, role: data }: Call): Promise<unknown> => {
    if (method === 'start') return start(data!);
    if (method === 'stop') return role?.stop();
    assert(role !== null, `${method} before start`);
    return method === 'metrics' ? role.metrics() : role.status();
  };
  port.on('message', (call: Call) => {
    const { id, method } = call;
    perform(call).then(
      (value) => {
        send({ kind: 'answer', id, value });
        if (method === 'stop') {
          stopCollecting();
          port.close();
        }
      },
      (error: unknown) => {
        const fatal = error instanceof FatalError;
        const stack = error instanceof Error ? error.stack : undefined;
        const reason = fatal ? reasonOf(error) : (stack ?? reasonOf(error));
        send({ kind: 'failure', id, fatal, reason });
      },
    );
  });
}

/** The supervisor's logger as the thread sees it: filtered and bounded on the thread's side. */
export function portLogger(
  send: (reply: Reply) => void,
  least: LogLevel,
  clock: Clock,
): Logger & LevelSwitch {
  let secondStartMs = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let left = 0;
  const log = (level: LogLevel, message: string, fields: Fields | undefined): void => {
    if (logLevels.indexOf(level) < logLevels.indexOf(logger.level)) return;
    const now = clock.monotonic();
    if (now - secondStartMs >= 1_000) {
      if (left > 0) {
        const counted = { 'weir.log.suppressed': left };
        send({ kind: 'log', level: 'warn', message: 'log lines were left out', fields: counted });
      }
      [secondStartMs, lines, left] = [now, 0, 0];
    }
    if (lines >= LOG_LINES_PER_SECOND_MAX) {
      left += 1;
      return;
    }
    lines += 1;
    send({ kind: 'log', level, message, fields: fields === undefined ? undefined : plain(fields) });
  };
  const logger: Logger & LevelSwitch = {
    level: least,
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
  };
  return logger;
}

/** What a message port can carry: errors become their text, functions and the like their name. */
function plain(fields: Fields): Fields {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) result[name] = value.stack ?? value.message;
    else if (typeof value === 'object' && value !== null) result[name] = JSON.stringify(value);
    else
      result[name] =
        typeof value === 'function' || typeof value === 'symbol' ? String(value) : value;
  }
  return result;
}

export interface RoleThreadOptions<S> {
  readonly name: string;
  /** Module that calls `serveRole`. */
  readonly entry: URL;
  /** Plain JSON, copied to the thread. */
  readonly settings: S;
  readonly logger: Logger;
  readonly logLevel?: LogLevel;
  readonly clock?: Clock;
  /** Time in which the thread tells its metrics or status, before it counts as stuck. */
  readonly answerMsMax?: number;
  /** A thread that outgrows them dies; the process does not. */
  readonly resourceLimits?: HeapLimits;
  /** A thread of the same entry and bounds that may be there already. */
  readonly spare?: SpareThread;
  /** Called once when the thread ends without having been told to. */
  readonly onDied: (reason: string) => void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One life of a role: it starts once and ends once. */
export class RoleThread<S = unknown> {
  readonly name: string;
  readonly #options: RoleThreadOptions<S>;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #callId = 0;
  #started = false;
  #hasEnded = false;
  #stopping = false;
  #finished = true;
  /** What the thread threw last; its end follows. */
  #thrown = '';
  #exited: Promise<void> = Promise.resolve();

  constructor(options: RoleThreadOptions<S>) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves when the role serves; rejects with the role's FatalError, or with why it died. */
  async start(): Promise<void> {
    assert(this.#worker === null, `role ${this.name} starts once`);
    const { name, entry, resourceLimits, spare } = this.#options;
    const worker = spare?.take() ?? newThread(entry, name, resourceLimits);
    this.#worker = worker;
    worker.on('message', (reply: Reply) => this.#receive(reply));
    worker.on('error', (error: unknown) => {
      this.#thrown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', (code) => {
        this.#ended(code);
        resolve();
      });
    });
    try {
      await this.#call('start');
      // The answer and the end of a thread that died at once may come in one turn.
      if (this.#hasEnded) throw this.#gone();
      this.#started = true;
    } catch (error) {
      // A role that could not start is not a role that died: the caller knows already.
      this.#stopping = true;
      await worker.terminate();
      throw error;
    }
  }

  /**
   * Lets the role finish for up to `withinMs`, then ends it. Idempotent; resolves when it is gone,
   * to whether it finished by itself.
   */
  async stop(withinMs: number): Promise<boolean> {
    const worker = this.#worker;
    if (worker === null) return this.#finished;
    if (!this.#stopping) {
      this.#stopping = true;
      try {
        await this.#call('stop', withinMs);
      } catch (error) {
        this.#finished = false;
        this.#options.logger.warn('role did not stop by itself', {
          'weir.role': this.name,
          'error.message': reasonOf(error),
        });
      }
      // Handles that the role left open would keep its thread.
      await worker.terminate();
    }
    await this.#exited;
    return this.#finished;
  }

  /** Prometheus text of the thread. Rejects when the thread is gone or does not answer in time. */
  async metrics(): Promise<string> {
    return (await this.#ask('metrics')) as string;
  }

  async status(): Promise<RoleStatus> {
    return (await this.#ask('status')) as RoleStatus;
  }

  #ask(method: 'metrics' | 'status'): Promise<unknown> {
    return this.#call(method, this.#options.answerMsMax ?? ANSWER_MS_MAX);
  }

  #call(method: Method, withinMs?: number): Promise<unknown> {
    const worker = this.#worker;
    if (worker === null) return Promise.reject(this.#gone());
    this.#callId += 1;
    const id = this.#callId;
    return new Promise((resolve, reject) => {
      let timer: Timer | null = null;
      const settle = <T>(action: (value: T) => void) => {
        return (value: T): void => {
          timer?.cancel();
          this.#waiting.delete(id);
          action(value);
        };
      };
      const waiting = { resolve: settle(resolve), reject: settle(reject) };
      this.#waiting.set(id, waiting);
      if (withinMs !== undefined) {
        timer = this.#clock.after(withinMs, () => {
          const message = `role ${this.name} did not answer '${method}' within ${withinMs} ms`;
          waiting.reject(new OperatingError('role-stuck', message));
        });
      }
      worker.postMessage(this.#message(id, method));
    });
  }

  #message(id: number, method: Method): Call {
    if (method !== 'start') return { id, method };
    const { name, settings, logLevel = 'info' } = this.#options;
    return { id, method, role: { name, settings, logLevel } };
  }

  #receive(reply: Reply): void {
    if (reply.kind === 'log') {
      const fields = { 'weir.role': this.name, ...reply.fields };
      this.#options.logger[reply.level](reply.message, fields);
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === 'answer') waiting?.resolve(reply.value);
    else if (reply.fatal) waiting?.reject(new FatalError(reply.reason));
    else waiting?.reject(new Error(reply.reason));
  }

  #ended(code: number): void {
    this.#worker = null;
    this.#hasEnded = true;
    const reason = this.#thrown === '' ? `its thread exited with code ${code}` : this.#thrown;
    if (!this.#stopping) this.#thrown = reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#gone());
    if (!this.#stopping && this.#started) this.#options.onDied(reason);
  }

  #gone(): OperatingError {
    const why = this.#thrown === '' ? '' : `: ${this.#thrown}`;
    return new OperatingError('role-gone', `role ${this.name} is not running${why}`);
  }
}
