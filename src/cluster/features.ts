/**
 * Features of the cluster that are switched by level (KIP-584, KIP-1022): which there are, between
 * which levels this program can go, and at which a new cluster begins. The levels in force are in
 * the metadata image; UpdateFeatures changes them, ApiVersions tells them.
 *
 * A level that no record of the metadata log sets is the initial one.
 */
export interface Feature {
  readonly name: string;
  /** Lowest and highest level that this program supports. */
  readonly min: number;
  readonly max: number;
  /** Level of a cluster in which nobody has changed it; 0: switched off. */
  readonly initial: number;
  /** Lowest levels that other features must have, by level of this one. */
  readonly needs?: Readonly<Record<number, { readonly name: string; readonly level: number }>>;
}

export const METADATA_VERSION = 'metadata.version';
export const KRAFT_VERSION = 'kraft.version';
export const GROUP_VERSION = 'group.version';
export const ELR_VERSION = 'eligible.leader.replicas.version';

/** One row a feature; whoever serves another one adds its row. */
const all: readonly Feature[] = [
  // Kafka's numbers: 3.3-IV3 to 4.3-IV0. Our own records have versions of their own.
  { name: METADATA_VERSION, min: 7, max: 30, initial: 30 },
  // 1: voters by record instead of by configuration (KIP-853); there is no other kind here.
  { name: KRAFT_VERSION, min: 0, max: 1, initial: 1 },
  // 1: the consumer protocol of groups (KIP-848).
  { name: GROUP_VERSION, min: 0, max: 1, initial: 1 },
  // 2: a new epoch at each end, and partitions join on their first batch (KIP-890).
  { name: 'transaction.version', min: 0, max: 2, initial: 2 },
  // 1: eligible leader replicas (KIP-966).
  {
    name: ELR_VERSION,
    min: 0,
    max: 1,
    initial: 1,
    needs: { 1: { name: METADATA_VERSION, level: 23 } },
  },
];

export const features: ReadonlyMap<string, Feature> = new Map(
  all.map((feature) => [feature.name, feature]),
);
