import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { Admin } from '../../../src/client/admin.ts';
import { Client } from '../../../src/client/client.ts';
import { freePort } from '../../peers/peer.ts';
import { Authority } from '../../support/certificates.ts';
import { freeRow, WeirBrokers } from '../../support/weir-brokers.ts';
import { WeirProcess } from '../../support/weir-process.ts';
import { WireClient } from '../broker/fixture.ts';
import { fakeTerminal } from '../cli/fake-terminal.ts';

const authority = new Authority();
const trust = authority.file('trust.pem', authority.certificate);
const stores = [0, 1, 2].map((id) => {
  const { key, certificate } = authority.issue({ subject: [['CN', `broker-${id}`]] });
  return authority.file(`broker-${id}.pem`, key + certificate);
});
afterAll(() => authority.remove());

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Clients come in plain text; brokers and roles by another listener, with TLS on both sides. */
const listeners = (port: number, inner: readonly number[]): string[] => [
  ...inner.flatMap((own, i) => [
    `brokers[${i}].listeners=PLAINTEXT://127.0.0.1:${port + i},SSL://127.0.0.1:${own}`,
    `brokers[${i}].listener.name.ssl.ssl.keystore.location=${stores[i]}`,
  ]),
  'broker.security.inter.broker.protocol=SSL',
  `broker.listener.name.ssl.ssl.truststore.location=${trust}`,
  'broker.listener.name.ssl.ssl.client.auth=required',
  'broker.listener.name.ssl.ssl.principal.mapping.rules=RULE:^CN=broker-.*$/broker/',
];

async function ingest(weir: WeirProcess): Promise<number> {
  const answer = await fetch(`${weir.url}/ingest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"message":"over TLS"}',
  });
  await answer.text();
  return answer.status;
}

async function ships(weir: WeirProcess, bootstrap: string): Promise<void> {
  expect(await ingest(weir)).toBe(200);
  const client = new Client({ bootstrap, clientId: 'test' });
  stops.unshift(() => Promise.resolve(client.close()));
  const admin = new Admin(client);
  await expect
    .poll(async () => {
      const [topic] = await admin.describeTopics(['logs']);
      return Math.min(...(topic?.partitions ?? []).map(({ isr }) => isr.length));
    })
    .toBe(3);
}

describe('an appliance whose brokers have TLS between them', () => {
  it('ships logs to brokers that are threads of one process', async () => {
    const port = await freeRow(3);
    const inner = [await freePort(), await freePort(), await freePort()];
    const weir = await WeirProcess.start({
      settings: ['brokers=3', ...listeners(port, inner)],
      broker: { id: 0, port },
    });
    stops.push(() => weir.stop());
    await ships(weir, weir.bootstrap);
    // Commands come in by the same listener: by the data folder, and the file's keys for TLS.
    const properties = authority.file(
      'client.properties',
      `security.protocol=SSL\nssl.truststore.location=${trust}\nssl.keystore.location=${stores[0]}\n`,
    );
    const list = async (...access: string[]): Promise<string> => {
      const terminal = fakeTerminal();
      const at = ['--bootstrap-server', `127.0.0.1:${inner[0]}`];
      await runCommand(commands, ['topic', 'list', ...at, ...access], terminal);
      return terminal.written() + terminal.errors();
    };
    expect(await list('--data', weir.data, '--command-config', properties)).toContain('logs');
    expect(await list('--data', weir.data)).not.toContain('logs');
  });

  it('has roles that know the certificates which the broker was given while it ran', async () => {
    const other = new Authority('Renewed');
    stops.push(() => Promise.resolve(other.remove()));
    const renewed = other.issue({ subject: [['CN', 'broker-0']] });
    const port = await freePort();
    const weir = await WeirProcess.start({
      settings: ['collectors.http.acks=all', ...listeners(port, [await freePort()])],
      broker: { id: 0, port },
    });
    stops.push(() => weir.stop());
    expect(await ingest(weir)).toBe(200);
    const client = await WireClient.connect(weir.port);
    const change = (name: string, value: string) => ({
      name: `listener.name.ssl.ssl.${name}.location`,
      configOperation: 0,
      value,
    });
    const configs = [
      change('keystore', other.file('renewed.pem', renewed.key + renewed.certificate)),
      change('truststore', other.file('trust.pem', other.certificate)),
    ];
    const changed = await client.request('IncrementalAlterConfigs', 1, {
      resources: [{ resourceType: 4, resourceName: '0', configs }],
    });
    expect(changed.responses[0].errorMessage).toBeNull();
    await client.close();
    expect(await ingest(weir)).toBe(200);
    // Connections that stood are gone now, and the configuration still says what it did.
    await weir.halt();
    await weir.restart();
    await expect.poll(() => ingest(weir), { timeout: 20_000 }).toBe(200);
  });

  it('ships logs to brokers that are processes, also when one comes back', async () => {
    const inner = [await freePort(), await freePort(), await freePort()];
    const cluster = await WeirBrokers.start({
      brokers: 3,
      settings: (port) => [
        ...listeners(port, inner),
        'broker.sasl.mechanism.inter.broker.protocol=EXTERNAL',
      ],
    });
    stops.push(() => cluster.stop());
    const [first, , last] = cluster.brokers;
    await last!.kill();
    await last!.restart();
    await ships(first!, cluster.bootstrap);
  });
});
