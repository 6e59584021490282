import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withPorts } from '../../../src/config/broker-list.ts';
import { readConfiguration, settingsOf } from '../../../src/config/configuration.ts';
import { problemLine, shownValues } from '../../../src/config/print.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-brokers-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const read = (yaml: string | null, set: Record<string, string> = {}) => {
  if (yaml !== null) writeFileSync(join(folder, 'weir.yaml'), yaml);
  const options = Object.entries(set).map(([name, value]) => ({ name, value, option: '--set' }));
  return readConfiguration({ environment: {}, options, workingDirectory: folder });
};

const problemsOf = async (yaml: string | null, set: Record<string, string> = {}) =>
  (await read(yaml, set)).problems.map(problemLine);

const settings = async (...given: Parameters<typeof read>) =>
  settingsOf(await read(...given), '0.0.0', folder);

const at = (...parts: string[]): string => join(folder, ...parts);

describe('a number of brokers', () => {
  it('gives each an id, a port, a folder below the one for all, and the addresses of the others', async () => {
    const { brokers, bootstrap, dataDir, broker } = await settings(null, { brokers: '3' });
    expect(dataDir).toBe(at('weir-data'));
    expect(bootstrap).toEqual(['127.0.0.1:9092', '127.0.0.1:9093', '127.0.0.1:9094']);
    expect(brokers.map(({ id, role, here }) => [id, role, here])).toEqual([
      [0, 'broker-0', true],
      [1, 'broker-1', true],
      [2, 'broker-2', true],
    ]);
    expect(brokers[1]).toMatchObject({
      dirs: [at('weir-data', 'broker-1')],
      address: '127.0.0.1:9093',
    });
    expect(brokers[1]!.given).toEqual({
      'node.id': 1,
      listeners: ['PLAINTEXT://127.0.0.1:9093'],
      'advertised.listeners': [],
      'log.dirs': [at('weir-data', 'broker-1')],
      'cluster.brokers': ['0@127.0.0.1:9092', '1@127.0.0.1:9093', '2@127.0.0.1:9094'],
      'default.replication.factor': 3,
      'offsets.topic.replication.factor': 3,
      'transaction.state.log.replication.factor': 3,
      'min.insync.replicas': 2,
    });
    expect(broker).toBe(brokers[0]!.given);
  });

  it('puts each on a folder of its own, the first of which is the appliance’s, too', async () => {
    const { brokers, dataDir } = await settings(null, { brokers: '3', 'data.dir': 'a,/b,c' });
    expect(dataDir).toBe(at('a'));
    expect(brokers.map(({ dirs }) => dirs)).toEqual([
      [at('a', 'broker-0')],
      ['/b/broker-1'],
      [at('c', 'broker-2')],
    ]);
  });

  it('leaves a lone broker as it was', async () => {
    const { brokers } = await settings(null);
    expect(brokers).toEqual([
      {
        id: 0,
        role: 'broker',
        here: true,
        dirs: [at('weir-data', 'broker-0')],
        address: '127.0.0.1:9092',
        clients: '127.0.0.1:9092',
        given: {
          listeners: ['PLAINTEXT://127.0.0.1:9092'],
          'advertised.listeners': [],
          'log.dirs': [at('weir-data', 'broker-0')],
        },
      },
    ]);
  });

  it('asks for fewer replicas where there are fewer brokers, and for what somebody wants', async () => {
    const two = await settings(null, { brokers: '2' });
    expect(two.broker).toMatchObject({ 'default.replication.factor': 2 });
    expect(two.broker).not.toHaveProperty('min.insync.replicas');
    const yaml = 'brokers: 5\nbroker:\n  default.replication.factor: 2\n  min.insync.replicas: 1\n';
    expect((await settings(yaml)).brokers[4]!.given).toMatchObject({
      'default.replication.factor': 2,
      'offsets.topic.replication.factor': 3,
      'transaction.state.log.replication.factor': 3,
      'min.insync.replicas': 1,
    });
  });

  it('runs some of them here, and knows all', async () => {
    const set = { brokers: '3', 'brokers.here': '1' };
    const { brokers, bootstrap } = await settings(null, set);
    expect(brokers.map(({ here }) => here)).toEqual([false, true, false]);
    expect(bootstrap).toHaveLength(3);
    expect(await problemsOf(null, { ...set, 'brokers.here': '1,3' })).toEqual([
      'brokers.here: no broker has the id 3; there are 0, 1, 2',
    ]);
    expect(await problemsOf(null, { ...set, 'kafka.port': '0' })).toContain(
      'kafka.port: must not be 0 where brokers run in several processes',
    );
  });
});

describe('a list of brokers', () => {
  it('says of each who it is, where it is, and what is different there', async () => {
    const yaml = [
      'data.dir: /var/lib/weir',
      'broker.log.retention.hours: 24',
      'brokers:',
      '  - { rack: a }',
      '  - id: 4',
      '    data: [/disk1, /disk2]',
      '    rack: b',
      '    log:',
      '      retention.hours: 1',
      '  - { id: 7, port: 19092, host: 127.0.0.2, data: /disk3, num.partitions: 6 }',
    ].join('\n');
    const { brokers, bootstrap } = await settings(yaml);
    expect(bootstrap).toEqual(['127.0.0.1:9092', '127.0.0.1:9096', '127.0.0.2:19092']);
    expect(brokers.map(({ id, dirs }) => [id, dirs])).toEqual([
      [0, ['/var/lib/weir/broker-0']],
      [4, ['/disk1/broker-4', '/disk2/broker-4']],
      [7, ['/disk3/broker-7']],
    ]);
    expect(brokers.map(({ given }) => given['broker.rack'])).toEqual(['a', 'b', undefined]);
    expect(brokers.map(({ given }) => given['log.retention.hours'])).toEqual([24, 1, 24]);
    expect(brokers[2]!.given).toMatchObject({ 'node.id': 7, 'num.partitions': 6 });
    const shown = shownValues((await read(yaml)).values).filter(({ key }) => key.includes('['));
    expect(shown).toContainEqual({ key: 'brokers[1].id', value: 4, origin: 'weir.yaml:5' });
  });

  it('may hold one broker', async () => {
    const { brokers } = await settings('brokers:\n  - { id: 2, data: /d }\n');
    expect(brokers).toMatchObject([{ id: 2, role: 'broker', dirs: ['/d/broker-2'] }]);
    expect(brokers[0]!.given).toMatchObject({ 'node.id': 2 });
  });

  it('is checked like everything else, with places and suggestions', async () => {
    const yaml = [
      'brokers:',
      '  - rak: a',
      '  - { id: 0, port: 99999 }',
      '  - { id: 0, retention.ms: 1 }',
      '  - nothing',
    ].join('\n');
    expect(await problemsOf(yaml)).toEqual([
      'weir.yaml:2:5: unknown key brokers[0].rak; did you mean brokers[0].rack?',
      'weir.yaml:3:11: brokers[1].id: two brokers have the id 0',
      'weir.yaml:3:20: brokers[1].port must be at most 65535, but is 99999',
      'weir.yaml:4:11: brokers[2].id: two brokers have the id 0',
      'weir.yaml:4:14: unknown key brokers[2].retention.ms; did you mean brokers[2].log.retention.ms?',
      'weir.yaml:5:5: brokers[3] must be a mapping of keys to values',
    ]);
  });

  it('may not be shorter than what is said of it', async () => {
    expect(await problemsOf(null, { 'brokers[1].rack': 'a' })).toEqual([
      'brokers[1].rack: there is only one broker (brokers)',
    ]);
  });
});

describe('what brokers can not share', () => {
  it('is a folder', async () => {
    expect(await problemsOf('brokers: 2\ndata.dir: [a, b, ./a]\n')).toEqual([
      `weir.yaml:2:11: data.dir: ${at('a')} stands twice`,
      'weir.yaml:2:11: data.dir: 3 folders for 2 brokers; give one for all, or one for each (brokers: 3)',
    ]);
    expect(await problemsOf('data.dir: a,b\n')).toEqual([
      'weir.yaml:1:11: data.dir: 2 folders for 1 broker; give one for all, or one for each (brokers: 2)',
    ]);
    expect(await problemsOf('brokers:\n  - data: /a\n  - data: [/b, /a]\n')).toEqual([
      'weir.yaml:3:11: brokers[1].data: /a is brokers[0].data already',
    ]);
  });

  it('is an address', async () => {
    expect(await problemsOf('brokers:\n  - {}\n  - port: 9092\n')).toEqual([
      "weir.yaml:3:11: brokers[1].port: 127.0.0.1:9092 is another broker's already",
    ]);
    expect(await problemsOf('brokers: 3\nconsole.port: 9094\n')).toEqual([
      'weir.yaml:2:15: console.port: port 9094 is taken by broker 2 already',
    ]);
    expect(await problemsOf('brokers: 2\nbroker.listeners: ["PLAINTEXT://:9092"]\n')).toContain(
      "weir.yaml:2:19: broker.listeners: 2 brokers can't share it; use kafka.host and kafka.port, or listeners in the list `brokers`",
    );
    expect(await problemsOf('kafka.port: 65535\nbrokers: 2\n')).toContain(
      'weir.yaml:1:13: kafka.port: broker 1 would listen on 65536; choose a lower one',
    );
  });

  it('is an open door that nobody wanted', async () => {
    const yaml = 'brokers:\n  - {}\n  - host: 10.0.0.1\n  - listeners: ["PLAINTEXT://:9"]\n';
    const problems = await problemsOf(yaml);
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^weir\.yaml:3:11: brokers\[1\]\.host: 10\.0\.0\.1 can be reached/);
    expect(problems[1]).toMatch(/^weir\.yaml:4:16: brokers\[2\]\.listeners: 0\.0\.0\.0 can be/);
    expect(await problemsOf(`insecure: true\n${yaml}`)).toEqual([]);
  });
});

it('tells everybody of the ports that were taken', async () => {
  const { brokers } = await settings(null, { brokers: '2', 'kafka.port': '0' });
  const ported = withPorts(brokers, [4001, 4002]);
  expect(ported.map(({ address }) => address)).toEqual(['127.0.0.1:4001', '127.0.0.1:4002']);
  expect(ported[1]!.given).toMatchObject({
    listeners: ['PLAINTEXT://127.0.0.1:4002'],
    'cluster.brokers': ['0@127.0.0.1:4001', '1@127.0.0.1:4002'],
  });
});

it('takes constant labels only by names that Prometheus has', async () => {
  expect(await problemsOf('metrics.labels: [kafka_cluster=weir, a-b=c, __x=1]\n')).toEqual([
    'weir.yaml:1:17: metrics.labels: expected NAME=VALUE, saw "a-b=c"',
    'weir.yaml:1:17: metrics.labels: expected NAME=VALUE, saw "__x=1"',
  ]);
});

describe('the listener between brokers', () => {
  const two = `
broker:
  listeners: [CLIENTS://127.0.0.1:9092, INNER://127.0.0.1:19092]
  listener.security.protocol.map: [CLIENTS:SASL_SSL, INNER:SSL]
`;

  it('is told to the roles with all that holds for it', async () => {
    const { bootstrap, interBroker, brokers } = await settings(`${two}
  inter.broker.listener.name: inner
  ssl.keystore.location: /all.pem
  ssl.client.auth: requested
  listener.name.inner.ssl.client.auth: required
  listener.name.clients.ssl.truststore.location: /clients.pem
`);
    expect(bootstrap).toEqual(['127.0.0.1:19092']);
    expect(interBroker).toMatchObject({
      name: 'INNER',
      protocol: 'SSL',
      values: {
        'ssl.keystore.location': '/all.pem',
        'ssl.client.auth': 'required',
        'ssl.truststore.location': null,
        'ssl.endpoint.identification.algorithm': 'https',
        'sasl.mechanism.inter.broker.protocol': 'WEIR-SECRET',
      },
    });
    expect(brokers[0]!.given['listeners']).toHaveLength(2);
  });

  it('is one more, of loopback, where none is named and the first has TLS', async () => {
    const { bootstrap, interBroker } = await settings(two, { 'kafka.internal.port': '19192' });
    expect(bootstrap).toEqual(['127.0.0.1:19192']);
    expect(interBroker).toMatchObject({ name: 'INTERNAL', protocol: 'SASL_PLAINTEXT' });
  });

  it('may be named by its protocol', async () => {
    const { interBroker, bootstrap } = await settings(`
broker:
  listeners: [PLAINTEXT://127.0.0.1:9092, SSL://127.0.0.1:19092]
  security.inter.broker.protocol: SSL
`);
    expect(interBroker).toMatchObject({ name: 'SSL', protocol: 'SSL' });
    expect(bootstrap).toEqual(['127.0.0.1:19092']);
  });

  it('has a password for one mechanism before that for all', async () => {
    const { interBroker } = await settings(`
broker:
  listeners: [SASL_SSL://127.0.0.1:9092]
  security.inter.broker.protocol: SASL_SSL
  sasl.mechanism.inter.broker.protocol: PLAIN
  sasl.jaas.config: all
  listener.name.sasl_ssl.plain.sasl.jaas.config: one
`);
    expect(interBroker!.values['sasl.jaas.config']).toBe('one');
  });

  it('must be there, and be named once', async () => {
    expect(await problemsOf(`${two}  security.inter.broker.protocol: SSL\n`)).toEqual([
      expect.stringContaining('broker.security.inter.broker.protocol: there is no listener SSL'),
    ]);
    const both = '  inter.broker.listener.name: INNER\n  security.inter.broker.protocol: SSL\n';
    expect(await problemsOf(two + both)).toEqual([
      expect.stringContaining('stands beside inter.broker.listener.name'),
    ]);
  });
});
