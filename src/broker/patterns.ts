/** Patterns that come from clients: they must not cost more than their length times the text's. */
import { RE2JS, RE2JSSyntaxException } from 're2js';

/** Longest pattern that is taken, characters. */
const PATTERN_CHARS_MAX = 1_000;

export interface Pattern {
  /** Whether all of the text is what the pattern says. */
  matches(text: string): boolean;
}

export function compilePattern(text: string): Pattern | 'invalid' {
  if (text.length > PATTERN_CHARS_MAX) return 'invalid';
  try {
    const compiled = RE2JS.compile(text);
    return { matches: (subject) => compiled.matches(subject) };
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    return 'invalid';
  }
}
