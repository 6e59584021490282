/**
 * Three replicas under elections, cuts, kills and losses of power in any order: what was
 * acknowledged by all stays, and below the high watermark all logs are the same.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { ReplicaRig } from '../support/replicas.ts';

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const STEPS = 40;

const nothingSurvives: Random = { next: () => 0, fill: () => {} };

let rig: ReplicaRig | null = null;
afterEach(() => rig?.stop());

/** Of every offset that somebody calls committed the value, and that all agree on it. */
function expectAgreement(of: ReplicaRig, seen: Map<number, string>): void {
  for (const replica of of.replicas) {
    if (!replica.isUp) continue;
    const { values } = replica;
    for (let offset = 0; offset < replica.log.highWatermark; offset++) {
      const value = values[offset]!;
      const known = seen.get(offset);
      if (known === undefined) seen.set(offset, value);
      else expect(`${replica.id}@${offset}=${value}`).toBe(`${replica.id}@${offset}=${known}`);
    }
  }
}

describe.each([
  ['in the page caches of all', false],
  ['on the devices of all', true],
])('what is acknowledged when it is %s', (_, flushes) => {
  it.each(SEEDS)('stays, whatever happens (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const draw = (limit: number): number => below(random, limit);
    rig = await ReplicaRig.start(3, {
      'log.flush.on.acks.all': flushes,
      'min.insync.replicas': 2,
      'replica.lag.time.max.ms': 2_000,
    });
    const cluster = rig;
    const acknowledged: string[] = [];
    const committed = new Map<number, string>();
    let produced = 0;
    const down = new Set<number>();

    /** To the leader, or to somebody who may believe to be it. */
    const produce = (): void => {
      const target = draw(4) === 0 ? draw(3) : cluster.state.leader;
      if (target < 0 || !cluster.get(target).isUp) return;
      const acks = draw(3) === 0 ? 1 : -1;
      const values = Array.from({ length: 1 + draw(3) }, () => `v${produced++}`);
      void cluster
        .get(target)
        .produce(values, { acks, timeoutMs: 3_000 })
        .then(({ errorCode }) => {
          if (errorCode === 0 && acks === -1) acknowledged.push(...values);
        });
    };
    /** Takes a broker out of sync as the controller does; a clean election, or none. */
    const fence = (id: number): void => {
      const { isr, leader } = cluster.state;
      if (isr.length === 1 && isr[0] === id) return;
      const left = isr.filter((other) => other !== id);
      if (leader === id) cluster.elect(left[draw(left.length)]!, left);
      else cluster.change({ isr: left });
    };
    const kill = (id: number, power: boolean): void => {
      // One at a time, so that a majority goes on; the last one in sync stays.
      const { isr } = cluster.state;
      if (down.size > 0 || (isr.length === 1 && isr[0] === id)) return;
      down.add(id);
      cluster.get(id).kill();
      if (power) cluster.get(id).disk.crash(random);
      cluster.get(id).epoch += 100;
      cluster.register(id, true);
      fence(id);
    };
    const revive = async (): Promise<void> => {
      for (const id of down) {
        down.delete(id);
        await cluster.get(id).start();
        cluster.register(id);
        cluster.hear(id);
      }
    };

    /** All lose power at once; what is not on a device is gone, or only in part. */
    const blackout = async (): Promise<void> => {
      for (const replica of cluster.replicas) {
        down.add(replica.id);
        if (replica.isUp) replica.kill();
        // Often nothing survives but what was synced.
        replica.disk.crash(draw(3) === 0 ? random : nothingSurvives);
        replica.epoch += 100;
      }
      for (const { id } of cluster.replicas) cluster.register(id, true);
      const { isr } = cluster.state;
      cluster.elect(isr[draw(isr.length)]!);
      await revive();
    };

    for (let step = 0; step < STEPS; step++) {
      for (let i = draw(4); i > 0; i--) produce();
      // Something is under way.
      await cluster.pass(draw(4), 1);
      const id = draw(3);
      switch (draw(10)) {
        case 8:
          if (flushes) await blackout();
          break;
        case 9:
          for (const other of cluster.replicas) cluster.rejoin(other.id);
          break;
        case 0:
          cluster.isolate(id);
          break;
        case 1:
          cluster.rejoin(id);
          break;
        case 2: {
          const { isr } = cluster.state;
          const heir = isr[draw(isr.length)]!;
          if (cluster.get(heir).isUp) cluster.elect(heir);
          break;
        }
        case 3:
          kill(id, flushes && draw(2) === 0);
          break;
        case 4:
          await revive();
          break;
        case 5:
          cluster.deaf.add(id);
          break;
        case 6:
          cluster.deaf.delete(id);
          cluster.hear(id);
          break;
        default:
          cluster.controllerIsAway = !cluster.controllerIsAway;
      }
      await cluster.pass([5, 30, 200, 1500][draw(4)]!, 25);
      // Without power, what is committed is worth as much as what is in the page cache.
      if (!flushes) expectAgreement(cluster, committed);
    }

    cluster.controllerIsAway = false;
    await revive();
    for (const { id } of cluster.replicas) {
      cluster.rejoin(id);
      cluster.deaf.delete(id);
      cluster.hear(id);
    }
    await cluster.pass(8_000, 50);
    for (let i = 0; i < 3; i++) produce();
    await cluster.pass(1_000, 50);
    expect(cluster.state.isr).toHaveLength(3);
    const [first, ...others] = cluster.replicas.map(({ values }) => values);
    for (const other of others) expect(other).toEqual(first);
    for (const value of acknowledged) expect(first).toContain(value);
    expect(first?.length).toBeGreaterThan(0);
  });
});
