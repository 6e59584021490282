import type { SeedOptions } from './options.ts';

/** Seeds that found something once. They run always. */
export const knownSeeds: readonly (SeedOptions & { readonly found: string })[] = [
  {
    seed: 246,
    brokers: 1,
    found: 'a retry of an earlier batch made a duplicate after a clean restart',
  },
];
