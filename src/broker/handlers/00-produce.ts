/**
 * Produce, v0-13: one batch a partition, appended as it came (up to v2: message sets, made a batch). acks=0 is not answered (and its
 * errors close the connection), acks=1 is answered when the bytes are in the leader's page cache,
 * acks=all when they are in those of all replicas in sync, and on their devices, too
 * (`log.flush.on.acks.all`).
 *
 * v5 log start offset, v7 zstd, v8 errors by record, v9 flexible, v10 leader hints, v11 abortable
 * transactions, v12 partitions join a transaction by being written to (KIP-890), v13 topic ids.
 */

import { reasonOf } from '../../base/errors.ts';
import type { Partition } from '../../cluster/partition.ts';
import type { HeldTopic } from '../../cluster/partitions.ts';
import { isInternal } from '../../cluster/topic-names.ts';
import { type AppendInfo, type ClientBatch, NotAppended } from '../../log/log-appends.ts';
import { RecordsError } from '../../log/log-validator.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { CompressionType } from '../../protocol/compression.ts';
import { ErrorCode, errorName, ProtocolError } from '../../protocol/error-codes.ts';
import { convertMessageSet, isMessageSet } from '../../protocol/message-set.ts';
import type { produceRequest, produceResponse } from '../../protocol/messages/00-produce.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  batchSize,
  compressionOf,
  isTransactional,
  LOG_OVERHEAD,
  MAGIC,
  magic,
  OFFSET_OF_MAGIC,
  recordCount,
} from '../../protocol/record-batch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, ToldError } from '../errors.ts';
import { CloseConnection, handler, NO_RESPONSE, type RequestContext } from '../handler.ts';
import { leaderOf } from '../leader-hints.ts';
import { begin, PendingAppend, settled } from '../produce-wait.ts';
import {
  checkVerified,
  type VerifiedPartitions,
  verifyBeforeAppend,
} from '../transactional-produce.ts';

type Request = Infer<typeof produceRequest>;
type Response = Infer<typeof produceResponse>;
type PartitionAnswer = Response['responses'][number]['partitionResponses'][number];

const BATCH_VERSION = 3;
const ZSTD_VERSION = 7;
const TOPIC_IDS_VERSION = 13;
/** The one client that may write what brokers write. */
const ADMIN_CLIENT_ID = '__admin_client';

type Outcome = Response | null | Promise<Response | null>;

export const produceHandler = handler<Request, Response | null>(
  apis.get(0),
  (request, context) => {
    const admitted = admit(request, context);
    return admitted instanceof Produced ? appended(admitted) : admitted;
  },
  {
    keepsRequest: false,
    pipelined: true,
    together: { takes: () => true, handle: produceTogether },
  },
);

/** What can be appended at once, or what is answered in its place. */
function admit(request: Request, context: RequestContext): Produced | Outcome {
  const { transactionalId } = request;
  if (transactionalId === null) return new Produced(request, context, null);
  try {
    if (!context.may(AclOperation.write, AclResource.transactionalId, transactionalId)) {
      throw new ProtocolError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    const verifying = verifyBeforeAppend(request, context, (kept, verified) =>
      appended(new Produced(kept, context, verified)),
    );
    return verifying ?? new Produced(request, context, null);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const response = refuseAll(request, error);
    return request.acks === 0 ? unanswered(response) : response;
  }
}

function appended(one: Produced): Outcome {
  for (const append of one.checked()) appendOne(append);
  return one.answer();
}

/**
 * A client that has several requests under way sends them in one go, and most are for few
 * partitions: what is for the same one is appended together.
 */
function produceTogether(
  requests: readonly Request[],
  contexts: readonly RequestContext[],
): Outcome[] {
  const admitted = requests.map((request, i) => admit(request, contexts[i]!));
  const checked = admitted.flatMap((one) => (one instanceof Produced ? one.checked() : []));
  const byPartition = Map.groupBy(checked, ({ partition }) => partition);
  for (const appends of byPartition.values()) appendSeveral(appends);
  return admitted.map((one) => (one instanceof Produced ? one.answer() : one));
}

const refuseAll = (request: Request, error: ProtocolError): Response => ({
  responses: request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => failed(index, error.code, error.words)),
  })),
  throttleTimeMs: 0,
  nodeEndpoints: [],
});

/** A batch that has passed what can be told without its log, and where its answer goes. */
interface Checked extends ClientBatch {
  readonly partition: Partition;
  readonly of: Produced;
  /** Length of what the client sent. */
  readonly givenBytes: number;
  readonly answers: PartitionAnswer[];
  readonly at: number;
}

/** One request on its way to its answer. */
class Produced {
  readonly request: Request;
  readonly context: RequestContext;
  readonly response: Response = { responses: [], throttleTimeMs: 0, nodeEndpoints: [] };
  /** With acks=all: what was appended, and is to be committed. */
  readonly written: PendingAppend[] = [];
  readonly #verified: VerifiedPartitions | null;

  constructor(request: Request, context: RequestContext, verified: VerifiedPartitions | null) {
    this.request = request;
    this.context = context;
    this.#verified = verified;
  }

  /** What may be appended; what may not is in the response. */
  checked(): Checked[] {
    const { request, context, response } = this;
    const { partitions, access, image } = context.broker;
    const byId = context.apiVersion >= TOPIC_IDS_VERSION;
    const checked: Checked[] = [];
    for (const data of request.topicData) {
      const topic = byId ? partitions.topicById(data.topicId) : partitions.topic(data.name);
      const partitionResponses: PartitionAnswer[] = [];
      const name = byId ? (topic?.name ?? image.topicById(data.topicId)?.name) : data.name;
      const isRefused =
        access !== null &&
        name !== undefined &&
        !context.may(AclOperation.write, AclResource.topic, name);
      for (const { index, records } of data.partitionData) {
        const partition = topic?.partitions[index];
        if (isRefused) {
          partitionResponses.push(failed(index, ErrorCode.TOPIC_AUTHORIZATION_FAILED, null));
        } else if (partition === undefined) {
          const answer = failed(index, missing(topic, index, byId, context), null);
          if (topic !== undefined) this.#addLeader(answer, topic.id);
          partitionResponses.push(answer);
        } else {
          const append = this.#check(partition, records as Buffer | null, partitionResponses);
          if (append !== null) checked.push(append);
        }
      }
      response.responses.push({ name: data.name, topicId: data.topicId, partitionResponses });
    }
    return checked;
  }

  /** Null: it is refused, and answered. */
  #check(partition: Partition, given: Buffer | null, answers: PartitionAnswer[]): Checked | null {
    const { context, request } = this;
    partition.stats.produceRequests += 1;
    context.broker.partitions.totals.produceRequests += 1;
    const at = answers.length;
    const givenBytes = given?.length ?? 0;
    answers.push(notYet);
    try {
      const records = fromOldSender(given, partition, context);
      checkRequest(partition, records, request, context);
      const proof = this.#verified?.get(`${partition.index} ${partition.topic}`);
      if (proof !== undefined) checkVerified(proof, context.apiVersion);
      const reused = records === given;
      const verification = proof?.verification ?? null;
      return { partition, records, reused, verification, of: this, givenBytes, answers, at };
    } catch (error) {
      answers[at] = this.#failure(partition, error, givenBytes);
      return null;
    }
  }

  succeeded({ partition, records, answers, at }: Checked, info: AppendInfo): void {
    if (!info.duplicate) {
      const { totals } = this.context.broker.partitions;
      const count = recordCount(records, 0);
      partition.stats.bytesIn += records.length;
      totals.bytesIn += records.length;
      partition.stats.messagesIn += count;
      totals.messagesIn += count;
    }
    if (this.request.acks === -1) {
      this.written.push(new PendingAppend(partition, info.lastOffset + 1));
    }
    answers[at] = succeeded(partition.index, info);
  }

  failed({ partition, answers, at, givenBytes }: Checked, error: unknown): void {
    const answer = this.#failure(partition, error, givenBytes);
    if (!startUnknown.has(answer.errorCode)) answer.logStartOffset = partition.log.logStartOffset;
    answers[at] = answer;
  }

  #failure(partition: Partition, error: unknown, bytes: number): PartitionAnswer {
    const { logger } = this.context.broker;
    const code = codeOfError(error, logger);
    logger.debug('a batch was refused', {
      'kafka.topic': partition.topic,
      'kafka.partition': partition.index,
      'error.message': reasonOf(error),
    });
    countFailure(partition, code, bytes, this.context);
    const answer = failed(partition.index, code, wordsFor(error));
    if (error instanceof RecordsError) answer.recordErrors = [...error.recordErrors];
    this.#addLeader(answer, partition.topicId);
    return answer;
  }

  #addLeader(answer: PartitionAnswer, topicId: string): void {
    if (!leaderUnknown.has(answer.errorCode)) return;
    const { nodeEndpoints } = this.response;
    answer.currentLeader = leaderOf(topicId, answer.index, this.context, nodeEndpoints);
  }

  /** What the client is told, when all appends are done. */
  answer(): Response | null | Promise<Response | null> {
    const { request, context, response, written } = this;
    const { acks } = request;
    if (acks === 0) return unanswered(response);
    if (acks === 1 || written.length === 0) return response;
    const waiting = begin(written, context.broker.hot.flushOnAcksAll);
    if (waiting === 0) return withOutcomes(response, written, context);
    return whenSettled(request, context, response, written, waiting);
  }
}

function appendOne(append: Checked): void {
  const { partition, of: produced, records, reused, verification } = append;
  const acksAll = produced.request.acks === -1;
  let info: AppendInfo;
  try {
    info = partition.append(records, { origin: 'client', acksAll, verification, reused });
  } catch (error) {
    return produced.failed(append, error);
  }
  produced.succeeded(append, info);
}

/** All of one partition, in the order in which they came. */
function appendSeveral(appends: readonly Checked[]): void {
  const [{ partition, of: first }] = appends as readonly [Checked];
  const { acks } = first.request;
  if (appends.length === 1 || appends.some(({ of: { request } }) => request.acks !== acks)) {
    for (const append of appends) appendOne(append);
    return;
  }
  let outcomes: readonly (AppendInfo | NotAppended)[];
  try {
    outcomes = partition.appendTogether(appends, acks === -1);
  } catch (error) {
    for (const append of appends) append.of.failed(append, error);
    return;
  }
  appends.forEach((append, i) => {
    const outcome = outcomes[i]!;
    if (outcome instanceof NotAppended) append.of.failed(append, outcome.error);
    else append.of.succeeded(append, outcome);
  });
}

/** Errors beside which a client is told who leads (KIP-951). */
const leaderUnknown: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.FENCED_LEADER_EPOCH,
]);

const missing = (
  topic: HeldTopic | undefined,
  index: number,
  byId: boolean,
  context: RequestContext,
): number =>
  topic === undefined && byId
    ? ErrorCode.UNKNOWN_TOPIC_ID
    : context.broker.partitions.absenceOf(topic, index);

/** Up to v2 a message set may come; it becomes the batch that everybody else sends. */
function fromOldSender(
  records: Buffer | null,
  partition: Partition,
  { apiVersion, broker }: RequestContext,
): Buffer | null {
  if (apiVersion >= BATCH_VERSION || records === null || !isMessageSet(records)) return records;
  const batch = convertMessageSet(records);
  partition.stats.produceConversions += 1;
  broker.partitions.totals.produceConversions += 1;
  return batch;
}

/** Errors of an append beside which Kafka does not tell where the log starts. */
const startUnknown: ReadonlySet<number> = new Set([
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.KAFKA_STORAGE_ERROR,
]);

function checkRequest(
  partition: Partition,
  records: Buffer | null,
  request: Request,
  context: RequestContext,
): asserts records is Buffer {
  const { acks, transactionalId } = request;
  if (acks < -1 || acks > 1) throw new ProtocolError(ErrorCode.INVALID_REQUIRED_ACKS);
  if (isInternal(partition.topic) && context.clientId !== ADMIN_CLIENT_ID) {
    throw new ProtocolError(
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      `Cannot append to internal topic ${partition.topic}`,
    );
  }
  if (records === null || !holdsBatch(records)) {
    throw new ProtocolError(
      ErrorCode.INVALID_RECORD,
      `Produce requests with version ${context.apiVersion} must have exactly one record batch per partition`,
    );
  }
  const damage = damageOf(records);
  if (damage !== null) throw new ToldError(ErrorCode.CORRUPT_MESSAGE, damage);
  const bits = attributes(records, 0);
  if (isTransactional(bits) && transactionalId === null) {
    throw new ProtocolError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  }
  const codec = compressionOf(bits);
  if (codec === CompressionType.zstd && context.apiVersion < ZSTD_VERSION) {
    throw new ProtocolError(
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      `Produce requests with version ${context.apiVersion} are not allowed to use ZStandard compression`,
    );
  }
}

/** What a record of any version has at least. */
const SIZE_MIN = 14;

/** A size or a magic that there never was: no other field may be believed then. */
function damageOf(records: Buffer): string | null {
  const size = batchSize(records, 0) - LOG_OVERHEAD;
  if (size < SIZE_MIN) {
    return `Record size ${size} is less than the minimum record overhead (${SIZE_MIN})`;
  }
  const version = magic(records, 0);
  return version < 0 || version > MAGIC ? `Invalid magic found in record: ${version}` : null;
}

/** Whether a whole v2 batch may lie there; if not, the records are none rather than damaged. */
function holdsBatch(records: Buffer): boolean {
  if (records.length < LOG_OVERHEAD) return false;
  const size = batchSize(records, 0);
  if (size - LOG_OVERHEAD < SIZE_MIN) return records.length >= BATCH_OVERHEAD;
  if (records.length <= OFFSET_OF_MAGIC) return false;
  const version = magic(records, 0);
  if (version < 0 || version > MAGIC) return records.length >= BATCH_OVERHEAD;
  // Less than the start of another one is a tail, and damage.
  const isOne = size <= records.length && records.length - size < LOG_OVERHEAD;
  return version === MAGIC && isOne && records.length >= BATCH_OVERHEAD;
}

function countFailure(
  partition: Partition,
  code: number,
  bytes: number,
  context: RequestContext,
): void {
  context.broker.apiStats.get(0)?.countError(code);
  for (const stats of [partition.stats, context.broker.partitions.totals]) {
    stats.failedProduceRequests += 1;
    if (code === ErrorCode.MESSAGE_TOO_LARGE || code === ErrorCode.RECORD_LIST_TOO_LARGE) {
      stats.bytesRejected += bytes;
    } else if (code === ErrorCode.CORRUPT_MESSAGE) stats.invalidCrc += 1;
    else if (code === ErrorCode.INVALID_RECORD) stats.invalidMagic += 1;
    else if (code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) stats.invalidOffsetOrSequence += 1;
  }
}

const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };

const succeeded = (index: number, info: AppendInfo): PartitionAnswer => ({
  index,
  errorCode: ErrorCode.NONE,
  baseOffset: info.firstOffset,
  logAppendTimeMs: info.logAppendTime,
  logStartOffset: info.logStartOffset,
  recordErrors: [],
  errorMessage: null,
  currentLeader: NO_LEADER,
});

/** Kafka's clients have a sentence of their own for every code, and print ours in its place. */
const wordsFor = (error: unknown): string | null =>
  error instanceof RecordsError || error instanceof ToldError ? error.words : null;

const failed = (
  index: number,
  errorCode: number,
  errorMessage: string | null,
): PartitionAnswer => ({
  index,
  errorCode,
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
  recordErrors: [],
  errorMessage,
  currentLeader: NO_LEADER,
});

/** Stands in an answer until the append is done. */
const notYet = failed(-1, ErrorCode.UNKNOWN_SERVER_ERROR, null);

/** acks=0: a client that hears nothing learns of an error by losing its connection. */
function unanswered(response: Response): null {
  for (const { name, partitionResponses } of response.responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode === ErrorCode.NONE) continue;
      throw new CloseConnection(
        'produce-failed',
        `acks=0 produce to ${name}-${index} failed: ${errorName(errorCode)}`,
      );
    }
  }
  return NO_RESPONSE;
}

/** Waits until what was appended is committed, for as long as the client does. */
async function whenSettled(
  request: Request,
  context: RequestContext,
  response: Response,
  written: readonly PendingAppend[],
  waiting: number,
): Promise<Response> {
  const { produceWaits, fetchPurgatory } = context.broker;
  produceWaits.count += 1;
  await settled(written, waiting, request.timeoutMs, fetchPurgatory.timers);
  produceWaits.count -= 1;
  return withOutcomes(response, written, context);
}

/** Has the answer say of each append what became of it. */
function withOutcomes(
  response: Response,
  written: readonly PendingAppend[],
  context: RequestContext,
): Response {
  for (const { partition, code } of written) {
    if (code !== null && code !== ErrorCode.NONE) replaceFailed(response, partition, code, context);
  }
  return response;
}

function replaceFailed(
  response: Response,
  partition: Partition,
  code: number,
  context: RequestContext,
): void {
  for (const { name, topicId, partitionResponses } of response.responses) {
    if (name !== partition.topic && topicId !== partition.topicId) continue;
    const at = partitionResponses.findIndex(
      ({ index, errorCode }) => index === partition.index && errorCode === ErrorCode.NONE,
    );
    if (at < 0) continue;
    const answer = failed(partition.index, code, null);
    if (leaderUnknown.has(code)) {
      const { nodeEndpoints } = response;
      answer.currentLeader = leaderOf(partition.topicId, partition.index, context, nodeEndpoints);
    }
    partitionResponses[at] = answer;
  }
  countFailure(partition, code, 0, context);
}
