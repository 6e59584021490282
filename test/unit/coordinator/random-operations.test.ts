/**
 * Random operations of many clients on one coordinator, from a seed: members come, go, vanish and
 * come back, time passes, the log refuses and stalls, the broker restarts. After every step the
 * group must be one that its clients could live with.
 */
import { describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import type { JoinResponse, SyncResponse } from '../../../src/coordinator/member.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { fuzzRounds } from '../../support/fuzz.ts';
import { Harness, subscription } from './harness.ts';
import { settle } from './step-clock.ts';

const SEEDS = fuzzRounds(30);
const STEPS = 300;
const PARTITIONS = 8;

/** A client that does as its last answer tells it, when it gets its turn. */
class ClientMember {
  readonly instanceId: string | null;
  memberId = '';
  joined: JoinResponse | null = null;
  assignment: number[] | null = null;
  isWaiting = false;

  constructor(instanceId: string | null) {
    this.instanceId = instanceId;
  }

  forget(): void {
    this.joined = null;
    this.assignment = null;
  }
}

class Run {
  readonly random: Random;
  readonly h: Harness;
  readonly clients: ClientMember[] = [];
  /** The highest offset whose commit was answered with success, by partition. */
  readonly acknowledged = new Map<number, number>();
  nextOffset = 1;
  steps = 0;
  synced = 0;

  constructor(random: Random, h: Harness) {
    this.random = random;
    this.h = h;
    for (let i = 0; i < 6; i++) this.clients.push(new ClientMember(i < 2 ? `static-${i}` : null));
  }

  pick<T>(from: readonly T[]): T {
    return from[below(this.random, from.length)] as T;
  }

  async step(): Promise<void> {
    const dice = this.random.next();
    const client = this.pick(this.clients);
    if (dice < 0.73) await this.goOn(client);
    else if (dice < 0.75) this.join(client);
    else if (dice < 0.78) this.sync(client);
    else if (dice < 0.8) this.vanish(client);
    else if (dice < 0.82) await this.leave(client);
    else if (dice < 0.95) await this.h.clock.pass(below(this.random, 1_500));
    else if (dice < 0.97)
      this.h.log.failWith = this.random.next() < 0.3 ? ErrorCode.KAFKA_STORAGE_ERROR : 0;
    else if (dice < 0.985) await this.stall();
    else await this.restart();
    await settle();
  }

  /** What a well-behaved client would do next. */
  async goOn(client: ClientMember): Promise<void> {
    this.beat(client);
    if (client.joined === null) this.join(client);
    else if (client.assignment === null) this.sync(client);
    else await this.commit(client);
  }

  join(client: ClientMember): void {
    if (client.isWaiting) return;
    const names = this.pick([['range'], ['range', 'sticky'], ['sticky', 'range']]);
    const metadata = this.pick([subscription('t'), subscription('t', 'other')]);
    const answer = this.h.join({
      memberId: client.memberId,
      groupInstanceId: client.instanceId,
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 8_000,
      protocols: names.map((name) => ({ name, metadata })),
    });
    client.forget();
    client.isWaiting = true;
    void answer.then((response) => this.hasJoined(client, response));
  }

  hasJoined(client: ClientMember, response: JoinResponse): void {
    client.isWaiting = false;
    if (response.errorCode === ErrorCode.NONE) {
      client.memberId = response.memberId;
      client.joined = response;
    } else if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      client.memberId = response.memberId;
    } else client.memberId = '';
  }

  sync(client: ClientMember): void {
    const { joined } = client;
    if (joined === null || client.isWaiting) return;
    const isLeader = joined.leader === joined.memberId && !joined.skipAssignment;
    const assignments = isLeader ? this.divide(joined) : [];
    client.isWaiting = true;
    const { protocolName } = joined;
    const answer = this.h.sync(joined, assignments, {
      groupInstanceId: client.instanceId,
      protocolName,
    });
    void answer.then((response) => this.hasSynced(client, joined, response));
  }

  hasSynced(client: ClientMember, joined: JoinResponse, response: SyncResponse): void {
    client.isWaiting = false;
    if (response.errorCode === ErrorCode.NONE) {
      if (client.joined !== joined) return;
      client.assignment = [...response.assignment];
      this.synced++;
    } else {
      client.forget();
      if (response.errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) client.memberId = '';
    }
  }

  divide(joined: JoinResponse): { memberId: string; assignment: Buffer }[] {
    const shares = joined.members.map(({ memberId }) => ({ memberId, partitions: [] as number[] }));
    for (let p = 0; p < PARTITIONS; p++) this.pick(shares).partitions.push(p);
    return shares.map((s) => ({ memberId: s.memberId, assignment: Buffer.from(s.partitions) }));
  }

  beat(client: ClientMember): void {
    if (client.joined === null || client.isWaiting) return;
    const { errorCode } = this.h.coordinator.heartbeat({
      groupId: 'g',
      memberId: client.memberId,
      generationId: client.joined.generationId,
      groupInstanceId: client.instanceId,
    });
    if (errorCode === ErrorCode.NONE) return;
    client.forget();
    if (errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) client.memberId = '';
  }

  async commit(client: ClientMember): Promise<void> {
    const { joined, assignment } = client;
    if (joined === null || assignment === null || assignment.length === 0) return;
    const partition = this.pick(assignment);
    const offset = this.nextOffset++;
    const member = { generation: joined.generationId, memberId: joined.memberId };
    const code = await this.h.commit(offset, { partition, ...member });
    if (code === ErrorCode.NONE) this.acknowledged.set(partition, offset);
  }

  /** The client is killed; a static one comes back without its id. */
  vanish(client: ClientMember): void {
    client.forget();
    client.memberId = '';
    this.clients.splice(this.clients.indexOf(client), 1, new ClientMember(client.instanceId));
  }

  async leave(client: ClientMember): Promise<void> {
    if (client.memberId === '' || client.isWaiting) return;
    const { memberId } = client;
    client.forget();
    client.memberId = '';
    await this.h.leave(memberId);
  }

  async stall(): Promise<void> {
    this.h.log.hold();
    for (let i = 0; i < 5; i++) {
      this.join(this.pick(this.clients));
      this.sync(this.pick(this.clients));
      this.beat(this.pick(this.clients));
      await this.h.clock.pass(below(this.random, 2_000));
    }
    await this.h.log.release();
  }

  async restart(): Promise<void> {
    this.h.log.failWith = 0;
    const before = this.h.describe();
    const offsets = await this.offsets();
    await this.h.restart();
    expect(await this.offsets()).toEqual(offsets);
    const after = this.h.describe();
    // What was between two generations falls back to the one before; anything else is as it was.
    const isEmpty = before.groupState === 'Empty' && before.protocolType !== '';
    const isSettled = before.groupState === 'Stable' || isEmpty;
    if (isSettled && !this.hadFailures) expect(after).toEqual(before);
    expect(['Stable', 'Empty', 'Dead']).toContain(after.groupState);
    this.hadFailures = false;
  }
  hadFailures = false;

  offsets(): Promise<number[]> {
    const partitions = Array.from({ length: PARTITIONS }, (_, p) => p);
    return Promise.all(partitions.map((p) => this.h.committed('g', 't', p)));
  }

  /** What must hold at any time. */
  async check(): Promise<void> {
    if (this.h.coordinator.probe.failedAppends > 0) this.hadFailures = true;
    const group = this.h.describe();
    const members = new Map(group.members.map((m) => [m.memberId, m]));
    const { probe } = this.h.coordinator;
    expect(probe.members).toBe(members.size);
    expect(probe.groupCount).toBe(group.groupState === 'Dead' ? 0 : 1);
    // Every partition has one owner among the members of a stable generation.
    if (group.groupState === 'Stable') {
      const owned = group.members.flatMap((m) => [...m.memberAssignment]);
      expect(new Set(owned).size).toBe(owned.length);
    }
    const instances = group.members.map((m) => m.groupInstanceId).filter((i) => i !== null);
    expect(new Set(instances).size).toBe(instances.length);
    // Committed offsets never go back, and what was acknowledged is there.
    for (const [partition, offset] of (await this.offsets()).entries()) {
      expect(offset).toBeGreaterThanOrEqual(this.acknowledged.get(partition) ?? -1);
    }
    const committed = [...this.h.coordinator.lagView()].length;
    expect(probe.offsets).toBe(committed);
  }

  /** However it was left, a group settles when its clients behave. */
  async settleDown(): Promise<void> {
    this.h.log.failWith = 0;
    for (let round = 0; round < 60; round++) {
      for (const client of this.clients) {
        this.beat(client);
        if (client.joined === null) this.join(client);
        await settle();
        if (client.joined !== null && client.assignment === null) this.sync(client);
      }
      await this.h.clock.pass(1_000);
    }
    const group = this.h.describe();
    expect(group.groupState).toBe('Stable');
    expect(group.members).toHaveLength(this.clients.length);
    const owned = group.members.flatMap((m) => [...m.memberAssignment]);
    expect(owned.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const before = this.h.describe();
    await this.h.restart();
    expect(this.h.describe()).toEqual(before);
  }
}

describe('random operations', () => {
  it(`leave a group that clients can live with, from ${SEEDS} seeds`, async () => {
    let [synced, commits] = [0, 0];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const run = new Run(
        seededRandom(seed),
        await Harness.start({ initialRebalanceDelayMs: 500 }),
      );
      try {
        for (run.steps = 0; run.steps < STEPS; run.steps++) {
          await run.step();
          await run.check();
        }
        await run.settleDown();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${run.steps}`, { cause: error });
      }
      synced += run.synced;
      commits += run.nextOffset;
      run.h.coordinator.stop();
      expect(run.h.coordinator.probe).toMatchObject({ members: 0, offsets: 0, groupCount: 0 });
    }
    // The runs must not be about groups that never get anywhere.
    expect(synced).toBeGreaterThan(SEEDS * 20);
    expect(commits).toBeGreaterThan(SEEDS * 10);
  });
});
