/** Asks leaders for offsets: earliest, latest, or the first at a point in time. */

import { sleep } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import type { listOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import type { TopicInfo } from './metadata-cache.ts';
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
  const { metadata } = client;
  for (let attempt = 1; ; attempt++) {
    const missing = partitions.filter((p) => !found.has(partitionKey(p)));
    if (missing.length === 0) break;
    for (const p of missing) {
      const known = metadata.topic(p.topic);
      if (known !== undefined && p.partition >= known.partitions.length) {
        throw offsetError(p, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      }
    }
    let last: Error | null = null;
    await askLeaders(client, missing, {
      spec,
      isolation,
      leaderOf: (p) => metadata.leader(p.topic, p.partition),
      found,
      failed: (_, error, passes) => {
        if (!passes) throw error;
        last = error;
      },
    });
    if (last === null) continue;
    if (client.clock.monotonic() >= deadline) throw last;
    metadata.requestRefresh();
    await sleep(client.clock, backoffMs(client.retryBackoff, attempt, client.random));
  }
  return partitions.map((p) => found.get(partitionKey(p))!);
}

/** By `partitionKey`: where a partition's log starts and ends, or why that is not known. */
export interface KnownOffsets {
  readonly earliest: ReadonlyMap<string, number>;
  readonly latest: ReadonlyMap<string, number>;
  readonly unknown: ReadonlyMap<string, string>;
}

/**
 * What leaders tell within `withinMs` of all partitions of `topics`, as they are described: one that
 * does not answer keeps nobody from seeing what the others say. Never rejects.
 */
export async function knownOffsets(
  client: Client,
  topics: readonly TopicInfo[],
  withinMs: number,
): Promise<KnownOffsets> {
  const unknown = new Map<string, string>();
  const led: (TopicPartition & { readonly leader: number })[] = [];
  for (const { name: topic, partitions } of topics) {
    for (const { index: partition, leader } of partitions) {
      if (leader >= 0) led.push({ topic, partition, leader });
      else unknown.set(partitionKey({ topic, partition }), 'it has no leader');
    }
  }
  for (const p of led) {
    unknown.set(partitionKey(p), `broker ${p.leader} did not answer within ${withinMs} ms`);
  }
  const ended = new AbortController();
  const ask = async (spec: OffsetSpec): Promise<ReadonlyMap<string, number>> => {
    const found = new Map<string, ListedOffset>();
    const failed = (p: TopicPartition, error: Error): void => {
      if (!ended.signal.aborted) unknown.set(partitionKey(p), shortly(error));
    };
    const asking = askWhile(client, led, { spec, found, failed, signal: ended.signal });
    await Promise.race([asking, sleep(client.clock, withinMs)]);
    return new Map([...found].map(([key, { offset }]) => [key, offset]));
  };
  const [earliest, latest] = await Promise.all([ask('earliest'), ask('latest')]);
  ended.abort();
  for (const key of latest.keys()) if (earliest.has(key)) unknown.delete(key);
  return { earliest, latest, unknown };
}

/** Without the partition: many have the same reason. */
const shortly = (error: Error): string =>
  error instanceof ProtocolError ? errorName(error.code) : reasonOf(error);

/** Asks again where a leader has moved or is gone; what leads it then is looked up. */
async function askWhile(
  client: Client,
  led: readonly (TopicPartition & { readonly leader: number })[],
  {
    spec,
    found,
    failed,
    signal,
  }: Pick<Asking, 'spec' | 'found' | 'failed'> & { readonly signal: AbortSignal },
): Promise<void> {
  const { metadata } = client;
  const described = new Map(led.map((p) => [partitionKey(p), p.leader]));
  let missing: readonly TopicPartition[] = led;
  for (let attempt = 1; missing.length > 0 && !signal.aborted; attempt++) {
    const again: TopicPartition[] = [];
    await askLeaders(client, missing, {
      spec,
      isolation: 'read_uncommitted',
      leaderOf: (p) =>
        attempt === 1 ? described.get(partitionKey(p))! : metadata.leader(p.topic, p.partition),
      found,
      failed: (p, error, passes) => {
        failed(p, error, passes);
        if (passes) again.push(p);
      },
    });
    missing = again;
    if (missing.length === 0 || signal.aborted) return;
    for (const { topic } of missing) metadata.watch(topic);
    metadata.requestRefresh();
    await sleep(client.clock, backoffMs(client.retryBackoff, attempt, client.random));
  }
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

interface Asking {
  readonly spec: OffsetSpec;
  readonly isolation: string;
  /** -1: none. */
  readonly leaderOf: (partition: TopicPartition) => number;
  /** What is answered, by `partitionKey`. */
  readonly found: Map<string, ListedOffset>;
  /** Hears why a partition was not; whether that may pass. What it throws ends the round. */
  readonly failed: (partition: TopicPartition, error: Error, passes: boolean) => void;
}

/** One round over the leaders. */
async function askLeaders(
  client: Client,
  partitions: readonly TopicPartition[],
  { spec, isolation, leaderOf, found, failed }: Asking,
): Promise<void> {
  const byLeader = new Map<number, TopicPartition[]>();
  for (const p of partitions) {
    const leader = leaderOf(p);
    if (leader < 0) failed(p, offsetError(p, ErrorCode.LEADER_NOT_AVAILABLE), true);
    else byLeader.set(leader, [...(byLeader.get(leader) ?? []), p]);
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
      for (const p of list) failed(p, error as Error, isLost(error));
      return;
    }
    for (const { name: topic, partitions: answered } of response.topics) {
      for (const { partitionIndex, errorCode, offset, timestamp, leaderEpoch } of answered) {
        const p = { topic, partition: partitionIndex };
        if (errorCode === ErrorCode.NONE) {
          found.set(partitionKey(p), { ...p, offset, timestamp, leaderEpoch });
        } else failed(p, offsetError(p, errorCode), isRetriable(errorCode));
      }
    }
  });
  await Promise.all(answers);
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
