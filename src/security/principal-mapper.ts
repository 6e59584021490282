/**
 * `ssl.principal.mapping.rules`: the first rule that matches the whole distinguished name makes the
 * user's name of it. `RULE:pattern/replacement/[LU]`, or `DEFAULT`, the name itself.
 */
import { FatalError, reasonOf } from '../base/errors.ts';

export type PrincipalMapper = (distinguishedName: string) => string | null;

const RULE = /\s*(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?))\s*(?:,|$)/y;

/** Subjects longer than this match no rule: a pattern may take long on what a client made up. */
const NAME_CHARACTERS_MAX = 4096;

/** Throws FatalError on rules that are none. Its result is null for a name that no rule matches. */
export function principalMapper(text: string): PrincipalMapper {
  const rules: PrincipalMapper[] = [];
  RULE.lastIndex = 0;
  const trimmed = text.trim();
  while (RULE.lastIndex < trimmed.length) {
    const from = RULE.lastIndex;
    const match = RULE.exec(trimmed);
    if (match === null) {
      throw new FatalError(
        `ssl.principal.mapping.rules: expected DEFAULT or RULE:pattern/replacement/[LU], saw '${trimmed.slice(from)}'`,
      );
    }
    const [, isDefault, pattern = '', replacement = '', letterCase] = match;
    rules.push(isDefault === undefined ? rule(pattern, replacement, letterCase) : (name) => name);
  }
  return (name) => {
    if (name.length > NAME_CHARACTERS_MAX) return null;
    for (const apply of rules) {
      const mapped = apply(name);
      if (mapped !== null) return mapped;
    }
    return null;
  };
}

function rule(
  pattern: string,
  replacement: string,
  letterCase: string | undefined,
): PrincipalMapper {
  let whole: RegExp;
  let each: RegExp;
  try {
    whole = new RegExp(`^(?:${pattern})$`);
    each = new RegExp(pattern, 'g');
  } catch (error) {
    throw new FatalError(`ssl.principal.mapping.rules: ${reasonOf(error)}`);
  }
  return (name) => {
    if (!whole.test(name)) return null;
    // Every match in the name is replaced, as Java's replaceAll does it.
    const mapped = name.replaceAll(each, (...groups: unknown[]) => replaced(replacement, groups));
    if (letterCase === 'L') return mapped.toLowerCase();
    return letterCase === 'U' ? mapped.toUpperCase() : mapped;
  };
}

/** `$1`, as long as there is such a group; anything else behind a dollar is what it is. */
function replaced(replacement: string, match: readonly unknown[]): string {
  // The groups end where the match's place begins.
  const end = match.findIndex((part) => typeof part === 'number');
  const groups = match.slice(0, end) as (string | undefined)[];
  return replacement.replaceAll(
    /\\(.)|\$(\d+)/g,
    (all, literal: string | undefined, digits: string) => {
      if (literal !== undefined) return literal;
      for (let width = digits.length; width > 0; width--) {
        const number = Number(digits.slice(0, width));
        if (number < groups.length) return (groups[number] ?? '') + digits.slice(width);
      }
      return all as string;
    },
  );
}
