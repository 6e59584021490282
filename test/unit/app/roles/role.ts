/**
 * A role for tests. Its settings say how it behaves; it answers with what it was told, so that a
 * test sees both sides of the thread.
 */
import { FatalError } from '../../../../src/base/errors.ts';
import { serveRole } from '../../../../src/base/role-thread.ts';

export interface TestRole {
  readonly start?: 'fatal' | 'throw';
  readonly stop?: 'hang';
  readonly status?: 'hang';
  /** Dies so long after its start. */
  readonly dies?: 'throw' | 'reject' | 'exit' | 'memory';
  readonly diesAfterMs?: number;
  readonly logs?: number;
}

const hang = <T>(): Promise<T> => new Promise<T>(() => {});

function die(how: TestRole['dies']): void {
  if (how === 'throw') throw new Error('an invariant does not hold');
  if (how === 'reject') void Promise.reject(new Error('nobody caught this'));
  if (how === 'exit') process.exit(3);
  if (how === 'memory') {
    const held: unknown[] = [];
    for (;;) held.push(Array.from({ length: 1_000 }, (_, i) => ({ i })));
  }
}

/** The appliance's settings of a test carry the role's in `broker`. */
const behaviour = (settings: TestRole & { readonly broker?: TestRole }): TestRole =>
  settings.broker ?? settings;

serveRole<TestRole>((settings, { logger, name }) => {
  const role = behaviour(settings);
  return {
    async start() {
      if (role.start === 'fatal') throw new FatalError('port 9092 is taken');
      if (role.start === 'throw') throw new Error('a bug at start');
      for (let i = 0; i < (role.logs ?? 0); i++) logger.info(`line ${i}`, { n: i, o: { p: 1 } });
      if (role.dies !== undefined) setTimeout(() => die(role.dies), role.diesAfterMs ?? 20);
    },
    async stop() {
      if (role.stop === 'hang') await hang();
      logger.info('stopped in order');
    },
    metrics: async () => `# TYPE test_role gauge\ntest_role{name="${name}"} 1\n`,
    status: () => {
      if (role.status === 'hang') for (;;);
      return { light: 'green', reason: '', details: { internal: '127.0.0.1:4242' } };
    },
  };
});
