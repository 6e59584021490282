/** What a broker is used for while it is killed, and how that is judged afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/base/random.ts';
import type { WeirProcess } from '../../support/weir-process.ts';
import { WireClient } from '../../unit/broker/fixture.ts';

export interface Usage {
  readonly name: string;
  /** Changes that were answered so far. */
  readonly acknowledged: number;
  /** Makes what it needs, once. */
  prepare(client: WireClient): Promise<void>;
  /** Resolves when the broker is dead; rejects on an answer that should not be. */
  work(victim: Victim, random: Random): Promise<void>;
  /** What is wrong with what the restarted broker has. Each fault is told once. */
  check(client: WireClient): Promise<string[]>;
  /** Everything again, from the beginning, when all rounds are over. */
  checkAll(client: WireClient): Promise<string[]>;
}

/** Longest time until everything is under way. */
const BUSY_AFTER_MS_MAX = 2_000;

/** The process that is killed and started again. */
export class Victim {
  readonly weir: WeirProcess;
  isDead = false;

  constructor(weir: WeirProcess) {
    this.weir = weir;
  }

  async kill(): Promise<void> {
    this.isDead = true;
    await this.weir.kill();
  }
  async restart(): Promise<void> {
    await this.weir.restart();
    this.isDead = false;
  }

  /** Kills it `afterMs` after the work has begun; `isBusy`: after each usage has got an answer. */
  async killAtWork(
    usages: readonly Usage[],
    random: Random,
    when: { readonly isBusy: boolean; readonly afterMs: number },
  ): Promise<void> {
    const before = usages.map(({ acknowledged }) => acknowledged);
    const areBusy = (): boolean => usages.every(({ acknowledged }, i) => acknowledged > before[i]!);
    const moment = async (): Promise<void> => {
      const until = performance.now() + BUSY_AFTER_MS_MAX;
      while (when.isBusy && !areBusy() && performance.now() < until) await sleep(5);
      await sleep(when.afterMs);
    };
    const working = Promise.all(usages.map((usage) => usage.work(this, random)));
    await Promise.race([moment(), working]);
    await this.kill();
    await working;
  }

  /** Has `session` work on a connection of its own until the process is dead. */
  async serve(session: (client: WireClient) => Promise<never>): Promise<void> {
    const client = await WireClient.connect(this.weir.port);
    try {
      await session(client);
    } catch (error) {
      if (!this.isDead || !client.isClosed) throw error;
    } finally {
      await client.close();
    }
  }
}

/** Throws unless the code is NONE. */
export function accepted(what: string, errorCode: number): void {
  if (errorCode !== 0) throw new Error(`${what} was answered with error ${errorCode}`);
}

/** What the usages have to say of the broker on that port. */
export async function faultsOf(
  port: number,
  usages: readonly Usage[],
  check: 'check' | 'checkAll',
): Promise<string[]> {
  const client = await WireClient.connect(port);
  const faults: string[] = [];
  for (const usage of usages) faults.push(...(await usage[check](client)));
  await client.close();
  return faults;
}
