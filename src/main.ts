/** The `weir` command: reads argv and runs one command. What a command needs is loaded when it runs. */
const [
  { commands },
  { configCommand },
  { metricsCommand },
  { runCommand },
  { statusCommand },
  { processTerminal },
  { upCommand },
] = await Promise.all([
  import('./cli/index.ts'),
  import('./cli/config.ts'),
  import('./cli/metrics.ts'),
  import('./cli/run.ts'),
  import('./cli/status.ts'),
  import('./cli/terminal.ts'),
  import('./cli/up.ts'),
]);

const up = upCommand(async (parts) => {
  const { App } = await import('./app.ts');
  return new App(parts);
});

// Timers of the clock keep no process alive; a command does, until it has an exit code.
const hold = setInterval(() => {}, 2 ** 31 - 1);
const code = await runCommand(
  [up, statusCommand, ...commands, configCommand, metricsCommand],
  process.argv.slice(2),
  processTerminal(),
);
clearInterval(hold);
process.exit(code);
