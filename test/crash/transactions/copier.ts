/** Apache Kafka's clients that copy a topic exactly once, in a JVM of their own: see `Copier.java`. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findJava } from '../../peers/java.ts';
import { javac, kafkaClasspath } from '../../peers/kafka.ts';

const SOURCE = fileURLToPath(new URL('Copier.java', import.meta.url));

export interface Running {
  readonly child: ChildProcess;
  /** What it printed at its end; rejects when it fails, but for a kill. */
  readonly result: Promise<Record<string, number>>;
}

/** Runs `Copier` with these arguments. */
export async function startCopier(...args: string[]): Promise<Running> {
  const classes = await javac([SOURCE]);
  const java = path.join(findJava(17).home, 'bin', 'java');
  const classpath = `${classes}:${await kafkaClasspath()}`;
  const flags = ['-Xmx192m', '-XX:TieredStopAtLevel=1', '-cp', classpath, 'Copier'];
  const child = spawn(java, [...flags, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + String(chunk)).slice(-20_000);
  });
  const result = new Promise<Record<string, number>>((resolve, reject) => {
    child.once('exit', (code, signal) => {
      const line = stdout.split('\n').find((text) => text.startsWith('{'));
      if (line !== undefined) resolve(JSON.parse(line) as Record<string, number>);
      else if (signal !== null) resolve({});
      else reject(new Error(`${args[0]} ended with ${code}: ${stderr}`));
    });
  });
  process.once('exit', () => child.kill('SIGKILL'));
  return { child, result };
}

export const runCopier = async (...args: string[]): Promise<Record<string, number>> =>
  (await startCopier(...args)).result;
