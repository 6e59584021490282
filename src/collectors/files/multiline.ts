/**
 * Which lines belong to the record before them. The modes:
 *
 * - `off`: none.
 * - `indent`: lines that start with a space or a tab.
 * - `java`: those, and `Caused by:`, `Suppressed:`, `... 12 more`, a lone closing brace (also Node's).
 * - `python`: a traceback up to and with the line of its exception.
 * - `go`: a panic or fatal error with its goroutines, up to a line that looks like a log line again.
 * - `pattern`: every line that does not match the expression of a first line. It sees the first
 *   512 bytes of a line only, so that an expensive expression stays bounded.
 */
export type MultilineMode = 'off' | 'indent' | 'java' | 'python' | 'go' | 'pattern';

const LINE_BYTES_SEEN_MAX = 512;

/** Whether the line continues the record; called for every line in order. */
export interface Joiner {
  continues(bytes: Buffer, start: number, end: number): boolean;
  /** Forgets what it knows of the lines before. */
  reset(): void;
}

const startsWith = (bytes: Buffer, start: number, end: number, text: string): boolean =>
  end - start >= text.length && bytes.toString('latin1', start, start + text.length) === text;

const isIndented = (bytes: Buffer, start: number, end: number): boolean =>
  start < end && (bytes[start] === 0x20 || bytes[start] === 0x09);

const stateless = (continues: Joiner['continues']): Joiner => ({ continues, reset: () => {} });

function java(bytes: Buffer, start: number, end: number): boolean {
  if (isIndented(bytes, start, end)) return true;
  const first = bytes[start];
  if (first === 0x43) return startsWith(bytes, start, end, 'Caused by:');
  if (first === 0x53) return startsWith(bytes, start, end, 'Suppressed:');
  if (first === 0x2e) return startsWith(bytes, start, end, '... ');
  return first === 0x7d && end - start <= 2;
}

function python(): Joiner {
  let inTraceback = false;
  return {
    continues(bytes, start, end) {
      if (isIndented(bytes, start, end)) return true;
      if (startsWith(bytes, start, end, 'Traceback (most recent call last)')) {
        inTraceback = true;
        return true;
      }
      if (
        start === end ||
        startsWith(bytes, start, end, 'During handling of') ||
        startsWith(bytes, start, end, 'The above exception')
      ) {
        return inTraceback || start === end;
      }
      const isException = inTraceback;
      inTraceback = false;
      return isException;
    },
    reset: () => {
      inTraceback = false;
    },
  };
}

function go(): Joiner {
  let inPanic = false;
  return {
    continues(bytes, start, end) {
      if (
        startsWith(bytes, start, end, 'panic: ') ||
        startsWith(bytes, start, end, 'fatal error: ')
      ) {
        inPanic = true;
        return false;
      }
      if (isIndented(bytes, start, end)) return true;
      if (!inPanic) return false;
      const isPart =
        start === end ||
        startsWith(bytes, start, end, 'goroutine ') ||
        startsWith(bytes, start, end, '[signal ') ||
        startsWith(bytes, start, end, 'created by ') ||
        startsWith(bytes, start, end, 'exit status ') ||
        bytes[end - 1] === 0x29; // A frame: `main.f(0x1, 0x2)`.
      inPanic = isPart;
      return isPart;
    },
    reset: () => {
      inPanic = false;
    },
  };
}

/** Throws SyntaxError when the pattern is none. */
export function joinerOf(mode: MultilineMode, pattern: string): Joiner | null {
  switch (mode) {
    case 'off':
      return null;
    case 'indent':
      return stateless(isIndented);
    case 'java':
      return stateless(java);
    case 'python':
      return python();
    case 'go':
      return go();
    case 'pattern': {
      const expression = new RegExp(pattern, 'u');
      return stateless(
        (bytes, start, end) =>
          !expression.test(
            bytes.toString('utf8', start, Math.min(end, start + LINE_BYTES_SEEN_MAX)),
          ),
      );
    }
  }
}
