/** Replicas that somebody has chosen by hand, checked as Kafka checks them. */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { MetadataImage } from '../metadata-image.ts';

/**
 * Throws INVALID_REPLICA_ASSIGNMENT unless all are registered, each named once, and as many as
 * `factor` says; null: as many as there are.
 */
export function checkAssignment(
  brokerIds: readonly number[],
  factor: number | null,
  image: MetadataImage,
): void {
  const refuse = (text: string): never => {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `The manual partition assignment includes ${text}`,
    );
  };
  if (brokerIds.length === 0) return refuse('an empty replica list.');
  const sorted = [...brokerIds].sort((a, b) => a - b);
  sorted.forEach((id, i) => {
    if (!image.brokers.has(id)) refuse(`broker ${id}, but no such broker is registered.`);
    if (id === sorted[i - 1]) refuse(`the broker ${id} more than once.`);
  });
  if (factor === null || sorted.length === factor) return;
  refuse(
    `a partition with ${sorted.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`,
  );
}
