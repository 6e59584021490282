/**
 * One life of a quorum, all of it from a seed: changes are asked for while processes are killed,
 * power is cut, disks are replaced and the network misbehaves; then all is healed, and has to end
 * well. After every step of time it is checked what must hold always.
 */
import { below, type Random, seededRandom } from '../../../../src/base/random.ts';
import { copied, decodeSteps } from '../../../../src/cluster/quorum/steps.ts';
import type { PartitionLog } from '../../../../src/log/partition-log.ts';
import { brokerStep, type Member, QuorumRig, topicStep } from './rig.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly members: number;
  readonly joining?: number;
  /** Of trouble; as much again is given to healing. */
  readonly ms?: number;
}

export interface SimulationResult {
  readonly acknowledged: number;
  readonly epochs: number;
  readonly snapshots: number;
  readonly snapshotsFetched: number;
  readonly truncations: number;
  readonly voterChanges: number;
}

const NO_BOUND = { upTo: Number.MAX_SAFE_INTEGER, minOneMessage: true };

class Checker {
  readonly #rig: QuorumRig;
  /** By epoch. */
  readonly leaders = new Map<number, number>();
  /** By the first offset of the step: epoch and bytes. */
  readonly #committed = new Map<number, { epoch: number; bytes: string; lastOffset: number }>();
  /** Of each member's life: what was looked at. */
  readonly #seen = new Map<string, number>();
  #end = 0;
  readonly #active = new Set<number>();

  constructor(rig: QuorumRig) {
    this.#rig = rig;
  }

  check(): void {
    for (const member of this.#rig.running) {
      if (member.fatal !== null) throw member.fatal;
      this.#checkLeader(member);
      this.#checkLog(member);
    }
  }

  #checkLeader({ id, quorum }: Member): void {
    if (!quorum!.isLeader) return;
    const known = this.leaders.get(quorum!.epoch) ?? id;
    if (known !== id) throw new Error(`epoch ${quorum!.epoch} is led by ${known} and by ${id}`);
    this.leaders.set(quorum!.epoch, id);
    if (!quorum!.isActive || this.#active.has(quorum!.epoch)) return;
    this.#active.add(quorum!.epoch);
    if (quorum!.lastOffset + 1 < this.#end) {
      throw new Error(`${id} is active in ${quorum!.epoch} without what was committed before`);
    }
  }

  #checkLog({ id, life, log, quorum }: Member): void {
    const key = `${id}/${life}`;
    const from = Math.max(this.#seen.get(key) ?? 0, log!.logStartOffset);
    const end = quorum!.highWatermark;
    if (from >= end) return;
    for (const step of stepsOf(log!, from, end)) {
      const known = this.#committed.get(step.firstOffset);
      if (known === undefined) {
        if (step.firstOffset < this.#end) {
          throw new Error(`${id}: a step begins at ${step.firstOffset}, where none did`);
        }
        this.#committed.set(step.firstOffset, step);
        this.#end = step.lastOffset + 1;
      } else if (known.epoch !== step.epoch || known.bytes !== step.bytes) {
        throw new Error(
          `${id}: committed step at ${step.firstOffset} is of epoch ${step.epoch}, was of ${known.epoch}`,
        );
      }
    }
    this.#seen.set(key, end);
  }
}

function* stepsOf(log: PartitionLog, from: number, end: number) {
  for (let offset = from; offset < end; ) {
    const read = log.read(offset, 1e6, { ...NO_BOUND, upTo: end });
    const bytes = copied(read.records);
    read.release?.();
    let at = 0;
    for (const step of decodeSteps(bytes)) {
      const { firstOffset, lastOffset, epoch } = step;
      const text = bytes.toString('latin1', at, at + step.bytes);
      at += step.bytes;
      offset = lastOffset + 1;
      yield { firstOffset, lastOffset, epoch, bytes: text };
    }
    if (at === 0) throw new Error(`nothing at ${offset} of ${end}`);
  }
}

/** What is asked for, and what was said of it. */
class Clients {
  readonly #rig: QuorumRig;
  readonly #random: Random;
  readonly acknowledged: string[] = [];
  #asked = 0;

  constructor(rig: QuorumRig, random: Random) {
    this.#rig = rig;
    this.#random = random;
  }

  ask(): void {
    const active = this.#rig.running.filter(({ quorum }) => quorum!.isActive);
    const one = active[below(this.#random, active.length)];
    if (one === undefined) return;
    const name = `t${this.#asked++}`;
    const life = one.life;
    one.quorum!.append([topicStep(name, this.#asked)]).then(
      () => {
        if (one.life !== life) return;
        this.acknowledged.push(name);
      },
      () => {},
    );
  }
}

class Trouble {
  readonly #rig: QuorumRig;
  readonly #random: Random;
  readonly #members: number;
  /** A member whose disk was replaced, until it votes again. */
  #replaced = -1;

  constructor(rig: QuorumRig, random: Random, members: number) {
    this.#rig = rig;
    this.#random = random;
    this.#members = members;
  }

  async next(): Promise<void> {
    const rig = this.#rig;
    const kind = below(this.#random, 100);
    const id = below(this.#random, rig.members.length);
    const up = rig.member(id).quorum !== null;
    if (kind < 30) {
      if (!up) await rig.start(id);
    } else if (kind < 42) {
      if (up) rig.kill(id);
    } else if (kind < 54) {
      if (up) rig.cutPower(id);
    } else if (kind < 58) {
      const leader = rig.active;
      if (leader !== null) rig.kill(leader.id);
    } else if (kind < 60) {
      if (up) await rig.stop(id);
    } else if (kind < 63) {
      // The machine's power: every disk at once.
      for (const member of rig.running) rig.cutPower(member.id);
      for (const member of rig.members) await rig.start(member.id);
    } else if (kind < 72) this.#cut();
    else if (kind < 84) rig.weather.cut.clear();
    else if (kind < 90) rig.weather.loss = this.#random.next() * 0.3;
    else if (kind < 94) rig.weather.delayMs = 1 + this.#random.next() * 100;
    else if (kind < 97) rig.weather.delayMs = 1;
    else this.#replace(id);
  }

  #cut(): void {
    const count = this.#rig.members.length;
    const a = below(this.#random, count);
    const b = below(this.#random, count);
    if (a === b) return;
    const { cut } = this.#rig.weather;
    if (this.#random.next() < 0.4) cut.add(`${a}>${b}`);
    else cut.add(a < b ? `${a}-${b}` : `${b}-${a}`);
  }

  /** Of one disk at a time, while all others have what is committed: more may not be lost. */
  #replace(id: number): void {
    const rig = this.#rig;
    const voters = rig.active?.quorum?.voters;
    if (voters === undefined || voters.length < 3 || this.#members < 3) return;
    const all = rig.members.every(({ quorum }) => quorum !== null);
    const ends = new Set(rig.running.map(({ quorum }) => quorum!.logEndOffset));
    const settled = rig.members.every(({ id: other, directoryId }) =>
      voters.some((voter) => voter.id === other && voter.directoryId === directoryId),
    );
    if (!all || ends.size > 1 || !settled) return;
    this.#replaced = id;
    rig.replaceDisk(id);
  }
  get replaced(): number {
    return this.#replaced;
  }
}

/** Throws when something does not hold that must. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, members, joining = 0, ms = 3_000 } = options;
  const random = seededRandom(seed * 7919 + 13);
  const rig = new QuorumRig({
    members,
    joining,
    seed,
    syncMs: 1 + below(random, 8),
    settings: { snapshotBytes: random.next() < 0.5 ? 1_500 + below(random, 3_000) : 1e9 },
  });
  const checker = new Checker(rig);
  rig.afterStep = () => checker.check();
  const clients = new Clients(rig, random);
  const trouble = new Trouble(rig, random, members);
  await rig.startAll();
  const leader = await rig.leader();
  for (const { id } of rig.members) leader.quorum!.append([brokerStep(id)]).catch(() => {});
  const end = rig.clock.monotonic() + ms;
  while (rig.clock.monotonic() < end) {
    await rig.run(random.next() * 25);
    const asks = below(random, 3);
    for (let n = 0; n < asks; n++) clients.ask();
    if (random.next() < 0.25) await trouble.next();
  }
  await heal(rig);
  checker.check();
  checkImages(rig, clients.acknowledged);
  const count = (of: (member: Member) => number): number =>
    rig.members.reduce((sum, member) => sum + of(member), 0);
  return {
    acknowledged: clients.acknowledged.length,
    epochs: checker.leaders.size,
    snapshots: count(({ quorum }) => quorum!.snapshotCounts.snapshots),
    snapshotsFetched: count(({ quorum }) => quorum!.counters.snapshotsFetched),
    truncations: count(({ quorum }) => quorum!.counters.truncations),
    voterChanges: count(({ quorum }) => quorum!.counters.voterChanges),
  };
}

async function heal(rig: QuorumRig): Promise<void> {
  rig.weather.cut.clear();
  rig.weather.loss = 0;
  rig.weather.delayMs = 2;
  for (const { id, quorum } of rig.members) if (quorum === null) await rig.start(id);
  await rig.until(() => rig.active !== null, 'a leader after all is healed', 10_000);
  for (let tries = 0; ; tries++) {
    const active = await rig.leader();
    // A broker whose registration went down with a leader registers again.
    const unknown = rig.members.filter(({ id }) => !active.quorum!.image.brokers.has(id));
    const steps = unknown.map(({ id }) => brokerStep(id));
    const marker = active.quorum!.append([...steps, topicStep(`last${tries}`, 1e9 + tries)]);
    const offset = await rig.during(marker).catch(() => -1);
    if (offset >= 0) break;
    if (tries > 10)
      throw new Error(`nothing can be changed after all is healed\n${rig.describe()}`);
  }
  const isEven = (): boolean => {
    const ends = rig.members.map(({ quorum }) => quorum!.lastOffset);
    const voters = rig.active?.quorum?.voters ?? [];
    const all = rig.members.every(({ id, directoryId }) =>
      voters.some((voter) => voter.id === id && voter.directoryId === directoryId),
    );
    return ends.every((one) => one === ends[0]) && (all || rig.members.length > 5);
  };
  await rig.until(isEven, 'everybody has everything, and votes', 15_000);
}

function checkImages(rig: QuorumRig, acknowledged: readonly string[]): void {
  const textOf = ({ quorum }: Member): string =>
    JSON.stringify([...quorum!.image.records()].map((record) => JSON.stringify(record)).sort());
  const first = textOf(rig.members[0]!);
  for (const member of rig.members) {
    if (textOf(member) !== first)
      throw new Error(`the image of ${member.id} differs from that of 0`);
    for (const name of acknowledged) {
      if (member.quorum!.image.topic(name) === undefined) {
        throw new Error(`${name} was acknowledged, and ${member.id} does not have it`);
      }
    }
  }
}
