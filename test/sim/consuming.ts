/**
 * A member of a group of the consumer protocol (KIP-848), as Kafka's own clients are one: it joins,
 * says that it lives and what it has, gives up what it is told to, takes what is new, commits, and
 * leaves; and, as people's programs do, it now and then dies or falls silent.
 */
import { reasonOf } from '../../src/base/errors.ts';
import type { Call } from '../../src/client/call.ts';
import { Coordinator } from '../../src/client/coordinator.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { commitOffsets, fetchOffsets } from '../../src/client/group-offsets.ts';
import { apis } from '../../src/protocol/apis.ts';
import { ErrorCode, errorName } from '../../src/protocol/error-codes.ts';
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from '../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { type Claim, type Commit, partitionName, type TopicPartition } from '../check/history.ts';
import { between, pick, pickWeighted } from './sim-random.ts';
import type { World } from './world.ts';

type Request = Infer<typeof consumerGroupHeartbeatRequest>;
type Response = Infer<typeof consumerGroupHeartbeatResponse>;

const heartbeat: Call<Request, Response> = {
  ...apis.get(68)!,
  request: consumerGroupHeartbeatRequest,
  response: consumerGroupHeartbeatResponse,
};

export const SESSION_MS = 4_000;
export const HEARTBEAT_MS = 800;
const COMMIT_MS = 700;
const RETRY_MS = 200;
/** Longer than any run: nobody is thrown out for giving partitions up slowly. */
const REBALANCE_MS = 300_000;

const LEAVES = -1;
const WILL_BE_BACK = -2;

/** It is no member any more, whatever it may hold. */
const expelled: ReadonlySet<number> = new Set([
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.GROUP_ID_NOT_FOUND,
]);

export interface ConsumingOptions {
  readonly group: string;
  readonly name: string;
  /** Ids by name. */
  readonly topics: ReadonlyMap<string, string>;
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  /** It joins within this time. */
  readonly joinMs: number;
}

type Position = TopicPartition & { offset: number };
type Held = Claim & { position: Position | null };

/** One membership, from joining to the end. */
class Life {
  readonly memberId: string;
  /** 0: it has to join. */
  epoch = 0;
  target: readonly TopicPartition[] = [];
  readonly held = new Map<string, Held>();
  /** When it sent the last heartbeat that was answered well. */
  heardAt = -Infinity;
  unanswered = 0;
  /** Times that it was told that it is no member. */
  expulsions = 0;
  /** What was told may not have come through. */
  tellsAll = true;
  told = '';
  silentUntil = 0;
  isOver = false;
  wake: () => void = () => {};

  constructor(memberId: string) {
    this.memberId = memberId;
  }
  /** Nobody can take it for dead before. */
  get presumedDeadAt(): number {
    return this.heardAt + SESSION_MS;
  }
  get owned(): string {
    return [...this.held.keys()].sort().join();
  }
}

export class Consuming {
  readonly #world: World;
  readonly #options: ConsumingOptions;
  readonly #random;
  readonly #client;
  readonly #coordinator: Coordinator;
  readonly #fetcher: Fetcher;
  readonly #subscription: Pick<Request, 'subscribedTopicNames' | 'subscribedTopicRegex'>;
  readonly #assignor: string | null;
  #life: Life;
  #lives = 0;
  #session = 0;
  #isSettled = false;
  /** Commits that were acknowledged. */
  commits = 0;

  constructor(world: World, options: ConsumingOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.chance(`consuming-${options.name}`);
    this.#client = world.newClient(options.name);
    this.#coordinator = new Coordinator(this.#client, options.group);
    this.#fetcher = new Fetcher(this.#client, { offsetReset: 'earliest', maxWaitMs: 1000 });
    const names = [...options.topics.keys()];
    this.#subscription = pick(this.#random, [
      { subscribedTopicNames: names, subscribedTopicRegex: null },
      { subscribedTopicNames: null, subscribedTopicRegex: names.join('|') },
    ]);
    this.#assignor = pick(this.#random, [null, 'uniform', 'range']);
    this.#life = this.#newLife();
    this.#client.clock.after(between(this.#random, 1, options.joinMs), () => void this.#run());
  }

  #newLife(): Life {
    const { name } = this.#options;
    return new Life(`${name}-${this.#lives++}`);
  }

  /** From now on it stays. */
  settle(): void {
    this.#isSettled = true;
  }
  get epoch(): number {
    return this.#life.epoch;
  }
  /** Names of the partitions that it has. */
  get owned(): Iterable<string> {
    return this.#life.held.keys();
  }

  async #run(): Promise<void> {
    for (;;) {
      const life = this.#newLife();
      this.#life = life;
      void this.#beats(life);
      const endAt = this.#now + between(this.#random, 4_000, 30_000);
      if (pick(this.#random, [true, false, false])) this.#fallSilentLater(life);
      let commitAt = this.#now + COMMIT_MS;
      while (this.#isSettled || this.#now < endAt) {
        await this.#reconcile(life);
        await this.#poll(life);
        if (this.#now < commitAt) continue;
        commitAt = this.#now + COMMIT_MS;
        await this.#commit(life);
      }
      await this.#end(life);
      await this.#sleep(between(this.#random, 50, 2000));
    }
  }

  get #now(): number {
    return this.#world.now;
  }
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#client.clock.after(ms, resolve));
  }

  /** It goes on to read and commit, and does not say that it lives. */
  #fallSilentLater(life: Life): void {
    this.#client.clock.after(between(this.#random, 2_000, 15_000), () => {
      if (life.isOver || this.#isSettled) return;
      life.silentUntil = this.#now + between(this.#random, 1_000, 3 * SESSION_MS);
      this.#note(`is silent until ${life.silentUntil.toFixed(0)}`);
    });
  }

  #note(text: string): void {
    this.#world.note(this.#options.name, text);
  }

  async #end(life: Life): Promise<void> {
    const how = pickWeighted(this.#random, { leave: 2, die: 1 });
    if (how === 'leave') await this.#commit(life);
    life.isOver = true;
    life.wake();
    this.#note(`${how}s in epoch ${life.epoch}`);
    // Until its session is over nobody can know that one who dies has let go.
    this.#release(life, [...life.held.keys()], how === 'die');
    if (how === 'die' || life.epoch === 0) return;
    const { instanceId } = this.#options;
    try {
      await this.#ask(life, { memberEpoch: instanceId === null ? LEAVES : WILL_BE_BACK });
    } catch (error) {
      this.#note(`leaves without an answer: ${reasonOf(error)}`);
    }
  }

  /** Sends heartbeats, one after another, and at once when there is news. */
  async #beats(life: Life): Promise<void> {
    while (!life.isOver) {
      const silentMs = life.silentUntil - this.#now;
      if (silentMs > 0) {
        await this.#sleep(silentMs);
        continue;
      }
      const waitMs = (await this.#beat(life)) ? HEARTBEAT_MS : RETRY_MS;
      if (life.isOver) return;
      const hasNews = life.epoch > 0 && life.told !== life.owned;
      await new Promise<void>((resolve) => {
        const timer = this.#client.clock.after(hasNews ? 1 : waitMs, resolve);
        life.wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  }

  /** False: there was no answer to go by. */
  async #beat(life: Life): Promise<boolean> {
    const sentAt = this.#now;
    const { owned, epoch } = life;
    const tells = life.tellsAll || owned !== life.told;
    const whole = {
      rebalanceTimeoutMs: REBALANCE_MS,
      serverAssignor: this.#assignor,
      ...this.#subscription,
    };
    let response: Response;
    try {
      response = await this.#ask(life, {
        memberEpoch: epoch,
        ...(life.tellsAll ? whole : {}),
        topicPartitions: tells ? this.#partitionsOf(life) : null,
      });
    } catch (error) {
      this.#note(`has no answer: ${reasonOf(error)}`);
      life.unanswered += 1;
      life.tellsAll = true;
      return false;
    }
    if (life.isOver) return true;
    if (response.errorCode === ErrorCode.NONE) {
      this.#heard(life, response, sentAt, owned);
      return true;
    }
    this.#refused(life, response);
    return false;
  }

  #ask(life: Life, body: Partial<Request> & { memberEpoch: number }): Promise<Response> {
    const { group, instanceId } = this.#options;
    return this.#coordinator.request(
      heartbeat,
      {
        groupId: group,
        memberId: life.memberId,
        instanceId,
        rackId: null,
        rebalanceTimeoutMs: -1,
        subscribedTopicNames: null,
        subscribedTopicRegex: null,
        serverAssignor: null,
        topicPartitions: null,
        ...body,
      },
      ({ errorCode }) => errorCode,
      // Each attempt is one of its own: what it says may have changed.
      { retryMs: 0, timeoutMs: 2000 },
    );
  }

  #partitionsOf(life: Life): { topicId: string; partitions: number[] }[] {
    const topics = Map.groupBy(life.held.values(), ({ topic }) => topic);
    return [...topics].map(([topic, of]) => ({
      topicId: this.#options.topics.get(topic)!,
      partitions: of.map(({ partition }) => partition),
    }));
  }

  #heard(life: Life, response: Response, sentAt: number, owned: string): void {
    const { group } = this.#options;
    const { memberEpoch: epoch, assignment } = response;
    // A group that nobody is in any more, and that changes its protocol, begins with its first epoch.
    const member = `${life.memberId}/${life.expulsions}`;
    const told = { group, member, epoch, at: this.#now };
    this.#world.history.memberEpochs.push(told);
    if (epoch !== life.epoch) this.#note(`${life.memberId} is in epoch ${epoch}`);
    life.epoch = epoch;
    life.heardAt = sentAt;
    // Whoever falls silent may be taken for dead then, and need never hear of it.
    for (const held of life.held.values()) held.until = life.presumedDeadAt;
    life.unanswered = 0;
    life.tellsAll = false;
    life.told = owned;
    if (assignment === null) return;
    life.target = assignment.topicPartitions.flatMap(({ topicId, partitions }) =>
      partitions.map((partition) => ({ topic: this.#nameOf(topicId), partition })),
    );
  }

  #nameOf(id: string): string {
    for (const [name, known] of this.#options.topics) if (known === id) return name;
    throw new Error(`assigned an unknown topic ${id}`);
  }

  #refused(life: Life, { errorCode, errorMessage }: Response): void {
    const { group } = this.#options;
    const error = errorName(errorCode);
    this.#note(`${life.memberId} is refused: ${error} ${errorMessage ?? ''}`);
    life.tellsAll = true;
    if (!expelled.has(errorCode)) {
      life.unanswered += 1;
      return;
    }
    const { memberId: member, heardAt, unanswered } = life;
    this.#world.history.expulsions.push({
      ...{ group, member, error, heardAt, unanswered },
      at: this.#now,
      sessionMs: SESSION_MS,
    });
    this.#release(life, [...life.held.keys()], false);
    life.expulsions += 1;
    life.epoch = 0;
    life.target = [];
  }

  /** Ends claims; `silently`: the others can't know before its session is over. */
  #release(life: Life, names: readonly string[], silently: boolean): void {
    for (const name of names) {
      const held = life.held.get(name)!;
      held.until = silently ? life.presumedDeadAt : Math.min(this.#now, life.presumedDeadAt);
      life.held.delete(name);
    }
    this.#assign(life);
  }

  #assign(life: Life): void {
    this.#session += 1;
    const positions = [...life.held.values()].flatMap(({ position }) => position ?? []);
    this.#fetcher.assign(positions.map((p) => ({ ...p })));
  }

  /** Gives up what it is to give up, and takes what is new. */
  async #reconcile(life: Life): Promise<void> {
    const wanted = new Map(life.target.map((p) => [partitionName(p), p]));
    const gone = [...life.held.keys()].filter((name) => !wanted.has(name));
    if (gone.length > 0) {
      await this.#commit(life);
      this.#release(
        life,
        gone.filter((name) => life.held.has(name)),
        false,
      );
      life.wake();
    }
    const isNew = (name: string): boolean => !life.held.has(name);
    const added = [...wanted].filter(([name]) => isNew(name));
    for (const [name, p] of added) {
      if (life.target.some((other) => partitionName(other) === name)) this.#take(life, p);
    }
    if (added.length > 0) life.wake();
    await this.#findPositions(life);
  }

  #take(life: Life, { topic, partition }: TopicPartition): void {
    const { group } = this.#options;
    const held: Held = {
      ...{ group, member: life.memberId, epoch: life.epoch, topic, partition },
      from: this.#now,
      until: life.presumedDeadAt,
      position: null,
    };
    life.held.set(partitionName(held), held);
    this.#world.history.claims.push(held);
  }

  /** Where the group has come to in what is new. */
  async #findPositions(life: Life): Promise<void> {
    const unknown = [...life.held.values()].filter(({ position }) => position === null);
    if (unknown.length === 0) return;
    const { group } = this.#options;
    const at = this.#now;
    try {
      const committed = await fetchOffsets(this.#client, this.#coordinator, unknown);
      for (const { topic, partition, offset } of committed) {
        const read = { group, topic, partition, offset, at, doneAt: this.#now };
        this.#world.history.committedReads.push(read);
        const held = life.held.get(partitionName(read));
        if (held !== undefined) {
          held.position = { topic, partition, offset: Math.max(0, offset) };
        }
      }
      this.#assign(life);
    } catch (error) {
      this.#note(`cannot ask for offsets: ${reasonOf(error)}`);
      await this.#sleep(RETRY_MS);
    }
  }

  async #poll(life: Life): Promise<void> {
    if (life.held.size === 0) return this.#sleep(RETRY_MS);
    try {
      for (const batch of await this.#fetcher.poll(HEARTBEAT_MS / 2)) this.#show(life, batch);
    } catch (error) {
      this.#note(`cannot read: ${reasonOf(error)}`);
      await this.#sleep(RETRY_MS);
    }
  }

  #show(life: Life, batch: Parameters<typeof forEachFetchedRecord>[0]): void {
    const position = life.held.get(partitionName(batch))?.position ?? null;
    // What was fetched for a position that has been set anew meanwhile is not shown.
    if (position === null || position.offset !== batch.fetchOffset) return;
    const { topic, partition } = position;
    const consumer = `${this.#options.group}/${this.#options.name}`;
    forEachFetchedRecord(batch, (record) => {
      const value = valueOf(record)?.toString('latin1') ?? '';
      const { offset } = record;
      const poll = { consumer, session: this.#session, topic, partition, offset, value };
      this.#world.history.polls.push({ ...poll, at: this.#now });
    });
    position.offset = batch.nextOffset;
  }

  async #commit(life: Life): Promise<void> {
    const { group } = this.#options;
    const { memberId, epoch } = life;
    const positions = [...life.held.values()].flatMap(({ position }) => position ?? []);
    if (positions.length === 0 || epoch === 0) return;
    const commits = positions.map(
      (p): Commit => ({
        ...p,
        ...{ group, member: memberId, generation: epoch },
        at: this.#now,
        outcome: 'info',
        doneAt: Infinity,
      }),
    );
    this.#world.history.commits.push(...commits);
    const committer = { generationId: epoch, memberId, groupInstanceId: null };
    try {
      await commitOffsets(this.#coordinator, committer, commits);
      for (const commit of commits) Object.assign(commit, { outcome: 'ok', doneAt: this.#now });
      this.commits += 1;
    } catch (error) {
      this.#note(`commit in epoch ${epoch} failed: ${reasonOf(error)}`);
    }
  }
}
