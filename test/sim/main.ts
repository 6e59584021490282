/**
 * `npm run sim -- [--seeds N] [--first S] [--seed S] [--brokers N] [--seconds S] [--faults KIND,…] [--jobs N]
 * [--workloads KIND,…|none] [--mutant NAME] [--endless] [--loud]`: runs seeds; what fails is printed with the command that
 * runs it again. Ends with 1 when anything failed.
 */
import { parseArgs } from 'node:util';
import { type FaultKind, KINDS } from './fault-kinds.ts';
import { makeMutant } from './mutants.ts';
import { replayCommand, type SeedOptions } from './options.ts';
import { runSeeds, type SeedReport } from './pool.ts';
import { runSeed } from './run.ts';
import { WORKLOADS, type Workload } from './workload-kinds.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    brokers: { type: 'string' },
    seconds: { type: 'string' },
    jobs: { type: 'string' },
    faults: { type: 'string' },
    workloads: { type: 'string' },
    mutant: { type: 'string' },
    tail: { type: 'string', default: '60' },
    endless: { type: 'boolean', default: false },
    loud: { type: 'boolean', default: false },
  },
});

const shared = {
  ...(values.brokers === undefined ? {} : { brokers: Number(values.brokers) }),
  ...(values.seconds === undefined ? {} : { seconds: Number(values.seconds) }),
  ...(values.faults === undefined ? {} : { faults: faultsOf(values.faults) }),
  ...(values.workloads === undefined ? {} : { workloads: workloadsOf(values.workloads) }),
  ...(values.mutant === undefined ? {} : { mutant: values.mutant }),
};

function kindsOf<K extends string>(option: string, known: readonly K[], text: string): K[] {
  return text.split(',').map((name) => {
    const kind = known.find((one) => one === name);
    if (kind === undefined) throw new Error(`${option}: one of ${known.join(', ')}, not ${name}`);
    return kind;
  });
}

function faultsOf(text: string): FaultKind[] {
  return kindsOf('--faults', KINDS, text);
}
function workloadsOf(text: string): Workload[] {
  return text === 'none' ? [] : kindsOf('--workloads', WORKLOADS, text);
}

function* seeds(): Generator<SeedOptions> {
  const first = Number(values.first);
  const count = values.endless ? Infinity : Number(values.seeds);
  for (let seed = first; seed < first + count; seed++) yield { seed, ...shared };
}

let failed = 0;
let done = 0;
let cpuSeconds = 0;

function printFailure(report: Pick<SeedReport, 'violations' | 'tail'>, options: SeedOptions): void {
  failed += 1;
  for (const line of report.tail.slice(-Number(values.tail))) console.log(line);
  for (const { checker, message } of report.violations.slice(0, 20)) {
    console.log(`${checker}: ${message}`);
  }
  console.log(`FAILED, again with: ${replayCommand(options)}`);
}

const summary = (): string =>
  `${done} seeds, ${failed} failed, ${(cpuSeconds / Math.max(1, done)).toFixed(2)} CPU seconds a seed`;

if (values.seed === undefined) {
  await runSeeds(seeds(), {
    ...(values.jobs === undefined ? {} : { jobs: Number(values.jobs) }),
    onReport: (report) => {
      done += 1;
      cpuSeconds += report.cpuSeconds;
      if (report.violations.length > 0) printFailure(report, report.options);
      if (done % 100 === 0) console.log(summary());
      return true;
    },
  });
  console.log(summary());
} else {
  const options = { seed: Number(values.seed), ...shared };
  if (values.mutant !== undefined) makeMutant(values.mutant);
  const result = await runSeed({ ...options, loud: values.loud });
  console.log(`${result.hash} ${result.brokers} brokers ${JSON.stringify(result.counts)}`);
  if (result.violations.length > 0) {
    printFailure(values.loud ? { ...result, tail: [] } : result, options);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
