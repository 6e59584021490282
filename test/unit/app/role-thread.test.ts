import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { RoleSupervisor } from '../../../src/base/role-supervisor.ts';
import { portLogger, RoleThread } from '../../../src/base/role-thread.ts';
import { SpareThread } from '../../../src/base/spare-thread.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { TestRole } from './roles/role.ts';

const entry = new URL('./roles/role.ts', import.meta.url);

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

const recorder = (): { readonly logger: Logger; readonly lines: Line[] } => {
  const lines: Line[] = [];
  const at = (level: string) => (message: string, fields?: Line['fields']) => {
    lines.push({ level, message, fields });
  };
  return {
    lines,
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  };
};

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const thread = (settings: TestRole, spare?: SpareThread) => {
  const { logger, lines } = recorder();
  let died: (reason: string) => void;
  const death = new Promise<string>((resolve) => {
    died = resolve;
  });
  const role = new RoleThread<TestRole>({
    name: 'test',
    entry,
    settings,
    logger,
    onDied: (reason) => died(reason),
    ...(spare === undefined ? {} : { spare }),
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  });
  stops.push(() => role.stop(1_000));
  return { role, lines, death };
};

const supervisor = (settings: TestRole, essential = false) => {
  const { logger, lines } = recorder();
  const role = new RoleSupervisor<TestRole>({
    name: 'test',
    entry,
    settings,
    logger,
    essential,
    answerMsMax: 300,
  });
  stops.push(() => role.stop(200));
  return { role, lines };
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a role on its thread', () => {
  it('starts, tells its metrics and status, and stops in order', async () => {
    const { role, lines } = thread({});
    await role.start();
    expect(await role.metrics()).toContain('test_role{name="test"} 1');
    expect(await role.status()).toMatchObject({
      light: 'green',
      details: { internal: '127.0.0.1:4242' },
    });
    await role.stop(5_000);
    expect(lines).toEqual([
      { level: 'info', message: 'stopped in order', fields: { 'weir.role': 'test' } },
    ]);
    await expect(role.metrics()).rejects.toThrow('role test is not running');
  });

  it('hands its log lines over, at most so many a second, and says how many it left out', async () => {
    const { role, lines } = thread({ logs: 250 });
    await role.start();
    expect(lines).toHaveLength(200);
    expect(lines[199]).toEqual({
      level: 'info',
      message: 'line 199',
      fields: { 'weir.role': 'test', n: 199, o: '{"p":1}' },
    });
  });

  it('rejects a start that the environment forbids with the same FatalError', async () => {
    const { role } = thread({ start: 'fatal' });
    await expect(role.start()).rejects.toThrow(new FatalError('port 9092 is taken'));
  });

  it('rejects a start that fails for a bug with the stack', async () => {
    const { role } = thread({ start: 'throw' });
    await expect(role.start()).rejects.toThrow(/a bug at start[^]*role\.ts/);
  });

  it.each([
    ['throw', /an invariant does not hold/],
    ['reject', /nobody caught this/],
    ['exit', /exited with code 3/],
    ['memory', /memory/i],
  ] as const)('is reported when it dies by %s, and takes nothing along', async (dies, reason) => {
    const { role, death } = thread({ dies, diesAfterMs: 500 });
    await role.start();
    expect(await death).toMatch(reason);
    await expect(role.status()).rejects.toThrow(reason);
  });

  it('is ended when it does not stop within its time', async () => {
    const { role, lines } = thread({ stop: 'hang' });
    await role.start();
    await role.stop(50);
    expect(lines.map((line) => line.message)).toEqual(['role did not stop by itself']);
  });

  it('rejects its start when its module can not be loaded', async () => {
    const { logger } = recorder();
    const role = new RoleThread({
      name: 'test',
      entry: new URL('./roles/absent.ts', import.meta.url),
      settings: {},
      logger,
      onDied: () => expect.unreachable('it never lived'),
    });
    await expect(role.start()).rejects.toThrow(/absent\.ts/);
  });
});

describe('a spare thread', () => {
  const spareOf = async (module: string): Promise<{ spare: SpareThread; worker: Worker }> => {
    const made = once(process, 'worker');
    const spare = new SpareThread(new URL(module, import.meta.url), 'spare', undefined);
    const [worker] = (await made) as [Worker];
    return { spare, worker };
  };
  const gone = (worker: Worker): Promise<unknown> =>
    worker.threadId === -1
      ? Promise.resolve()
      : new Promise((resolve) => {
          worker.once('exit', resolve);
        });

  it('becomes the role that takes it, under the name of the role, and of no other one', async () => {
    const { spare, worker } = await spareOf('./roles/role.ts');
    const first = thread({ dies: 'exit', diesAfterMs: 100 }, spare);
    await first.role.start();
    expect(await first.death).toMatch(/exited with code 3/);
    expect(worker.threadId).toBe(-1);
    const second = thread({ logs: 1 }, spare);
    await second.role.start();
    expect(await second.role.metrics()).toContain('test_role{name="test"} 1');
  });

  it('that could not load leaves the role to another thread', async () => {
    const { spare, worker } = await spareOf('./roles/absent.ts');
    await gone(worker);
    const { role } = thread({}, spare);
    await role.start();
    expect(await role.status()).toMatchObject({ light: 'green' });
  });

  it('ends when nobody needs it, and not when it is taken', async () => {
    const unwanted = await spareOf('./roles/role.ts');
    unwanted.spare.discard();
    await gone(unwanted.worker);
    expect(unwanted.spare.take()).toBeNull();
    const { spare } = await spareOf('./roles/role.ts');
    const { role } = thread({}, spare);
    const starting = role.start();
    spare.discard();
    await starting;
    expect(await role.status()).toMatchObject({ light: 'green' });
  });
});

describe('a supervised role', () => {
  it('comes back after its death, and is counted', async () => {
    const { role, lines } = supervisor({ dies: 'throw', diesAfterMs: 500 });
    await role.start();
    expect(role.state).toBe('running');
    await until(() => role.restarts >= 2);
    const deaths = lines.filter((line) => line.message === 'role died');
    expect(deaths.slice(0, 2).map((line) => line.fields?.['weir.restart_in_ms'])).toEqual([
      250, 500,
    ]);
    expect(deaths[0]?.fields?.['error.stack_trace']).toMatch(/an invariant does not hold/);
  });

  it('is red, with the reason, while it is away', async () => {
    const { role } = supervisor({ dies: 'exit', diesAfterMs: 1 });
    await role.start();
    await until(() => role.state === 'waiting');
    const status = await role.status();
    expect(status.light).toBe('red');
    expect(status.reason).toMatch(/^does not run: .*its thread exited with code 3$/);
    expect(status.details).toEqual({ restarts: role.restarts });
    await expect(role.metrics()).rejects.toThrow('role test is not running');
  });

  it('is red when it does not answer', async () => {
    const { role } = supervisor({ status: 'hang' });
    await role.start();
    expect(await role.status()).toMatchObject({
      light: 'red',
      reason: "role test did not answer 'status' within 300 ms",
    });
  });

  it('that is essential rejects its first start, and does not come back by itself', async () => {
    const { role } = supervisor({ start: 'fatal' }, true);
    await expect(role.start()).rejects.toThrow(FatalError);
    expect(role.state).toBe('stopped');
  });

  it('that is not essential is tried again', async () => {
    const { role, lines } = supervisor({ start: 'fatal' });
    await role.start();
    expect(role.state).toBe('waiting');
    await until(() => lines.length >= 2);
    expect(new Set(lines.map((line) => line.message))).toEqual(new Set(['role did not start']));
    expect(role.restarts).toBeGreaterThan(0);
  });

  it('comes back when it died before anybody saw it start', async () => {
    const { role } = supervisor({ dies: 'throw', diesAfterMs: 0 });
    const starting = role.start();
    // Nothing of the thread is seen meanwhile: its answer and its end arrive together.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    await starting;
    await until(() => role.restarts > 0);
  });

  it('does not come back after it was told to stop', async () => {
    const { role } = supervisor({ dies: 'throw', diesAfterMs: 1 });
    await role.start();
    await until(() => role.state === 'waiting');
    const { restarts } = role;
    await role.stop(100);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(role.state).toBe('stopped');
    expect(role.restarts).toBe(restarts);
  });
});

describe('the log on its way out of a thread', () => {
  it('says in the next second what it left out, and sends what a port can carry', () => {
    const clock = new ManualClock();
    const sent: unknown[] = [];
    const logger = portLogger((reply) => sent.push(structuredClone(reply)), 'info', clock);
    logger.debug('below the level');
    for (let i = 0; i < 205; i++) logger.info('line');
    expect(sent).toHaveLength(200);
    clock.advance(1_000);
    logger.error('next', { f: () => {}, s: Symbol('x'), e: new Error('boom'), n: null, big: 1n });
    expect(sent).toHaveLength(202);
    expect(sent[200]).toMatchObject({ level: 'warn', fields: { 'weir.log.suppressed': 5 } });
    expect(sent[201]).toMatchObject({
      level: 'error',
      fields: { n: null, s: 'Symbol(x)', big: 1n },
    });
  });
});
