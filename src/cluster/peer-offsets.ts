/** Where logs begin and end at another broker (ListOffsets), for brokers that ask each other. */
import { calls } from '../client/call.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Channel, Peers } from './peers.ts';

/** Timestamps that stand for a place. */
export const LATEST = -1;
export const EARLIEST = -2;

export interface AskedOffset {
  readonly topic: string;
  readonly partition: number;
  /** -1: whatever it is. */
  readonly leaderEpoch: number;
}

export interface OffsetQuestion {
  readonly leader: number;
  readonly channel: Channel;
  /** -1: as a consumer, who sees what is replicated. */
  readonly replicaId: number;
  readonly timestamp: number;
  readonly timeoutMs: number;
}

export const offsetKey = (topic: string, partition: number): string => `${topic}/${partition}`;

/** By `offsetKey`; what the broker does not tell is missing. Rejects with OperatingError. */
export async function peerOffsets(
  peers: Peers,
  { leader, channel, replicaId, timestamp, timeoutMs }: OffsetQuestion,
  asked: Iterable<AskedOffset>,
): Promise<ReadonlyMap<string, number>> {
  const request = {
    replicaId,
    isolationLevel: 0,
    topics: [...Map.groupBy(asked, ({ topic }) => topic)].map(([name, partitions]) => ({
      name,
      partitions: partitions.map(({ partition, leaderEpoch }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: leaderEpoch,
        timestamp,
        maxNumOffsets: 1,
      })),
    })),
    timeoutMs,
  };
  const answer = await peers.send(leader, channel, calls.listOffsets, request, timeoutMs);
  const found = new Map<string, number>();
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, errorCode, offset } of partitions) {
      if (errorCode === ErrorCode.NONE) found.set(offsetKey(name, partitionIndex), offset);
    }
  }
  return found;
}
