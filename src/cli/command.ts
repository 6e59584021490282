/** What a command of `weir` is: a name, its options, its help, and what it does. */
import type { Arguments } from './arguments.ts';

export interface Option {
  /** Without the leading dashes, in Kafka's words where Kafka has one: `bootstrap-server`. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string;
  /** How help shows the value (`HOST:PORT`); an option without one is a switch. */
  readonly value?: string;
  /** Used when the option is not given. */
  readonly default?: string;
  /** May be given more than once. */
  readonly repeated?: boolean;
  readonly doc: string;
}

export interface Command {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What follows `weir `: `topic create NAME [options]`. */
  readonly usage: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  readonly options: readonly Option[];
  /** Commands below this one (`topic list`); a command that has them does not run itself. */
  readonly commands?: readonly Command[];
  /** Fewest and most words that are not options; none by default. */
  readonly words?: readonly [min: number, max: number];
  /**
   * Resolves to the exit code. A thrown OperatingError is printed as one line and ends with 1
   * (2 when its code is `usage`); anything else is a bug and is printed with its stack.
   */
  run(args: Arguments): Promise<number>;
}

/** For scripts. */
export const ExitCode = { OK: 0, FAILURE: 1, USAGE: 2 } as const;

/** Where a command's words go; tests give their own. */
export interface Terminal {
  /** Whether people read `out`: colours, progress and alignment to the width are for them. */
  readonly isTty: boolean;
  /** Whether people read `err`: progress is for them. */
  readonly errIsTty: boolean;
  readonly columns: number;
  /** Results. Resolves when more may be written. */
  out(text: string | Uint8Array): Promise<void> | void;
  /** Errors and progress. */
  err(text: string): void;
  /** Where somebody types the input: shows it no more, until what it returns is called. */
  hideInput?(): () => void;
  /** Standard input. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when the user or the system asks to end (SIGINT, SIGTERM, a reader gone away). */
  readonly interrupted: Promise<void>;
}
