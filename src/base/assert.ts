import { BugError } from './errors.ts';

/** Stops the role when `condition` does not hold: the program, not its input or environment, is wrong. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** Marks a place that no value of a union can reach. */
export function unreachable(value: never): never {
  throw new BugError(`unreachable: ${String(value)}`);
}
