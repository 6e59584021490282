/**
 * Tells the controller what was in a log directory that has failed, so that others lead it
 * (AssignReplicasToDirs). The heartbeats tell of the directory itself, once that is done.
 */
import { type Clock, sleep } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';
import type { ControllerChannel } from './controller-channel.ts';

/** Kafka's id for "no directory any more". */
export const LOST_DIRECTORY = 'AAAAAAAAAAAAAAAAAAAAAQ';

/** Time for the controller to answer, and between two attempts, milliseconds. */
const REPORT_MS_MAX = 30_000;
const RETRY_MS = 500;

export interface LostReplica {
  readonly topicId: string | null;
  readonly partition: number;
}

export interface LostReplicasOptions {
  readonly channel: Pick<ControllerChannel, 'send'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly brokerId: number;
  /** Of its registration now. */
  readonly brokerEpoch: () => number;
  /** The broker stops: nobody is to be told any more. */
  readonly isOver: () => boolean;
}

/**
 * Resolves with true when the controller has heard of it, however long that takes: until then this
 * broker may be given leaderships that it can't exercise. False: the broker stops before. Never
 * rejects; a failure is logged once.
 */
export async function reportLostReplicas(
  replicas: readonly LostReplica[],
  { channel, clock, logger, brokerId, brokerEpoch, isOver }: LostReplicasOptions,
): Promise<boolean> {
  const topics = new Map<string, { partitionIndex: number }[]>();
  for (const { topicId, partition: partitionIndex } of replicas) {
    if (topicId === null) continue;
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [{ partitionIndex }]);
    else known.push({ partitionIndex });
  }
  if (topics.size === 0) return true;
  const lost = [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
  const directories = [{ id: LOST_DIRECTORY, topics: lost }];
  const attempt = async (): Promise<string | null> => {
    const body = { brokerId, brokerEpoch: brokerEpoch(), directories };
    try {
      const { errorCode } = await channel.send(calls.assignReplicasToDirs, body, REPORT_MS_MAX);
      return errorCode === ErrorCode.NONE ? null : errorName(errorCode);
    } catch (error) {
      return reasonOf(error);
    }
  };
  let isTold = false;
  while (!isOver()) {
    const failure = await attempt();
    if (failure === null) return true;
    if (isOver()) break;
    if (!isTold) {
      logger.error('the controller can’t be told yet of the replicas in a failed log folder', {
        'error.message': failure,
      });
    }
    isTold = true;
    await sleep(clock, RETRY_MS);
  }
  return false;
}
