/** `npm run sim`: runs seeds, and prints how to run again what failed. */
import { runSeed } from './run.ts';

const value = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const number = (name: string): number | undefined => {
  const text = value(name);
  return text === undefined ? undefined : Number(text);
};

const seed = number('seed');
const loud = process.argv.includes('--loud');
const first = seed ?? number('first') ?? 1;
const count = seed === undefined ? (number('seeds') ?? 10) : 1;
const brokers = number('brokers');
const seconds = number('seconds') ?? 60;
for (let s = first; s < first + count; s++) {
  const before = process.cpuUsage();
  const result = await runSeed({
    seed: s,
    seconds,
    loud,
    ...(brokers === undefined ? {} : { brokers }),
  });
  const { user, system } = process.cpuUsage(before);
  console.log(
    s,
    result.hash,
    ((user + system) / 1e6).toFixed(2),
    JSON.stringify(result.counts),
    result.violations.length,
  );
  if (result.violations.length > 0) {
    if (!loud) for (const line of result.tail.slice(-(number('tail') ?? 40))) console.log(line);
    for (const { checker, message } of result.violations.slice(0, 20))
      console.log(`${checker}: ${message}`);
    process.exitCode = 1;
  }
}
