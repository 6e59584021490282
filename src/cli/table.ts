/** Tables for people, JSON for programs: the same rows. */
import type { Arguments } from './arguments.ts';

export type Cell = string | number | boolean | null;

export interface Column<T> {
  /** Kafka's word, as its own tools print it: `LOG-END-OFFSET`. */
  readonly title: string;
  readonly cell: (row: T) => Cell;
  /** Numbers stand at the right. */
  readonly right?: boolean;
}

/** One line a row, columns aligned; null prints as `-`. */
export function tableText<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const lines = [columns.map((column) => column.title)];
  for (const row of rows) lines.push(columns.map((column) => show(column.cell(row))));
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => displayWidth(line[i]!))));
  return lines
    .map((line) => {
      const cells = line.map((cell, i) => {
        const space = ' '.repeat(widths[i]! - displayWidth(cell));
        return columns[i]!.right === true ? space + cell : cell + space;
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** Prints rows as a table, or with `--json` as one JSON array whose keys are the rows' own. */
export async function printRows<T>(
  args: Arguments,
  columns: readonly Column<T>[],
  rows: readonly T[],
): Promise<void> {
  if (args.has('json')) await args.terminal.out(`${JSON.stringify(rows, null, 2)}\n`);
  else await args.terminal.out(tableText(columns, rows));
}

const show = (cell: Cell): string => (cell === null ? '-' : String(cell));

/** Code points, not UTF-16 units: close enough to columns for names and numbers. */
const displayWidth = (text: string): number => [...text].length;
