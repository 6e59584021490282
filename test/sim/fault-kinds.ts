/** Everything that can go wrong; `faults.ts` lets it. */
export const KINDS = [
  'kill',
  'stop',
  'pause',
  'powerOne',
  'powerAll',
  'isolate',
  'oneWay',
  'split',
  'slowLink',
  'dropConnections',
  'slowDisk',
  'diskError',
  'diskFull',
  'clockJump',
  'killController',
  'killAll',
  'killDecider',
  'replaceDisk',
  'bitFlip',
  'bitFlipKilled',
] as const;
export type FaultKind = (typeof KINDS)[number];

/** How often each happens, in proportion to the others. */
export type FaultWeights = Readonly<Record<FaultKind, number>>;

export const NO_FAULTS = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<
  FaultKind,
  number
>;
