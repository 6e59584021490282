/** Reads one partition as fast as the broker can: one request at a time, and nothing is decoded. */
import type { Socket } from 'node:net';
import { apis } from '../../src/protocol/apis.ts';
import { writeRequest } from '../../src/protocol/frame.ts';
import { FetchWalker } from './fetch-walker.ts';
import { type Address, CLIENT_ID, openSocket } from './raw-connection.ts';

export interface PartitionSource extends Address {
  readonly topic: string;
  readonly partition: number;
  /** Of one answer. */
  readonly maxBytes: number;
  /** Nothing of a transaction that is not committed. */
  readonly committedOnly?: boolean;
}

/** Old enough for any broker and without topic ids. */
const FETCH_VERSION = 11;
const WAIT_MS_MAX = 500;
const ANSWER_BYTES_MAX = 50 * 1024 * 1024;

export class PartitionReader {
  readonly #source: PartitionSource;
  readonly #walker: FetchWalker;
  #socket: Socket | null = null;
  #onAnswer: () => void = () => {};
  #onLost: (error: Error) => void = () => {};

  private constructor(source: PartitionSource, onBatch?: (head: Buffer) => void) {
    this.#source = source;
    this.#walker = new FetchWalker(source.topic, () => this.#onAnswer(), onBatch);
  }

  /** `onBatch`: see `FetchWalker`. */
  static async open(
    source: PartitionSource,
    onBatch?: (head: Buffer) => void,
  ): Promise<PartitionReader> {
    const reader = new PartitionReader(source, onBatch);
    const socket = await openSocket(source, (bytes) => reader.#walker.push(bytes));
    socket.on('error', (error) => reader.#onLost(error));
    socket.on('close', () => reader.#onLost(new Error('the broker has closed the connection')));
    reader.#socket = socket;
    return reader;
  }

  get recordBytes(): number {
    return this.#walker.recordBytes;
  }

  /** Resolves when the answer has been read. */
  fetch(offset: number): Promise<{ readonly nextOffset: number; readonly highWatermark: number }> {
    const { topic, partition, maxBytes: partitionMaxBytes, committedOnly } = this.#source;
    const asked = { partition, currentLeaderEpoch: -1, fetchOffset: offset, logStartOffset: -1 };
    const body = {
      replicaId: -1,
      maxWaitMs: WAIT_MS_MAX,
      minBytes: 1,
      maxBytes: ANSWER_BYTES_MAX,
      isolationLevel: committedOnly === true ? 1 : 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topic, partitions: [{ ...asked, partitionMaxBytes }] }],
      forgottenTopicsData: [],
      rackId: '',
    };
    const { promise, resolve, reject } = Promise.withResolvers<FetchWalker>();
    this.#onAnswer = () => resolve(this.#walker);
    this.#onLost = reject;
    for (const chunk of writeRequest(apis.get(1)!, FETCH_VERSION, 1, CLIENT_ID, body)) {
      this.#socket!.write(chunk);
    }
    return promise;
  }

  close(): void {
    this.#socket?.removeAllListeners('close').destroy();
  }
}
