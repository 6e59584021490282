/**
 * The loggers of a broker as Kafka's tools see them (KIP-412): there is one, `root`, whose level can
 * be changed while the broker runs. It is that of the configuration again at the next start.
 *
 * Levels have Kafka's names; FATAL is written as an error is, TRACE as DEBUG.
 */
import type { LevelSwitch, LogLevel } from '../base/logger.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

const ROOT = 'root';

const levels: Readonly<Record<string, LogLevel>> = {
  DEBUG: 'debug',
  ERROR: 'error',
  FATAL: 'error',
  INFO: 'info',
  TRACE: 'debug',
  WARN: 'warn',
};

const names: Readonly<Record<LogLevel, string>> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARN',
  error: 'ERROR',
};

export class BrokerLoggers {
  readonly #switch: LevelSwitch;
  #name: string;

  constructor(levelSwitch: LevelSwitch) {
    this.#switch = levelSwitch;
    this.#name = names[levelSwitch.level];
  }

  /** Name and level of each. */
  levels(): readonly { readonly name: string; readonly level: string }[] {
    return [{ name: ROOT, level: this.#name }];
  }

  /** Throws ProtocolError unless the logger can be set to that level. */
  check(name: string, level: string): void {
    this.#checkExists(name);
    if (Object.hasOwn(levels, level)) return;
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Cannot set the log level of ${name} to ${level} as it is not a supported log level. Valid log levels are ${Object.keys(levels).join(', ')}`,
    );
  }

  /** Throws ProtocolError unless the logger can go without a level of its own. */
  checkUnset(name: string): void {
    this.#checkExists(name);
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `Removing the log level of the ${ROOT} logger is not allowed`,
    );
  }

  /** Of a logger and a level that were checked. */
  set(level: string): void {
    this.#name = level;
    this.#switch.level = levels[level]!;
  }

  #checkExists(name: string): void {
    if (name === ROOT) return;
    throw new ProtocolError(ErrorCode.INVALID_CONFIG, `Logger ${name} does not exist!`);
  }
}
