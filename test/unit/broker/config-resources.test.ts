/** Settings of groups, of subscriptions to metrics of clients, and of loggers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type RunningBroker, startBroker, WireClient } from './fixture.ts';

const [BROKER, LOGGER, CLIENT_METRICS, GROUP] = [4, 8, 16, 32];
const [SET, DELETE, APPEND] = [0, 1, 2];

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker({ 'group.consumer.session.timeout.ms': 50_000 });
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

type Change = [name: string, operation: number, value: string | null];

const alter = async (type: number, name: string, ...changes: Change[]): Promise<any> => {
  const configs = changes.map(([key, configOperation, value]) => ({
    name: key,
    configOperation,
    value,
  }));
  const answer = await client.request('IncrementalAlterConfigs', 1, {
    resources: [{ resourceType: type, resourceName: name, configs }],
  });
  return answer.responses[0];
};
const described = async (resourceType: number, resourceName: string): Promise<any> => {
  const answer = await client.request('DescribeConfigs', 4, {
    resources: [{ resourceType, resourceName, configurationKeys: null }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  return answer.results[0];
};
const one = async (type: number, name: string, key: string): Promise<any> =>
  (await described(type, name)).configs.find((config: any) => config.name === key);
const listed = async (type: number): Promise<string[]> => {
  const answer = await client.request('ListConfigResources', 1, { resourceTypes: [type] });
  return answer.configResources.map((resource: any) => resource.resourceName);
};

type Refusal = [what: string, name: string, changes: Change[], code: number, message: string];

describe('a group', () => {
  const KEY = 'consumer.session.timeout.ms';

  it('has the broker’s settings until it has its own, and again when those are deleted', async () => {
    expect(await one(GROUP, 'g', KEY)).toMatchObject({ value: '50000', configSource: 4 });
    expect((await alter(GROUP, 'g', [KEY, SET, '55000'])).errorCode).toBe(0);
    expect(await one(GROUP, 'g', KEY)).toMatchObject({
      value: '55000',
      configSource: 8,
      readOnly: false,
      synonyms: [
        { name: KEY, value: '55000', source: 8 },
        { name: `group.${KEY}`, value: '50000', source: 4 },
        { name: `group.${KEY}`, value: '45000', source: 5 },
      ],
    });
    expect(running.broker.services.configs.group('g', KEY)).toBe(55_000);
    expect(await listed(GROUP)).toEqual(['g']);
    expect((await alter(GROUP, 'g', [KEY, DELETE, null])).errorCode).toBe(0);
    expect(await one(GROUP, 'g', KEY)).toMatchObject({ value: '50000', configSource: 4 });
    expect(await listed(GROUP)).toEqual([]);
  });

  it.each<Refusal>([
    [
      'an unknown setting',
      'g',
      [['session.timeout.ms', SET, '1']],
      ErrorCode.INVALID_CONFIG,
      'Unknown group config name: session.timeout.ms',
    ],
    [
      'less than the broker allows',
      'g',
      [[KEY, SET, '1000']],
      ErrorCode.INVALID_CONFIG,
      `${KEY} must be greater than or equal to group.consumer.min.session.timeout.ms`,
    ],
    [
      'more than the broker allows',
      'g',
      [['consumer.heartbeat.interval.ms', SET, '90000']],
      ErrorCode.INVALID_CONFIG,
      'must be less than or equal to group.consumer.max.heartbeat.interval.ms',
    ],
    [
      'what no group of another kind may have',
      'g',
      [['share.record.lock.duration.ms', SET, '14999']],
      ErrorCode.INVALID_CONFIG,
      'must be greater than or equal to group.share.min.record.lock.duration.ms',
    ],
    [
      'a start that there is not',
      'g',
      [['share.auto.offset.reset', SET, 'by_duration:1h']],
      ErrorCode.INVALID_CONFIG,
      "must be either 'earliest', 'latest' or of the format",
    ],
    [
      'a text for a number',
      'g',
      [[KEY, SET, '50s']],
      ErrorCode.INVALID_CONFIG,
      'Not a number of type INT',
    ],
    [
      'no name',
      '',
      [[KEY, SET, '50000']],
      ErrorCode.INVALID_REQUEST,
      'Default group resources are not allowed.',
    ],
  ])('is refused %s', async (_, name, changes, code, message) => {
    const answer = await alter(GROUP, name, ...changes);
    expect(answer.errorCode).toBe(code);
    expect(answer.errorMessage).toContain(message);
    expect(await listed(GROUP)).toEqual([]);
  });

  it('must be named to be described', async () => {
    expect(await described(GROUP, '')).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Group name must not be empty',
    });
  });
});

describe('a subscription to metrics of clients', () => {
  it('is made by its first setting and gone with its last one', async () => {
    const set = await alter(
      CLIENT_METRICS,
      's',
      ['metrics', SET, 'org.apache.kafka.producer.'],
      ['match', SET, 'client_id=a.*,client_software_name=apache-kafka-java'],
    );
    expect(set.errorCode).toBe(0);
    expect(await listed(CLIENT_METRICS)).toEqual(['s']);
    const answer = await client.request('ListConfigResources', 0, {});
    expect(answer.configResources).toEqual([{ resourceName: 's', resourceType: 16 }]);
    const byName = new Map(
      (await described(CLIENT_METRICS, 's')).configs.map((c: any) => [c.name, c]),
    );
    expect(byName.get('metrics')).toMatchObject({
      value: 'org.apache.kafka.producer.',
      configSource: 7,
    });
    expect(byName.get('interval.ms')).toMatchObject({
      value: '300000',
      configSource: 5,
      synonyms: [],
    });
    await alter(CLIENT_METRICS, 's', ['metrics', DELETE, null], ['match', DELETE, null]);
    expect(await listed(CLIENT_METRICS)).toEqual([]);
  });

  it.each<Refusal>([
    [
      'an unknown setting',
      's',
      [['metric', SET, 'x']],
      ErrorCode.INVALID_REQUEST,
      'Unknown client metrics configuration: metric',
    ],
    [
      'pushes too often',
      's',
      [['interval.ms', SET, '99']],
      ErrorCode.INVALID_REQUEST,
      'Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)',
    ],
    [
      'pushes too seldom',
      's',
      [['interval.ms', SET, '3600001']],
      ErrorCode.INVALID_REQUEST,
      'interval must be between',
    ],
    [
      'an unknown selector',
      's',
      [['match', SET, 'client_name=x']],
      ErrorCode.INVALID_CONFIG,
      'Illegal client matching pattern: client_name=x',
    ],
    [
      'a selector without a pattern',
      's',
      [['match', SET, 'client_id']],
      ErrorCode.INVALID_CONFIG,
      'Illegal client matching pattern: client_id',
    ],
    [
      'a pattern that is none',
      's',
      [['match', SET, 'client_id=(']],
      ErrorCode.INVALID_CONFIG,
      'Illegal client matching pattern: client_id=(',
    ],
    [
      'an addition, which Kafka does not take either',
      's',
      [['metrics', APPEND, 'a']],
      ErrorCode.INVALID_CONFIG,
      "Can't APPEND to key metrics because its type is not LIST.",
    ],
    [
      'an empty metric',
      's',
      [['metrics', SET, 'a,,b']],
      ErrorCode.INVALID_CONFIG,
      "Configuration 'metrics' values must not be empty.",
    ],
    [
      'no name',
      '',
      [['metrics', SET, 'a']],
      ErrorCode.INVALID_REQUEST,
      "Subscription name can't be empty",
    ],
  ])('is refused %s', async (_, name, changes, code, message) => {
    const answer = await alter(CLIENT_METRICS, name, ...changes);
    expect(answer.errorCode).toBe(code);
    expect(answer.errorMessage).toContain(message);
    expect(await listed(CLIENT_METRICS)).toEqual([]);
  });
});

describe('the logger of a broker', () => {
  it('has a level that changes at once', async () => {
    expect((await described(LOGGER, '0')).configs).toMatchObject([
      { name: 'root', value: 'INFO', configSource: 6, readOnly: false, synonyms: [] },
    ]);
    expect((await alter(LOGGER, '0', ['root', SET, 'DEBUG'])).errorCode).toBe(0);
    expect((await described(LOGGER, '0')).configs[0].value).toBe('DEBUG');
    expect((await alter(LOGGER, '0', ['root', SET, 'INFO'])).errorCode).toBe(0);
    expect(await listed(LOGGER)).toEqual(['0']);
    expect(await listed(BROKER)).toEqual(['0']);
  });

  it.each<Refusal>([
    [
      'an unknown name',
      '0',
      [['kafka', SET, 'INFO']],
      ErrorCode.INVALID_CONFIG,
      'Logger kafka does not exist!',
    ],
    [
      'an unknown level',
      '0',
      [['root', SET, 'LOUD']],
      ErrorCode.INVALID_CONFIG,
      'Cannot set the log level of root to LOUD as it is not a supported log level',
    ],
    [
      'no level at all',
      '0',
      [['root', DELETE, null]],
      ErrorCode.INVALID_REQUEST,
      'Removing the log level of the root logger is not allowed',
    ],
    [
      'what adds to a list',
      '0',
      [['root', APPEND, 'INFO']],
      ErrorCode.INVALID_REQUEST,
      'APPEND operation is not allowed for the BROKER_LOGGER resource',
    ],
    ['another broker', '7', [['root', SET, 'INFO']], ErrorCode.INVALID_REQUEST, 'received 7'],
  ])('is refused %s', async (_, name, changes, code, message) => {
    const answer = await alter(LOGGER, name, ...changes);
    expect(answer.errorCode).toBe(code);
    expect(answer.errorMessage).toContain(message);
    expect((await described(LOGGER, '0')).configs[0].value).toBe('INFO');
  });

  it('is not for the older request', async () => {
    const answer = await client.request('AlterConfigs', 2, {
      resources: [
        { resourceType: LOGGER, resourceName: '0', configs: [{ name: 'root', value: 'INFO' }] },
      ],
    });
    expect(answer.responses[0]).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Unknown resource type 8',
    });
  });
});
