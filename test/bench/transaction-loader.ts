/**
 * The replayer of transactions: loads a broker to its limit with producers that commit again and
 * again, in version 2 of the protocol of transactions (KIP-890).
 *
 * Run as a process of its own, so that its CPU time is not the broker's:
 *   transaction-loader.ts JSON-options
 * It prints one line of JSON when it is done. Each producer has one connection, on which `inFlight`
 * requests with a batch for each partition are under way until its transaction has lasted for
 * `transactionMs`; then what is under way is waited for and committed. What the broker asks to be
 * sent again is sent again as Kafka's own client does it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteReader } from '../../src/base/bytes.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { ErrorCode, errorName } from '../../src/protocol/error-codes.ts';
import { readResponseHeader } from '../../src/protocol/frame.ts';
import { produceResponse } from '../../src/protocol/messages/00-produce.ts';
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  initProducerIdRequest,
  initProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { endTxnRequest, endTxnResponse } from '../../src/protocol/messages/26-end-txn.ts';
import type { BatchShape } from './batches.ts';
import { median } from './measure.ts';
import { type Address, RawConnection } from './raw-connection.ts';
import { SealedFrames, TRANSACTIONAL_PRODUCE_VERSION } from './sealed-frames.ts';

export interface TransactionLoadOptions extends Address, BatchShape {
  readonly topic: string;
  readonly partitions: number;
  readonly producers: number;
  readonly transactionMs: number;
  /** Requests of one producer; Kafka's own has five. */
  readonly inFlight: number;
  /** Bytes of values to produce in all. */
  readonly bytes: number;
}

/** What one producer has committed in one epoch: so many records in each partition. */
export interface CommittedTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly records: number;
}

export interface TransactionLoadResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly requests: number;
  /** Requests that had to be sent again. */
  readonly retries: number;
  /** CPU seconds of the replayer itself. */
  readonly cpuSeconds: number;
  /** Of EndTxn, from the request to its answer: median, milliseconds. */
  readonly commitMs: number;
  /** From the answer to EndTxn to that of the next transaction's first request: median, milliseconds. */
  readonly nextMs: number;
  readonly committed: readonly CommittedTransaction[];
}

const FIND_COORDINATOR_VERSION = 4;
const TRANSACTIONAL_ID = 1;
const INIT_PRODUCER_ID_VERSION = 5;
const END_TXN_VERSION = 5;
const TRANSACTION_TIMEOUT_MS = 60_000;
/** `retry.backoff.ms` of Kafka's clients. */
const RETRY_MS = 100;
const START_MS_MAX = 30_000;

/** The bytes that are still to be produced, of all producers. */
interface Supply {
  left: number;
}

class TransactionalProducer {
  readonly committed: CommittedTransaction[] = [];
  readonly commitMs: number[] = [];
  readonly nextMs: number[] = [];
  requests = 0;
  retries = 0;
  readonly #id: string;
  readonly #options: TransactionLoadOptions;
  readonly #supply: Supply;
  readonly #connection: RawConnection;
  readonly #frames: SealedFrames;
  #producerId = -1;
  #producerEpoch = -1;
  /** Of the transaction under way: requests that were sent, and that are in the log. */
  #sent = 0;
  #taken = 0;
  /** Requests that were refused, and are to be sent again. */
  #owed = 0;
  #endedAt = 0;

  constructor(
    id: string,
    options: TransactionLoadOptions,
    supply: Supply,
    connection: RawConnection,
  ) {
    this.#id = id;
    this.#options = options;
    this.#supply = supply;
    this.#connection = connection;
    this.#frames = new SealedFrames({ ...options, transactionalId: id });
  }

  /** Resolves when the broker has given it an identity. */
  async begin(): Promise<void> {
    await this.#until('FindCoordinator', async () => {
      const { coordinators } = await this.#connection.call(
        findCoordinatorRequest,
        findCoordinatorResponse,
        FIND_COORDINATOR_VERSION,
        { key: '', keyType: TRANSACTIONAL_ID, coordinatorKeys: [this.#id] },
      );
      return coordinators[0]!.errorCode;
    });
    await this.#until('InitProducerId', async () => {
      const { errorCode, producerId, producerEpoch } = await this.#connection.call(
        initProducerIdRequest,
        initProducerIdResponse,
        INIT_PRODUCER_ID_VERSION,
        {
          transactionalId: this.#id,
          transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
          producerId: -1,
          producerEpoch: -1,
        },
      );
      this.#producerId = producerId;
      this.#producerEpoch = producerEpoch;
      return errorCode;
    });
  }

  async #until(what: string, attempt: () => Promise<number>): Promise<void> {
    const until = performance.now() + START_MS_MAX;
    for (;;) {
      const code = await attempt();
      if (code === ErrorCode.NONE) return;
      if (performance.now() > until) throw new Error(`${what} answered ${errorName(code)}`);
      await sleep(RETRY_MS);
    }
  }

  async run(): Promise<void> {
    while (this.#supply.left > 0) {
      this.#sent = 0;
      this.#taken = 0;
      await this.#fill(performance.now() + this.#options.transactionMs);
      await this.#commit();
    }
    this.#connection.close();
  }

  /** Sends until the time is over; resolves when all of it is in the log. */
  async #fill(until: number): Promise<void> {
    while (await this.#burst(until)) {
      this.retries += this.#owed;
      this.#sent = this.#taken;
      await sleep(RETRY_MS);
    }
  }

  /** Resolves when nothing is under way any more, with whether something was refused. */
  #burst(until: number): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    let underWay = 0;
    let isRefused = false;
    const send = (): void => {
      while (!isRefused && underWay < this.#options.inFlight && this.#mayGoOn(until)) {
        underWay++;
        this.#send((code) => {
          underWay--;
          if (code === ErrorCode.NONE) this.#countTaken();
          else if (again.has(code)) {
            isRefused = true;
            this.#owed++;
          } else return reject(new Error(`Produce answered ${errorName(code)}`));
          send();
        });
      }
      if (underWay === 0) resolve(isRefused);
    };
    send();
    return promise;
  }

  #mayGoOn(until: number): boolean {
    return this.#owed > 0 || (this.#supply.left > 0 && performance.now() < until);
  }

  #send(onAnswer: (code: number) => void): void {
    const frames = this.#frames;
    const sequence = this.#sent++ * frames.records;
    const pieces = frames.sealed(this.#producerId, this.#producerEpoch, sequence);
    this.requests++;
    if (this.#owed > 0) this.#owed--;
    else this.#supply.left -= frames.values;
    this.#connection.send(pieces, (answer) => onAnswer(codeOf(answer)));
  }

  #countTaken(): void {
    if (this.#endedAt > 0) this.nextMs.push(performance.now() - this.#endedAt);
    this.#endedAt = 0;
    this.#taken++;
  }

  async #commit(): Promise<void> {
    const startedAt = performance.now();
    const ended = await this.#end();
    this.#endedAt = performance.now();
    this.commitMs.push(this.#endedAt - startedAt);
    this.committed.push({
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
      records: this.#taken * this.#frames.records,
    });
    this.#producerId = ended.producerId;
    this.#producerEpoch = ended.producerEpoch;
  }

  async #end(): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
    for (;;) {
      const ended = await this.#connection.call(endTxnRequest, endTxnResponse, END_TXN_VERSION, {
        transactionalId: this.#id,
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        committed: true,
      });
      if (ended.errorCode === ErrorCode.NONE) return ended;
      if (ended.errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS) {
        throw new Error(`EndTxn answered ${errorName(ended.errorCode)}`);
      }
      this.retries++;
      await sleep(RETRY_MS);
    }
  }
}

/** The transaction before is still being ended; what was sent behind such a request is out of order. */
const again: ReadonlySet<number> = new Set([
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
]);

/** Of all partitions; they are taken or refused as one. */
function codeOf(answer: Buffer): number {
  const reader = new ByteReader(answer);
  readResponseHeader(reader, apis.get(0)!, TRANSACTIONAL_PRODUCE_VERSION);
  const { responses } = codec(produceResponse, TRANSACTIONAL_PRODUCE_VERSION).read(reader);
  const codes = responses[0]!.partitionResponses.map(({ errorCode }) => errorCode);
  if (new Set(codes).size === 1) return codes[0]!;
  throw new Error(`Produce answered ${codes.map(errorName).join(', ')} to one request`);
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2]!) as TransactionLoadOptions;
  const { producers, topic, bytes } = options;
  const supply: Supply = { left: bytes };
  const lost = Promise.withResolvers<never>();
  const all = await Promise.all(
    Array.from({ length: producers }, async (_, i) => {
      const connection = await RawConnection.open(options, lost.reject);
      const producer = new TransactionalProducer(`${topic}-${i}`, options, supply, connection);
      await producer.begin();
      return producer;
    }),
  );
  const start = performance.now();
  const before = process.cpuUsage();
  await Promise.race([lost.promise, Promise.all(all.map((producer) => producer.run()))]);
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(before);
  const committed = all.flatMap((producer) => producer.committed);
  const result: TransactionLoadResult = {
    bytes:
      sumOf(committed.map(({ records }) => records)) * options.partitions * options.recordBytes,
    seconds,
    requests: sumOf(all.map(({ requests }) => requests)),
    retries: sumOf(all.map(({ retries }) => retries)),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    commitMs: median(all.flatMap(({ commitMs }) => commitMs)),
    nextMs: median(all.flatMap(({ nextMs }) => nextMs)),
    committed,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await main();
