import type { SeedOptions } from './options.ts';

/** Seeds that found something once. They run always. */
export const knownSeeds: readonly (SeedOptions & { readonly found: string })[] = [
  {
    seed: 246,
    brokers: 1,
    found: 'a retry of an earlier batch made a duplicate after a clean restart',
  },
  {
    seed: 2,
    brokers: 3,
    found: 'a follower came in sync with acknowledged records in its page cache only',
  },
  {
    seed: 106,
    brokers: 3,
    found: 'a broker served without being registered when the controller’s disk was full',
  },
  { seed: 1011, found: 'a full disk left epochs behind of records that were not appended' },
  { seed: 1170, found: 'a dismissed coordinator said that nothing was committed' },
  { seed: 2088, found: 'a new topic took over the log of a deleted one after power loss' },
  {
    seed: 200694,
    found: 'who was elected while its disk was full led for ever without knowing it',
  },
  { seed: 3013, found: 'a broker whose disk failed while it entered the cluster hung for ever' },
];
