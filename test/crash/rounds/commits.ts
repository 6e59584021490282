/**
 * Groups that commit offsets: without members, with a member of the classic protocol, and with members
 * of the consumer protocol (KIP-848) that come and go. What members were answered holds after a kill:
 * they go on in their generation and epoch.
 */
import { below, type Random } from '../../../src/base/random.ts';
import { createTopic, type WireClient } from '../../unit/broker/fixture.ts';
import { isPassing, until } from '../../unit/broker/transactional-client.ts';
import { subscription } from '../../unit/coordinator/harness.ts';
import { offsetsOf } from './group-offsets.ts';
import { Registers } from './registers.ts';
import { accepted, type Usage, type Victim } from './usage.ts';

const TOPIC = 'commits';
const PARTITIONS = 4;
const SIMPLE_GROUPS = 4;
/** Of their steps. */
const NEW_GROUPS = 0.02;
const DELETIONS = 0.1;
const SESSION_MS = 45_000;

/** Who commits: generation or epoch with the member's id. */
interface Member {
  readonly group: string;
  readonly memberId: string;
  generation: number;
}
const OUTSIDER = { memberId: '', generation: -1 };

interface Consumer {
  readonly memberId: string;
  /** 0: it is not in the group, or not known to be. */
  epoch: number;
  owned: readonly { readonly topicId: string; readonly partitions: readonly number[] }[];
}

export class Commits implements Usage {
  readonly name = 'commits';
  readonly #offsets = new Registers('the offset of group');
  #offset = 0;
  #groups = 0;
  /** Of the classic protocol; null: not known to be one. */
  #classic: Member | null = null;
  /** Of the consumer protocol: the one that stays, and the one that comes and goes. */
  #group = 'consumers-0';
  readonly #staying: Consumer = { memberId: 'staying', epoch: 0, owned: [] };
  readonly #passing: Consumer = { memberId: 'passing', epoch: 0, owned: [] };

  get acknowledged(): number {
    return this.#offsets.acknowledged;
  }

  async prepare(client: WireClient): Promise<void> {
    await createTopic(client, TOPIC, PARTITIONS);
    const ready = () => client.request('FindCoordinator', 1, { key: 'g' });
    await until(ready, ({ errorCode }) => errorCode === 0);
  }

  async work(victim: Victim, random: Random): Promise<void> {
    await Promise.all([
      victim.serve(async (client) => {
        for (;;) await this.#simple(client, random);
      }),
      victim.serve(async (client) => {
        for (;;) await this.#asClassic(client, random);
      }),
      victim.serve(async (client) => {
        for (;;) await this.#asConsumer(client, random);
      }),
    ]);
  }

  async #commit(client: WireClient, version: number, member: Member): Promise<void> {
    const { group: groupId, memberId, generation } = member;
    const committedOffset = ++this.#offset;
    this.#offsets.ask(groupId, String(committedOffset));
    const answer = await client.request('OffsetCommit', version, {
      groupId,
      memberId,
      generationIdOrMemberEpoch: generation,
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset }] }],
    });
    const { errorCode } = answer.topics[0].partitions[0];
    if (isPassing(errorCode)) this.#offsets.withdraw(groupId);
    else {
      accepted(`a commit of ${groupId}`, errorCode);
      this.#offsets.acknowledge(groupId);
    }
  }

  async #simple(client: WireClient, random: Random): Promise<void> {
    const groupId = `simple-${below(random, SIMPLE_GROUPS)}`;
    if (random.next() >= DELETIONS || this.#offsets.known(groupId) === null) {
      return this.#commit(client, 8, { ...OUTSIDER, group: groupId });
    }
    this.#offsets.ask(groupId, null);
    const answer = await until(
      () =>
        client.request('OffsetDelete', 0, {
          groupId,
          topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
        }),
      ({ errorCode }) => !isPassing(errorCode),
    );
    accepted(`a deletion of ${groupId}`, answer.errorCode);
    this.#offsets.acknowledge(groupId);
  }

  async #asClassic(client: WireClient, random: Random): Promise<void> {
    if (random.next() < NEW_GROUPS) this.#classic = null;
    this.#classic ??= await this.#join(client);
    await this.#commit(client, 8, this.#classic);
  }

  /** Into a new group: what becomes of a join that is not answered is nobody's business. */
  async #join(client: WireClient): Promise<Member> {
    const group = `classic-${this.#groups++}`;
    const joined = await until(
      () =>
        client.request('JoinGroup', 3, {
          groupId: group,
          sessionTimeoutMs: SESSION_MS,
          rebalanceTimeoutMs: SESSION_MS,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: subscription(TOPIC) }],
        }),
      ({ errorCode }) => !isPassing(errorCode),
    );
    accepted('a join', joined.errorCode);
    const { memberId, generationId: generation } = joined;
    const synced = await client.request('SyncGroup', 3, {
      groupId: group,
      memberId,
      generationId: generation,
      assignments: [{ memberId, assignment: Buffer.from(group) }],
    });
    accepted('a sync', synced.errorCode);
    return { group, memberId, generation };
  }

  async #asConsumer(client: WireClient, random: Random): Promise<void> {
    const [staying, passing] = [this.#staying, this.#passing];
    if (random.next() < NEW_GROUPS) {
      this.#group = `consumers-${++this.#groups}`;
      for (const member of [staying, passing]) Object.assign(member, { epoch: 0, owned: [] });
    }
    await this.#beat(client, staying);
    if (random.next() < 0.2) {
      if (passing.epoch > 0 && random.next() < 0.5) await this.#leave(client, passing);
      else await this.#beat(client, passing);
    }
    await this.#beat(client, staying);
    const { memberId, epoch: generation } = staying;
    await this.#commit(client, 9, { group: this.#group, memberId, generation });
  }

  async #beat(client: WireClient, member: Consumer): Promise<void> {
    const joining = { rebalanceTimeoutMs: SESSION_MS, subscribedTopicNames: [TOPIC] };
    const answer = await until(
      () =>
        client.request('ConsumerGroupHeartbeat', 1, {
          groupId: this.#group,
          memberId: member.memberId,
          memberEpoch: member.epoch,
          topicPartitions: member.owned,
          ...(member.epoch === 0 ? joining : {}),
        }),
      ({ errorCode }) => !isPassing(errorCode),
    );
    accepted(`a heartbeat of ${member.memberId} in ${this.#group}`, answer.errorCode);
    if (answer.memberEpoch < member.epoch) {
      throw new Error(`${member.memberId} goes back from ${member.epoch} to ${answer.memberEpoch}`);
    }
    member.epoch = answer.memberEpoch;
    if (answer.assignment !== null) member.owned = answer.assignment.topicPartitions;
  }

  async #leave(client: WireClient, member: Consumer): Promise<void> {
    // Whether it has left or not, it comes back with epoch 0.
    Object.assign(member, { epoch: 0, owned: [] });
    const { memberId } = member;
    const body = { groupId: this.#group, memberId, memberEpoch: -1 };
    const answer = await client.request('ConsumerGroupHeartbeat', 1, body);
    accepted('a leave', answer.errorCode);
  }

  async check(client: WireClient): Promise<string[]> {
    const { names } = this.#offsets;
    const faults = this.#offsets.faults(await offsetsOf(client, names, TOPIC));
    if (this.#classic !== null) {
      const { group: groupId, memberId, generation: generationId } = this.#classic;
      const body = { groupId, memberId, generationId };
      const { errorCode } = await client.request('Heartbeat', 3, body);
      if (errorCode !== 0) {
        faults.push(`${memberId} of ${groupId} is not known: ${errorCode}`);
        this.#classic = null;
      }
    }
    for (const member of [this.#staying, this.#passing]) {
      if (member.epoch === 0) continue;
      try {
        await this.#beat(client, member);
      } catch (error) {
        faults.push(String(error));
        member.epoch = 0;
      }
    }
    return faults;
  }

  checkAll(client: WireClient): Promise<string[]> {
    return this.check(client);
  }
}
