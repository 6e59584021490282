/** One record of topic `logs` as a line for people: time, level, who, message. */

export interface LogLine {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Upper case; empty when the record has none. */
  readonly level: string;
  /** Service and host, as far as they are known. */
  readonly source: string;
  readonly message: string;
}

const LEVEL_WIDTH = 5;
const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const CYAN = '\u001b[36m';
const COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^(EMERG|ALERT|CRIT|FATAL|PANIC)/, '\u001b[1;31m'],
  [/^(ERR|SEVERE)/, '\u001b[31m'],
  [/^WARN/, '\u001b[33m'],
  [/^(INFO|NOTICE)/, '\u001b[32m'],
  [/^(DEBUG|TRACE|VERBOSE|FINE)/, '\u001b[2m'],
];

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** A field by its ECS name, nested or with dots in its key. */
function field(record: Json, name: string): string {
  let value: unknown = record[name];
  if (value === undefined) {
    value = record;
    for (const part of name.split('.')) value = isObject(value) ? value[part] : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Any value makes a line: what is no ECS record is shown as it is. */
export function readLogLine(value: string, timestamp: number): LogLine {
  let record: unknown = null;
  try {
    record = JSON.parse(value);
  } catch {
    // Not JSON: plain text.
  }
  if (!isObject(record) || Array.isArray(record)) {
    return { time: timestamp, level: '', source: '', message: value };
  }
  const time = Date.parse(field(record, '@timestamp'));
  const source = [field(record, 'service.name'), field(record, 'host.name')];
  const error = field(record, 'error.message');
  const message = field(record, 'message') || field(record, 'event.original') || error || value;
  return {
    time: Number.isNaN(time) ? timestamp : time,
    level: field(record, 'log.level').toUpperCase(),
    source: source.filter((part) => part !== '').join('/'),
    message: error !== '' && !message.includes(error) ? `${message}: ${error}` : message,
  };
}

export function logLineText(line: LogLine, colours: boolean): string {
  const paint = (text: string, colour: string): string =>
    colours && text !== '' ? `${colour}${text}${RESET}` : text;
  const level = line.level.slice(0, LEVEL_WIDTH).padEnd(LEVEL_WIDTH);
  const colour = COLOURS.find(([pattern]) => pattern.test(line.level))?.[1] ?? '';
  const parts = [
    paint(timeText(line.time), DIM),
    colour === '' ? level : paint(level, colour),
    paint(clean(line.source), CYAN),
    clean(line.message).replaceAll('\n', '\n    '),
  ];
  return `${parts.filter((part) => part !== '').join(' ')}\n`;
}

/** Local time, sortable by eye. */
function timeText(time: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** A log line must not command the terminal: control characters are shown, not sent. */
const clean = (text: string): string =>
  text
    .trimEnd()
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) =>
      c === '\r' ? '' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
