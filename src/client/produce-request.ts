/** The Produce request for a set of batches, and what its answer says of each of them. */
import { ZERO_UUID } from '../base/bytes.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { produceRequest, produceResponse } from '../protocol/messages/00-produce.ts';
import type { Infer } from '../protocol/schema.ts';
import { calls } from './call.ts';
import type { Connection } from './connection.ts';
import type { LeaderHint, MetadataCache } from './metadata-cache.ts';
import type { ProducerBatch } from './producer-batch.ts';

export type ProduceRequest = Infer<typeof produceRequest>;
export type ProduceResponse = Infer<typeof produceResponse>;
export type ProduceAnswer = ProduceResponse['responses'][number]['partitionResponses'][number];

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 13;

const topicIdOf = (metadata: MetadataCache, name: string): string =>
  metadata.topic(name)?.id ?? ZERO_UUID;

/** The version to send these batches in; -1: the broker takes none of ours. */
export function produceVersion(
  connection: Connection,
  batches: readonly ProducerBatch[],
  metadata: MetadataCache,
): number {
  const named = batches.every((batch) => topicIdOf(metadata, batch.queue.topic.name) !== ZERO_UUID);
  return connection.versionOf(calls.produce, named ? calls.produce.max : TOPIC_ID_VERSION - 1);
}

/** The batches must be sealed, at most one for each partition. */
export function produceBody(
  batches: readonly ProducerBatch[],
  acks: number,
  timeoutMs: number,
  metadata: MetadataCache,
): ProduceRequest {
  const topics = new Map<string, ProduceRequest['topicData'][number]>();
  for (const batch of batches) {
    const { name } = batch.queue.topic;
    let topic = topics.get(name);
    if (topic === undefined) {
      topic = { name, topicId: topicIdOf(metadata, name), partitionData: [] };
      topics.set(name, topic);
    }
    topic.partitionData.push({ index: batch.queue.index, records: batch.sealed });
  }
  return { transactionalId: null, acks, timeoutMs, topicData: [...topics.values()] };
}

/** The answer's part for one batch, if it has one. */
export function produceAnswerFor(
  batch: ProducerBatch,
  response: ProduceResponse,
  metadata: MetadataCache,
): ProduceAnswer | undefined {
  const { name } = batch.queue.topic;
  const id = topicIdOf(metadata, name);
  for (const topic of response.responses) {
    if (topic.name !== name && (topic.topicId === ZERO_UUID || topic.topicId !== id)) continue;
    const found = topic.partitionResponses.find((p) => p.index === batch.queue.index);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the answers say of leaders that are others now. */
export function leaderHints(
  batches: readonly ProducerBatch[],
  answers: readonly (ProduceAnswer | undefined)[],
): LeaderHint[] {
  return batches.flatMap((batch, i) => {
    const { leaderId: leader = -1, leaderEpoch = -1 } = answers[i]?.currentLeader ?? {};
    if (leader < 0) return [];
    return [{ topic: batch.queue.topic.name, partition: batch.queue.index, leader, leaderEpoch }];
  });
}

/** The broker saw a gap in the sequence numbers, or does not know the producer. */
export const isSequenceError = (code: number): boolean =>
  code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER ||
  code === ErrorCode.UNKNOWN_PRODUCER_ID ||
  code === ErrorCode.INVALID_PRODUCER_EPOCH;

/** What a refused batch failed with, in the broker's own words where it has any. */
export function produceError(batch: ProducerBatch, answer: ProduceAnswer): ProtocolError {
  const where = `${batch.queue.topic.name}-${batch.queue.index}`;
  const details = [
    answer.errorMessage,
    ...answer.recordErrors.map((e) => `record ${e.batchIndex}: ${e.batchIndexErrorMessage ?? ''}`),
  ].filter((text) => text !== null);
  const more = details.length === 0 ? '' : ` (${details.slice(0, 3).join('; ')})`;
  return new ProtocolError(answer.errorCode, `${where}: ${errorName(answer.errorCode)}${more}`);
}
