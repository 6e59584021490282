/** `weir user`: list, describe, create, delete: who may log in with a password. */
import type { UserAdmin } from '../client/user-admin.ts';
import { type Arguments, bootstrapOption, jsonOption, timeoutOption } from './arguments.ts';
import { type Command, ExitCode, type Option } from './command.ts';
import { passwordOf } from './password.ts';
import { printRows } from './table.ts';

const common = [bootstrapOption, timeoutOption] as const;

const MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

const mechanismOption: Option = {
  name: 'mechanism',
  value: MECHANISMS.join('|'),
  default: 'SCRAM-SHA-512',
  doc: 'For which the password is kept; PLAIN takes it, too.',
};

async function withUsers(args: Arguments, work: (users: UserAdmin) => Promise<number>) {
  const [{ withAdministrator }, { UserAdmin: Class }] = await Promise.all([
    import('./cluster.ts'),
    import('../client/user-admin.ts'),
  ]);
  return withAdministrator(args, Class, work);
}

async function print(args: Arguments, users: UserAdmin, names: readonly string[] | null) {
  const rows = (await users.describe(names)).flatMap(({ name, credentials }) =>
    credentials.map((credential) => ({ user: name, ...credential })),
  );
  await printRows(
    args,
    [
      { title: 'USER', cell: (row) => row.user },
      { title: 'MECHANISM', cell: (row) => row.mechanism },
      { title: 'ITERATIONS', cell: (row) => row.iterations, right: true },
    ],
    rows,
  );
  return ExitCode.OK;
}

const listCommand: Command = {
  name: 'list',
  summary: 'List the users who have passwords.',
  usage: 'user list [options]',
  examples: ['weir user list', 'weir user list --data weir-data'],
  options: [...common, jsonOption],
  run: (args) => withUsers(args, (users) => print(args, users, null)),
};

const describeCommand: Command = {
  name: 'describe',
  summary: 'Show what is kept of the passwords of users.',
  usage: 'user describe USER… [options]',
  examples: ['weir user describe alice'],
  options: [...common, jsonOption],
  words: [1, Infinity],
  run: (args) => withUsers(args, (users) => print(args, users, args.words)),
};

const createCommand: Command = {
  name: 'create',
  summary: 'Give a user a password, or another one. It is asked for, or read from standard input.',
  usage: 'user create USER [options]',
  examples: [
    'weir user create alice',
    'weir user create alice < password.txt',
    'WEIR_USER_PASSWORD=secret weir user create alice --password-env WEIR_USER_PASSWORD',
  ],
  options: [
    ...common,
    mechanismOption,
    {
      name: 'iterations',
      value: 'N',
      default: '8192',
      doc: 'How slow guessing is made, 4096 to 16384.',
    },
    {
      name: 'password-env',
      value: 'VARIABLE',
      doc: 'Environment variable that holds the password, instead of standard input.',
    },
  ],
  words: [1, 1],
  run: async (args) => {
    const [name = ''] = args.words;
    const mechanism = args.choice('mechanism', MECHANISMS)!;
    const { USER_ITERATIONS } = await import('../client/user-admin.ts');
    const iterations = args.integer('iterations', USER_ITERATIONS.min, USER_ITERATIONS.max)!;
    const password = await passwordOf(args);
    return withUsers(args, async (users) => {
      const { error } = await users.put(name, password, mechanism, iterations);
      if (error !== null) throw error;
      await args.terminal.out(`user ${name} has a password for ${mechanism}\n`);
      return ExitCode.OK;
    });
  },
};

const deleteCommand: Command = {
  name: 'delete',
  summary: 'Take away the passwords of users; connections that stand go on.',
  usage: 'user delete USER… [options]',
  examples: ['weir user delete alice'],
  options: common,
  words: [1, Infinity],
  run: (args) =>
    withUsers(args, async (users) => {
      let failures = 0;
      for (const { name, credentials } of await users.describe(args.words)) {
        const before = failures;
        for (const { mechanism } of credentials) {
          const { error } = await users.remove(name, mechanism);
          if (error === null) continue;
          failures += 1;
          args.terminal.err(`weir: ${name}: ${error.message}\n`);
        }
        if (failures === before) await args.terminal.out(`deleted user ${name}\n`);
      }
      return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
    }),
};

export const userCommand: Command = {
  name: 'user',
  summary: 'List, describe, create and delete users with passwords (SCRAM).',
  usage: 'user COMMAND [options]',
  examples: ['weir user create alice'],
  options: [],
  commands: [listCommand, describeCommand, createCommand, deleteCommand],
  run: () => Promise.resolve(ExitCode.USAGE),
};
