/**
 * What a group has read of its topics, in eight bytes: whether they exist, their partitions, and the
 * racks of those. It changes when they do, and so tells that the group has to be assigned anew, after
 * a failover, too.
 */
import { createHash } from 'node:crypto';
import { ZERO_BITS64 } from '../../base/bytes.ts';
import type { TopicDirectory } from '../topic-directory.ts';

/** Topics whose hashes are kept; beyond it, all are forgotten and made anew. */
const CACHED_MAX = 100_000;

export class TopicHashes {
  readonly #topics: TopicDirectory;
  readonly #cache = new Map<string, string>();

  constructor(topics: TopicDirectory) {
    this.#topics = topics;
  }

  /** The topic has changed. */
  forget(name: string): void {
    this.#cache.delete(name);
  }

  of(names: Iterable<string>): string {
    const hashes: string[] = [];
    for (const name of names) {
      if (this.#topics.topicId(name) !== undefined) hashes.push(this.#hash(name));
    }
    return hashes.length === 0 ? ZERO_BITS64 : digest(hashes.sort());
  }

  #hash(name: string): string {
    let hash = this.#cache.get(name);
    if (hash === undefined) {
      if (this.#cache.size >= CACHED_MAX) this.#cache.clear();
      const racks = this.#topics.racks(name).map((of) => [...of].sort());
      hash = digest([
        this.#topics.topicId(name),
        name,
        this.#topics.partitionCount(name),
        racks.some((of) => of.length > 0) ? racks : [],
      ]);
      this.#cache.set(name, hash);
    }
    return hash;
  }
}

const digest = (content: unknown): string =>
  createHash('sha1').update(JSON.stringify(content)).digest().toString('base64url', 0, 8);
