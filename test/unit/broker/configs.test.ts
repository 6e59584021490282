import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchOf,
  createTopic,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from './fixture.ts';

const TOPIC = 2;
const BROKER = 4;
const SOURCE = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, staticBroker: 4, default: 5 };
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker({ 'log.retention.hours': 2, 'log.segment.bytes': 2_000_000 });
  client = await WireClient.connect(running.port);
  await createTopic(client, 't', 1, { 'max.message.bytes': '5000' });
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const describeOne = async (
  resourceType: number,
  resourceName: string,
  configurationKeys: string[] | null = null,
  version = 4,
): Promise<any> => {
  const response = await client.request('DescribeConfigs', version, {
    resources: [{ resourceType, resourceName, configurationKeys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  return response.results[0];
};
const describeKey = async (type: number, name: string, key: string): Promise<any> =>
  (await describeOne(type, name, [key])).configs[0];

const alter = async (
  resourceType: number,
  resourceName: string,
  ...configs: [name: string, configOperation: number, value: string | null][]
): Promise<any> => {
  const response = await client.request('IncrementalAlterConfigs', 1, {
    resources: [
      {
        resourceType,
        resourceName,
        configs: configs.map(([name, configOperation, value]) => ({
          name,
          configOperation,
          value,
        })),
      },
    ],
  });
  return response.responses[0];
};

describe('DescribeConfigs', () => {
  it.each([0, 1, 2, 3, 4])('lists every setting of a topic in version %i', async (version) => {
    const { errorCode, configs } = await describeOne(TOPIC, 't', null, version);
    expect(errorCode).toBe(0);
    expect(configs.length).toBeGreaterThan(30);
    const own = configs.find((c: any) => c.name === 'max.message.bytes');
    expect(own).toMatchObject({ value: '5000', readOnly: false, isSensitive: false });
    if (version === 0) expect(own.isDefault).toBe(false);
    else expect(own.configSource).toBe(SOURCE.topic);
    if (version >= 3) {
      expect(own.configType).toBe(3);
      expect(own.documentation).toContain('batch');
    }
  });

  it('tells what a setting falls back to, in the words of each place', async () => {
    const { synonyms, value, configSource } = await describeKey(TOPIC, 't', 'max.message.bytes');
    expect(value).toBe('5000');
    expect(configSource).toBe(SOURCE.topic);
    expect(synonyms).toEqual([
      { name: 'max.message.bytes', value: '5000', source: SOURCE.topic },
      { name: 'message.max.bytes', value: '1048588', source: SOURCE.default },
    ]);
  });

  it('converts what the broker has in other units', async () => {
    const retention = await describeKey(TOPIC, 't', 'retention.ms');
    expect(retention).toMatchObject({
      value: String(2 * 3_600_000),
      // Kafka tells no place where the setting of the same name has no value.
      configSource: SOURCE.default,
      synonyms: [],
    });
    await alter(BROKER, '', ['log.retention.ms', SET, '5000']);
    const set = await describeKey(TOPIC, 't', 'retention.ms');
    expect(set).toMatchObject({ value: '5000', configSource: SOURCE.dynamicDefault });
    expect(set.synonyms).toEqual([
      { name: 'log.retention.ms', value: '5000', source: SOURCE.dynamicDefault },
      { name: 'log.retention.hours', value: '2', source: SOURCE.staticBroker },
      { name: 'log.retention.hours', value: '168', source: SOURCE.default },
    ]);
    await alter(BROKER, '', ['log.retention.ms', DELETE, null]);
    expect((await describeKey(TOPIC, 't', 'segment.bytes')).value).toBe('2000000');
    expect((await describeKey(TOPIC, 't', 'flush.ms')).value).toBe('9223372036854775807');
  });

  it('returns what is asked for, and of unknown names nothing', async () => {
    const { configs } = await describeOne(TOPIC, 't', ['cleanup.policy', 'no.such']);
    expect(configs.map((c: any) => [c.name, c.value])).toEqual([['cleanup.policy', 'delete']]);
  });

  it.each<[string, number, string, number, string | null]>([
    ['an unknown topic', TOPIC, 'no-such', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null],
    ['a bad name', TOPIC, 'a/b', ErrorCode.INVALID_TOPIC_EXCEPTION, 'Topic name is invalid'],
    [
      'another broker',
      BROKER,
      '7',
      ErrorCode.INVALID_REQUEST,
      'Unexpected broker id, expected 0 or empty string, but received 7',
    ],
    [
      'a broker that is no number',
      BROKER,
      'x',
      ErrorCode.INVALID_REQUEST,
      'Broker id must be an integer, but it is: x',
    ],
    ['an unknown type', 99, 'x', ErrorCode.INVALID_REQUEST, 'request being malformed'],
  ])('refuses %s', async (_, type, name, code, message) => {
    const result = await describeOne(type, name);
    expect(result.errorCode).toBe(code);
    if (message !== null) expect(result.errorMessage).toContain(message);
  });

  it('describes this broker, and which of its settings can change', async () => {
    const { configs } = await describeOne(BROKER, '0');
    const byName = new Map<string, any>(configs.map((c: any) => [c.name, c]));
    expect(byName.get('log.retention.hours')).toMatchObject({
      value: '2',
      configSource: SOURCE.staticBroker,
      readOnly: true,
    });
    expect(byName.get('log.flush.on.acks.all')).toMatchObject({
      value: 'true',
      configSource: SOURCE.default,
      readOnly: false,
    });
  });
});

describe('IncrementalAlterConfigs', () => {
  it('sets, uses and deletes', async () => {
    await createTopic(client, 'altered');
    expect((await produce(client, 'altered', batchOf(['x'.repeat(500)]))).errorCode).toBe(0);
    expect((await alter(TOPIC, 'altered', ['max.message.bytes', SET, '200'])).errorCode).toBe(0);
    expect((await produce(client, 'altered', batchOf(['x'.repeat(500)]))).errorCode).toBe(
      ErrorCode.MESSAGE_TOO_LARGE,
    );
    expect((await describeKey(TOPIC, 'altered', 'max.message.bytes')).value).toBe('200');
    expect((await alter(TOPIC, 'altered', ['max.message.bytes', DELETE, null])).errorCode).toBe(0);
    expect((await describeKey(TOPIC, 'altered', 'max.message.bytes')).configSource).toBe(
      SOURCE.default,
    );
    expect((await produce(client, 'altered', batchOf(['x'.repeat(500)]))).errorCode).toBe(0);
  });

  it('adds to lists and takes from them', async () => {
    await createTopic(client, 'lists');
    const value = async () => (await describeKey(TOPIC, 'lists', 'cleanup.policy')).value;
    await alter(TOPIC, 'lists', ['cleanup.policy', APPEND, 'compact']);
    expect(await value()).toBe('delete,compact');
    await alter(TOPIC, 'lists', ['cleanup.policy', SUBTRACT, 'delete']);
    expect(await value()).toBe('compact');
  });

  it.each<[string, [string, number, string | null][], number, string]>([
    [
      'an unknown name',
      [['no.such', SET, '1']],
      ErrorCode.INVALID_CONFIG,
      'Unknown topic config name: no.such',
    ],
    [
      'a wrong value',
      [['retention.ms', SET, 'x']],
      ErrorCode.INVALID_CONFIG,
      'Invalid value x for configuration retention.ms: Not a number of type LONG',
    ],
    [
      'a wrong item of a list',
      [['cleanup.policy', SET, 'compact, shred']],
      ErrorCode.INVALID_CONFIG,
      'Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete',
    ],
    [
      'a name twice',
      [
        ['retention.ms', SET, '1'],
        ['retention.ms', SET, '2'],
      ],
      ErrorCode.INVALID_REQUEST,
      'Error due to duplicate config keys',
    ],
    [
      'no value',
      [['retention.ms', SET, null]],
      ErrorCode.INVALID_REQUEST,
      'Null value not supported for : retention.ms',
    ],
    [
      'an addition to what is no list',
      [['retention.ms', APPEND, '1']],
      ErrorCode.INVALID_CONFIG,
      "Can't APPEND to key retention.ms because its type is not LIST.",
    ],
    [
      'an unknown operation',
      [['retention.ms', 9, '1']],
      ErrorCode.INVALID_REQUEST,
      'Unknown operations type 9',
    ],
    [
      'one wrong among right ones',
      [
        ['segment.ms', SET, '5'],
        ['retention.ms', SET, 'x'],
      ],
      ErrorCode.INVALID_CONFIG,
      'retention.ms',
    ],
  ])('refuses %s and changes nothing', async (_, configs, code, message) => {
    const answer = await alter(TOPIC, 't', ...configs);
    expect(answer.errorCode).toBe(code);
    expect(answer.errorMessage).toContain(message);
    expect((await describeKey(TOPIC, 't', 'segment.ms')).configSource).toBe(SOURCE.default);
  });

  it('refuses a resource that is named twice', async () => {
    const resource = { resourceType: TOPIC, resourceName: 't', configs: [] };
    const response = await client.request('IncrementalAlterConfigs', 0, {
      resources: [resource, resource],
    });
    for (const { errorCode, errorMessage } of response.responses) {
      expect(errorCode).toBe(ErrorCode.INVALID_REQUEST);
      expect(errorMessage).toBe('Each resource must appear at most once.');
    }
  });

  it('only looks when told to validate', async () => {
    const response = await client.request('IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: TOPIC,
          resourceName: 't',
          configs: [{ name: 'segment.ms', configOperation: SET, value: '7' }],
        },
      ],
      validateOnly: true,
    });
    expect(response.responses[0].errorCode).toBe(0);
    expect((await describeKey(TOPIC, 't', 'segment.ms')).configSource).toBe(SOURCE.default);
  });

  it('changes the broker for itself, for all, and back', async () => {
    const flush = 'log.flush.on.acks.all';
    expect((await alter(BROKER, '', [flush, SET, 'false'])).errorCode).toBe(0);
    expect(running.broker.services.hot.flushOnAcksAll).toBe(false);
    expect(await describeKey(BROKER, '0', flush)).toMatchObject({
      value: 'false',
      configSource: SOURCE.dynamicDefault,
    });
    expect((await describeOne(BROKER, '')).configs.map((c: any) => c.name)).toEqual([flush]);
    await alter(BROKER, '0', [flush, SET, 'true']);
    expect((await describeKey(BROKER, '0', flush)).synonyms.map((s: any) => s.source)).toEqual([
      SOURCE.dynamicBroker,
      SOURCE.dynamicDefault,
      SOURCE.default,
    ]);
    expect(running.broker.services.hot.flushOnAcksAll).toBe(true);
    await alter(BROKER, '0', [flush, DELETE, null]);
    await alter(BROKER, '', [flush, DELETE, null]);
    expect((await describeKey(BROKER, '0', flush)).configSource).toBe(SOURCE.default);
  });

  it('keeps a setting that it does not know for whoever does, and tells nobody its value', async () => {
    expect((await alter(BROKER, '0', ['of.a.plugin', SET, 'secret'])).errorCode).toBe(0);
    const [entry] = (await describeOne(BROKER, '0', ['of.a.plugin'])).configs;
    expect(entry).toMatchObject({
      value: null,
      isSensitive: true,
      configSource: SOURCE.dynamicBroker,
      configType: 0,
    });
    await alter(BROKER, '0', ['of.a.plugin', DELETE, null]);
    expect((await describeOne(BROKER, '0', ['of.a.plugin'])).configs).toEqual([]);
  });

  it('keeps and tells what Kafka changes while it runs, though nothing comes of it here', async () => {
    const threads = 'num.io.threads';
    expect((await describeOne(BROKER, '0', [threads])).configs).toEqual([]);
    await alter(BROKER, '', [threads, SET, '12']);
    await alter(BROKER, '0', [threads, SET, '16']);
    expect(await describeKey(BROKER, '0', threads)).toMatchObject({
      ...{ value: '16', configSource: SOURCE.dynamicBroker, configType: 3 },
      ...{ isSensitive: false, readOnly: false, isDefault: false },
      synonyms: [
        { name: threads, value: '16', source: SOURCE.dynamicBroker },
        { name: threads, value: '12', source: SOURCE.dynamicDefault },
        { name: threads, value: '8', source: SOURCE.default },
      ],
      documentation: expect.stringContaining('no effect here'),
    });
    expect((await describeOne(BROKER, '')).configs).toMatchObject([{ name: threads, value: '12' }]);
    for (const value of ['0', 'many']) {
      const { errorCode, errorMessage } = await alter(BROKER, '0', [threads, SET, value]);
      expect(errorCode).toBe(ErrorCode.INVALID_REQUEST);
      expect(errorMessage).toContain(`Invalid value ${value} for configuration ${threads}`);
    }
    for (const name of ['0', '']) await alter(BROKER, name, [threads, DELETE, null]);
    expect((await describeOne(BROKER, '0', [threads])).configs).toEqual([]);
  });

  it.each([
    ['sasl.kerberos.min.time.before.relogin', '58000', 5],
    ['sasl.login.refresh.buffer.seconds', '299', 4],
    ['sasl.login.refresh.window.jitter', '0.2', 6],
  ])('takes %s for one broker, and not for all', async (name, value, configType) => {
    const all = await alter(BROKER, '', [name, SET, value]);
    expect(all.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect(all.errorMessage).toContain(`broker id must be specified: [${name}]`);
    expect((await alter(BROKER, '0', [name, SET, value])).errorCode).toBe(ErrorCode.NONE);
    expect(await describeKey(BROKER, '0', name)).toMatchObject({ value, configType });
    await alter(BROKER, '0', [name, DELETE, null]);
    expect((await describeOne(BROKER, '0', [name])).configs).toEqual([]);
  });

  it('tells settings of a listener that were changed while it runs', async () => {
    const cap = 'listener.name.plaintext.max.connections';
    await alter(BROKER, '0', [cap, SET, '900']);
    expect(await describeKey(BROKER, '0', cap)).toMatchObject({
      ...{ value: '900', configSource: SOURCE.dynamicBroker, isSensitive: false },
      synonyms: [
        { name: cap, value: '900', source: SOURCE.dynamicBroker },
        { name: 'max.connections', value: '2000', source: SOURCE.default },
      ],
    });
    await alter(BROKER, '0', [cap, DELETE, null]);
    expect((await describeOne(BROKER, '0', [cap])).configs).toEqual([]);
  });

  it.each(['num.partitions', 'queued.max.requests', 'process.roles'])(
    'refuses %s, which a running broker cannot change',
    async (name) => {
      const answer = await alter(BROKER, '0', [name, SET, '5']);
      expect(answer.errorCode).toBe(ErrorCode.INVALID_REQUEST);
      expect(answer.errorMessage).toBe(`Cannot update these configs dynamically: [${name}]`);
    },
  );

  it.each(['metric.reporters', 'listener.name.plaintext.ssl.provider'])(
    'refuses %s, of which somebody would expect something',
    async (name) => {
      const answer = await alter(BROKER, '', [name, SET, 'x']);
      expect(answer.errorCode).toBe(ErrorCode.INVALID_REQUEST);
      expect(answer.errorMessage).toBe(
        `These configs of Apache Kafka have no effect here: [${name}]`,
      );
    },
  );

  it.each([
    ['keys of no listener', '0', 'ssl.keystore.password', 'only per-listener'],
    ['keys of no listener for all', '', 'ssl.keystore.key', 'only per-listener'],
    [
      'keys of a listener for all',
      '',
      'listener.name.plaintext.ssl.keystore.password',
      'at default cluster level',
    ],
  ])('refuses %s', async (_, broker, name, message) => {
    const answer = await alter(BROKER, broker, [name, SET, 'secret']);
    expect(answer.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect(answer.errorMessage).toContain(message);
    expect(answer.errorMessage).toContain(`[${name}]`);
  });

  it('refuses the settings of another broker', async () => {
    const answer = await alter(BROKER, '7', ['log.retention.ms', SET, '1']);
    expect(answer).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Unexpected broker id, expected 0, but received 7',
    });
  });

  it('gives topics the broker’s new default', async () => {
    await alter(BROKER, '0', ['message.max.bytes', SET, '300']);
    await createTopic(client, 'follows');
    expect((await produce(client, 'follows', batchOf(['x'.repeat(400)]))).errorCode).toBe(
      ErrorCode.MESSAGE_TOO_LARGE,
    );
    await alter(BROKER, '0', ['message.max.bytes', DELETE, null]);
    expect((await produce(client, 'follows', batchOf(['x'.repeat(400)]))).errorCode).toBe(0);
  });
});

describe('AlterConfigs', () => {
  it.each([0, 1, 2])('replaces everything that was set, in version %i', async (version) => {
    const name = `replaced${version}`;
    await createTopic(client, name, 1, { 'segment.ms': '5000', 'retention.ms': '6000' });
    const response = await client.request('AlterConfigs', version, {
      resources: [
        {
          resourceType: TOPIC,
          resourceName: name,
          configs: [{ name: 'retention.ms', value: '7000' }],
        },
      ],
    });
    expect(response.responses[0].errorCode).toBe(0);
    expect((await describeKey(TOPIC, name, 'retention.ms')).value).toBe('7000');
    expect((await describeKey(TOPIC, name, 'segment.ms')).configSource).toBe(SOURCE.default);
  });
});

describe('ListConfigResources', () => {
  it('lists topics and brokers', async () => {
    const response = await client.request('ListConfigResources', 1, {
      resourceTypes: [TOPIC, BROKER],
    });
    expect(response.errorCode).toBe(0);
    expect(response.configResources).toContainEqual({ resourceName: 't', resourceType: TOPIC });
    expect(response.configResources).toContainEqual({ resourceName: '0', resourceType: BROKER });
    expect((await client.request('ListConfigResources', 0, {})).configResources).toEqual([]);
  });
});
