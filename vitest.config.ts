import { defineConfig } from 'vitest/config';

const common = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 180_000,
  // A test waits for what has to come, not for a time in which it should have come.
  expect: { poll: { timeout: 30_000, interval: 25 } },
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/{unit,property}/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Takes every processor for as long as it is given: WEIR_SIM_SECONDS.
        test: {
          ...common,
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          maxWorkers: 1,
          testTimeout: 900_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Peers are JVMs and servers that take whole cores: one file at a time, and nothing beside.
        test: {
          ...common,
          name: 'peers',
          include: ['test/{interop,crash}/**/*.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
