/**
 * The two forms of a line of the appliance's own log: an ECS record as JSON, and a line for people.
 * In both, text from outside cannot forge a line or steer a terminal: control characters (C0, C1),
 * line separators and direction marks are written as escapes.
 */
import type { LogLevel } from '../base/logger.ts';

export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** ECS names, dotted. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Longest text of one field; the rest is cut, and said to be. */
const FIELD_CHARACTERS_MAX = 16_384;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get out.
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with everything that a terminal or a line reader would act upon written as an escape. */
export const escapeControl = (text: string): string =>
  text.replace(
    unsafe,
    (character) =>
      escapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** One JSON object with ECS names as nested objects, without a line end. */
export function ecsLine(entry: LogEntry): string {
  const record: Record<string, unknown> = {
    '@timestamp': new Date(entry.timeMs).toISOString(),
    message: entry.message,
    log: { level: entry.level },
    ecs: { version: '9.2.0' },
    service: { name: 'weir' },
    process: { pid: process.pid },
  };
  for (const [name, value] of Object.entries(entry.fields)) {
    if (value !== undefined) nest(record, name.split('.'), cut(value));
  }
  // JSON escapes C0 only.
  return JSON.stringify(record).replace(
    unsafe,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `a.b: 1` becomes `a: {b: 1}`; a name that runs into a value keeps its dotted rest. */
function nest(record: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = record;
  for (let i = 0; i < path.length - 1; i++) {
    const name = path[i]!;
    const next = Object.hasOwn(at, name) ? at[name] : undefined;
    if (next === undefined) {
      const made: Record<string, unknown> = {};
      define(at, name, made);
      at = made;
    } else if (typeof next === 'object' && next !== null) at = next as Record<string, unknown>;
    else return define(at, path.slice(i).join('.'), value);
  }
  define(at, path.at(-1)!, value);
}

/** Assignment that a field named `__proto__` cannot abuse. */
function define(at: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(at, name, { value, enumerable: true, writable: true, configurable: true });
}

function cut(value: unknown): unknown {
  if (value instanceof Error) return cut(value.stack ?? value.message);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'string' || value.length <= FIELD_CHARACTERS_MAX) return value;
  return `${value.slice(0, FIELD_CHARACTERS_MAX)}… (${value.length} characters)`;
}

/** `15:04:05.123 WARN  broker  disk is nearly full  disk.free=12` and, indented, a stack. */
export function humanLine(entry: LogEntry, colour: boolean): string {
  const time = new Date(entry.timeMs).toISOString().slice(11, 23);
  const { 'weir.role': role, 'error.stack_trace': stack, ...fields } = entry.fields;
  const parts = [`${time} ${level(entry.level, colour)}`];
  if (typeof role === 'string')
    parts.push(`${escapeControl(role)}: ${escapeControl(entry.message)}`);
  else parts.push(escapeControl(entry.message));
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) parts.push(`${escapeControl(name)}=${humanValue(cut(value))}`);
  }
  const line = parts.join('  ');
  if (typeof stack !== 'string') return line;
  return [line, ...stack.split('\n').map((text) => `    ${escapeControl(text)}`)].join('\n');
}

function humanValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const safe = escapeControl(text);
  return safe === '' || /[\s"=]/.test(safe) ? `"${safe.replaceAll('"', '\\"')}"` : safe;
}

const colours: Readonly<Record<LogLevel, number>> = { debug: 90, info: 36, warn: 33, error: 31 };

const level = (name: LogLevel, colour: boolean): string => {
  const text = name.toUpperCase().padEnd(5);
  return colour ? `\u001b[${colours[name]}m${text}\u001b[0m` : text;
};
