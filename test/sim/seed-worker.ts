/** A process that runs the seeds it is sent, one after another. */
import { makeMutant } from './mutants.ts';
import type { SeedOptions } from './options.ts';
import type { SeedReport } from './pool.ts';
import { runSeed } from './run.ts';

process.on('message', (options: SeedOptions) => {
  const before = process.cpuUsage();
  const undo = options.mutant === undefined ? () => {} : makeMutant(options.mutant);
  void runSeed(options).then(({ brokers, violations, hash, tail, simulatedMs, counts }) => {
    undo();
    const { user, system } = process.cpuUsage(before);
    const report: SeedReport = {
      options,
      brokers,
      violations: violations.slice(0, 50),
      hash,
      tail: violations.length > 0 ? tail : [],
      simulatedMs,
      counts,
      cpuSeconds: (user + system) / 1e6,
    };
    process.send!(report);
  });
});
// Nobody is left to run seeds for.
process.on('disconnect', () => process.exit());
