/**
 * Tells the controller what was in a log directory that has failed, so that others lead it
 * (AssignReplicasToDirs). The heartbeats tell of the directory itself.
 */
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';
import type { ControllerChannel } from './controller-channel.ts';

/** Kafka's id for "no directory any more". */
export const LOST_DIRECTORY = 'AAAAAAAAAAAAAAAAAAAAAQ';

/** Time for the controller to answer, milliseconds. */
const REPORT_MS_MAX = 30_000;

export interface LostReplica {
  readonly topicId: string | null;
  readonly partition: number;
}

export interface LostReplicasOptions {
  readonly channel: ControllerChannel;
  readonly logger: Logger;
  readonly brokerId: number;
  readonly brokerEpoch: number;
}

/** Does not wait: what cannot be told is logged, and stands until the broker starts again. */
export function reportLostReplicas(
  replicas: readonly LostReplica[],
  { channel, logger, brokerId, brokerEpoch }: LostReplicasOptions,
): void {
  const topics = new Map<string, { partitionIndex: number }[]>();
  for (const { topicId, partition: partitionIndex } of replicas) {
    if (topicId === null) continue;
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [{ partitionIndex }]);
    else known.push({ partitionIndex });
  }
  if (topics.size === 0) return;
  const lost = [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
  const body = { brokerId, brokerEpoch, directories: [{ id: LOST_DIRECTORY, topics: lost }] };
  const failed = (reason: string): void =>
    logger.error('the controller could not be told of the replicas in a failed log folder', {
      'error.message': reason,
    });
  channel.send(calls.assignReplicasToDirs, body, REPORT_MS_MAX).then(
    ({ errorCode }) => {
      if (errorCode !== ErrorCode.NONE) failed(errorName(errorCode));
    },
    (error: unknown) => failed(reasonOf(error)),
  );
}
