/** Reads a command line against a command's options, and writes a command's help from them. */
import { OperatingError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Command, Option, Terminal } from './command.ts';

/** The user's mistake: exit code 2. */
export const usageError = (message: string): OperatingError => new OperatingError('usage', message);

export const helpOption: Option = { name: 'help', short: 'h', doc: 'Show this help.' };
export const jsonOption: Option = { name: 'json', doc: 'Print JSON for programs, not a table.' };
export const bootstrapOption: Option = {
  name: 'bootstrap-server',
  value: 'HOST:PORT,…',
  default: '127.0.0.1:9092',
  doc: 'Brokers of the Kafka cluster to ask: Weir or any other.',
};

export const timeoutOption: Option = {
  name: 'timeout',
  value: 'MS',
  default: '30000',
  doc: 'How long an answer of the cluster may take.',
};

/** What every command that takes `bootstrapOption` takes besides. */
export const accessOptions: readonly Option[] = [
  {
    name: 'command-config',
    value: 'FILE',
    doc: "Properties of the client, by Kafka's names: security.protocol, sasl.*, ssl.*.",
  },
  {
    name: 'data',
    value: 'DIR',
    doc: 'Data folder of a Weir on this machine: speaks as a part of it, over its plain or internal listener; whoever may read the folder may do everything. Where that listener has TLS, --command-config gives the ssl.* of it.',
  },
];

/** All options of a command, also those that go with others. */
function optionsOf({ options }: Command): readonly Option[] {
  const isClient = options.includes(bootstrapOption);
  return [...options, ...(isClient ? accessOptions : []), helpOption];
}

/** The words and options of one call of a command. */
export class Arguments {
  readonly command: Command;
  readonly terminal: Terminal;
  /** What is not an option, in order. */
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(
    command: Command,
    words: readonly string[],
    values: ReadonlyMap<string, readonly string[]>,
    terminal: Terminal,
  ) {
    this.command = command;
    this.words = words;
    this.#values = values;
    this.terminal = terminal;
  }

  /** Whether the option or switch was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }
  /** The last value given, or the default, or undefined. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1) ?? this.#option(name).default;
  }
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw usageError(`missing --${name}`);
    return value;
  }
  /** Every value given, in order; the default when there is none. */
  list(name: string): readonly string[] {
    const fallback = this.#option(name).default;
    return this.#values.get(name) ?? (fallback === undefined ? [] : [fallback]);
  }
  /** A whole number between `min` and `max`. */
  integer(
    name: string,
    min = Number.MIN_SAFE_INTEGER,
    max = Number.MAX_SAFE_INTEGER,
  ): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return parseInteger(`--${name}`, text, min, max);
  }
  /** One of `values`; a near miss is suggested. */
  choice<T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = values.find((value) => value === text);
    if (found === undefined) {
      throw usageError(`--${name} takes ${values.join(', ')}; saw '${text}'${meant(text, values)}`);
    }
    return found;
  }
  /** `key=value` pairs of a repeated option. */
  properties(name: string): Map<string, string> {
    const pairs = new Map<string, string>();
    for (const text of this.list(name)) {
      const at = text.indexOf('=');
      if (at <= 0) throw usageError(`--${name} takes key=value; saw '${text}'`);
      pairs.set(text.slice(0, at), text.slice(at + 1));
    }
    return pairs;
  }

  #option(name: string): Option {
    const option = optionsOf(this.command).find((candidate) => candidate.name === name);
    if (option === undefined) throw usageError(`${this.command.name} has no option --${name}`);
    return option;
  }
}

/** Throws a usage error naming `what` unless `text` is a whole number between `min` and `max`. */
export function parseInteger(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value)) {
    throw usageError(`${what} takes a whole number; saw '${text}'`);
  }
  if (value < min || value > max) {
    throw usageError(`${what} must lie between ${min} and ${max}; saw ${text}`);
  }
  return value;
}

/** Throws a usage error that says what was expected, what was seen and what may have been meant. */
export function parseArguments(
  command: Command,
  argv: readonly string[],
  terminal: Terminal,
): Arguments {
  const options = optionsOf(command);
  const values = new Map<string, string[]>();
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const text = argv[i]!;
    if (text === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!text.startsWith('-') || text === '-' || /^-\d/.test(text)) {
      words.push(text);
      continue;
    }
    const equals = text.indexOf('=');
    const given = equals < 0 ? text : text.slice(0, equals);
    const option = options.find((o) => given === `--${o.name}` || given === `-${o.short}`);
    if (option === undefined) throw unknownOption(command, given, options);
    const seen = values.get(option.name) ?? [];
    if (seen.length > 0 && option.value !== undefined && option.repeated !== true) {
      throw usageError(`--${option.name} was given twice`);
    }
    values.set(option.name, seen);
    if (option.value === undefined) {
      if (equals >= 0) throw usageError(`--${option.name} takes no value; saw '${text}'`);
      continue;
    }
    const value = equals < 0 ? argv[++i] : text.slice(equals + 1);
    if (value === undefined) throw usageError(`--${option.name} needs a value: ${option.value}`);
    seen.push(value);
  }
  if (!values.has('help')) checkWords(command, words);
  return new Arguments(command, words, values, terminal);
}

function checkWords(command: Command, words: readonly string[]): void {
  const [min, max] = command.words ?? [0, 0];
  if (words.length < min) throw usageError(`something is missing; usage: weir ${command.usage}`);
  if (words.length > max) {
    throw usageError(`unexpected '${words[max]}'; usage: weir ${command.usage}`);
  }
}

function unknownOption(
  command: Command,
  given: string,
  options: readonly Option[],
): OperatingError {
  const names = options.map((option) => `--${option.name}`);
  return usageError(
    `unknown option ${given}${meant(given, names)} (see: weir ${commandPath(command)} --help)`,
  );
}

/** `; did you mean 'x'?`, or nothing. */
export function meant(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates);
  return near === null ? '' : `; did you mean '${near}'?`;
}

/** The words of a command's usage that name it: `topic create`. */
export const commandPath = (command: Command): string =>
  command.usage
    .split(' ')
    .filter((word) => /^[a-z][a-z-]*$/.test(word))
    .join(' ');

/** The help of a command, made from its declaration. */
export function helpText(command: Command): string {
  const lines = [`Usage: weir ${command.usage}`, '', command.summary];
  if (command.commands !== undefined) {
    lines.push('', 'Commands:', ...columns(command.commands.map((c) => [c.name, c.summary])));
  }
  const options = optionsOf(command).map((option) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const value = option.value === undefined ? '' : ` ${option.value}`;
    const fallback = option.default === undefined ? '' : ` (default: ${option.default})`;
    return [`${short}--${option.name}${value}`, `${option.doc}${fallback}`] as const;
  });
  lines.push('', 'Options:', ...columns(options));
  if (command.examples.length > 0) {
    lines.push('', 'Examples:', ...command.examples.map((example) => `  ${example}`));
  }
  return `${lines.join('\n')}\n`;
}

const HELP_COLUMN_MAX = 34;

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(HELP_COLUMN_MAX, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) =>
    left.length > width
      ? [`  ${left}`, `  ${''.padEnd(width)}  ${right}`]
      : [`  ${left.padEnd(width)}  ${right}`],
  );
}
