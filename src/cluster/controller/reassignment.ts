/**
 * Moving the replicas of a partition from one set of brokers to another: while it is under way, the
 * partition has the replicas of both; the old ones go when the new ones are in sync. Pure functions.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { PartitionImage } from '../metadata-image.ts';

export interface Reassignment {
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export const isReassigning = (p: Pick<Reassignment, 'adding' | 'removing'>): boolean =>
  p.adding.length > 0 || p.removing.length > 0;

/** The way from the replicas of now to those that are wanted, in their order of preference. */
export function reassignmentTo(
  current: readonly number[],
  wanted: readonly number[],
): Reassignment {
  const removing = without(current, wanted).sort(byNumber);
  const adding = without(wanted, current).sort(byNumber);
  return { replicas: [...wanted, ...removing], adding, removing };
}

/**
 * Replicas and ISR once the reassignment is over; null while it goes on, or where there is none.
 * All new replicas must be in sync, and when there are to be fewer than before, all that stay.
 */
export function completion(
  p: Reassignment & { readonly isr: readonly number[] },
): { readonly replicas: readonly number[]; readonly isr: readonly number[] } | null {
  if (!isReassigning(p)) return null;
  const isr = without(p.isr, p.removing);
  const replicas = without(p.replicas, p.removing);
  if (isr.length === 0 || replicas.length === 0) return null;
  if (!p.adding.every((id) => isr.includes(id))) return null;
  const shrinks = p.adding.length < p.removing.length;
  return shrinks && !replicas.every((id) => isr.includes(id)) ? null : { replicas, isr };
}

export interface Reversal {
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** None of those that were there before is in sync. */
  readonly isUnclean: boolean;
}

/** Back to what was before the reassignment. */
export function reversal(p: PartitionImage): Reversal {
  const replicas = without(p.replicas, p.adding);
  const isr = without(p.isr, p.adding);
  if (isr.length > 0) return { replicas, isr, isUnclean: false };
  const [first] = replicas;
  if (first === undefined) {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'Invalid replica assignment: addingReplicas contains all replicas.',
    );
  }
  return { replicas, isr: [first], isUnclean: true };
}

/** How many replicas the partition is to have when its reassignment is over. */
export const targetCount = (p: PartitionImage): number => without(p.replicas, p.removing).length;

const without = (a: readonly number[], b: readonly number[]): number[] =>
  a.filter((id) => !b.includes(id));

const byNumber = (a: number, b: number): number => a - b;
