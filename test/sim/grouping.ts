import { reasonOf } from '../../src/base/errors.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { GroupMember } from '../../src/client/group-member.ts';
import type { TopicPartition } from '../../src/client/list-offsets.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import { type Claim, type Commit, partitionName } from '../check/history.ts';
import { between } from './sim-random.ts';
import type { World } from './world.ts';

const COMMIT_MS = 700;

export interface GroupingOptions {
  readonly name: string;
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * There are members of the consumer protocol (KIP-848), too: the group changes its protocol under
   * way, and may count its generations anew once nobody is in it.
   */
  readonly isMixed: boolean;
}

/**
 * A member of a group by the classic protocol: reads what it is given, commits, and leaves and comes
 * back now and then.
 */
export class Grouping {
  readonly #world: World;
  readonly #options: GroupingOptions;
  readonly #name: string;
  readonly #group: string;
  readonly #client;
  readonly #random;
  #member: GroupMember | null = null;
  #fetcher: Fetcher | null = null;
  /** Next offset of each partition that is its own. */
  #next = new Map<string, TopicPartition & { offset: number }>();
  /** What it has proved to have, see `#proved`. */
  #claims = new Map<string, Claim>();
  #session = 0;
  #stopped = false;
  #committing: Promise<void> = Promise.resolve();
  /** Commits that were acknowledged. */
  commits = 0;

  constructor(world: World, options: GroupingOptions) {
    this.#world = world;
    this.#options = options;
    this.#name = options.name;
    this.#group = options.group;
    this.#random = world.chance(`grouping-${options.name}`);
    this.#client = world.newClient(options.name);
    this.#client.clock.after(between(this.#random, 1, 300), () => void this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#join();
      const leaveAt = this.#client.clock.monotonic() + between(this.#random, 5_000, 40_000);
      while (!this.#stopped && this.#client.clock.monotonic() < leaveAt) await this.#turn();
      await this.#member?.leave();
      await this.#sleep(between(this.#random, 100, 1000));
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#client.clock.after(ms, resolve));
  }

  #join(): void {
    this.#member = new GroupMember(this.#client, {
      groupId: this.#group,
      topics: this.#options.topics,
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 1500,
      rebalanceTimeoutMs: 6000,
      onAssigned: (partitions) => this.#assigned(partitions),
      onRevoked: (_partitions, lost) => this.#revoked(lost),
      onFatal: (error) => this.#world.note(this.#name, `is no member any more: ${error.message}`),
    });
    this.#member.start();
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { generationId } = this.#member!;
    this.#claims = new Map();
    for (const { topic, partition } of this.#options.isMixed ? [] : partitions) {
      this.#world.history.ownerships.push({
        group: this.#group,
        generation: generationId,
        member: this.#name,
        topic,
        partition,
      });
    }
    const found = await this.#committed(partitions);
    if (found === null) return;
    this.#next = found;
    this.#session += 1;
    this.#fetcher = new Fetcher(this.#client, { offsetReset: 'none', maxWaitMs: 1000 });
    this.#fetcher.assign([...found.values()].map((p) => ({ ...p })));
  }

  async #committed(
    partitions: readonly TopicPartition[],
  ): Promise<Map<string, TopicPartition & { offset: number }> | null> {
    const at = this.#world.now;
    try {
      const found = new Map<string, TopicPartition & { offset: number }>();
      for (const { topic, partition, offset } of await this.#member!.committed(partitions)) {
        const read = { group: this.#group, topic, partition, offset, at, doneAt: this.#world.now };
        this.#world.history.committedReads.push(read);
        found.set(`${topic}-${partition}`, { topic, partition, offset: Math.max(0, offset) });
      }
      this.#world.note(this.#name, `was told ${textOf([...found.values()])} as of ${at}`);
      return found;
    } catch (error) {
      this.#world.note(this.#name, `cannot ask for offsets: ${reasonOf(error)}`);
      return null;
    }
  }

  async #revoked(lost: boolean): Promise<void> {
    if (!lost) await this.#commit();
    this.#fetcher?.close();
    this.#fetcher = null;
    this.#next = new Map();
  }

  async #turn(): Promise<void> {
    const until = this.#client.clock.monotonic() + COMMIT_MS;
    while (this.#fetcher !== null && this.#client.clock.monotonic() < until && !this.#stopped) {
      const fetcher: Fetcher = this.#fetcher;
      try {
        for (const batch of await fetcher.poll(COMMIT_MS)) this.#show(batch);
      } catch (error) {
        this.#world.note(this.#name, `cannot read: ${reasonOf(error)}`);
        await this.#sleep(200);
      }
    }
    if (this.#fetcher === null) await this.#sleep(100);
    else await this.#commit();
  }

  #show(batch: Parameters<typeof forEachFetchedRecord>[0]): void {
    const next = this.#next.get(partitionName(batch));
    // What was fetched for an earlier assignment is not shown.
    if (next === undefined || next.offset !== batch.fetchOffset) return;
    const { topic, partition } = next;
    const consumer = `${this.#group}/${this.#name}`;
    forEachFetchedRecord(batch, (record) => {
      const value = valueOf(record)?.toString('latin1') ?? '';
      const { offset } = record;
      const poll = { consumer, session: this.#session, topic, partition, offset, value };
      this.#world.history.polls.push({ ...poll, at: this.#world.now });
    });
    next.offset = batch.nextOffset;
  }

  /** One after another: a commit that is tried again must not come behind a later one. */
  #commit(): Promise<void> {
    this.#committing = this.#committing.then(() => this.#commitNow());
    return this.#committing;
  }

  async #commitNow(): Promise<void> {
    const member = this.#member!;
    const offsets = [...this.#next.values()].map((p) => ({ ...p }));
    if (offsets.length === 0) return;
    const commits: Commit[] = offsets.map((p) => ({
      ...p,
      group: this.#group,
      member: this.#name,
      generation: member.generationId,
      at: this.#world.now,
      outcome: 'info',
      doneAt: Infinity,
    }));
    this.#world.history.commits.push(...commits);
    try {
      await member.commit(offsets);
      for (const commit of commits) {
        commit.outcome = 'ok';
        commit.doneAt = this.#world.now;
      }
      this.#proved(commits);
      this.#world.note(this.#name, `committed ${textOf(offsets)} as of ${commits[0]!.at}`);
      this.commits += 1;
    } catch (error) {
      this.#world.note(this.#name, `commit failed: ${reasonOf(error)}`);
    }
  }

  /**
   * A commit that is acknowledged was one of a member that had given nothing up since: it has had
   * these partitions up to when it sent the commit, whatever it does not know since then.
   */
  #proved(commits: readonly Commit[]): void {
    for (const { group, member, generation, topic, partition, at } of commits) {
      const name = partitionName({ topic, partition });
      const known = this.#claims.get(name);
      if (known?.epoch === generation) {
        known.until = at;
        continue;
      }
      const claim = { group, member, epoch: generation, topic, partition, from: at, until: at };
      this.#claims.set(name, claim);
      this.#world.history.claims.push(claim);
    }
  }

  /** Asks what the group has committed; false: nobody answers. */
  async ask(partitions: readonly TopicPartition[]): Promise<boolean> {
    return (await this.#committed(partitions)) !== null;
  }

  /** Leaves in order. */
  stop(): void {
    this.#stopped = true;
  }
  close(): void {
    this.#fetcher?.close();
    this.#client.close();
  }
}

const textOf = (offsets: readonly (TopicPartition & { readonly offset: number })[]): string =>
  offsets.map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`).join(' ');
