import { describe, expect, it } from 'vitest';
import { fuzzRounds } from '../../../support/fuzz.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';

/** `WEIR_QUORUM_SEED` runs that seed alone. */
const ONE = Number(process.env['WEIR_QUORUM_SEED'] ?? 0);

async function simulateMany(
  count: number,
  options: Omit<SimulationOptions, 'seed'>,
): Promise<(key: keyof SimulationResult) => number> {
  const seeds = ONE > 0 ? [ONE] : Array.from({ length: fuzzRounds(count) }, (_, i) => i + 1);
  const results: SimulationResult[] = [];
  for (const seed of seeds) {
    try {
      results.push(await simulate({ ...options, seed }));
    } catch (error) {
      throw new Error(`WEIR_QUORUM_SEED=${seed} with ${JSON.stringify(options)}`, { cause: error });
    }
  }
  return (key) => results.reduce((sum, result) => sum + result[key], 0);
}

const TIMEOUT_MS = fuzzRounds(120_000);

describe('a quorum in trouble keeps what it has acknowledged, and recovers', () => {
  it('with three members', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(150, { members: 3 });
    if (ONE > 0) return;
    // Else nothing was tried.
    expect(total('acknowledged')).toBeGreaterThan(4_000);
    expect(total('epochs')).toBeGreaterThan(400);
    expect(total('truncations')).toBeGreaterThan(50);
    expect(total('snapshotsFetched')).toBeGreaterThan(0);
  });

  it('with five', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(40, { members: 5 });
    if (ONE === 0) expect(total('acknowledged')).toBeGreaterThan(1_000);
  });

  it('with two', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(30, { members: 2 });
    if (ONE === 0) expect(total('acknowledged')).toBeGreaterThan(200);
  });

  it('with one', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(20, { members: 1 });
    if (ONE === 0) expect(total('acknowledged')).toBeGreaterThan(1_000);
  });

  it('with one to begin with, and two that join', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(40, { members: 1, joining: 2 });
    if (ONE === 0) expect(total('acknowledged')).toBeGreaterThan(1_000);
  });

  it('with more brokers than may vote', { timeout: TIMEOUT_MS }, async () => {
    const total = await simulateMany(15, { members: 5, joining: 2 });
    if (ONE === 0) expect(total('acknowledged')).toBeGreaterThan(300);
  });

  it('when a leader of the past was taken for that of the present', async () => {
    await simulate({ seed: 270, members: 5 });
  });

  it('when a torn batch claimed to be of a later epoch than there was', async () => {
    await simulate({ seed: 810, members: 3 });
  });
});
