/** The `weir` command: reads argv and runs one command. What a command needs is loaded when it runs. */
import { SpareThread } from './base/spare-thread.ts';
import type { Command } from './cli/command.ts';
import { roleThreads } from './role-threads.ts';

const argv = process.argv.slice(2);
const isStart = argv[0] === 'up';

// Loading is most of a start: the broker's thread and this one do it at the same time.
const { entry, limits } = roleThreads.broker;
const spare = isStart ? new SpareThread(entry, 'broker', limits) : null;

const [{ runCommand }, { processTerminal }, { upCommand }] = await Promise.all([
  import('./cli/run.ts'),
  import('./cli/terminal.ts'),
  import('./cli/up.ts'),
]);

const up = upCommand(async (parts) => {
  const { App } = await import('./app.ts');
  return new App({ ...parts, ...(spare === null ? {} : { spare }) });
});

/** All the others: an appliance that runs for months keeps nothing of them in memory. */
async function others(): Promise<readonly Command[]> {
  const [{ statusCommand }, { commands }, { configCommand }, { metricsCommand }] =
    await Promise.all([
      import('./cli/status.ts'),
      import('./cli/index.ts'),
      import('./cli/config.ts'),
      import('./cli/metrics.ts'),
    ]);
  return [statusCommand, ...commands, configCommand, metricsCommand];
}

// Timers of the clock keep no process alive; a command does, until it has an exit code.
const hold = setInterval(() => {}, 2 ** 31 - 1);
const code = await runCommand(isStart ? [up] : [up, ...(await others())], argv, processTerminal());
clearInterval(hold);
process.exit(code);
