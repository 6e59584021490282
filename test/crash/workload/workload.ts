/** Apache Kafka's clients at work, in a JVM of their own: see `Workload.java`. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findJava } from '../../peers/java.ts';
import { javac, kafkaClasspath } from '../../peers/kafka.ts';

const SOURCE = fileURLToPath(new URL('Workload.java', import.meta.url));

export interface WorkloadStatus {
  readonly acknowledged: number;
  readonly consumed: number;
  /** The longest time that a partition was without an acknowledgement since `mark`. */
  readonly gapMs: number;
  /** What an application saw, but for errors that are there to be tried again. */
  readonly errors: readonly string[];
  /** Promises that were broken. */
  readonly faults: readonly string[];
}

export interface Verdict {
  readonly acknowledged: number;
  readonly records: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly disordered: number;
  /** Acknowledged, and not seen by the group. */
  readonly unread: number;
  /** The first of what is wrong. */
  readonly first: string;
  readonly faults: readonly string[];
  readonly errors: readonly string[];
}

export interface WorkloadOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly acks: '0' | '1' | 'all';
  readonly perSecond: number;
}

export class Workload {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  #stderr = '';

  static async start(options: WorkloadOptions): Promise<Workload> {
    const { bootstrap, topic, partitions, acks, perSecond } = options;
    const classes = await javac([SOURCE]);
    const java = path.join(findJava(17).home, 'bin', 'java');
    const classpath = `${classes}:${await kafkaClasspath()}`;
    const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', classpath, 'Workload'];
    args.push(bootstrap, topic, String(partitions), acks, String(perSecond));
    return new Workload(spawn(java, args, { stdio: 'pipe' }));
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      // Kafka's own words may stand there, too.
      if (line.startsWith('{')) this.#waiting.shift()?.resolve(line);
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + String(chunk)).slice(-20_000);
    });
    child.once('exit', (code) => {
      const error = new Error(`the workload ended with ${code}: ${this.#stderr}`);
      for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    });
    process.once('exit', () => child.kill('SIGKILL'));
  }

  async mark(): Promise<void> {
    await this.#command('mark');
  }
  async status(): Promise<WorkloadStatus> {
    return JSON.parse(await this.#command('status')) as WorkloadStatus;
  }
  /** Resolves when everything that was sent has its outcome. */
  async pause(): Promise<WorkloadStatus> {
    return JSON.parse(await this.#command('pause')) as WorkloadStatus;
  }
  async resume(): Promise<void> {
    await this.#command('resume');
  }
  async verify(): Promise<Verdict> {
    return JSON.parse(await this.#command('verify')) as Verdict;
  }
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    await this.#command('end');
  }
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #command(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin!.write(`${command}\n`);
    });
  }
}
