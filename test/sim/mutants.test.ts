/** Proof that the simulation sees: every mistake that is made on purpose is found. */
import { afterAll, describe, expect, it } from 'vitest';
import { mutants } from './mutants.ts';
import { SeedPool } from './pool.ts';

/** Runs within which a mistake must be found. */
const SEEDS_MAX = 40;

const pool = new SeedPool();
afterAll(() => pool.close());

/** What a checker says first; null: no run finds it. */
async function findingOf(mutant: string): Promise<string | null> {
  const { faults, workloads } = mutants[mutant]!;
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const options = { seed, brokers: 3, seconds: 30, faults, workloads, mutant };
    const [first] = (await pool.run(options)).violations;
    // A simulation that has come to an end of its own has seen nothing.
    if (first?.checker === 'harness') throw new Error(`seed ${seed}: ${first.message}`);
    if (first !== undefined) return `${first.checker}: ${first.message}`;
  }
  return null;
}

describe.concurrent('the simulation finds out that', () => {
  for (const [name, { mistake }] of Object.entries(mutants)) {
    it(`${mistake} (${name})`, async () => {
      expect(await findingOf(name), `no violation in ${SEEDS_MAX} runs`).not.toBeNull();
    });
  }
});
