/** `weir config`: says what is wrong with a configuration, or what it comes to. */
import { OperatingError } from '../base/errors.ts';
import { jsonOption, meant } from './arguments.ts';
import { type Command, ExitCode } from './command.ts';
import { configurationOf, configurationOptions } from './configuration-options.ts';
import { tableText } from './table.ts';

const check: Command = {
  name: 'check',
  summary: 'Name every problem of the configuration with its place; exit 1 when there is one.',
  usage: 'config check [FILE] [--set KEY=VALUE]… [--json]',
  examples: ['weir config check', 'weir config check /etc/weir/weir.yaml'],
  options: [...configurationOptions, jsonOption],
  words: [0, 1],
  async run(args) {
    const { problems, warnings, file } = await configurationOf(args, args.words[0]);
    const { problemLine } = await import('../config/print.ts');
    if (args.has('json')) {
      await args.terminal.out(`${JSON.stringify({ file, problems, warnings }, null, 2)}\n`);
    } else {
      for (const problem of problems) await args.terminal.out(`${problemLine(problem)}\n`);
      for (const warning of warnings) await args.terminal.out(`warning: ${problemLine(warning)}\n`);
      const what = file ?? 'no file; defaults, environment and options';
      if (problems.length === 0) await args.terminal.out(`the configuration is good (${what})\n`);
    }
    return problems.length === 0 ? ExitCode.OK : ExitCode.FAILURE;
  },
};

const show: Command = {
  name: 'show',
  summary: 'Print the effective value of every key and where it came from; secrets are masked.',
  usage: 'config show [FILE] [--given] [--set KEY=VALUE]… [--json]',
  examples: ['weir config show', 'weir config show --given', 'weir config show --json'],
  options: [
    ...configurationOptions,
    { name: 'given', doc: 'Only what is not a default.' },
    jsonOption,
  ],
  words: [0, 1],
  async run(args) {
    const { values, problems } = await configurationOf(args, args.words[0]);
    const { problemLine, shownText, shownValues } = await import('../config/print.ts');
    const rows = shownValues(values).filter(
      (row) => !args.has('given') || row.origin !== 'default',
    );
    if (args.has('json')) await args.terminal.out(`${JSON.stringify(rows, null, 2)}\n`);
    else {
      await args.terminal.out(
        tableText(
          [
            { title: 'KEY', cell: (row) => row.key },
            { title: 'VALUE', cell: (row) => shownText(row.value) },
            { title: 'FROM', cell: (row) => row.origin },
          ],
          rows,
        ),
      );
    }
    for (const problem of problems) args.terminal.err(`${problemLine(problem)}\n`);
    return problems.length === 0 ? ExitCode.OK : ExitCode.FAILURE;
  },
};

const keys: Command = {
  name: 'keys',
  summary: 'List every key with its type, default and meaning.',
  usage: 'config keys [TEXT] [--json]',
  examples: ['weir config keys', 'weir config keys retention'],
  options: [jsonOption],
  words: [0, 1],
  async run(args) {
    const { configurationTable } = await import('../config/configuration.ts');
    const { memberKeys } = await import('../config/broker-members.ts');
    const { describeType, isSecret } = await import('../config/table.ts');
    const { shownText } = await import('../config/print.ts');
    const wanted = args.words[0]?.toLowerCase() ?? '';
    const all = [...configurationTable().values(), ...memberKeys];
    const found = all.filter(({ name, doc }) => `${name} ${doc}`.toLowerCase().includes(wanted));
    if (found.length === 0) {
      const near = meant(
        wanted,
        all.map(({ name }) => name),
      );
      throw new OperatingError(
        'no-key',
        `no key has '${args.words[0]}' in its name or meaning${near}`,
      );
    }
    if (args.has('json')) {
      await args.terminal.out(`${JSON.stringify(found, null, 2)}\n`);
      return ExitCode.OK;
    }
    for (const key of found) {
      const secret = isSecret(key) ? ', never shown' : '';
      const meta = `${describeType(key)}; default ${shownText(key.default)}${secret}`;
      await args.terminal.out(`${key.name}\n    ${key.doc}\n    ${meta}\n`);
    }
    return ExitCode.OK;
  },
};

export const configCommand: Command = {
  name: 'config',
  summary: 'Check the configuration, show its effective values, list its keys.',
  usage: 'config check|show|keys',
  examples: ['weir config check', 'weir config show --given', 'weir config keys syslog'],
  options: [],
  commands: [check, show, keys],
  run: () => Promise.resolve(ExitCode.USAGE),
};
