/**
 * A compacted topic whose segments are small and whose cleaner has no patience: plain writers and one
 * with transactions, few keys, many tombstones. The last value of each key is there, and no other.
 */
import { below, type Random } from '../../../src/base/random.ts';
import {
  type BatchOptions,
  batchOf,
  createTopic,
  produce,
  type TestRecord,
  type WireClient,
} from '../../unit/broker/fixture.ts';
import { type Identity, TransactionalClient } from '../../unit/broker/transactional-client.ts';
import { type ReadRecord, readCommitted } from './reading.ts';
import { Registers } from './registers.ts';
import { accepted, type Usage, type Victim } from './usage.ts';

const TOPIC = 'keys';
const PARTITIONS = 2;
const KEYS = 20;
const PADDING_BYTES_MAX = 4_000;
const TOMBSTONES = 0.25;
const ABORTED = 0.3;
const TRANSACTIONAL_ID = 'keys';
const writers = [
  { acks: 1, partition: 0 },
  { acks: -1, partition: 1 },
];
const TRANSACTIONAL_PARTITION = 0;

const CONFIGS = {
  'cleanup.policy': 'compact',
  'segment.ms': '40',
  'min.cleanable.dirty.ratio': '0',
  'delete.retention.ms': '100',
  'file.delete.delay.ms': '10',
};

export class Keys implements Usage {
  readonly name = 'keys';
  readonly #values = new Registers('the value of key');
  #number = 0;
  /** Of the transactional writer, as the check of the last round has left it. */
  #identity: Identity | null = null;
  /** Records in the topic at the last check. */
  stored = 0;

  get acknowledged(): number {
    return this.#values.acknowledged;
  }

  async prepare(client: WireClient): Promise<void> {
    await createTopic(client, TOPIC, PARTITIONS, CONFIGS);
  }

  async work(victim: Victim, random: Random): Promise<void> {
    const sessions = writers.map(({ acks, partition }, i) =>
      victim.serve(async (client) => {
        for (;;) {
          const records = this.#ask(`plain-${i}`, random);
          const options: BatchOptions = { compression: below(random, 5) as 0 };
          const answer = await produce(client, TOPIC, batchOf(records, options), {
            acks,
            partition,
          });
          accepted('a write', answer.errorCode);
          for (const [key] of records) this.#values.acknowledge(key);
        }
      }),
    );
    const transactional = victim.serve(async (client) => {
      const producer = new TransactionalClient(client, TRANSACTIONAL_ID, 2);
      if (this.#identity === null) await producer.init();
      else Object.assign(producer, this.#identity);
      for (;;) await this.#transact(producer, random);
    });
    await Promise.all([...sessions, transactional]);
  }

  async #transact(producer: TransactionalClient, random: Random): Promise<void> {
    const records = this.#ask('transactional', random);
    let isAborted = true;
    try {
      const answer = await producer.send(TOPIC, records, TRANSACTIONAL_PARTITION);
      accepted('a write', answer.errorCode);
      isAborted = random.next() < ABORTED;
      accepted('the end', await producer.end(!isAborted));
      if (!isAborted) for (const [key] of records) this.#values.acknowledge(key);
    } finally {
      if (isAborted) for (const [key] of records) this.#values.withdraw(key);
    }
  }

  /** Some keys of a writer with what they shall have. */
  #ask(prefix: string, random: Random): (readonly [key: string, value: string | null])[] {
    const keys = new Set<string>();
    for (let i = 0; i <= below(random, 4); i++) keys.add(`${prefix}-${below(random, KEYS)}`);
    return Array.from(keys, (key) => {
      const isTombstone = random.next() < TOMBSTONES;
      const number = String(++this.#number);
      this.#values.ask(key, isTombstone ? null : number);
      const padding = '.'.repeat(below(random, PADDING_BYTES_MAX));
      return [key, isTombstone ? null : `${number} ${padding}`] satisfies TestRecord;
    });
  }

  async check(client: WireClient): Promise<string[]> {
    const producer = new TransactionalClient(client, TRANSACTIONAL_ID, 2);
    await producer.init();
    this.#identity = producer.identity;
    const faults: string[] = [];
    const found = new Map<string, string | null>();
    this.stored = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { records } = await readCommitted(client, TOPIC, partition, 0, faults);
      this.stored += records.length;
      faults.push(...disordered(records));
      for (const { key, value } of records) found.set(key, numberOf(value));
    }
    return [...faults, ...this.#values.faults(found)];
  }

  checkAll(client: WireClient): Promise<string[]> {
    return this.check(client);
  }
}

const numberOf = (value: string | null): string | null => value?.split(' ', 1)[0] ?? null;

/** A key's values stand in the order in which they were written. */
function disordered(records: readonly ReadRecord[]): string[] {
  const faults: string[] = [];
  const last = new Map<string, number>();
  for (const { key, value, offset } of records) {
    if (value === null) continue;
    const number = Number(numberOf(value));
    const before = last.get(key) ?? -1;
    if (number <= before) faults.push(`@${offset} ${key} is ${number}, behind ${before}`);
    last.set(key, number);
  }
  return faults;
}
