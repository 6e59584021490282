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
  {
    seed: 1,
    brokers: 3,
    seconds: 30,
    workloads: ['compaction'],
    found: 'a killed broker cut compacted logs at the first gap between offsets',
  },
  {
    seed: 3,
    brokers: 3,
    seconds: 30,
    workloads: ['compaction'],
    found: 'a key was back whose deletion was committed behind an aborted transaction',
  },
  { seed: 1019, found: 'a power cut left a rebuilt leader-epoch-checkpoint with the first epochs' },
  {
    seed: 24,
    seconds: 40,
    workloads: ['consumerGroups', 'administration'],
    found: 'a consumer group had no new target once the clock had gone back',
  },
  { seed: 3013, found: 'a broker whose disk failed while it entered the cluster hung for ever' },
  {
    seed: 9001410,
    found:
      'a batch that was sent again stood twice: compaction had taken it, and a power cut its snapshot',
  },
  {
    seed: 9200120,
    found: 'a broker that started on a full disk never registered, and led nothing anew',
  },
  {
    seed: 9304773,
    found: 'a topic that was made while all was read for the last time was not read',
  },
  { seed: 9101888, found: 'a quota that nobody had answered came late, and counted as lost' },
  {
    seed: 9900421,
    brokers: 3,
    faults: ['bitFlip', 'stop', 'kill', 'isolate', 'powerOne'],
    workloads: ['compaction', 'transactions', 'moving', 'administration'],
    found:
      'followers waited half a minute for an answer of a broker that had lost power, and was back',
  },
  {
    seed: 9910482,
    found:
      'the terms of a log were looked for in damaged batches, and were missing when these were mended',
  },
  {
    seed: 9954168,
    found:
      'a torn write left an epoch of the future in a batch, and nobody could read on behind it',
  },
  {
    seed: 9953160,
    found: 'a quota came late that was asked for twice, and had had but one answer',
  },
  {
    seed: 9921641,
    found: 'the cleaner read a segment without end that was cut behind what it had read',
  },
  {
    seed: 9956390,
    found:
      'a start missed the term of a damaged batch, and after the next one it was not mended any more',
  },
  {
    seed: 9960618,
    found:
      'a log was cut behind a batch that lied about its offsets, at its place, and went on with a gap',
  },
  {
    seed: 9994379,
    found:
      'the run looked into a broker that had yet to start, as the one before it was still about to stop',
  },
];
