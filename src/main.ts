/** The `weir` command: reads argv and runs one command. What a command needs is loaded when it runs. */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Modules are compiled, and their types stripped, once and not at each start. The folder is the
 * user's own, because what lies in it is run. Threads find it through the environment.
 */
function keepCompiled(): void {
  const caches = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = process.env['NODE_COMPILE_CACHE'] ?? join(caches, 'weir', 'compiled');
  const { directory } = enableCompileCache(folder);
  if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] = folder;
}

keepCompiled();

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
