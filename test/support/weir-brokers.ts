/** A cluster of brokers, each a process of its own with a console of its own, for tests. */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { WeirProcess } from './weir-process.ts';

export interface WeirBrokersOptions {
  readonly brokers: number;
  /** `key=value`, for all of them; made of the port of broker 0 where they name ports. */
  readonly settings?: readonly string[] | ((port: number) => readonly string[]);
}

export class WeirBrokers {
  /** By their ids. */
  readonly brokers: readonly WeirProcess[];
  readonly #data: string;

  private constructor(brokers: readonly WeirProcess[], data: string) {
    this.brokers = brokers;
    this.#data = data;
  }

  /** Resolves when all accept connections. Only the first one has other roles than a broker's. */
  static async start({ brokers: count, settings = [] }: WeirBrokersOptions): Promise<WeirBrokers> {
    const data = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-brokers-'));
    const port = await freeRow(count);
    const given = typeof settings === 'function' ? settings(port) : settings;
    const starting = Array.from({ length: count }, (_, id) =>
      WeirProcess.start({
        data,
        broker: { id, port },
        ...(id === 0 ? {} : { roles: 'broker,console' }),
        settings: [`brokers=${count}`, `brokers.here=${id}`, ...given],
      }),
    );
    const outcomes = await Promise.allSettled(starting);
    const started = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value] : [],
    );
    const cluster = new WeirBrokers(started, data);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue;
      await cluster.stop();
      throw outcome.reason;
    }
    return cluster;
  }

  get bootstrap(): string {
    return this.brokers.map(({ bootstrap }) => bootstrap).join(',');
  }

  /** Ends them and removes their data. */
  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.halt()));
    fs.rmSync(this.#data, { recursive: true, force: true });
  }
}

const FIRST_PORT = 21_100;
const LAST_PORT = 21_900;

/** The first of so many free ports in a row. */
export async function freeRow(count: number): Promise<number> {
  for (let port = FIRST_PORT; port + count < LAST_PORT; port += count) {
    const row = Array.from({ length: count }, (_, i) => isFree(port + i));
    if ((await Promise.all(row)).every(Boolean)) return port;
  }
  throw new Error(`no ${count} free ports in a row`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
