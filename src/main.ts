/** The `weir` command: reads argv and runs one command. What a command needs is loaded when it runs. */
import type { Command } from './cli/command.ts';

const [{ runCommand }, { processTerminal }, { upCommand }] = await Promise.all([
  import('./cli/run.ts'),
  import('./cli/terminal.ts'),
  import('./cli/up.ts'),
]);

const up = upCommand(async (parts) => {
  const { App } = await import('./app.ts');
  return new App(parts);
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

const argv = process.argv.slice(2);

// Timers of the clock keep no process alive; a command does, until it has an exit code.
const hold = setInterval(() => {}, 2 ** 31 - 1);
const code = await runCommand(
  argv[0] === up.name ? [up] : [up, ...(await others())],
  argv,
  processTerminal(),
);
clearInterval(hold);
process.exit(code);
