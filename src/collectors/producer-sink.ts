import type { Client } from '../client/client.ts';
import { Producer, type ProducerOptions } from '../client/producer.ts';
import type { AppendOptions, RecordSink, SinkFactory } from './record-sink.ts';

/** The sink that collectors run on: one producer each, so that each has its own acks and its own memory. */
class ProducerSink implements RecordSink {
  readonly #producer: Producer;

  constructor(producer: Producer) {
    this.#producer = producer;
  }
  appendRange(
    topic: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    options?: AppendOptions,
  ): boolean {
    return this.#producer.appendRange(topic, bytes, start, end, options);
  }
  get bufferedBytes(): number {
    return this.#producer.counters.bufferedBytes;
  }
  drained(): Promise<void> {
    return this.#producer.drained();
  }
  flush(): Promise<void> {
    return this.#producer.flush();
  }
  close(timeoutMs?: number): Promise<void> {
    return this.#producer.close(timeoutMs);
  }
}

/** Sinks over one client. */
export function producerSinks(
  client: Client,
  options: Omit<ProducerOptions, 'acks' | 'delivery'>,
): SinkFactory {
  return ({ acks, delivery }) =>
    new ProducerSink(
      new Producer(client, { ...options, acks: acks === 'all' ? -1 : acks, delivery }),
    );
}
