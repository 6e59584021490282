import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import { readConfiguration, secretsOf, settingsOf } from '../../../src/config/configuration.ts';
import { problemLine, shownValues } from '../../../src/config/print.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const read = (
  yaml: string | null,
  environment: Record<string, string> = {},
  set: Record<string, string> = {},
) => {
  if (yaml !== null) writeFileSync(join(folder, 'weir.yaml'), yaml);
  const options = Object.entries(set).map(([name, value]) => ({ name, value, option: '--set' }));
  return readConfiguration({ environment, options, workingDirectory: folder });
};

const problemsOf = async (yaml: string, environment: Record<string, string> = {}) =>
  (await read(yaml, environment)).problems.map(problemLine);

const settings = async (...given: Parameters<typeof read>) =>
  settingsOf(await read(...given), '0.0.0', folder);

describe('where a value comes from', () => {
  it('takes the default, then the file, then the environment, then --set', async () => {
    const yaml = 'console:\n  port: 1001\n  host: 127.0.0.2\nlog.level: warn\n';
    const environment = { WEIR_CONSOLE_PORT: '1002', WEIR_LOG_LEVEL: 'error' };
    const { values } = await read(yaml, environment, { 'log.level': 'debug' });
    const shown = new Map(shownValues(values).map((row) => [row.key, row]));
    expect(shown.get('console.port')).toEqual({
      key: 'console.port',
      value: 1002,
      origin: 'WEIR_CONSOLE_PORT',
    });
    expect(shown.get('console.host')).toMatchObject({ value: '127.0.0.2', origin: 'weir.yaml:3' });
    expect(shown.get('log.level')).toMatchObject({ value: 'debug', origin: '--set' });
    expect(shown.get('kafka.port')).toMatchObject({ value: 9092, origin: 'default' });
  });

  it('knows a connector by its short variable', async () => {
    const { values } = await settings(null, { WEIR_ELASTICSEARCH_URL: 'http://es:9200' });
    expect(values['connectors.elasticsearch.url']).toBe('http://es:9200');
  });

  it('takes a value back with an empty text', async () => {
    const { values } = await settings('console.token: abcdefgh\n', {}, { 'console.token': '' });
    expect(values['console.token']).toBeNull();
  });

  it('needs no file unless one is asked for', async () => {
    expect((await read(null)).problems).toEqual([]);
    const asked = readConfiguration({
      file: 'absent.yaml',
      environment: {},
      options: [],
      workingDirectory: folder,
    });
    await expect(asked).rejects.toThrow(/can't read configuration file .*absent\.yaml/);
  });

  it('reads units and lists', async () => {
    const yaml = [
      'collectors:',
      '  linger.ms: 2s',
      '  batch.bytes: 64 KiB',
      '  files.paths: [/a/*.log, /b.log]',
      'connectors.elasticsearch.topics: logs, audit',
    ].join('\n');
    const { values } = await settings(yaml);
    expect(values['collectors.linger.ms']).toBe(2_000);
    expect(values['collectors.batch.bytes']).toBe(65_536);
    expect(values['collectors.files.paths']).toEqual(['/a/*.log', '/b.log']);
    expect(values['connectors.elasticsearch.topics']).toEqual(['logs', 'audit']);
  });

  it('fills in variables, their defaults, and dollar signs', async () => {
    const yaml = 'console.token: "$$x${TOKEN}"\ndata.dir: ${DIR:-/var/lib/weir}\n';
    const { values, dataDir } = await settings(yaml, { TOKEN: 's3cret' });
    expect(values['console.token']).toBe('$xs3cret');
    expect(dataDir).toBe('/var/lib/weir');
  });
});

describe('what is wrong', () => {
  it('names every problem at once, in the order of the file, with line and column', async () => {
    const yaml = [
      'console:',
      '  prot: 8081',
      '  port: 99999',
      'data.dir: ${NOPE}',
      'broker:',
      '  log.retention.hurs: 5',
      'log:',
      '  level: loud',
      'console.port: 1',
    ].join('\n');
    expect(await problemsOf(yaml)).toEqual([
      'weir.yaml:2:3: unknown key console.prot; did you mean console.port?',
      'weir.yaml:3:9: console.port must be at most 65535, but is 99999',
      'weir.yaml:4:11: data.dir: environment variable NOPE is not set (a default is written ${NOPE:-value})',
      'weir.yaml:6:3: unknown key broker.log.retention.hurs; did you mean broker.log.retention.hours?',
      'weir.yaml:8:10: log.level must be one of debug, info, warn, error, but is "loud"',
      'weir.yaml:9:1: console.port stands twice; first in line 3',
    ]);
  });

  it('suggests the full name of a key that lacks its section', async () => {
    expect(await problemsOf('log.retention.ms: 1')).toEqual([
      'weir.yaml:1:1: unknown key log.retention.ms; did you mean broker.log.retention.ms?',
    ]);
  });

  it('places broken YAML', async () => {
    const [problem] = await problemsOf('console:\n  port: [1\n');
    expect(problem).toMatch(/^weir\.yaml:\d+:\d+: /);
  });

  it('refuses a file that is no mapping', async () => {
    expect(await problemsOf('- a\n- b\n')).toEqual([
      'weir.yaml:1:1: the file must be a mapping of keys to values',
    ]);
  });

  it('warns of an environment variable that is no key, and stops nothing', async () => {
    const { problems, warnings } = await read(null, { WEIR_CONSOLE_PRT: '1' });
    expect(problems).toEqual([]);
    expect(warnings.map(problemLine)).toEqual([
      'environment variable WEIR_CONSOLE_PRT is no key; did you mean WEIR_CONSOLE_PORT?',
    ]);
  });

  it('never repeats what a secret was set to', async () => {
    const lines = await problemsOf('console.token: [hunter2, hunter3]\n');
    expect(lines).toEqual([
      'weir.yaml:1:16: console.token must be a secret text, but is something else',
    ]);
  });

  it('turns into one fatal error with all of it', async () => {
    const made = settings('a: 1\nb: 2\n');
    await expect(made).rejects.toThrow(FatalError);
    await expect(settings('a: 1\nb: 2\n')).rejects.toThrow(
      /the configuration has 2 problems:\n {2}weir\.yaml:1:1: .*\n {2}weir\.yaml:2:1: /,
    );
  });
});

describe('listeners beyond this machine', () => {
  it('are refused without authentication', async () => {
    expect(await problemsOf('kafka.host: 0.0.0.0\nconsole.host: 10.0.0.1\n')).toEqual([
      'weir.yaml:1:13: kafka.host: 0.0.0.0 can be reached from other machines without authentication; to allow that, set insecure: true',
      'weir.yaml:2:15: console.host: 10.0.0.1 can be reached from other machines without authentication; to allow that, set console.token, or insecure: true',
    ]);
    expect(await problemsOf('broker.listeners: ["PLAINTEXT://:9092"]\n')).toHaveLength(1);
  });

  it('are allowed when insecure, or with a token', async () => {
    expect(await problemsOf('insecure: true\nkafka.host: 0.0.0.0\n')).toEqual([]);
    expect(await problemsOf('console.host: 10.0.0.1\nconsole.token: abcdefgh\n')).toEqual([]);
  });

  it('do not count when their role runs elsewhere', async () => {
    expect(await problemsOf('roles: [connectors]\nkafka.host: 0.0.0.0\n')).toEqual([]);
  });
});

describe('settings', () => {
  it("give the broker Kafka's names, and our own roles its address", async () => {
    const { broker, bootstrap } = await settings('kafka.port: 9192\nbroker.node.id: 7\n');
    expect(broker).toMatchObject({ listeners: ['PLAINTEXT://127.0.0.1:9192'], 'node.id': 7 });
    expect(broker['log.dirs']).toEqual([join(folder, 'weir-data', 'broker-0')]);
    expect(bootstrap).toEqual(['127.0.0.1:9192']);
  });

  it('run no broker where Apache Kafka keeps the log', async () => {
    const { roles, bootstrap } = await settings('engine.kafka.bootstrap: a:9092,b:9092\n');
    expect(roles).toEqual(['collectors', 'connectors', 'console']);
    expect(bootstrap).toEqual(['a:9092', 'b:9092']);
  });

  it('scrape the appliance itself where its console is', async () => {
    const { values } = await settings('console.port: 8181\n');
    expect(values['collectors.scrape.targets']).toEqual(['http://127.0.0.1:8181/metrics']);
  });

  it('refuse one port for two', async () => {
    expect(await problemsOf('console.port: 9092\n')).toEqual([
      'weir.yaml:1:15: console.port: port 9092 is taken by kafka.port already',
    ]);
  });

  it('mask secrets when shown, and give them to the redactor', async () => {
    const configuration = await read('console.token: opensesame\n');
    const shown = shownValues(configuration.values).find((row) => row.key === 'console.token');
    expect(shown?.value).toBe('***');
    expect([...secretsOf(configuration)]).toContainEqual(['console.token', 'opensesame']);
  });
});
