/** Asks leaders for offsets: earliest, latest, or the first at a point in time. */

import { sleep } from '../base/clock.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import type { listOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import { isLost } from './retried.ts';

/** A number is a time in milliseconds since 1970. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface ListedOffset extends TopicPartition {
  /** -1: no record is as young as the time asked for. */
  readonly offset: number;
  /** Of that record; -1 for earliest and latest. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const SPECIAL = { latest: -1, earliest: -2, 'max-timestamp': -3 } as const;

export const partitionKey = ({ topic, partition }: TopicPartition): string =>
  `${topic}-${partition}`;

/**
 * One answer for each partition asked for, in the same order. Retries while leaders move, for at
 * most the client's request timeout; rejects with ProtocolError, or as `Client.request` does.
 */
export async function listOffsets(
  client: Client,
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
  isolation: 'read_uncommitted' | 'read_committed' = 'read_uncommitted',
): Promise<ListedOffset[]> {
  const found = new Map<string, ListedOffset>();
  const deadline = client.clock.monotonic() + client.requestTimeoutMs;
  await requireLeaders(client, partitions);
  for (let attempt = 1; ; attempt++) {
    const missing = partitions.filter((p) => !found.has(partitionKey(p)));
    if (missing.length === 0) break;
    const last = await listMissing(client, missing, spec, isolation, found);
    if (last === null) continue;
    if (client.clock.monotonic() >= deadline) throw last;
    client.metadata.requestRefresh();
    await sleep(client.clock, backoffMs(client.retryBackoff, attempt, client.random));
  }
  return partitions.map((p) => found.get(partitionKey(p))!);
}

/** Waits for the leaders of these partitions; others of their topics may have none. */
export async function requireLeaders(
  { metadata }: Client,
  partitions: readonly TopicPartition[],
): Promise<void> {
  for (const { name, partitions: wanted } of byTopic(partitions, (p) => p.partition)) {
    await metadata.require(name, wanted);
  }
}

/** One round over the leaders; returns the error to retry after, if any partition had one. */
async function listMissing(
  client: Client,
  missing: readonly TopicPartition[],
  spec: OffsetSpec,
  isolation: string,
  found: Map<string, ListedOffset>,
): Promise<Error | null> {
  const byLeader = new Map<number, TopicPartition[]>();
  let retry: Error | null = null;
  for (const p of missing) {
    const known = client.metadata.topic(p.topic);
    if (known !== undefined && p.partition >= known.partitions.length) {
      throw offsetError(p, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    }
    const leader = client.metadata.leader(p.topic, p.partition);
    if (leader < 0) {
      retry = offsetError(p, ErrorCode.LEADER_NOT_AVAILABLE);
      continue;
    }
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), p]);
  }
  const answers = [...byLeader].map(async ([leader, list]) => {
    const body = {
      replicaId: -1,
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics: byTopic(list, (p) => ({
        partitionIndex: p.partition,
        currentLeaderEpoch: -1,
        timestamp: typeof spec === 'number' ? spec : SPECIAL[spec],
        maxNumOffsets: 1,
      })),
      timeoutMs: client.requestTimeoutMs,
    };
    let response: Infer<typeof listOffsetsResponse>;
    try {
      response = await client.request(leader, calls.listOffsets, body);
    } catch (error) {
      if (!isLost(error)) throw error;
      retry = error as Error;
      return;
    }
    for (const { name: topic, partitions } of response.topics) {
      for (const {
        partitionIndex: partition,
        errorCode,
        offset,
        timestamp,
        leaderEpoch,
      } of partitions) {
        const p = { topic, partition };
        if (errorCode === ErrorCode.NONE) {
          found.set(partitionKey(p), { ...p, offset, timestamp, leaderEpoch });
        } else if (isRetriable(errorCode)) retry = offsetError(p, errorCode);
        else throw offsetError(p, errorCode);
      }
    }
  });
  await Promise.all(answers);
  return retry;
}

/** Groups partitions by topic, as requests do. */
export function byTopic<T>(
  list: readonly TopicPartition[],
  item: (partition: TopicPartition) => T,
): { name: string; partitions: T[] }[] {
  const topics = new Map<string, T[]>();
  for (const p of list) {
    const items = topics.get(p.topic);
    if (items === undefined) topics.set(p.topic, [item(p)]);
    else items.push(item(p));
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

const offsetError = (p: TopicPartition, code: number): ProtocolError =>
  new ProtocolError(code, `${partitionKey(p)}: ${errorName(code)}`);
