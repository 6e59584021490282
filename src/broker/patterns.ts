/** Patterns that come from clients: they must not cost more than their length times the text's. */
import { compileRe2, type Re2 } from '../base/re2.ts';

/** Longest pattern that is taken, characters. */
const PATTERN_CHARS_MAX = 1_000;

export type Pattern = Re2;

export function compilePattern(text: string): Pattern | 'invalid' {
  if (text.length > PATTERN_CHARS_MAX) return 'invalid';
  const compiled = compileRe2(text);
  return 'fault' in compiled ? 'invalid' : compiled;
}
