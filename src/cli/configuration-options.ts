/** The options that every command with a configuration takes, and what they mean. */
import type { Configuration } from '../config/configuration.ts';
import { type Arguments, usageError } from './arguments.ts';
import type { Option } from './command.ts';

export const configurationOptions: readonly Option[] = [
  {
    name: 'config',
    short: 'c',
    value: 'FILE',
    doc: 'Configuration file; weir.yaml here when it exists.',
  },
  {
    name: 'data',
    short: 'd',
    value: 'DIR,…',
    doc: 'Folder for all data, or one for each broker: --set data.dir=DIR.',
  },
  { name: 'brokers', value: 'N', doc: 'Brokers that keep the log together: --set brokers=N.' },
  {
    name: 'broker',
    value: 'ID,…',
    doc: 'Run only these of the brokers in this process: --set brokers.here=ID.',
  },
  { name: 'roles', value: 'ROLE,…', doc: 'Parts to run: broker, collectors, connectors, console.' },
  {
    name: 'set',
    value: 'KEY=VALUE',
    repeated: true,
    doc: 'Overrides one key of the configuration.',
  },
];

const shorthands = [
  ['data', 'data.dir'],
  ['brokers', 'brokers'],
  ['broker', 'brokers.here'],
  ['roles', 'roles'],
] as const;

/** Reads the file (`--config`, or the one given as a word), the environment and the options. */
export async function configurationOf(args: Arguments, file?: string): Promise<Configuration> {
  const options: { name: string; value: string; option: string }[] = [];
  for (const [option, name] of shorthands) {
    const value = args.text(option);
    if (value !== undefined) options.push({ name, value, option: `--${option}` });
  }
  for (const text of args.list('set')) {
    const at = text.indexOf('=');
    if (at <= 0) throw usageError(`--set takes KEY=VALUE; saw '${text}'`);
    options.push({ name: text.slice(0, at), value: text.slice(at + 1), option: '--set' });
  }
  const { readConfiguration } = await import('../config/configuration.ts');
  return readConfiguration({
    file: file ?? args.text('config'),
    environment: process.env,
    options,
    workingDirectory: process.cwd(),
  });
}
