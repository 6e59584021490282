/**
 * `sasl.jaas.config`: the one line in which Kafka's programs write credentials, a login module with
 * options: `org….PlainLoginModule required username="alice" password="secret" user_bob="other";`.
 */
import { FatalError } from '../base/errors.ts';

export interface JaasEntry {
  /** Name of the login module's class without its package: `PlainLoginModule`. */
  readonly module: string;
  readonly options: ReadonlyMap<string, string>;
}

const TOKEN = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s="';]+)|([=;]))/y;

/** Throws FatalError, which tells nothing of the values. */
export function parseJaas(text: string, key: string): JaasEntry {
  const refuse = (expected: string): never => {
    throw new FatalError(
      `${key}: expected ${expected}; it looks like \`MODULE required name="value";\``,
    );
  };
  const tokens = tokensOf(text) ?? refuse('quotes in pairs');
  const [module, flag, ...rest] = tokens;
  if (module === undefined || module === ';') return refuse('a login module');
  if (flag === undefined || !/^(required|requisite|sufficient|optional)$/i.test(flag)) {
    return refuse('the word `required` behind the module');
  }
  const options = new Map<string, string>();
  let at = 0;
  for (; at < rest.length && rest[at] !== ';'; at += 3) {
    const [name, equals, value] = rest.slice(at, at + 3);
    if (name === undefined || equals !== '=' || value === undefined || value === ';') {
      return refuse('options of the form name="value"');
    }
    options.set(name, value);
  }
  if (at !== rest.length - 1) refuse('a semicolon at the end');
  return { module: module.slice(module.lastIndexOf('.') + 1), options };
}

function tokensOf(text: string): string[] | null {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text);
    if (match === null) return null;
    const [, double, single, word, mark] = match;
    const quoted = double ?? single;
    tokens.push(quoted === undefined ? (word ?? mark ?? '') : quoted.replaceAll(/\\(.)/g, '$1'));
  }
  return tokens;
}

const USER_PREFIX = 'user_';

/** Names and passwords of a broker's `PlainLoginModule`. */
export function plainUsers({ options }: JaasEntry): Map<string, string> {
  const users = new Map<string, string>();
  for (const [name, value] of options) {
    if (name.startsWith(USER_PREFIX)) users.set(name.slice(USER_PREFIX.length), value);
  }
  return users;
}
