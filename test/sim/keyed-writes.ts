/** Keys of a compacted partition that one writer changes, deletes, and forgets. */
import { below, type Random } from '../../src/base/random.ts';
import type { KeyedWrite, TopicPartition } from '../check/history.ts';
import { chance, pick } from './sim-random.ts';
import type { World } from './world.ts';

/** Written over and over. */
const LASTING_KEYS = 4;
/** Written once or twice, deleted, and never written again: only their tombstone hides them. */
const PASSING_KEYS_MAX = 3;

export class KeyedWrites {
  readonly #world: World;
  readonly #random: Random;
  readonly #producer: string;
  readonly #place: TopicPartition;
  readonly #passing: string[] = [];
  #index = 0;
  #keys = 0;

  constructor(world: World, random: Random, producer: string, place: TopicPartition) {
    this.#world = world;
    this.#random = random;
    this.#producer = producer;
    this.#place = place;
  }

  /** The next write, in the history already, as one of which nobody knows the outcome. */
  next(): KeyedWrite {
    const index = this.#index++;
    const { key, isDeletion } = this.#choose();
    const write: KeyedWrite = {
      ...this.#place,
      producer: this.#producer,
      key: `${this.#producer}:${key}`,
      index,
      value: isDeletion ? null : `${this.#producer}-${this.#place.topic}-${index}`,
      at: this.#world.now,
      outcome: 'info',
      offset: -1,
      doneAt: Infinity,
    };
    this.#world.history.keyedWrites.push(write);
    return write;
  }

  #choose(): { key: string; isDeletion: boolean } {
    if (chance(this.#random, 0.5)) {
      return {
        key: `k${below(this.#random, LASTING_KEYS)}`,
        isDeletion: chance(this.#random, 0.2),
      };
    }
    if (this.#passing.length < PASSING_KEYS_MAX) {
      const key = `p${this.#keys++}`;
      this.#passing.push(key);
      return { key, isDeletion: false };
    }
    const key = pick(this.#random, this.#passing);
    const isDeletion = chance(this.#random, 0.7);
    if (isDeletion) this.#passing.splice(this.#passing.indexOf(key), 1);
    return { key, isDeletion };
  }
}

export const bytesOf = (text: string | null): Buffer | null =>
  text === null ? null : Buffer.from(text, 'latin1');
