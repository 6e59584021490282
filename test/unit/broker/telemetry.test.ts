/** Clients ask which of their metrics they are to push, and push them (KIP-714). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { type CompressionCode, compress } from '../../../src/protocol/compression.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { metricsData } from '../../support/otlp.ts';
import {
  createTopic,
  fetch,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';

const INTERVAL_MS = 1_000;

let clock: ManualClock;
let running: RunningBroker;
let client: WireClient;
beforeEach(async () => {
  clock = new ManualClock();
  running = await startBroker({ 'telemetry.max.bytes': 10_000 }, { clock });
  client = await connect();
});
afterEach(async () => {
  await client.close();
  await running.stop();
});

async function connect(softwareName = 'apache-kafka-java'): Promise<WireClient> {
  const connected = await WireClient.connect(running.port);
  await connected.request('ApiVersions', 3, {
    clientSoftwareName: softwareName,
    clientSoftwareVersion: '4.3.1',
  });
  return connected;
}

async function subscribe(name: string, settings: Record<string, string | null>): Promise<void> {
  const configs = Object.entries(settings).map(([key, value]) => ({
    name: key,
    configOperation: value === null ? 1 : 0,
    value,
  }));
  const answer = await client.request('IncrementalAlterConfigs', 1, {
    resources: [{ resourceType: 16, resourceName: name, configs }],
  });
  expect(answer.responses[0].errorCode).toBe(0);
}

const ask = (clientInstanceId = ZERO_UUID, by = client): Promise<any> =>
  by.request('GetTelemetrySubscriptions', 0, { clientInstanceId });

const push = async (
  told: any,
  metrics: Buffer = metricsData([{ name: 'org.apache.kafka.producer.x', value: 1 }]),
  more: object = {},
): Promise<number> => {
  const { clientInstanceId, subscriptionId } = told;
  const body = { clientInstanceId, subscriptionId, metrics, ...more };
  return (await client.request('PushTelemetry', 0, body)).errorCode;
};

describe('a client that asks which metrics to push', () => {
  it('gets an id, and nothing to push where nobody has subscribed', async () => {
    expect(await ask()).toMatchObject({
      errorCode: 0,
      clientInstanceId: expect.stringMatching(/^[\w-]{22}$/),
      requestedMetrics: [],
      pushIntervalMs: 300_000,
      telemetryMaxBytes: 10_000,
      deltaTemporality: true,
      acceptedCompressionTypes: [4, 3, 1, 2],
    });
  });

  it('gets the metrics of all subscriptions that match it, at the shortest interval', async () => {
    await subscribe('a', { metrics: 'a.,b.', 'interval.ms': '5000' });
    await subscribe('b', { metrics: 'b.,c.', 'interval.ms': '2000', match: 'client_id=te.*' });
    await subscribe('c', {
      metrics: 'd.',
      match: 'client_software_name=apache-kafka-java,client_software_version=3\\..*',
    });
    await subscribe('d', {
      metrics: 'e.',
      match: 'client_source_address=127\\.0\\.0\\.1,client_source_port=[0-9]+',
    });
    await subscribe('e', { metrics: 'f.', match: 'client_id=es' });
    expect(await ask()).toMatchObject({
      requestedMetrics: ['a.', 'b.', 'c.', 'e.'],
      pushIntervalMs: 2000,
    });
    const other = await connect('librdkafka');
    other.clientId = 'other';
    expect((await ask(ZERO_UUID, other)).requestedMetrics).toEqual(['a.', 'b.', 'e.']);
    await other.close();
  });

  it('is asked for everything by a star', async () => {
    await subscribe('a', { metrics: 'a.' });
    await subscribe('b', { metrics: '*,b.' });
    expect((await ask()).requestedMetrics).toEqual(['*']);
  });

  it('may not ask again before its interval is over, unless something has changed', async () => {
    await subscribe('a', { metrics: 'a.', 'interval.ms': String(INTERVAL_MS) });
    const first = await ask();
    const id = first.clientInstanceId;
    expect(await ask(id)).toMatchObject({
      errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
      clientInstanceId: ZERO_UUID,
    });
    clock.advance(INTERVAL_MS);
    expect(await ask(id)).toEqual(first);
    await subscribe('a', { metrics: 'b.' });
    const changed = await ask(id);
    expect(changed.requestedMetrics).toEqual(['b.']);
    expect(changed.subscriptionId).not.toBe(first.subscriptionId);
    await subscribe('a', { metrics: null, 'interval.ms': null });
    expect((await ask(id)).requestedMetrics).toEqual([]);
  });

  it('finds the subscriptions of before a restart', async () => {
    await subscribe('a', { metrics: 'a.' });
    await client.close();
    running = await running.restart();
    client = await connect();
    expect((await ask()).requestedMetrics).toEqual(['a.']);
  });
});

describe('a push', () => {
  let told: any;
  beforeEach(async () => {
    await subscribe('a', { metrics: '*', 'interval.ms': String(INTERVAL_MS) });
    told = await ask();
  });

  it.each([
    ['none', 0],
    ['gzip', 1],
    ['snappy', 2],
    ['lz4', 3],
    ['zstd', 4],
  ] as const)('compressed by %s becomes series and records', async (_, code) => {
    await createTopic(client, 'metrics');
    const metrics = metricsData(
      [
        {
          name: 'org.apache.kafka.producer.record.send.total',
          kind: 'delta',
          value: 5,
          attributes: { topic: 't' },
          timeMs: 1_700_000_000_000,
        },
      ],
      { transactional_id: 'tx' },
    );
    const packed = compress(code as CompressionCode, metrics);
    expect(await push(told, packed, { compressionType: code })).toBe(0);
    clock.advance(INTERVAL_MS);
    expect(await push(told, packed, { compressionType: code })).toBe(0);
    expect(await running.broker.metrics()).toContain(
      'kafka_client_producer_record_send_total{client_id="test",client_software_name="apache-kafka-java",client_software_version="4.3.1",transactional_id="tx",topic="t"} 10\n',
    );
    const { records } = await fetch(client, 'metrics', 0);
    const values = valuesOf(records).map((value) => JSON.parse(value));
    expect(values).toHaveLength(2);
    expect(values[0]).toEqual({
      '@timestamp': '2023-11-14T22:13:20.000Z',
      name: 'kafka_client_producer_record_send_total',
      type: 'counter',
      value: 5,
      labels: {
        client_id: 'test',
        client_software_name: 'apache-kafka-java',
        client_software_version: '4.3.1',
        client_instance_id: told.clientInstanceId,
        topic: 't',
        transactional_id: 'tx',
      },
    });
  });

  it('creates the topic of metrics; until that is there, records are dropped and counted', async () => {
    expect(await push(told)).toBe(0);
    expect(running.broker.services.telemetryTopic.dropped['no_topic']).toBe(1);
    await expect.poll(() => running.broker.services.image.topic('metrics')).toBeDefined();
    clock.advance(INTERVAL_MS);
    expect(await push(told)).toBe(0);
    expect(running.broker.services.telemetryTopic.stored).toBe(1);
  });

  it('before the interval is over is refused, but for the last one', async () => {
    expect(await push(told)).toBe(0);
    expect(await push(told)).toBe(ErrorCode.THROTTLING_QUOTA_EXCEEDED);
    expect(await push(told, undefined, { terminating: true })).toBe(0);
    clock.advance(INTERVAL_MS);
    expect(await push(told)).toBe(ErrorCode.INVALID_REQUEST);
  });

  it('for subscriptions that have changed is refused, and the client may ask at once', async () => {
    await subscribe('a', { metrics: 'x.' });
    expect(await push(told)).toBe(ErrorCode.UNKNOWN_SUBSCRIPTION_ID);
    const again = await ask(told.clientInstanceId);
    expect(again.errorCode).toBe(0);
    clock.advance(INTERVAL_MS);
    expect(await push(again)).toBe(0);
  });

  it.each<[string, number, Buffer | undefined, object]>([
    ['without an id', ErrorCode.INVALID_REQUEST, undefined, { clientInstanceId: ZERO_UUID }],
    [
      'under the id that the metadata topic has',
      ErrorCode.INVALID_REQUEST,
      undefined,
      { clientInstanceId: 'AAAAAAAAAAAAAAAAAAAAAQ' },
    ],
    [
      'of an unknown compression',
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      undefined,
      { compressionType: 9 },
    ],
    [
      'of a negative compression',
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      undefined,
      { compressionType: -1 },
    ],
    ['that is too large', ErrorCode.TELEMETRY_TOO_LARGE, Buffer.alloc(10_001), {}],
    ['that is no OTLP', ErrorCode.INVALID_RECORD, Buffer.from('what?'), {}],
    [
      'that is not compressed as it says',
      ErrorCode.INVALID_RECORD,
      undefined,
      { compressionType: 4 },
    ],
    [
      'that unpacks to too much',
      ErrorCode.INVALID_RECORD,
      compress(4, Buffer.alloc(1_000_000)),
      { compressionType: 4 },
    ],
  ])('%s is refused', async (_, code, metrics, more) => {
    expect(await push(told, metrics, more)).toBe(code);
    expect(await running.broker.metrics()).not.toMatch(/^kafka_client_/m);
  });

  it('of nothing is taken', async () => {
    expect(await push(told, Buffer.alloc(0))).toBe(0);
  });

  it('of a client that was away is for another subscription, until it has asked again', async () => {
    await client.close();
    client = await connect();
    await expect.poll(() => running.broker.services.telemetry.instances).toBe(0);
    // The id of the subscriptions is the same for the same client.
    expect(await push(told)).toBe(0);
    expect((await ask(told.clientInstanceId)).errorCode).toBe(ErrorCode.THROTTLING_QUOTA_EXCEEDED);
  });
});
