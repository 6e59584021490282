/**
 * Regular expressions that come from clients (RE2's syntax, as Kafka has it): whatever the pattern,
 * matching takes time linear in the text. The library is larger than a coordinator, and most
 * appliances never see a pattern, so it is loaded with the first one.
 */
import { createRequire } from 'node:module';
import type * as Library from 're2js';

export interface Re2 {
  /** Whether all of the text is what the pattern says. */
  matches(text: string): boolean;
}

const library = (): typeof Library => createRequire(import.meta.url)('re2js');

/** `fault`: what is wrong with the pattern. */
export function compileRe2(pattern: string): Re2 | { readonly fault: string } {
  const { RE2JS, RE2JSSyntaxException } = library();
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    return { fault: error.getDescription() };
  }
}
