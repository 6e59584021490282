/** Finds the command that a command line names, runs it, and turns what it throws into words. */
import { FatalError, OperatingError, reasonOf } from '../base/errors.ts';
import { helpText, meant, parseArguments, usageError } from './arguments.ts';
import { type Command, ExitCode, type Terminal } from './command.ts';

/** Runs `argv` (without the program's own name) and resolves to the exit code; never rejects. */
export async function runCommand(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    return await dispatch(commands, argv, terminal);
  } catch (error) {
    return explain(error, terminal);
  }
}

async function dispatch(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = argv;
  if (name !== undefined && !isHelp(name) && name !== 'help') {
    return descend(commands, name, rest, terminal, '');
  }
  const [asked, ...below] = rest.filter((word) => !isHelp(word));
  // `help topic list` is `topic list --help`.
  if (asked !== undefined) return descend(commands, asked, [...below, '--help'], terminal, '');
  await terminal.out(overview(commands));
  return name === undefined ? ExitCode.USAGE : ExitCode.OK;
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

async function descend(
  commands: readonly Command[],
  name: string,
  rest: readonly string[],
  terminal: Terminal,
  above: string,
): Promise<number> {
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const names = commands.map((candidate) => candidate.name);
    throw usageError(
      `unknown command '${above}${name}'${meant(name, names)} (see: weir ${above}--help)`,
    );
  }
  if (command.commands !== undefined) {
    const [next, ...after] = rest;
    if (next === undefined || isHelp(next)) {
      await terminal.out(helpText(command));
      return next === undefined ? ExitCode.USAGE : ExitCode.OK;
    }
    return descend(command.commands, next, after, terminal, `${above}${name} `);
  }
  const args = parseArguments(command, rest, terminal);
  if (!args.has('help')) return command.run(args);
  await terminal.out(helpText(command));
  return ExitCode.OK;
}

function explain(error: unknown, terminal: Terminal): number {
  if (error instanceof OperatingError) {
    terminal.err(`weir: ${error.message}\n`);
    return error.code === 'usage' ? ExitCode.USAGE : ExitCode.FAILURE;
  }
  // Kafka's own errors and a broken environment are facts of operation, too: no stack.
  const known =
    error instanceof FatalError || (error instanceof Error && error.name === 'ProtocolError');
  const stack = !known && error instanceof Error ? error.stack : undefined;
  terminal.err(`weir: ${stack ?? reasonOf(error)}\n`);
  return ExitCode.FAILURE;
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    'Usage: weir COMMAND [options]',
    '',
    'Takes in logs and metrics, keeps them in a Kafka log, and lets them on.',
    '',
    'Commands:',
    ...lines,
    '',
    'weir COMMAND --help explains one of them.',
    '',
  ].join('\n');
}
