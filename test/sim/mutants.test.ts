/** Proof that the simulation sees: every mistake that is made on purpose is found. */
import { describe, expect, it } from 'vitest';
import { mutants } from './mutants.ts';
import type { SeedOptions } from './options.ts';
import { runSeeds } from './pool.ts';

/** Runs within which a mistake must be found. */
const SEEDS_MAX = 40;

describe('the simulation finds out that', () => {
  for (const [name, { mistake, faults, workloads }] of Object.entries(mutants)) {
    it(`${mistake} (${name})`, async () => {
      const runs: SeedOptions[] = Array.from({ length: SEEDS_MAX }, (_, i) => ({
        seed: i + 1,
        brokers: 3,
        seconds: 30,
        faults,
        workloads,
        mutant: name,
      }));
      let found: string | null = null;
      await runSeeds(runs, {
        onReport: ({ violations }) => {
          const [first] = violations;
          if (first !== undefined) found ??= `${first.checker}: ${first.message}`;
          return found === null;
        },
      });
      expect(found, `no violation in ${SEEDS_MAX} runs`).not.toBeNull();
    });
  }
});
