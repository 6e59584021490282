import { describe, expect, test } from 'vitest';
import { helpText, parseArguments } from '../../../src/cli/arguments.ts';
import type { Command } from '../../../src/cli/command.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { tableText } from '../../../src/cli/table.ts';
import { fakeTerminal } from './fake-terminal.ts';

const fish: Command = {
  name: 'fish',
  summary: 'Catches fish.',
  usage: 'fish POND [options]',
  examples: ['weir fish lake --count 3'],
  options: [
    { name: 'count', short: 'n', value: 'N', default: '1', doc: 'How many.' },
    { name: 'property', value: 'KEY=VALUE', repeated: true, doc: 'More.' },
    { name: 'kind', value: 'KIND', doc: 'Which.' },
    { name: 'dry-run', doc: 'Only look.' },
  ],
  words: [1, 1],
  run: async (args) => {
    await args.terminal.out(`${args.words[0]} ${args.integer('count', 1, 9)}\n`);
    return 0;
  },
};
const parse = (...argv: string[]) => parseArguments(fish, argv, fakeTerminal());

describe('command line', () => {
  test('reads values after a space, an equals sign and a short name', () => {
    for (const argv of [['--count', '3'], ['--count=3'], ['-n', '3']]) {
      const args = parse('lake', ...argv);
      expect(args.integer('count')).toBe(3);
      expect(args.words).toEqual(['lake']);
    }
    expect(parse('lake').integer('count')).toBe(1);
    expect(parse('--', '--lake').words).toEqual(['--lake']);
  });

  test('reads repeated properties and keeps equals signs in values', () => {
    const args = parse('lake', '--property', 'a=1', '--property', 'b=c=d');
    expect([...args.properties('property')]).toEqual([
      ['a', '1'],
      ['b', 'c=d'],
    ]);
  });

  test.each([
    [['lake', '--cuont', '3'], "unknown option --cuont; did you mean '--count'?"],
    [['lake', '--count'], '--count needs a value'],
    [['lake', '--dry-run=yes'], 'takes no value'],
    [['lake', '--count', '1', '--count', '2'], 'given twice'],
    [[], 'something is missing'],
    [['lake', 'sea'], "unexpected 'sea'"],
  ])('refuses %j', (argv, message) => {
    expect(() => parse(...argv)).toThrow(message);
  });

  test('refuses a number that is none or lies outside its bounds', () => {
    expect(() => parse('lake', '-n', 'many').integer('count')).toThrow('whole number');
    expect(() => parse('lake', '-n', '10').integer('count', 1, 9)).toThrow('between 1 and 9');
    expect(() => parse('lake', '--kind', 'trouut').choice('kind', ['trout', 'eel'])).toThrow(
      "did you mean 'trout'",
    );
    expect(() => parse('lake', '--kind', '7').choice('kind', ['0', '1'])).toThrow(/saw '7'$/);
  });

  test('help names every option, its default and the examples', () => {
    const text = helpText(fish);
    for (const piece of ['--count N', '(default: 1)', '-h, --help', 'weir fish lake --count 3']) {
      expect(text).toContain(piece);
    }
  });
});

describe('running', () => {
  const run = async (...argv: string[]) => {
    const terminal = fakeTerminal();
    const pond: Command = { ...fish, name: 'pond', usage: 'pond', commands: [fish] };
    const code = await runCommand([fish, pond], argv, terminal);
    return { code, out: terminal.written(), err: terminal.errors() };
  };

  test('runs the command that is named, one below another too', async () => {
    expect(await run('fish', 'lake')).toEqual({ code: 0, out: 'lake 1\n', err: '' });
    expect(await run('pond', 'fish', 'lake')).toEqual({ code: 0, out: 'lake 1\n', err: '' });
  });

  test('a mistake of the user ends with 2 and says what was meant', async () => {
    const { code, err } = await run('fsih', 'lake');
    expect(code).toBe(2);
    expect(err).toContain("unknown command 'fsih'; did you mean 'fish'?");
    expect((await run('fish', 'lake', '-n', '99')).code).toBe(2);
    expect((await run()).code).toBe(2);
  });

  test('help is no failure', async () => {
    expect((await run('--help')).code).toBe(0);
    const { code, out } = await run('fish', '--help');
    expect(code).toBe(0);
    expect(out).toContain('Usage: weir fish');
  });

  test('help of a command is what that command says with --help, at any depth', async () => {
    expect(await run('help', 'fish')).toEqual(await run('fish', '--help'));
    expect(await run('help', 'pond', 'fish')).toEqual(await run('pond', 'fish', '--help'));
    expect(await run('help', 'pond')).toEqual(await run('pond', '--help'));
    expect(await run('help', '--help')).toEqual(await run('--help'));
  });

  test('help of a command that does not exist is a mistake of the user', async () => {
    expect(await run('help', 'fsih')).toEqual(await run('fsih', '--help'));
    const { code, out, err } = await run('help', 'pond', 'fsih');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain("unknown command 'pond fsih'; did you mean 'fish'?");
  });
});

test('a table aligns its columns and shows null as a dash', () => {
  const rows = [
    { topic: 'logs', lag: 12 },
    { topic: 'dead-letters', lag: null },
  ];
  const text = tableText(
    [
      { title: 'TOPIC', cell: (row) => row.topic },
      { title: 'LAG', cell: (row) => row.lag, right: true },
    ],
    rows,
  );
  expect(text).toBe('TOPIC         LAG\nlogs           12\ndead-letters    -\n');
});
