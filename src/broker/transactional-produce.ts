/**
 * What a transactional produce request needs before it is appended (KIP-890): where a partition has
 * no open transaction of the producer, its coordinator is asked, and from Produce v12 on has the
 * partition added. Requests without a transactional id never come here.
 */
import type { HeldTopic } from '../cluster/partitions.ts';
import type { Verification } from '../log/verification.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { produceRequest } from '../protocol/messages/00-produce.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  baseSequence,
  isTransactional,
  producerEpoch,
  producerId,
} from '../protocol/record-batch.ts';
import type { Infer } from '../protocol/schema.ts';
import { ToldError } from './errors.ts';
import type { RequestContext } from './handler.ts';
import type { Question } from './transaction-links.ts';
import { type VerificationMode, verificationMode } from './verification-mode.ts';

type Request = Infer<typeof produceRequest>;

const TOPIC_IDS_VERSION = 13;

/**
 * While the transaction before is being ended its coordinator, where that is another broker, is asked
 * again, soon at first: that takes a millisecond or two as a rule, and the producer stands still.
 * Milliseconds.
 */
const CONCURRENT_RETRY_MS = 1;
const CONCURRENT_RETRY_MS_MAX = 20;
const CONCURRENT_MS_MAX = 100;

/** Who may begin a transaction in which partition. */
export interface Verified {
  readonly code: number;
  readonly verification: Verification | null;
}

/** By `partition topic`; what is not in it needs nothing. */
export type VerifiedPartitions = ReadonlyMap<string, Verified>;

const NOTHING: VerifiedPartitions = new Map();

interface Batch {
  readonly topic: string;
  readonly index: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly sequence: number;
}

/** The transactional batches for partitions that are held here. */
function batchesOf(request: Request, { apiVersion, broker }: RequestContext): Batch[] {
  const { partitions } = broker;
  const batches: Batch[] = [];
  for (const data of request.topicData) {
    const byId = apiVersion >= TOPIC_IDS_VERSION;
    const topic: HeldTopic | undefined = byId
      ? partitions.topicById(data.topicId)
      : partitions.topic(data.name);
    if (topic === undefined) continue;
    for (const { index, records } of data.partitionData) {
      const bytes = records as Buffer | null;
      if (bytes === null || bytes.length < BATCH_OVERHEAD) continue;
      if (!isTransactional(attributes(bytes, 0))) continue;
      batches.push({
        topic: topic.name,
        index,
        producerId: producerId(bytes, 0),
        producerEpoch: producerEpoch(bytes, 0),
        sequence: baseSequence(bytes, 0),
      });
    }
  }
  return batches;
}

/**
 * Null: the request can be appended at once. Else it is to be kept, and `append` is called with what
 * was found out when its turn has come. Throws ProtocolError where all of it is to be refused.
 */
export function verifyBeforeAppend<R>(
  request: Request,
  context: RequestContext,
  append: (request: Request, verified: VerifiedPartitions) => R | Promise<R>,
): Promise<R> | null {
  const { verifying } = context.broker;
  const transactionalId = request.transactionalId as string;
  const batches = batchesOf(request, context);
  const [first] = batches;
  if (first === undefined) return null;
  const isOther = (batch: Batch): boolean =>
    batch.producerId !== first.producerId || batch.producerEpoch !== first.producerEpoch;
  if (batches.some(isOther)) {
    throw new ProtocolError(
      ErrorCode.INVALID_PRODUCER_ID_MAPPING,
      'Transactional records contained more than one producer ID',
    );
  }
  const mode = verificationMode.ofProduce(context.apiVersion);
  const isOpen = start(batches, mode, context).size === 0;
  if (isOpen && !verifying.isWaiting(transactionalId)) return null;
  const bytes = bytesOf(request);
  if (!verifying.hasRoom(bytes)) {
    throw new ProtocolError(ErrorCode.NOT_ENOUGH_REPLICAS, 'too many records wait to be verified');
  }
  const kept = withOwnBytes(request);
  return verifying.run(transactionalId, bytes, async () =>
    append(kept, await verified(transactionalId, batches, mode, context)),
  );
}

/** The partitions whose coordinator must be asked. */
function start(
  batches: readonly Batch[],
  mode: VerificationMode,
  context: RequestContext,
): Map<Batch, Verification> {
  const started = new Map<Batch, Verification>();
  for (const batch of batches) {
    const partition = context.broker.partitions.get(batch.topic, batch.index);
    // What the append will say of it is the better answer.
    if (partition === undefined || partition.isOffline || !partition.isLeader) continue;
    try {
      const { producerId: id, sequence, producerEpoch: epoch } = batch;
      const verification = partition.log.startVerification(id, sequence, epoch, mode.adds);
      if (verification !== null) started.set(batch, verification);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return started;
}

async function verified(
  transactionalId: string,
  batches: readonly Batch[],
  mode: VerificationMode,
  context: RequestContext,
): Promise<VerifiedPartitions> {
  const { clock, verifying, transactionLinks } = context.broker;
  const began = clock.monotonic();
  for (let retryMs = CONCURRENT_RETRY_MS; ; retryMs *= 2) {
    const started = start(batches, mode, context);
    if (started.size === 0) return NOTHING;
    const question = questionOf(transactionalId, started, mode);
    const verdicts = await transactionLinks.verify(question);
    const result = new Map<string, Verified>();
    for (const [{ topic, index }, verification] of started) {
      result.set(`${index} ${topic}`, { code: verdicts(topic, index), verification });
    }
    verifying.lastMs = clock.monotonic() - began;
    const leftMs = CONCURRENT_MS_MAX - verifying.lastMs;
    const isConcurrent = [...result.values()].some(
      ({ code }) => code === ErrorCode.CONCURRENT_TRANSACTIONS,
    );
    if (!isConcurrent || !mode.adds || leftMs <= 0) return result;
    // And then anew: the markers make the log forget who was asked before them.
    await transactionLinks.whenEnded(question, Math.min(retryMs, CONCURRENT_RETRY_MS_MAX), leftMs);
  }
}

function questionOf(
  transactionalId: string,
  started: ReadonlyMap<Batch, Verification>,
  mode: VerificationMode,
): Question {
  const topics = Map.groupBy(started.keys(), ({ topic }) => topic);
  const [batch] = started.keys();
  return {
    transactionalId,
    producerId: batch!.producerId,
    producerEpoch: batch!.producerEpoch,
    topics: [...topics].map(([name, all]) => ({
      name,
      partitions: all.map(({ index }) => index),
    })),
    mode,
  };
}

/** Throws what the client is told when the partition may not be written to. */
export function checkVerified({ code }: Verified, apiVersion: number): void {
  if (code === ErrorCode.NONE) return;
  const isConcurrent = code === ErrorCode.CONCURRENT_TRANSACTIONS;
  const mustHide = isConcurrent && !verificationMode.ofProduce(apiVersion).adds;
  // Of this one all clients know that they are to send the same again.
  if (mustHide || unasked.has(code)) {
    throw new ToldError(
      ErrorCode.NOT_ENOUGH_REPLICAS,
      `Unable to verify the partition has been added to the transaction. Underlying error: ${errorName(code)}`,
    );
  }
  if (code === ErrorCode.INVALID_TXN_STATE) {
    throw new ToldError(code, 'Partition was not added to the transaction');
  }
  throw new ProtocolError(code);
}

/** Nobody could be asked. */
const unasked: ReadonlySet<number> = new Set([
  ErrorCode.NETWORK_EXCEPTION,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
]);

function bytesOf(request: Request): number {
  let bytes = 0;
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) bytes += (records as Buffer | null)?.length ?? 0;
  }
  return bytes;
}

/** The frame that it came in is used again. */
const withOwnBytes = (request: Request): Request => ({
  ...request,
  topicData: request.topicData.map((topic) => ({
    ...topic,
    partitionData: topic.partitionData.map(({ index, records }) => ({
      index,
      records: records === null ? null : Buffer.from(records as Buffer),
    })),
  })),
});
