/** `weir up`: reads the configuration, starts the appliance, prints one screen, runs until told to end. */

import { sleep, systemClock } from '../base/clock.ts';
import type { Settings } from '../config/settings.ts';
import type { RoleReport } from '../console/status.ts';
import type { ApplianceLog } from '../observe/logger.ts';
import { type Command, ExitCode, type Terminal } from './command.ts';
import { configurationOf, configurationOptions } from './configuration-options.ts';
import { applianceVersion } from './version.ts';

/** How long the first screen waits for a part that does not answer. */
const TROUBLES_MS = 500;

/** What this command asks of `app.ts`, which knows it and is not known by it. */
interface Appliance {
  readonly settings: Settings;
  start(): Promise<void>;
  /** Resolves to whether everything ended in order and in time. */
  stop(): Promise<boolean>;
  /** What the operator should know of the log itself. */
  logWarnings(): Promise<readonly string[]>;
  roles(): Promise<readonly RoleReport[]>;
}

export interface ApplianceParts {
  readonly settings: Settings;
  readonly warnings: readonly string[];
  readonly log: ApplianceLog;
}

/** `assemble` makes the appliance; `main.ts` gives it. */
export const upCommand = (assemble: (parts: ApplianceParts) => Promise<Appliance>): Command => ({
  name: 'up',
  summary: 'Start the appliance and run until it is told to end.',
  usage: 'up [--config FILE] [--data DIR,…] [--brokers N] [--roles ROLE,…] [--set KEY=VALUE]…',
  examples: [
    'weir up',
    'weir up --data /var/lib/weir --set console.port=8081',
    'weir up --brokers 3 --data /disk1,/disk2,/disk3',
    'weir up --roles collectors,connectors --set engine.kafka.bootstrap=kafka-1:9092,kafka-2:9092',
    'WEIR_ELASTICSEARCH_URL=http://127.0.0.1:9200 weir up',
  ],
  options: configurationOptions,
  async run(args) {
    const { terminal } = args;
    const configuration = await configurationOf(args);
    const { secretsOf, settingsOf } = await import('../config/configuration.ts');
    const { openListeners } = await import('../config/validate.ts');
    const { problemLine } = await import('../config/print.ts');
    const { applianceLog } = await import('../observe/logger.ts');
    const { Redactor } = await import('../observe/redactor.ts');
    const settings = settingsOf(configuration, applianceVersion(), process.cwd());
    const log = applianceLog({
      level: settings.values['log.level'] as 'info',
      format: settings.values['log.format'] as 'auto',
      redactor: new Redactor(secretsOf(configuration)),
    });
    const warnings = [
      ...configuration.warnings.map(problemLine),
      ...openListeners(configuration.values).map(
        ({ key, host }) =>
          `${key}: ${host} is open to other machines without authentication (insecure: true)`,
      ),
    ];
    for (const warning of warnings) log.logger.warn(warning);
    const app = await assemble({ settings, warnings, log });
    const ended = toldToEnd(terminal, log);
    const started = app.start();
    // A start may take long, where logs have to be recovered: who ends it does not wait for that.
    const first = await Promise.race([started.then(() => null), ended]);
    if (first === null) await greet(terminal, app, configuration.file, warnings, log.format);
    if (first === null) log.logger.info('appliance is up', { 'event.duration_ms': uptimeMs() });
    const code = first ?? (await ended);
    log.logger.info('appliance is stopping');
    started.catch(() => {});
    const inOrder = await app.stop();
    log.close();
    return inOrder ? code : ExitCode.FAILURE;
  },
});

const uptimeMs = (): number => Math.round(process.uptime() * 1_000);

/**
 * Resolves to the exit code when the user, the system or a bug of the main thread ends the
 * appliance. After a bug the state of this thread is unknown, and that of the others is not: they
 * are stopped in order.
 */
function toldToEnd(terminal: Terminal, log: ApplianceLog): Promise<number> {
  // Output that nobody reads any more is no reason to end.
  process.stdout.removeAllListeners('error').on('error', () => {});
  const hungUp = new Promise<number>((resolve) => {
    process.once('SIGHUP', () => resolve(ExitCode.OK));
  });
  const crashed = new Promise<number>((resolve) => {
    process.on('uncaughtException', (error) => {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.logger.error('bug in the main thread', { 'error.stack_trace': stack });
      resolve(ExitCode.FAILURE);
    });
  });
  return Promise.race([terminal.interrupted.then(() => ExitCode.OK), hungUp, crashed]);
}

/** Prints the first screen. Where programs read the log, people read it on the other stream. */
async function greet(
  terminal: Terminal,
  app: Appliance,
  configFile: string | null,
  warnings: readonly string[],
  format: ApplianceLog['format'],
): Promise<void> {
  const startedInMs = uptimeMs();
  const troubles = await troublesOf(app);
  const { startScreen } = await import('./start-screen.ts');
  const { settings } = app;
  const shown = [...warnings, ...troubles];
  const screen = startScreen({ settings, configFile, warnings: shown, startedInMs });
  if (format === 'human') await terminal.out(screen);
  else terminal.err(screen);
}

/** What does not work right after the start, such as a port of an agent that is taken. */
async function troublesOf(app: Appliance): Promise<string[]> {
  const late = sleep(systemClock, TROUBLES_MS).then(() => []);
  const [roles, ofLog] = await Promise.all([
    Promise.race([app.roles(), late]),
    Promise.race([app.logWarnings(), late]),
  ]);
  const troubles = roles
    .filter(({ light }) => light !== 'green')
    .map(({ name, reason }) => `${name}: ${reason}`);
  return [...troubles, ...ofLog];
}
