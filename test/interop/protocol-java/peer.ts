import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { FrameSplitter } from '../../../src/protocol/frame.ts';
import { findJava } from '../../peers/java.ts';
import { javac, kafkaClasspath } from '../../peers/kafka.ts';

const SOURCE = fileURLToPath(new URL('ProtocolPeer.java', import.meta.url));
const ANSWER_BYTES_MAX = 16 << 20;

const operations = {
  generate: 1,
  check: 2,
  rewrite: 3,
  describe: 4,
  headers: 5,
  errors: 6,
} as const;

interface Waiting {
  resolve(result: Buffer): void;
  reject(error: Error): void;
}

/** One JVM with Kafka's message classes; many calls may be under way, answers come in order. */
export class ProtocolPeer {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  #stderr = '';

  static async start(): Promise<ProtocolPeer> {
    const classes = await javac([SOURCE]);
    const classpath = `${classes}:${await kafkaClasspath()}`;
    const java = path.join(findJava(17).home, 'bin', 'java');
    // Short-lived: the first compiler alone halves its CPU time.
    const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', classpath, 'ProtocolPeer'];
    return new ProtocolPeer(spawn(java, args, { stdio: 'pipe' }));
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX, (frame) => this.#answered(frame));
    child.stdout!.on('data', (chunk: Buffer) => splitter.push(chunk));
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr += String(chunk);
    });
    child.once('exit', (code) => {
      const error = new Error(`the JVM ended with ${code}: ${this.#stderr}`);
      for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    });
  }

  #answered(frame: Buffer): void {
    const waiting = this.#waiting.shift()!;
    const result = frame.subarray(1);
    if (frame[0] === 0) waiting.resolve(result);
    else waiting.reject(new Error(String(result)));
  }

  #call(
    operation: keyof typeof operations,
    className: string,
    version: number,
    write: (w: ByteWriter) => void = () => {},
  ): Promise<Buffer> {
    const writer = new ByteWriter();
    writer.int32(0);
    writer.int8(operations[operation]);
    writer.string(className, false);
    writer.int16(version);
    write(writer);
    writer.patchInt32(0, writer.length - 4);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin!.write(writer.toBuffer());
    });
  }

  /** Kafka's bytes of a random message. */
  generate(className: string, version: number, seed: number): Promise<Buffer> {
    return this.#call('generate', className, version, (w) => w.int64(seed));
  }

  /** Rejects unless Kafka reads from `bytes` the message that it made of the seed. */
  async check(className: string, version: number, seed: number, bytes: Buffer): Promise<void> {
    await this.#call('check', className, version, (w) => {
      w.int64(seed);
      w.raw(bytes);
    });
  }

  /** Kafka's bytes of the message that it read from `bytes`. */
  rewrite(className: string, version: number, bytes: Buffer): Promise<Buffer> {
    return this.#call('rewrite', className, version, (w) => w.raw(bytes));
  }

  async describe(className: string): Promise<{ min: number; max: number; key: number }> {
    const result = await this.#call('describe', className, 0);
    return { min: result.readInt16BE(0), max: result.readInt16BE(2), key: result.readInt16BE(4) };
  }

  /** Kafka parses our request header; comes back with its own one and with that of the answer. */
  async headers(
    key: number,
    version: number,
    ours: Buffer,
  ): Promise<{ request: Buffer; response: Buffer }> {
    const result = await this.#call('headers', '', version, (w) => {
      w.int16(key);
      w.raw(ours);
    });
    const size = result.readInt16BE(0);
    return { request: result.subarray(2, 2 + size), response: result.subarray(2 + size) };
  }

  /** Kafka's table: a line of code, name and whether clients retry it. */
  async errors(): Promise<string[]> {
    return String(await this.#call('errors', '', 0))
      .trim()
      .split('\n');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    await exited;
  }
}
