/** Two clusters that Kafka's tools are run on with the same arguments, and what they print compared line by line. */
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { ToolShell } from '../../peers/tool-shell/tool-shell.ts';

/** One of the two clusters. */
export interface ToolSide {
  readonly name: string;
  readonly bootstrap: string;
  readonly ports: readonly number[];
}

export interface Printed {
  readonly code: number;
  readonly lines: readonly string[];
}

export interface Comparison {
  /** Lines come in the order of a hash table. */
  readonly sorted?: boolean;
  /** Further pairs of what is replaced before comparing. */
  readonly mask?: readonly (readonly [RegExp, string])[];
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

export class ToolSides {
  /** Apache Kafka, and we. */
  readonly sides: readonly [ToolSide, ToolSide];
  readonly shell: ToolShell;
  /** For files that tools read. */
  readonly #folder: string;

  constructor(sides: readonly [ToolSide, ToolSide], shell: ToolShell, folder: string) {
    this.sides = sides;
    this.shell = shell;
    this.#folder = folder;
  }

  eachSide<T>(work: (side: ToolSide) => Promise<T>): Promise<T[]> {
    return Promise.all(this.sides.map(work));
  }

  async print(
    { bootstrap, ports }: ToolSide,
    tool: string,
    args: readonly string[],
    { sorted = false, mask = [] }: Comparison = {},
  ): Promise<Printed> {
    const all = ['--bootstrap-server', bootstrap, ...args];
    const { code, stdout, stderr } = await this.shell.run(tool, all);
    let text = `${stdout}\n${stderr}`.replaceAll(bootstrap, 'BOOTSTRAP').replaceAll(UUID, 'UUID');
    for (const port of ports) text = text.replaceAll(`127.0.0.1:${port}`, 'BROKER');
    text = text
      .replaceAll(/^[\d-]{10} [\d:,]{12} /gm, '')
      .replaceAll(/clientId=[\w-]+/g, 'clientId=ID');
    for (const [pattern, replacement] of mask) text = text.replaceAll(pattern, replacement);
    const lines = text
      .split('\n')
      // Columns are as wide as their longest value; traces are Java's.
      .map((line) => line.replaceAll(/\s+/g, ' ').trim())
      .filter((line) => line !== '' && !/^at [\w.]+|^\.\.\. \d+ more|^WARN /.test(line))
      // Of several brokers that refuse, the first one may end the tool before the others are heard.
      .filter((line, i, shown) => !(line.startsWith('ERROR ') && line === shown[i - 1]));
    return { code, lines: sorted ? lines.toSorted() : lines };
  }

  /** Both print the same, `expected` among it. Returns what we print. */
  async alike(
    tool: string,
    args: readonly string[],
    expected: RegExp,
    comparison: Comparison = {},
  ): Promise<string> {
    const [theirs, ours] = await this.eachSide((side) => this.print(side, tool, args, comparison));
    expect(ours, args.join(' ')).toEqual(theirs);
    const text = ours!.lines.join('\n');
    expect(text, args.join(' ')).toMatch(expected);
    return text;
  }

  /** The same of what brokers hear of a moment after the controller has answered. */
  async alikeSoon(
    tool: string,
    args: readonly string[],
    expected: RegExp,
    comparison: Comparison = {},
  ): Promise<void> {
    const difference = async (): Promise<readonly Printed[] | null> => {
      const both = await this.eachSide((side) => this.print(side, tool, args, comparison));
      const [theirs, ours] = both;
      const isAlike = isDeepStrictEqual(theirs, ours) && expected.test(ours!.lines.join('\n'));
      return isAlike ? null : both;
    };
    await expect.poll(difference, { message: args.join(' '), interval: 200 }).toBeNull();
  }

  /** The path of a file with this text, or with anything else as JSON. */
  inFile(name: string, content: unknown): string {
    const file = path.join(this.#folder, name);
    fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }
}
