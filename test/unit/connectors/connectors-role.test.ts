import { expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { FatalError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { type ApplianceValues, applianceKeys } from '../../../src/config/appliance-keys.ts';
import { ConnectorsRole } from '../../../src/connectors/connectors-role.ts';
import { startBroker } from '../broker/fixture.ts';
import { FakeServer } from './fake-server.ts';

function roleWith(
  given: Readonly<Record<string, unknown>>,
  // Nobody listens there.
  bootstrap = '127.0.0.1:1',
): ConnectorsRole {
  const values: Record<string, unknown> = {};
  for (const key of applianceKeys) values[key.name] = key.default;
  const settings = {
    version: '1.2.3',
    dataDir: '/nowhere',
    roles: ['connectors'] as const,
    secret: null,
    interBroker: null,
    bootstrap: [bootstrap],
    values: { ...values, ...given } as ApplianceValues,
    brokers: [],
    broker: {},
  };
  const seams = { clock: systemClock, random: systemRandom, disk: nodeDisk, logger: silentLogger };
  return new ConnectorsRole(settings, seams);
}

it('runs without a connector, green and with the names of its metrics', async () => {
  const role = roleWith({});
  await role.start();
  expect(role.status()).toEqual({ light: 'green', reason: '', details: { connectors: [] } });
  expect(await role.metrics()).toContain('kafka_connect_worker_connector_count 0');
  await role.stop();
});

it('starts while neither the log nor the destination is there, and says what is missing', async () => {
  const role = roleWith({ 'connectors.elasticsearch.url': 'http://127.0.0.1:1' });
  await role.start();
  while (role.status().light === 'green') await new Promise((resolve) => setTimeout(resolve, 5));
  expect(role.status()).toMatchObject({
    light: 'red',
    reason: expect.stringContaining('ECONNREFUSED') as string,
    details: { connectors: [{ name: 'elasticsearch', state: 'RUNNING', isOpen: false }] },
  });
  expect(await role.metrics()).toContain('weir_connector_up{connector="elasticsearch"} 0');
  await role.stop();
});

it('stops in time while the log is away', async () => {
  const server = await FakeServer.start();
  const role = roleWith({ 'connectors.elasticsearch.url': server.url });
  await role.start();
  while (server.otherRequests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await role.stop();
  await role.stop();
  await server.stop();
});

it('tells as failed what somebody else has put out of its group', async () => {
  const [server, broker] = [await FakeServer.start(), await startBroker()];
  const given = { 'connectors.elasticsearch.url': server.url };
  const bootstrap = `127.0.0.1:${broker.port}`;
  const roles = [roleWith(given, bootstrap), roleWith(given, bootstrap)];
  const up = async (role: ConnectorsRole): Promise<string[]> =>
    [
      ...(await role.metrics()).matchAll(
        /^(weir_connector_up|.*_(?:running|failed)_.*|.*_status)\{.*$/gm,
      ),
    ].map(([line]) => line);
  await Promise.all(roles.map((role) => role.start()));
  // Whichever joins last has the name.
  const failed = (): ConnectorsRole | undefined =>
    roles.find((role) => role.status().reason.includes('consumer group'));
  await expect.poll(failed, { timeout: 10_000 }).toBeDefined();
  const [out, other] = [failed()!, roles.find((role) => role !== failed())!];
  expect(out.status()).toMatchObject({
    light: 'red',
    details: { connectors: [{ state: 'FAILED' }] },
  });
  await expect.poll(() => up(other)).toContain('weir_connector_up{connector="elasticsearch"} 1');
  expect(await up(out)).toEqual(
    expect.arrayContaining([
      'weir_connector_up{connector="elasticsearch"} 0',
      'kafka_connect_connector_status{connector="elasticsearch",status="failed"} 1',
      'kafka_connect_worker_connector_failed_task_count{connector="elasticsearch"} 1',
      'kafka_connect_worker_connector_running_task_count{connector="elasticsearch"} 0',
    ]),
  );
  await Promise.all(roles.map((role) => role.stop()));
  await Promise.all([server.stop(), broker.stop()]);
});

it.each([
  [{ 'connectors.elasticsearch.url': 'elastic:9200' }, 'http:// or https://'],
  [
    {
      'connectors.elasticsearch.url': 'https://a:9200',
      'connectors.elasticsearch.ca.file': '/no/such/file.pem',
    },
    '/no/such/file.pem',
  ],
  [
    { 'connectors.elasticsearch.url': 'http://a:9200', 'connectors.elasticsearch.index': 'A*' },
    "index 'A*'",
  ],
])('refuses %j as fatal', async (given, message) => {
  const role = roleWith(given);
  await expect(role.start()).rejects.toThrow(FatalError);
  await expect(roleWith(given).start()).rejects.toThrow(message);
  await role.stop();
});
