import { below } from '../../src/base/random.ts';
import { Producer } from '../../src/client/producer.ts';
import type { Send } from '../check/history.ts';
import { pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

export interface ProducingOptions {
  readonly name: string;
  readonly acks: 0 | 1 | -1;
  readonly idempotent: boolean;
  /** Mean time between two bursts of records. */
  readonly meanMs: number;
  readonly topics: () => readonly { readonly name: string; readonly partitions: number }[];
}

const BURST_MAX = 4;
const PADDING = '.'.repeat(60);

/** Writes records with unique values, and what became of each into the history. */
export class Producing {
  readonly #world: World;
  readonly #options: ProducingOptions;
  readonly #producer: Producer;
  readonly #client;
  readonly #random;
  #index = 0;
  #stopped = false;
  readonly #offsets = new ReportedOffsets();
  /** Records without an outcome. */
  outstanding = 0;

  constructor(world: World, options: ProducingOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.chance(`producing-${options.name}`);
    this.#client = world.newClient(options.name);
    this.#producer = new Producer(this.#client, {
      acks: options.acks,
      idempotent: options.idempotent,
      lingerMs: pick(this.#random, [0, 2, 20]),
      batchBytes: pick(this.#random, [400, 4000]),
      deliveryTimeoutMs: 20_000,
      inFlightMax: pick(this.#random, [1, 3, 5]),
    });
    this.#again();
  }

  #again(): void {
    const { meanMs } = this.#options;
    this.#client.clock.after(waitOf(this.#random, meanMs), () => {
      if (this.#stopped) return;
      this.burst();
      this.#again();
    });
  }

  burst(): void {
    const topics = this.#options.topics();
    if (topics.length === 0) return;
    const topic = pick(this.#random, topics);
    const partition = below(this.#random, topic.partitions);
    const count = 1 + below(this.#random, BURST_MAX);
    for (let i = 0; i < count; i++) this.#send(topic.name, partition);
  }

  #send(topic: string, partition: number): void {
    const { name, acks, idempotent } = this.#options;
    const index = this.#index++;
    const value = `${name}-${index}`;
    const send: Send = {
      producer: name,
      index,
      value: value + PADDING.slice(value.length),
      topic,
      partition,
      acks,
      idempotent,
      at: this.#world.now,
      outcome: 'info',
      offset: -1,
      doneAt: Infinity,
    };
    const taken = this.#producer.append(topic, Buffer.from(send.value, 'latin1'), {
      partition,
      delivered: (error, _topic, _partition, offset) => {
        this.outstanding -= 1;
        send.doneAt = this.#world.now;
        if (acks === 0) return;
        if (error === null) {
          send.outcome = 'ok';
          send.offset = this.#offsets.of(topic, partition, offset);
        } else this.#world.note(name, `${value} failed: ${error.message}`);
      },
    });
    if (!taken) return;
    this.outstanding += 1;
    this.#world.history.sends.push(send);
  }

  stop(): void {
    this.#stopped = true;
  }
  close(): void {
    this.#client.close();
  }
}

/** Offsets of records: those of a batch are reported one after another, each with the batch's first. */
export class ReportedOffsets {
  #batch = '';
  #nextInBatch = 0;

  of(topic: string, partition: number, baseOffset: number): number {
    if (baseOffset < 0) return -1;
    const batch = `${topic}-${partition}@${baseOffset}`;
    this.#nextInBatch = batch === this.#batch ? this.#nextInBatch + 1 : 0;
    this.#batch = batch;
    return baseOffset + this.#nextInBatch;
  }
}
