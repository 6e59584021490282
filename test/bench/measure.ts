/**
 * What every benchmark shares: figures read from the operating system, medians and ratios.
 *
 * A comparison alternates between the two sides, round by round, so that a machine whose speed
 * drifts is unfair to neither; its ratio is the median of the rounds' ratios.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Ticks of the system's CPU accounting; Linux has 100 on every platform that we run on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds (user and system, all threads, ended ones too) that the process has used. */
export const cpuSeconds = (pid: number): number => secondsAt(pid, 11);

/** The same of the programs that this process has run to their end. */
export const endedSeconds = (): number => secondsAt(process.pid, 13);

/** Of two neighbouring fields of the system's account of a process. */
function secondsAt(pid: number, at: number): number {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name may hold blanks and brackets: count from its closing one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[at]) + Number(fields[at + 1])) / TICKS_PER_SECOND;
}

/** Resident memory in MiB. */
export function residentMiB(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN) / 1024;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One figure of one round, by name: `{ 'MB/s': 512 }`. */
export type Figures = Readonly<Record<string, number>>;

export interface Side {
  readonly name: string;
  round(): Promise<Figures>;
}

const short = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);

const spread = (values: readonly number[]): string =>
  `${short(median(values))} (${short(Math.min(...values))}-${short(Math.max(...values))})`;

/**
 * Runs `rounds` rounds of each side in turn, after some that are not counted, and prints a row a
 * figure: each side's median and spread, and the median of `subject / peer`.
 */
export async function compare(
  title: string,
  subject: Side,
  peer: Side,
  rounds: number,
  warmUpRounds = 1,
): Promise<void> {
  const seen: Record<string, { subject: number[]; peer: number[] }> = {};
  for (let round = -warmUpRounds; round < rounds; round++) {
    // Who goes first alternates too.
    const first = round % 2 === 0 ? subject : peer;
    const second = first === subject ? peer : subject;
    const results = new Map([[first, await first.round()]]);
    results.set(second, await second.round());
    if (round < 0) continue;
    for (const [figure, value] of Object.entries(results.get(subject)!)) {
      const row = (seen[figure] ??= { subject: [], peer: [] });
      row.subject.push(value);
      row.peer.push(results.get(peer)![figure] ?? Number.NaN);
    }
  }
  print(`\n${title}: ${subject.name} beside ${peer.name}, ${rounds} rounds, median (min-max)`);
  for (const [figure, row] of Object.entries(seen)) {
    const ratios = row.subject.map((value, i) => value / row.peer[i]!);
    print(
      `  ${figure.padEnd(32)} ${spread(row.subject).padEnd(24)} ${spread(row.peer).padEnd(24)} ratio ${spread(ratios)}`,
    );
  }
}

/** The same for one side alone. */
export async function report(title: string, side: Side, rounds: number): Promise<void> {
  const seen: Record<string, number[]> = {};
  for (let round = -1; round < rounds; round++) {
    const figures = await side.round();
    if (round < 0) continue;
    for (const [figure, value] of Object.entries(figures)) (seen[figure] ??= []).push(value);
  }
  print(`\n${title}: ${side.name}, ${rounds} rounds, median (min-max)`);
  for (const [figure, values] of Object.entries(seen)) {
    print(`  ${figure.padEnd(32)} ${spread(values)}`);
  }
}

/**
 * Makes the memory that a round's files will lie in known to the machine: on a virtual one the
 * first touch of a page is the host's work, ten times the copy into it, and what is freed for two
 * seconds goes back to the host. Either broker would be measured by how cold its pages were.
 */
export function warmMemory(bytes: number): void {
  const file = path.join(os.tmpdir(), `weir-bench-${process.pid}`);
  const fd = fs.openSync(file, 'w+');
  fs.ftruncateSync(fd, Math.ceil(bytes));
  const into = Buffer.allocUnsafeSlow(1024 * 1024);
  while (fs.readSync(fd, into, 0, into.length, null) > 0);
  fs.closeSync(fd);
  fs.rmSync(file);
}

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
