/**
 * Transactions of both versions of the protocol over several partitions, committed and aborted, some
 * with a group's offset. Each producer begins anew after a kill, as an application would that was
 * started again.
 */
import { below, type Random } from '../../../src/base/random.ts';
import { History, type TransactionRun } from '../../check/history.ts';
import { allOrNothing, onlyCommitted, seenOnce } from '../../check/transactions.ts';
import { createTopic, type WireClient } from '../../unit/broker/fixture.ts';
import {
  type Identity,
  isPassing,
  TransactionalClient,
  until,
} from '../../unit/broker/transactional-client.ts';
import { offsetsOf } from './group-offsets.ts';
import { readCommitted } from './reading.ts';
import { Registers } from './registers.ts';
import { accepted, type Usage, type Victim } from './usage.ts';

const TOPIC = 'transactions';
const PARTITIONS = 3;
const VERSIONS = [1, 2, 2];
const COMMITTED = 0.7;

const fromTheStart = (): number[] => Array.from({ length: PARTITIONS }, () => 0);

interface Run extends TransactionRun {
  /** The offset that it commits; 0: none. */
  offset: number;
}

export class Transactions implements Usage {
  readonly name = 'transactions';
  readonly #offsets = new Registers('the offset of group');
  /** Of this round, and of all. */
  #history = new History();
  readonly #all = new History();
  readonly #positions = fromTheStart();
  /** That the check of the last round has left to them. */
  readonly #identities = new Map<string, Identity>();
  #number = 0;
  acknowledged = 0;

  async prepare(client: WireClient): Promise<void> {
    await createTopic(client, TOPIC, PARTITIONS);
  }

  async work(victim: Victim, random: Random): Promise<void> {
    const sessions = VERSIONS.map((version, i) =>
      victim.serve(async (client) => {
        const producer = new TransactionalClient(client, `producer-${i}`, version);
        const identity = this.#identities.get(producer.id);
        if (identity === undefined) await producer.init();
        else Object.assign(producer, identity);
        for (;;) await this.#transact(producer, random);
      }),
    );
    await Promise.all(sessions);
  }

  async #transact(producer: TransactionalClient, random: Random): Promise<void> {
    const number = ++this.#number;
    const values: Run['values'] = [];
    const run: Run = {
      producer: producer.id,
      topic: TOPIC,
      values,
      at: number,
      outcome: 'abort',
      doneAt: Infinity,
      offset: 0,
    };
    this.#history.transactions.push(run);
    try {
      for (let i = 0; i <= below(random, 4); i++) {
        const partition = below(random, PARTITIONS);
        const value = `${producer.id} ${number} ${i}`;
        values.push({ partition, value });
        accepted('a write', (await producer.send(TOPIC, [value], partition)).errorCode);
      }
      if (random.next() < 0.5) {
        run.offset = number;
        this.#offsets.ask(producer.id, String(number));
        const commit = () => producer.sendOffset(producer.id, TOPIC, number);
        accepted('a commit of offsets', await until(commit, (code) => !isPassing(code)));
      }
      const commits = random.next() < COMMITTED;
      if (commits) run.outcome = 'info';
      accepted('the end', await producer.end(commits));
      if (!commits) return;
      run.outcome = 'ok';
      this.acknowledged += 1;
      if (run.offset > 0) this.#offsets.acknowledge(producer.id);
    } finally {
      if (run.outcome === 'abort') this.#offsets.withdraw(producer.id);
    }
  }

  async check(client: WireClient): Promise<string[]> {
    for (const [i, version] of VERSIONS.entries()) {
      const producer = new TransactionalClient(client, `producer-${i}`, version);
      await producer.init();
      this.#identities.set(producer.id, producer.identity);
    }
    const history = this.#history;
    this.#history = new History();
    const faults = await this.#poll(client, history, this.#positions);
    faults.push(...judged(history));
    const seen = new Set(history.committedPolls.map(({ value }) => value));
    const known = new Map(
      VERSIONS.map((_, i) => [`producer-${i}`, this.#offsets.known(`producer-${i}`)]),
    );
    const found = await offsetsOf(client, [...known.keys()], TOPIC);
    faults.push(...this.#offsets.faults(found));
    // Of an end that was not answered either all came to be, or nothing.
    for (const run of history.transactions as Run[]) {
      if (run.offset === 0 || run.outcome !== 'info') continue;
      const isRead = seen.has(run.values[0]!.value);
      const isCommitted = found.get(run.producer) === String(run.offset);
      if (isRead === isCommitted) continue;
      faults.push(`transaction ${run.at}: read ${isRead}, its offset committed ${isCommitted}`);
    }
    for (const run of history.transactions) {
      // From now on it is known what became of it.
      if (run.outcome === 'info') run.outcome = seen.has(run.values[0]!.value) ? 'ok' : 'abort';
      this.#all.transactions.push(run);
    }
    return faults;
  }

  async #poll(client: WireClient, history: History, positions: number[]): Promise<string[]> {
    const faults: string[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { records, end } = await readCommitted(
        client,
        TOPIC,
        partition,
        positions[partition]!,
        faults,
      );
      positions[partition] = end;
      for (const { offset, value } of records) {
        history.committedPolls.push({
          consumer: 'final',
          topic: TOPIC,
          partition,
          offset,
          value: value ?? '',
          at: 0,
        });
      }
    }
    return faults;
  }

  async checkAll(client: WireClient): Promise<string[]> {
    const faults = await this.#poll(client, this.#all, fromTheStart());
    return [...faults, ...judged(this.#all)];
  }
}

function judged(history: History): string[] {
  const written = new Set(history.transactions.flatMap((run) => run.values.map((v) => v.value)));
  const unknown = history.committedPolls.filter(({ value }) => !written.has(value));
  return [
    ...[onlyCommitted, allOrNothing, seenOnce].flatMap((checker) =>
      checker(history).map(({ message }) => message),
    ),
    ...unknown.map(({ value }) => `${value} was read, and written by nobody`),
  ];
}
