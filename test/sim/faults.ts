/**
 * What goes wrong in a run, and when: drawn from the seed.
 *
 * Each run has only some kinds of faults, each in a strength of its own: a run with everything at
 * once hides more than it shows. No fault destroys the last good copy of what was promised: power
 * cuts keep what was synced, a disk fails for good only while others have everything, and where bits
 * flip no disk fails besides.
 */

import { BitFlips } from './bit-flips.ts';
import { type FaultKind, type FaultWeights, KINDS, NO_FAULTS } from './fault-kinds.ts';
import type { SimNode } from './sim-node.ts';
import { between, chance, pick, pickWeighted, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

/** How long an outage lasts. */
const OUTAGE_MS: readonly [number, number] = [50, 4000];

/** How often, and for how long, a decision about a transaction is waited for. */
const DECISION_WAIT_MS = 0.5;
const DECISION_WAITS_MAX = 1000;

/** Each has a chance of its own. */
const drawnApart: ReadonlySet<FaultKind> = new Set([
  'killDecider',
  'replaceDisk',
  'bitFlip',
  'bitFlipKilled',
]);

/** Just these, one as often as the other. */
export const onlyFaults = (kinds: readonly FaultKind[]): FaultWeights => ({
  ...NO_FAULTS,
  ...Object.fromEntries(kinds.map((kind) => [kind, 1])),
});

/** Which faults a run has. */
export function drawFaults(world: World): FaultWeights {
  const random = world.chance('fault-kinds');
  const weights = { ...NO_FAULTS };
  for (const kind of KINDS) {
    if (drawnApart.has(kind)) continue;
    if (chance(random, 0.35)) weights[kind] = random.next();
  }
  // Half of the runs have power all the time, and are held to more.
  if (chance(random, 0.5)) {
    weights.powerOne = 0;
    weights.powerAll = 0;
  }
  const ofDecider = world.chance('kill-decider');
  if (chance(ofDecider, 0.2)) weights.killDecider = ofDecider.next();
  const ofDisks = world.chance('replace-disk');
  if (world.nodes.length >= 3 && chance(ofDisks, 0.25)) weights.replaceDisk = ofDisks.next();
  const ofBits = world.chance('bit-flip');
  if (world.nodes.length >= 3 && chance(ofBits, 0.2)) {
    weights.bitFlip = ofBits.next();
    const ofCrashes = world.chance('kill-and-flip');
    if (chance(ofCrashes, 0.5)) weights.bitFlipKilled = ofCrashes.next();
    // They might take the copies that are still good.
    weights.diskError = 0;
    weights.replaceDisk = 0;
  }
  if (world.nodes.length === 1) {
    for (const kind of ['isolate', 'split', 'killController'] as const) weights[kind] = 0;
  }
  return weights;
}

export class Faults {
  readonly #world: World;
  readonly #random;
  readonly #weights: FaultWeights;
  readonly #meanMs: number;
  #stopped = false;
  readonly flips: BitFlips;
  /** How often each happened. */
  readonly counts = { ...NO_FAULTS };
  /** When. */
  readonly times: number[] = [];

  constructor(world: World, weights: FaultWeights) {
    this.#world = world;
    this.#random = world.chance('faults');
    this.#weights = weights;
    this.flips = new BitFlips(world);
    this.#meanMs = pick(this.#random, [600, 1500, 4000]);
    if (Object.values(weights).some((weight) => weight > 0)) this.#again();
  }

  #again(): void {
    this.#world.simulation.after(null, waitOf(this.#random, this.#meanMs), 'fault', () => {
      if (this.#stopped) return;
      const kind = pickWeighted(this.#random, this.#weights);
      this.counts[kind] += 1;
      this.times.push(this.#world.now);
      this.#happen(kind);
      this.#again();
    });
  }

  /** Everything works again from now on. */
  stop(): void {
    this.#stopped = true;
    const { network, nodes, simulation } = this.#world;
    network.heal();
    for (const node of nodes) {
      if (node.process?.isPaused === true) simulation.resume(node.process);
      // A disk that has failed is taken for healthy only by a program that begins anew.
      if (node.disk.hasFailed) node.kill();
      node.disk.heal();
      node.wall.skewMs = 0;
    }
    this.#supervise();
  }

  /** Whatever ends from now on begins anew at once. */
  #supervise(): void {
    for (const node of this.#world.nodes) node.start();
    this.#world.simulation.after(null, 100, 'supervise', () => this.#supervise());
  }

  #later(label: string, action: () => void, [low, high] = OUTAGE_MS): void {
    // Short outages are as likely as long ones of the same ratio.
    const ms = low * (high / low) ** this.#random.next();
    this.#world.simulation.after(null, ms, label, () => {
      if (!this.#stopped) action();
    });
  }

  #node(): SimNode {
    return pick(this.#random, this.#world.nodes);
  }

  #happen(kind: FaultKind): void {
    const { network, nodes, history } = this.#world;
    switch (kind) {
      case 'kill':
        return this.#crash(this.#node());
      case 'killController':
        return this.#crash(this.#controller() ?? this.#node());
      case 'killAll':
        for (const node of nodes) this.#crash(node);
        return;
      case 'killDecider':
        return this.#killDecider(DECISION_WAITS_MAX);
      case 'stop':
        return this.#stop(this.#node());
      case 'pause':
        return this.#pause(this.#node());
      case 'powerOne':
        history.facts.powerWasCut = true;
        return this.#cutPower([this.#node()]);
      case 'powerAll':
        history.facts.powerWasCut = true;
        return this.#cutPower(nodes);
      case 'isolate':
        return this.#split([this.#node()]);
      case 'split':
        return this.#split(nodes.filter(() => chance(this.#random, 0.5)));
      case 'oneWay':
        return this.#oneWay();
      case 'slowLink':
        return this.#slowLink();
      case 'dropConnections':
        for (let i = 0; i < 5; i++) network.dropOne(() => true);
        return;
      case 'slowDisk':
        return this.#slowDisk(this.#node());
      case 'diskError':
        return this.#diskError(this.#node());
      case 'diskFull':
        return this.#diskFull(this.#node());
      case 'clockJump':
        return this.#clockJump(this.#node());
      case 'replaceDisk':
        return this.#replaceDisk(this.#node());
      case 'bitFlip':
        return this.#flipBit(this.#node(), async (node) => node.stop());
      case 'bitFlipKilled':
        return this.#flipBit(this.#node(), async (node) => node.kill());
    }
  }

  #controller(): SimNode | undefined {
    return this.#world.nodes.find((node) => node.isServing && node.broker!.services.store.isActive);
  }

  /** Who has decided how a transaction ends dies before everybody has heard of it. */
  #killDecider(waits: number): void {
    const decider = this.#world.nodes.find(
      (node) =>
        node.isServing &&
        [...node.broker!.services.transactions.all()].some(({ isDecided }) => isDecided),
    );
    if (decider !== undefined) return this.#crash(decider);
    if (waits === 0 || this.#stopped) return;
    this.#world.simulation.after(null, DECISION_WAIT_MS, 'decision', () =>
      this.#killDecider(waits - 1),
    );
  }

  #restartLater(node: SimNode): void {
    this.#later('restart', () => node.start());
  }
  #crash(node: SimNode): void {
    this.#world.history.facts.leadersMoved = true;
    node.kill();
    this.#restartLater(node);
  }
  #stop(node: SimNode): void {
    this.#world.history.facts.leadersMoved = true;
    void node.stop().then(() => this.#restartLater(node));
  }
  #cutPower(nodes: readonly SimNode[]): void {
    this.#world.history.facts.leadersMoved = true;
    for (const node of nodes) {
      node.cutPower();
      this.#restartLater(node);
    }
  }

  #pause(node: SimNode): void {
    const { process } = node;
    if (process?.isAlive !== true || process.isPaused) return;
    this.#world.history.facts.leadersMoved = true;
    this.#world.note(node.name, 'is paused');
    this.#world.simulation.pause(process);
    this.#later('continue', () => {
      this.#world.note(node.name, 'goes on');
      this.#world.simulation.resume(process);
    });
  }

  /** Cuts these off from the other brokers, and sometimes from the clients. */
  #split(side: readonly SimNode[]): void {
    const { network, nodes, history } = this.#world;
    history.facts.leadersMoved = true;
    const inside = new Set(side);
    const pairs: [number, number][] = [];
    for (const a of side) {
      for (const b of nodes) if (!inside.has(b)) pairs.push([a.id, b.id], [b.id, a.id]);
    }
    this.#world.note('net', `splits ${side.map(({ name }) => name).join(',')} off`);
    for (const [from, to] of pairs) network.block(from, to);
    this.#later('heal', () => {
      this.#world.note('net', `joins ${side.map(({ name }) => name).join(',')}`);
      for (const [from, to] of pairs) network.unblock(from, to);
    });
  }

  #oneWay(): void {
    const { network, nodes, history } = this.#world;
    history.facts.leadersMoved = true;
    const from = this.#node().id;
    const others = [...nodes.map(({ id }) => id), 100, 101, 102].filter((id) => id !== from);
    const to = pick(this.#random, others);
    const [a, b] = chance(this.#random, 0.5) ? [from, to] : [to, from];
    this.#world.note('net', `blocks ${a} to ${b}`);
    network.block(a, b);
    this.#later('heal', () => {
      this.#world.note('net', `opens ${a} to ${b}`);
      network.unblock(a, b);
    });
  }

  #slowLink(): void {
    const { network, history } = this.#world;
    history.facts.leadersMoved = true;
    const from = this.#node().id;
    const to = this.#node().id;
    network.link(from, to).extraMs = between(this.#random, 5, 300);
    this.#world.note('net', `slow from ${from} to ${to}`);
    this.#later('heal', () => {
      network.link(from, to).extraMs = 0;
    });
  }

  #slowDisk(node: SimNode): void {
    this.#world.history.facts.leadersMoved = true;
    const { disk } = node;
    const usual = disk.syncMs;
    disk.syncMs = between(this.#random, 10, 400);
    this.#world.note(node.name, `disk is slow: ${disk.syncMs.toFixed(0)} ms`);
    this.#later('fast-disk', () => {
      disk.syncMs = Math.min(usual, 1);
    });
  }

  #diskError(node: SimNode): void {
    if (this.#world.hasSeveralLogDirs && !this.#mayLoseADirectory(node)) return;
    this.#world.history.facts.leadersMoved = true;
    const operation = pick(this.#random, ['write', 'sync', 'read'] as const);
    this.#world.note(node.name, `disk fails to ${operation}`);
    const probability = pick(this.#random, [0.05, 1]);
    const prefix = pick(this.#random, ['/', ...node.directories.slice(1)]);
    node.disk.faults.push({ operation, prefix, probability });
    this.#later('mend', () => {
      // As in `stop`.
      node.kill();
      node.disk.faults = [];
      this.#restartLater(node);
    });
  }

  /**
   * What was in a directory that fails counts as lost, however whole it is when the broker begins
   * anew: see `Succession`. Where one broker is all there is, it waits for that.
   */
  #mayLoseADirectory(node: SimNode): boolean {
    const { nodes } = this.#world;
    return nodes.length === 1 || this.#isSpare(node);
  }

  /** Only while somebody else has all that this disk has. */
  #replaceDisk(node: SimNode): void {
    if (!this.#isSpare(node)) return;
    this.#world.history.facts.leadersMoved = true;
    node.replaceDisk();
    this.#restartLater(node);
  }

  /** While it is away: what it holds in memory would go on to be right. */
  #flipBit(node: SimNode, end: (node: SimNode) => Promise<void>): void {
    if (!this.#isSpare(node)) return;
    this.#world.history.facts.leadersMoved = true;
    void end(node).then(() => {
      if (this.#stopped) return;
      this.flips.flip(node);
      this.#restartLater(node);
    });
  }

  /**
   * Every broker serves and votes, no disk has failed, and every partition of this one has another
   * replica in sync. Where a cluster begins with fewer than three, what is left when one is gone
   * would decide nothing.
   */
  #isSpare(node: SimNode): boolean {
    const { nodes } = this.#world;
    const isWhole = ({ isServing, broker, disk }: SimNode): boolean =>
      isServing && broker!.services.quorum.isVoter && !disk.hasFailed;
    if (nodes.length < 3 || !nodes.every(isWhole)) return false;
    const quorums = nodes.map(({ broker }) => broker!.services.quorum);
    const committed = Math.max(...quorums.map(({ highWatermark }) => highWatermark));
    if (quorums.some(({ logEndOffset }) => logEndOffset < committed)) return false;
    const { image } = quorums.find(({ highWatermark }) => highWatermark === committed)!;
    return [...image.topics.values()].every(({ partitions }) =>
      partitions.every(
        ({ replicas, isr }) => !replicas.includes(node.id) || isr.some((id) => id !== node.id),
      ),
    );
  }

  #diskFull(node: SimNode): void {
    const { disk } = node;
    disk.capacityBytes = disk.usedBytes + Math.floor(between(this.#random, 0, 2000));
    this.#world.note(node.name, 'disk is full');
    this.#later('room', () => {
      this.#world.note(node.name, 'disk has room');
      disk.capacityBytes = 1e12;
    });
  }

  #clockJump(node: SimNode): void {
    const skewMs = pick(this.#random, [-3_600_000, -500, 500, 60_000, 3 * 86_400_000]);
    this.#world.note(node.name, `clock jumps by ${skewMs} ms`);
    node.wall.skewMs += skewMs;
  }
}
