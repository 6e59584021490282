import { keptOffsets, keptOrder, latestValues, onlyCommittedKeys } from './compaction.ts';
import { groupReadsAll, keptMembers, memberEpochs, oneClaim } from './consumer-groups.ts';
import { committedOffsets, oneOwner } from './groups.ts';
import type { Checker, History, Violation } from './history.ts';
import { gapless, inconsistentReads, prefix } from './reads.ts';
import { contiguous, epochs, highWatermark, oneLeader, replicasEqual } from './replicas.ts';
import { allOrNothing, onlyCommitted, seenOnce } from './transactions.ts';
import { duplicates, lostWrites, movedWrites, order, unknownValues } from './writes.ts';

/** Everything that had to come to pass in time came to pass. */
export const liveness: Checker = (history) =>
  history.expectations.flatMap(({ what, met, detail }) =>
    met ? [] : [{ checker: 'liveness', message: `${what}: ${detail}` }],
  );

export const checkers: Readonly<Record<string, Checker>> = {
  liveness,
  lostWrites,
  movedWrites,
  duplicates,
  order,
  unknownValues,
  gapless,
  inconsistentReads,
  prefix,
  highWatermark,
  replicasEqual,
  oneLeader,
  epochs,
  contiguous,
  committedOffsets,
  oneOwner,
  onlyCommitted,
  allOrNothing,
  seenOnce,
  latestValues,
  onlyCommittedKeys,
  keptOrder,
  keptOffsets,
  oneClaim,
  memberEpochs,
  keptMembers,
  groupReadsAll,
};

/** What is wrong with a history; nothing is as it should be. */
export const judge = (history: History): Violation[] =>
  Object.values(checkers).flatMap((check) => check(history));
