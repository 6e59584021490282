/**
 * The appliance's own log, written by winston on the main thread; the roles' lines arrive there
 * over their ports. A line goes to standard output, and to whoever was added (`own-log.ts`, which
 * puts it into topic `logs`) unless it came from `printOnly`.
 */
import { createLogger, format, transports } from 'winston';
import type Transport from 'winston-transport';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import { ecsLine, humanLine, type LogEntry } from './log-line.ts';
import { type Redactor, redactNothing } from './redactor.ts';

export type LogFormat = 'auto' | 'json' | 'human';

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: human lines on a terminal, JSON elsewhere. */
  readonly format: LogFormat;
  readonly redactor?: Redactor;
  readonly clock?: Clock;
  /** Standard output when absent. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** Marks a line that must not travel: it tells about the travelling itself. */
const printOnlyMark = Symbol('print only');

const messageSymbol = Symbol.for('message');

/** The winston info that a transport of ours gets. */
export interface LogInfo {
  readonly entry: LogEntry;
  readonly printOnly: boolean;
}

export interface ApplianceLog {
  readonly logger: Logger;
  /** The same log for the threads of roles, which have left out what is below their level. */
  readonly roles: Logger;
  /** The same log for the parts that carry the log: their lines are printed and go nowhere else. */
  readonly printOnly: Logger;
  readonly format: 'json' | 'human';
  add(transport: Transport): void;
  /** Lines by level since the start. */
  readonly lines: Readonly<Record<LogLevel, number>>;
  close(): void;
}

const levels: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export function applianceLog(options: LogOptions): ApplianceLog {
  const { clock = systemClock, redactor = redactNothing, stream = process.stdout } = options;
  const tty = stream.isTTY === true;
  const form = options.format === 'auto' ? (tty ? 'human' : 'json') : options.format;
  const winston = createLogger({
    levels: { ...levels },
    // What is below the level of its source is left out before.
    level: 'debug',
    exitOnError: false,
    transports: [new transports.Stream({ stream, eol: '\n' })],
    format: format((info) => {
      const entry = info['entry'] as LogEntry;
      info[messageSymbol] = form === 'json' ? ecsLine(entry) : humanLine(entry, tty);
      return info;
    })(),
  });
  const lines: Record<LogLevel, number> = { debug: 0, info: 0, warn: 0, error: 0 };

  const write = (
    level: LogLevel,
    message: string,
    given: Readonly<Record<string, unknown>> | undefined,
    { printOnly, least }: { readonly printOnly: boolean; readonly least: LogLevel },
  ): void => {
    lines[level] += 1;
    if (levels[level] > levels[least]) return;
    const fields: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(given ?? {})) {
      const shown = value instanceof Error ? (value.stack ?? value.message) : value;
      fields[name] = redactor.field(name, shown);
    }
    const entry = { level, message: redactor.text(message), timeMs: clock.now(), fields };
    winston.log({ level, message: entry.message, entry, [printOnlyMark]: printOnly });
  };
  const loggerOf = (how: { readonly printOnly: boolean; readonly least: LogLevel }): Logger => ({
    debug: (message, fields) => write('debug', message, fields, how),
    info: (message, fields) => write('info', message, fields, how),
    warn: (message, fields) => write('warn', message, fields, how),
    error: (message, fields) => write('error', message, fields, how),
  });
  const least = options.level;
  return {
    logger: loggerOf({ printOnly: false, least }),
    roles: loggerOf({ printOnly: false, least: 'debug' }),
    printOnly: loggerOf({ printOnly: true, least }),
    format: form,
    add: (transport) => {
      winston.add(transport);
    },
    lines,
    close: () => {
      winston.close();
    },
  };
}

/** What a transport added with `add` reads out of what winston hands it. */
export const logInfo = (info: Readonly<Record<string | symbol, unknown>>): LogInfo => ({
  entry: info['entry'] as LogEntry,
  printOnly: info[printOnlyMark] === true,
});

/** The same logger with fields that each of its lines carries. */
export const withFields = (logger: Logger, fixed: Readonly<Record<string, unknown>>): Logger => ({
  debug: (message, fields) => logger.debug(message, { ...fixed, ...fields }),
  info: (message, fields) => logger.info(message, { ...fixed, ...fields }),
  warn: (message, fields) => logger.warn(message, { ...fixed, ...fields }),
  error: (message, fields) => logger.error(message, { ...fixed, ...fields }),
});
