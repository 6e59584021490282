/**
 * Whether others take over from a broker that is killed, for runs in which nothing but that happens:
 * the system closes its connections, so nobody has to wait for the end of its session.
 */
import type { FaultKind } from './fault-kinds.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

const TAKEOVER_MS = 1_000;
const LOOK_MS = 50;

const KILLS: ReadonlySet<FaultKind> = new Set(['kill', 'killController']);

export const areKills = (faults: readonly FaultKind[]): boolean =>
  faults.every((kind) => KILLS.has(kind));

interface Spell {
  readonly life: number;
  readonly isServing: boolean;
  readonly sinceMs: number;
}

export class Takeovers {
  /** Brokers that were killed while all others served, which went on to until they were looked at. */
  seen = 0;
  readonly #world: World;
  readonly #spells = new Map<SimNode, Spell>();
  readonly stop: () => void;

  constructor(world: World) {
    this.#world = world;
    this.stop = world.every(LOOK_MS, 'takeover', () => this.#look());
  }

  #look(): void {
    const { nodes, now } = this.#world;
    for (const node of nodes) {
      const { life, isServing } = node;
      const last = this.#spells.get(node);
      if (last?.life === life && last.isServing === isServing) continue;
      this.#spells.set(node, { life, isServing, sinceMs: now });
    }
    const hasLasted = (node: SimNode, ms: number): boolean =>
      now - this.#spells.get(node)!.sinceMs >= ms;
    for (const victim of nodes) {
      if (victim.isUp || !hasLasted(victim, TAKEOVER_MS)) continue;
      // It is looked at once.
      if (hasLasted(victim, TAKEOVER_MS + LOOK_MS)) continue;
      const others = nodes.filter((node) => node !== victim);
      const haveServed = others.every((node) => node.isServing && hasLasted(node, TAKEOVER_MS));
      if (haveServed) this.#judge(victim, others);
    }
  }

  #judge(victim: SimNode, others: readonly SimNode[]): void {
    this.seen += 1;
    const what = `others lead for ${victim.name} within ${TAKEOVER_MS} ms`;
    for (const { name, broker } of others) {
      const { image } = broker!.services;
      const left = [...image.topics.values()].flatMap((topic) =>
        topic.partitions
          .filter(({ leader }) => leader === victim.id)
          .map(({ index }) => `${topic.name}-${index}`),
      );
      if (left.length === 0) continue;
      const detail = `at ${this.#world.now} ms ${name} still has it lead ${left.join(', ')}`;
      this.#world.expect(what, false, detail);
    }
  }
}
