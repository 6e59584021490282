import { expect, it } from 'vitest';
import { countReplicas } from '../../../src/broker/broker-status.ts';

const led = { isOffline: false, isLeader: true, minIsr: 1 };
const underReplicated = (replicas: number[], adding: number[], isr: number[]): number =>
  countReplicas([{ ...led, replicas, adding, isr }]).underReplicated;

it('counts a replica that is lost, and none that is being added', () => {
  expect(underReplicated([0, 1, 2], [], [0, 1, 2])).toBe(0);
  expect(underReplicated([0, 1, 2], [], [0, 2])).toBe(1);
  expect(underReplicated([3, 4, 0, 1], [3, 4], [0, 1])).toBe(0);
  expect(underReplicated([3, 4, 0, 1], [3, 4], [0])).toBe(1);
});
