/**
 * The appliance's own log, as its parts see it; `observe/` implements it with winston.
 * Fields use ECS names (`error.message`, `kafka.topic`); never record values or secrets.
 */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export type LogLevel = keyof Logger;

/** Which lines are written: those of this level and above. */
export interface LevelSwitch {
  level: LogLevel;
}

const ignore = (): void => {};

/** For tests and for tools that print their own output. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
