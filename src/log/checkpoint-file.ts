/**
 * Kafka's text checkpoints: a version line, a line with the number of entries, an entry a line.
 *
 * There is no checksum. A file that does not parse to its last line is damaged and read as null:
 * every one of them can be rebuilt or defaulted, and no caller may delete data on its account.
 */
const VERSION = 0;

/** More entries than any broker has partitions or any log leader changes. */
const ENTRIES_MAX = 1_000_000;

export const formatCheckpoint = (lines: readonly string[]): Buffer =>
  Buffer.from(`${[VERSION, lines.length, ...lines].join('\n')}\n`);

/** The entries' fields, or null when the file is damaged or of an unknown version. */
export function parseCheckpoint(bytes: Buffer, fieldCount: number): string[][] | null {
  const lines = bytes.toString('latin1').split('\n');
  // Without its last line feed it may lack digits of its last number as well.
  if (lines.pop() !== '') return null;
  if (lines[0] !== String(VERSION)) return null;
  const count = wholeNumber(lines[1] ?? '');
  if (count < 0 || count > ENTRIES_MAX || lines.length !== count + 2) return null;
  const entries: string[][] = [];
  for (const line of lines.slice(2)) {
    const fields = line.trim().split(/\s+/);
    if (fields.length !== fieldCount) return null;
    entries.push(fields);
  }
  return entries;
}

/** A decimal number ≥ 0, or -1 when the text is none. */
export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,16}$/.test(text)) return -1;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : -1;
}
