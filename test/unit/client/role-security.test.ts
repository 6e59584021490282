import { afterAll, beforeEach, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { roleSecurity } from '../../../src/client/role-security.ts';
import { Authority } from '../../support/certificates.ts';
import { ManualClock } from './manual-clock.ts';

const former = new Authority('The former authority');
const next = new Authority('The next authority');
afterAll(() => {
  former.remove();
  next.remove();
});

const CA = '/etc/weir/ca.pem';
let file = { text: '', modifiedAt: 0 };
beforeEach(() => {
  file = { text: former.certificate, modifiedAt: 1 };
});

/** Of a process that has no broker, and so nobody who tells of changes of the settings. */
function alone(clock: ManualClock, errors: string[]) {
  const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
  const disk = {
    readFile: (path: string) => (path === CA ? Buffer.from(file.text) : null),
    modifiedAt: () => file.modifiedAt,
  };
  return roleSecurity(
    {
      secret: 'A'.repeat(43),
      interBroker: {
        protocol: 'SASL_SSL',
        values: {
          'sasl.mechanism.inter.broker.protocol': 'WEIR-SECRET',
          'ssl.truststore.location': CA,
          'ssl.truststore.type': 'PEM',
        },
      },
      values: { 'engine.kafka.bootstrap': [] },
    },
    'collectors',
    { disk, clock, random: seededRandom(1), logger },
  )!;
}

it('follows the files that its configuration names, and goes on with the old ones while they are no use', async () => {
  const clock = new ManualClock();
  const errors: string[] = [];
  const security = alone(clock, errors);
  const tls = (await security.tls())!;
  const first = tls.context();
  await clock.advance(20_000);
  expect(tls.context()).toBe(first);

  file = { text: 'half a cert', modifiedAt: 2 };
  await clock.advance(6_000);
  expect(tls.context()).toBe(first);
  expect(errors).toHaveLength(1);

  file = { text: next.certificate, modifiedAt: 3 };
  await clock.advance(6_000);
  const second = tls.context();
  expect(second).not.toBe(first);
  // Connections to come are made with it, too.
  expect((await security.tls())!.context()).toBe(second);
});

it('begins when its files come, where they were not there at first', async () => {
  const clock = new ManualClock();
  file = { text: '', modifiedAt: 1 };
  const security = alone(clock, []);
  await expect(security.tls()).rejects.toThrow('ssl.truststore');
  file = { text: next.certificate, modifiedAt: 2 };
  expect((await security.tls())!.context()).toBeDefined();
});
