/**
 * The composition root: one process with a thread a role. The brokers' threads are started before
 * anything else, because everything else is their client; then the console (on this thread), the
 * collectors and the connectors. They stop in reverse order.
 *
 * A role that dies is started again by its supervisor and takes nothing else with it. What ends the
 * process is only a start that can't work (FatalError: port taken, data folder in use), or `stop`.
 */

import { readSecret } from './base/appliance-secret.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { type DataDirectory, openDataDirectory } from './base/data-directory.ts';
import { OperatingError, reasonOf } from './base/errors.ts';
import { collectWhenIdle } from './base/idle-collection.ts';
import type { LogLevel } from './base/logger.ts';
import { nodeDisk } from './base/node-disk.ts';
import { RoleSupervisor } from './base/role-supervisor.ts';
import type { SpareThread } from './base/spare-thread.ts';
import { BrokerFleet } from './broker-fleet.ts';
import { scrapingItself } from './config/configuration.ts';
import type { RoleName, Settings } from './config/settings.ts';
import type { ConsoleServer } from './console/console-server.ts';
import { endpointsOf } from './console/endpoints.ts';
import type { LogDoor } from './console/log-door.ts';
import type { MetricsPage, Sources } from './console/metrics-page.ts';
import { type ApplianceStatus, type RoleReport, worstLight } from './console/status.ts';
import { unreplicated } from './console/topics.ts';
import { metric } from './observe/catalogue.ts';
import type { ApplianceLog } from './observe/logger.ts';
import type { Label } from './observe/merge-exposition.ts';
import { OwnLog } from './observe/own-log.ts';
import { MetricsRegistry } from './observe/registry.ts';
import { roleThreads, type ThreadKind, type ThreadRole } from './role-threads.ts';

/** All of `stop` together; a role gets what the ones before it left. */
const STOP_MS_MAX = 20_000;

/** A log that does not answer within this keeps nobody from seeing the rest of the status. */
const TOPICS_MS_MAX = 2_500;

type ClientRole = Exclude<ThreadRole, 'broker'>;

export interface AppOptions {
  readonly settings: Settings;
  /** Shown at each start and in the status. */
  readonly warnings: readonly string[];
  readonly log: ApplianceLog;
  readonly clock?: Clock;
  /** A thread of a broker that was begun already; it is discarded when none is wanted. */
  readonly spare?: SpareThread;
  /** Other modules in the roles' place, and another patience with them, for tests. */
  readonly entries?: Partial<Readonly<Record<ThreadRole, URL>>>;
  readonly stopMsMax?: number;
}

export class App {
  #settings: Settings;
  readonly #options: AppOptions;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #registry: MetricsRegistry;
  readonly #fleet: BrokerFleet;
  /** In the order of their start. */
  readonly #supervisors = new Map<ClientRole, RoleSupervisor<Settings>>();
  readonly #ownLog: OwnLog;
  #directory: DataDirectory | null = null;
  #console: ConsoleServer | null = null;
  #door: LogDoor | null = null;
  #stopCollecting: () => void = () => {};
  #stopped: Promise<boolean> | null = null;

  constructor(options: AppOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#clock = options.clock ?? systemClock;
    this.#startedAtMs = this.#clock.monotonic();
    this.#registry = new MetricsRegistry({ role: 'console', clock: this.#clock });
    this.#ownLog = new OwnLog(this.#clock);
    this.#fleet = new BrokerFleet({
      thread: this.#threadOf('broker'),
      ...(options.spare === undefined ? {} : { spare: options.spare }),
      log: options.log,
      clock: this.#clock,
    });
    this.#registerMetrics();
  }

  /** With the ports that were really taken. */
  get settings(): Settings {
    return this.#settings;
  }

  /**
   * Resolves when the brokers (or a majority of them) and the console serve, and the other roles
   * were started. Rejects, with everything stopped again, when that can't be.
   */
  async start(): Promise<void> {
    try {
      if (this.#keepsState()) this.#directory = openDataDirectory(this.#settings.dataDir);
      // Modules load while the brokers' threads recover their logs.
      const console = this.#has('console') ? loadConsole() : null;
      if (this.#has('broker')) this.#settings = await this.#fleet.start(this.#settings);
      this.#options.spare?.discard();
      const { secret, dataDir } = this.#settings;
      // Brokers of other processes have it from the same folder.
      if (secret === null) {
        this.#settings = { ...this.#settings, secret: readSecret(nodeDisk, dataDir) };
      }
      this.#goesOn();
      await this.#resolveBootstrap();
      if (console !== null) await this.#startConsole(await console);
      this.#goesOn();
      this.#settings = { ...this.#settings, values: scrapingItself(this.#settings.values) };
      await Promise.all([this.#startRole('collectors'), this.#startRole('connectors')]);
      this.#stopCollecting = collectWhenIdle(this.#clock);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Reverse order, bounded. Resolves to whether everything ended by itself and in time. Idempotent;
   * never rejects.
   */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async status(): Promise<ApplianceStatus> {
    const roles = await this.roles();
    const topics = await this.#topics();
    return {
      version: this.#settings.version,
      light: worstLight(roles.map((role) => role.light)),
      uptimeSeconds: (this.#clock.monotonic() - this.#startedAtMs) / 1_000,
      dataDir: this.#settings.dataDir,
      bootstrap: this.#settings.bootstrap,
      endpoints: endpointsOf(this.#settings),
      warnings: [...this.#options.warnings, ...this.#warningsOf(topics.topics)],
      roles,
      ...topics,
      process: {
        pid: process.pid,
        residentBytes: process.memoryUsage.rss(),
        node: process.versions.node,
      },
    };
  }

  /** Every part with its light and reason. Never rejects; waits some seconds for one that is stuck. */
  async roles(): Promise<RoleReport[]> {
    const reports = [...this.#supervisors.values()].map(async (supervisor) => ({
      name: supervisor.name,
      ...(await supervisor.status()),
    }));
    const [brokers, others] = await Promise.all([this.#fleet.reports(), Promise.all(reports)]);
    const roles: RoleReport[] = [...brokers, ...others];
    for (const name of ['collectors', 'connectors'] as const) {
      const reason = this.#has(name) ? idleReason(name, this.#settings) : null;
      if (reason !== null) roles.push({ name, light: 'green', reason, details: {} });
    }
    if (this.#door !== null) roles.push({ name: 'console', ...this.#door.status() });
    return roles;
  }

  /** What is right as a configuration, and yet loses records with a disk. */
  async logWarnings(): Promise<readonly string[]> {
    return this.#warningsOf((await this.#topics()).topics);
  }

  #warningsOf(topics: ApplianceStatus['topics']): readonly string[] {
    return unreplicated(topics ?? [], this.#settings.brokers.length);
  }

  /**
   * A process that is only one of several brokers owns nothing but that broker's folders; a console,
   * which shows its metrics, keeps nothing.
   */
  #keepsState(): boolean {
    const { roles, brokers } = this.#settings;
    const keepers: readonly RoleName[] = ['collectors', 'connectors'];
    return keepers.some((role) => roles.includes(role)) || brokers.every(({ here }) => here);
  }

  /** Throws when it was told to stop meanwhile: what would start now, nobody would stop. */
  #goesOn(): void {
    if (this.#stopped !== null) throw new OperatingError('stopped', 'the start was ended');
  }

  #has(role: RoleName): boolean {
    return this.#settings.roles.includes(role);
  }

  #threadOf(name: ThreadRole): ThreadKind {
    const entry = this.#options.entries?.[name];
    return { ...roleThreads[name], ...(entry === undefined ? {} : { entry }) };
  }

  async #startRole(name: ClientRole): Promise<void> {
    if (!this.#has(name) || idleReason(name, this.#settings) !== null) return;
    const { entry, limits } = this.#threadOf(name);
    const supervisor = new RoleSupervisor<Settings>({
      name,
      entry,
      settings: this.#settings,
      logger: this.#options.log.roles,
      logLevel: this.#settings.values['log.level'] as LogLevel,
      clock: this.#clock,
      resourceLimits: limits,
      essential: false,
    });
    this.#supervisors.set(name, supervisor);
    await supervisor.start();
  }

  /** A lone broker on port 0 took any free one: the other roles must be told which. */
  async #resolveBootstrap(): Promise<void> {
    const [first] = this.#settings.bootstrap;
    const [broker] = this.#fleet.brokers;
    if (broker === undefined || first?.endsWith(':0') !== true) return;
    const { details } = await broker.supervisor.status();
    const listener = details['internal'] as string | undefined;
    if (listener === undefined) return;
    const port = listener.slice(listener.lastIndexOf(':'));
    this.#settings = { ...this.#settings, bootstrap: [first.replace(/:0$/, port)] };
  }

  async #startConsole(modules: ConsoleModules): Promise<void> {
    const [{ ConsoleServer }, { LogDoor }, { MetricsPage }, { processMetrics }] = modules;
    const { values } = this.#settings;
    const { log } = this.#options;
    const door = new LogDoor({
      settings: this.#settings,
      clock: this.#clock,
      logger: log.printOnly,
      registry: this.#registry,
      ownLog: values['log.to.topic'] ? this.#ownLog : null,
    });
    this.#door = door;
    const process = processMetrics();
    const rest: Sources = () => [
      this.#registry.text(),
      process(),
      ...[...this.#supervisors.values()]
        .filter((supervisor) => supervisor.state === 'running')
        .map((supervisor) => supervisor.metrics()),
    ];
    const labels = values['metrics.labels'].map(labelOf);
    const metrics: MetricsPage = new MetricsPage(
      this.#clock,
      () => [
        ...this.#fleet.brokers
          .filter(({ supervisor }) => supervisor.state === 'running')
          .map(({ id }) => this.#fleet.metrics(id)),
        ...rest(),
      ],
      { labels },
    );
    const parts = new Map([['appliance', new MetricsPage(this.#clock, rest, { labels })]]);
    for (const { id } of this.#fleet.brokers) {
      const source: Sources = () => [this.#fleet.metrics(id)];
      const page = new MetricsPage(this.#clock, source, { labels, whole: true });
      parts.set(`broker/${id}`, page);
    }
    const server = new ConsoleServer({
      host: values['console.host'],
      port: values['console.port'],
      token: values['console.token'],
      connectionsMax: values['console.connections.max'],
      requestTimeoutMs: values['console.request.timeout'],
      clock: this.#clock,
      logger: log.logger,
      registry: this.#registry,
      metrics,
      metricsParts: parts,
      status: () => this.status(),
      notReady: () => this.#notReady(),
      plugins: door.plugins,
    });
    await door.start();
    this.#console = server;
    const port = await server.start();
    this.#settings = { ...this.#settings, values: { ...values, 'console.port': port } };
    if (values['log.to.topic']) log.add(this.#ownLog);
  }

  async #topics(): Promise<Pick<ApplianceStatus, 'topics' | 'topicsReason'>> {
    if (this.#door === null) return { topics: null, topicsReason: 'the console does not run' };
    try {
      const topics = await within(this.#clock, TOPICS_MS_MAX, this.#door.topics());
      return { topics: topics ?? null, topicsReason: '' };
    } catch (error) {
      return { topics: null, topicsReason: `the log does not answer: ${reasonOf(error)}` };
    }
  }

  async #notReady(): Promise<string[]> {
    if (this.#stopped !== null) return ['is stopping'];
    if (this.#fleet.brokers.length > 0) return this.#fleet.notReady();
    const { topicsReason } = await this.#topics();
    return topicsReason === '' ? [] : [topicsReason];
  }

  async #stop(): Promise<boolean> {
    const deadline = this.#clock.monotonic() + (this.#options.stopMsMax ?? STOP_MS_MAX);
    const left = (): number => Math.max(deadline - this.#clock.monotonic(), 1);
    let inOrder = true;
    type Ending = Promise<boolean | void> | undefined;
    const step = async (what: string, action: () => Ending): Promise<void> => {
      try {
        if ((await within(this.#clock, left(), action())) === false) inOrder = false;
      } catch (error) {
        inOrder = false;
        const fields = { 'weir.part': what, 'error.message': reasonOf(error) };
        this.#options.log.printOnly.error('part did not stop in order', fields);
      }
    };
    await step('connectors', () => this.#supervisors.get('connectors')?.stop(left()));
    await step('collectors', () => this.#supervisors.get('collectors')?.stop(left()));
    await step('console', () => this.#console?.stop());
    await step('log client', () => this.#door?.stop());
    await step('brokers', () => this.#fleet.stop(left()));
    this.#fleet.release();
    this.#stopCollecting();
    this.#directory?.release();
    return inOrder;
  }

  /** Every thread with the id of the broker that it is, or ''. */
  *#threads(): Generator<readonly [supervisor: RoleSupervisor<Settings>, broker: string]> {
    for (const { id, supervisor } of this.#fleet.brokers) yield [supervisor, String(id)];
    for (const supervisor of this.#supervisors.values()) yield [supervisor, ''];
  }

  #registerMetrics(): void {
    const registry = this.#registry;
    const { version } = this.#settings;
    const { lines } = this.#options.log;
    registry.family(metric('weir_build_info'), (emit) => emit(1, version, process.versions.node));
    registry.family(metric('weir_role_up'), (emit) => {
      for (const [{ name, state }, id] of this.#threads()) {
        emit(state === 'running' ? 1 : 0, name, id);
      }
    });
    registry.family(metric('weir_role_restarts_total'), (emit) => {
      for (const [{ name, restarts }, id] of this.#threads()) emit(restarts, name, id);
    });
    registry.family(metric('weir_log_lines_total'), (emit) => {
      for (const [level, count] of Object.entries(lines)) emit(count, level);
    });
    registry.family(metric('weir_own_log_sent_total'), (emit) => emit(this.#ownLog.sent));
    registry.family(metric('weir_own_log_dropped_total'), (emit) => {
      for (const [reason, count] of Object.entries(this.#ownLog.dropped)) emit(count, reason);
    });
    registry.family(metric('weir_own_log_waiting_bytes'), (emit) => {
      emit(this.#ownLog.waitingBytes);
    });
  }
}

/** Why a role has nothing to do, or null: a thread that only waits would cost ten megabytes. */
function idleReason(name: ClientRole, { values }: Settings): string | null {
  switch (name) {
    case 'collectors': {
      const { 'collectors.syslog.enabled': syslog, 'collectors.files.enabled': files } = values;
      if (syslog || files || values['collectors.scrape.enabled']) return null;
      return 'nothing to do: syslog, files and scrape are off';
    }
    case 'connectors':
      return values['connectors.elasticsearch.url'] === null
        ? 'nothing to do: connectors.elasticsearch.url is not set'
        : null;
  }
}

/** What only a process with a console needs. */
const loadConsole = () =>
  Promise.all([
    import('./console/console-server.ts'),
    import('./console/log-door.ts'),
    import('./console/metrics-page.ts'),
    import('./observe/process-metrics.ts'),
  ]);

type ConsoleModules = Awaited<ReturnType<typeof loadConsole>>;

/** `kafka_cluster=weir`, as checked with the configuration. */
const labelOf = (pair: string): Label => {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
};

/** Rejects when `action` takes longer; it goes on, but nobody waits for it. */
async function within<T>(
  clock: Clock,
  limitMs: number,
  action: Promise<T> | undefined,
): Promise<T | undefined> {
  if (action === undefined) return undefined;
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(limitMs, () => {
      reject(new Error(`it took longer than ${Math.round(limitMs)} ms`));
    });
    action.then(resolve, reject).finally(() => timer.cancel());
  });
}
