/** Apache Kafka's tools, many of them, without a JVM to start for each: see `ToolShell.java`. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findJava } from '../java.ts';
import { javaArguments, javac } from '../kafka.ts';
import type { ToolResult } from '../peer.ts';

const SOURCE = fileURLToPath(new URL('ToolShell.java', import.meta.url));
const TOOL_TIMEOUT_MS = 60_000;

interface Waiting {
  readonly resolve: (result: ToolResult) => void;
  readonly reject: (error: Error) => void;
}

export class ToolShell {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  static async start(): Promise<ToolShell> {
    const classes = await javac([SOURCE]);
    const java = path.join(findJava(17).home, 'bin', 'java');
    const before = await javaArguments('384m', [classes]);
    const args = ['-XX:TieredStopAtLevel=1', ...before, 'ToolShell'];
    return new ToolShell(spawn(java, args, { stdio: ['pipe', 'pipe', 'ignore'] }));
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#answered(line));
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the JVM of the tools ended with ${code}`));
      }
      this.#waiting.clear();
    });
  }

  #answered(line: string): void {
    const [id, code, stdout, stderr] = line.split('\t');
    const waiting = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString('utf8');
    waiting?.resolve({ code: Number(code), stdout: text(stdout), stderr: text(stderr) });
  }

  /** Runs the `main` of a class to its end. Arguments have neither tabs nor line ends. */
  async run(mainClass: string, args: readonly string[]): Promise<ToolResult> {
    const id = this.#asked++;
    const answer = new Promise<ToolResult>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    const timer = setTimeout(() => {
      const what = [mainClass, ...args].join(' ');
      this.#waiting.get(id)?.reject(new Error(`${what}: no end within ${TOOL_TIMEOUT_MS} ms`));
    }, TOOL_TIMEOUT_MS);
    this.#child.stdin!.write(`${[id, mainClass, ...args].join('\t')}\n`);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    await exited;
  }
}
