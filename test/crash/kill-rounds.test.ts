/**
 * A broker is killed with -9 at random points of transactions, commits of groups, compactions and
 * changes of settings, and sometimes again while it recovers; after each restart everything that was
 * answered is there, and what was not is there as a whole or not at all. Kafka's clients copy a topic
 * in transactions all the while.
 *
 * `WEIR_KILL_ROUNDS` (30 unless set) is how often, `WEIR_KILL_SEED` chooses other moments.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import type { WeirProcess } from '../support/weir-process.ts';
import { batchOf, createTopic, produce, WireClient } from '../unit/broker/fixture.ts';
import { Keys } from './rounds/keys.ts';
import { faultsOf, type Usage, type Victim } from './rounds/usage.ts';
import { startVictim } from './rounds/victim.ts';
import { type Running, runCopier, startCopier } from './transactions/copier.ts';

const ROUNDS = Number(process.env['WEIR_KILL_ROUNDS'] ?? 30);
const SEED = Number(process.env['WEIR_KILL_SEED'] ?? 1);
const ROUND_MS_MAX = 20_000;
/** Of a look at what all rounds have left. */
const LOOK_MS_MAX = 90_000 + ROUNDS * 1000;
const LIFE_MS_MAX = 300;
const KILLED_BUSY = 0.8;
/** Of the rounds in which it is killed while it starts, too, and when. */
const KILLED_TWICE = 0.2;
const START_MS_MAX = 500;
const COPIED_PER_ROUND = 30;
const DUMP = 'org.apache.kafka.tools.DumpLogSegments';

describeWithPeers(['kafka', 'javac'], `a broker that is killed ${ROUNDS} times`, () => {
  const random: Random = seededRandom(SEED);
  let weir: WeirProcess;
  let victim: Victim;
  let usages: Usage[];
  let copier: Running;

  beforeAll(async () => {
    ({ victim, usages } = await startVictim());
    weir = victim.weir;
    const client = await WireClient.connect(weir.port);
    for (const name of ['from', 'to']) await createTopic(client, name, 1);
    await client.close();
    const total = String(ROUNDS * COPIED_PER_ROUND);
    copier = await startCopier(
      'copy',
      weir.bootstrap,
      'from',
      'to',
      'one',
      total,
      'consumer',
      '10',
    );
  });
  afterAll(async () => {
    copier?.child.kill('SIGKILL');
    await weir?.stop();
  });

  let toCopy = 0;
  /** So that the copier is always at work. */
  const feed = async (client: WireClient): Promise<void> => {
    const values = Array.from({ length: COPIED_PER_ROUND }, () => String(toCopy++));
    expect((await produce(client, 'from', batchOf(values))).errorCode).toBe(0);
  };

  const killAtWork = async (): Promise<void> => {
    const client = await WireClient.connect(weir.port);
    await feed(client);
    await client.close();
    // Mostly when everything is under way, else whenever it comes.
    const isBusy = random.next() < KILLED_BUSY;
    await victim.killAtWork(usages, random, { isBusy, afterMs: below(random, LIFE_MS_MAX) });
  };

  const restart = async (): Promise<void> => {
    if (random.next() < KILLED_TWICE) {
      const starting = victim.restart().catch(() => {}); // It is killed, or it is up already.
      await sleep(below(random, START_MS_MAX));
      await victim.kill();
      await starting;
    }
    await victim.restart();
  };

  /** What a compaction leaves in the middle of its work. */
  const interrupted = (): number => (filesOf(weir.data, /\.(cleaned|swap)$/).length > 0 ? 1 : 0);

  it(
    'has everything that it answered, and nothing by halves',
    async () => {
      let compactions = 0;
      const startedAt = performance.now();
      for (let round = 0; round < ROUNDS; round++) {
        try {
          await killAtWork();
          compactions += interrupted();
          await restart();
          expect(await faultsOf(weir.port, usages, 'check')).toEqual([]);
        } catch (error) {
          throw new Error(`round ${round}, seed ${SEED}, ${weir.data}\n${weir.output}`, {
            cause: error,
          });
        }
      }
      const seconds = (performance.now() - startedAt) / 1000;
      expect(await faultsOf(weir.port, usages, 'checkAll')).toEqual([]);
      const counts = usages.map(({ name, acknowledged }) => `${acknowledged} ${name}`).join(', ');
      console.log(
        `${ROUNDS} rounds in ${seconds.toFixed(0)} s: ${counts}; ${compactions} compactions interrupted`,
      );
      for (const { acknowledged } of usages) expect(acknowledged).toBeGreaterThan(ROUNDS);
      const keys = usages.find((usage) => usage instanceof Keys)!;
      expect(keys.stored).toBeLessThan(keys.acknowledged / 2);
    },
    60_000 + ROUNDS * ROUND_MS_MAX,
  );

  it(
    "lets Kafka's clients copy a topic in transactions, exactly once",
    async () => {
      expect(toCopy, 'all rounds were run').toBe(ROUNDS * COPIED_PER_ROUND);
      const { transactions, aborted } = await copier.result;
      expect(transactions).toBeGreaterThan(ROUNDS / 2);
      expect(aborted).toBeGreaterThan(0);
      const verdict = await runCopier('check', weir.bootstrap, 'to', String(toCopy));
      expect(verdict).toEqual({ missing: 0, repeated: 0, disordered: 0 });
    },
    LOOK_MS_MAX,
  );

  it(
    "leaves files that Kafka's tool finds sound",
    async () => {
      expect(await weir.halt()).toBe(0);
      const files = filesOf(weir.data, /\.(log|index|timeindex)$/).filter(
        (file) => !file.includes('__cluster_metadata'),
      );
      expect(files.length).toBeGreaterThan(20);
      const options = ['--deep-iteration', '--verify-index-only', '--files', files.join(',')];
      const { code, stdout } = await kafkaTool(DUMP, options);
      expect(code).toBe(0);
      expect(stdout).not.toMatch(/mismatch|not found|out of order|isvalid: false/i);
    },
    LOOK_MS_MAX,
  );
});

function filesOf(directory: string, pattern: RegExp): string[] {
  return fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => path.join(directory, name));
}
