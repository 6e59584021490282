/**
 * Many runs of the real brokers in a simulated world. `WEIR_SIM_SECONDS` is the time that they may
 * take together (default 240), and at least `WEIR_SIM_SEEDS` of them run (default 300).
 */
import { describe, expect, it } from 'vitest';
import { knownSeeds } from './known-seeds.ts';
import { replayCommand, type SeedOptions } from './options.ts';
import { runSeeds, type SeedReport } from './pool.ts';

const SECONDS = Number(process.env['WEIR_SIM_SECONDS'] ?? 240);
const SEEDS_LEAST = Number(process.env['WEIR_SIM_SEEDS'] ?? 300);
/** Any would do: a change of the code changes what every seed does. */
const FIRST_SEED = 1;
const TAIL_LINES = 80;
const KILLING_SEEDS = 10;

/** What a failed run prints. */
const story = (report: SeedReport): string =>
  [
    ...report.tail.slice(-TAIL_LINES),
    ...report.violations.map(({ checker, message }) => `${checker}: ${message}`),
    `again with: ${replayCommand(report.options)}`,
  ].join('\n');

async function reportsOf(seeds: readonly SeedOptions[], jobs?: number): Promise<SeedReport[]> {
  const reports: SeedReport[] = [];
  await runSeeds(seeds, {
    ...(jobs === undefined ? {} : { jobs }),
    onReport: (report) => reports.push(report) > 0,
  });
  return reports.sort((a, b) => seeds.indexOf(a.options) - seeds.indexOf(b.options));
}

function* seedsFrom(first: number): Generator<SeedOptions> {
  for (let seed = first; ; seed++) yield { seed };
}

describe('a simulated cluster', () => {
  it('does the same in every run of a seed', async () => {
    const seeds = [1, 2, 3, 4].map((seed) => ({ seed, seconds: 20 }));
    const together = await reportsOf(seeds, 1);
    const apart = await Promise.all(seeds.map(async (seed) => (await reportsOf([seed], 1))[0]!));
    const hashes = (reports: readonly SeedReport[]): string[] => reports.map(({ hash }) => hash);
    expect(hashes(together)).toEqual(hashes(apart));
    expect(new Set(hashes(together)).size).toBe(seeds.length);
  });

  it('does well in every run that once did not', async () => {
    for (const report of await reportsOf(knownSeeds)) {
      expect(report.violations, story(report)).toEqual([]);
    }
  });

  it('leads on within a second when a broker is killed, whichever it is', async () => {
    const seeds = Array.from({ length: KILLING_SEEDS }, (_, seed) => ({
      ...{ seed, brokers: 3, workloads: [] },
      faults: ['kill', 'killController'] as const,
    }));
    let takeovers = 0;
    for (const report of await reportsOf(seeds)) {
      expect(report.violations, story(report)).toEqual([]);
      takeovers += report.counts['takeovers'] ?? 0;
    }
    expect(takeovers).toBeGreaterThan(KILLING_SEEDS);
  });

  it(`keeps its promises, whatever happens, in at least ${SEEDS_LEAST} runs`, async () => {
    const failed: SeedReport[] = [];
    let done = 0;
    let cpuSeconds = 0;
    await runSeeds(seedsFrom(FIRST_SEED), {
      budgetMs: SECONDS * 1000,
      least: SEEDS_LEAST,
      onReport: (report) => {
        done += 1;
        cpuSeconds += report.cpuSeconds;
        if (report.violations.length > 0) failed.push(report);
        return failed.length < 3;
      },
    });
    console.log(`${done} runs, ${(cpuSeconds / done).toFixed(2)} CPU seconds each`);
    expect(failed.map(story).join('\n\n')).toBe('');
    expect(done).toBeGreaterThanOrEqual(SEEDS_LEAST);
  });
});
