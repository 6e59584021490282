import { encodeHeaders, type Header } from '../protocol/record-batch.ts';

/**
 * Where collectors put records: the part of `client/producer.ts` they need, so that tests run on a
 * sink in memory. `appendRange` copies the bytes before it returns; the caller may reuse its buffer.
 */
export interface AppendOptions {
  key?: Uint8Array | null;
  /** Milliseconds since 1970: when the record came in. Its own time is `@timestamp`. */
  timestamp?: number;
  /** Packed by `recordHeaders`. */
  headers?: Uint8Array;
  /** Comes back in the delivery report of the record's batch, once per record that had one. */
  tag?: unknown;
}

/** What became of one batch: at acks=0 its bytes went to the socket, else the log has answered. */
export interface DeliveryReport {
  readonly topic: string;
  /** Records of the batch. */
  readonly count: number;
  readonly error: Error | null;
  /** Tags of the batch's records, in order. */
  readonly tags: readonly unknown[];
}

export interface RecordSink {
  /** False when the sink's memory is full: nothing was taken; wait for `drained()` and offer it again. */
  appendRange(
    topic: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    options?: AppendOptions,
  ): boolean;
  /** Bytes that were taken and not reported yet. */
  readonly bufferedBytes: number;
  /** Resolves when there is room again. */
  drained(): Promise<void>;
  /** Sends what is buffered and resolves when all of it is reported. */
  flush(): Promise<void>;
  /** Takes no more, and flushes for at most `timeoutMs`. */
  close(timeoutMs?: number): Promise<void>;
}

export type Acks = 0 | 1 | 'all';

export interface SinkOptions {
  /** The collector's name; part of the client id. */
  readonly name: string;
  readonly acks: Acks;
  readonly delivery: (report: DeliveryReport) => void;
}

export type SinkFactory = (options: SinkOptions) => RecordSink;

/** A sender's address, the same whether IPv4 came to a listener of IPv4 or, mapped, of IPv6. */
export const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.\d+\.)/, '');

/** Packs a record's headers: where it came from, and more when there is more to say. */
export function recordHeaders(source: string, peer: string, error?: string): Uint8Array {
  const headers: Header[] = [{ key: 'weir.source', value: Buffer.from(source) }];
  if (peer !== '') headers.push({ key: 'weir.peer', value: Buffer.from(peer) });
  if (error !== undefined) headers.push({ key: 'weir.error', value: Buffer.from(error) });
  return encodeHeaders(headers);
}
