/** Settings of groups, clients' metrics, brokers and loggers; the older way to set them; features. */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { CompressionType, compress } from '../../../src/protocol/compression.ts';
import { metricsData } from '../../support/otlp.ts';
import type { Side } from './side.ts';

const [TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP] = [2, 4, 8, 16, 32];
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

/** The id of the topic of metadata, which no client has. */
const METADATA_TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ';

type Change = readonly [name: string, operation: number, value: string | null];

const resource = (resourceType: number, resourceName: string, ...changes: Change[]) => ({
  resourceType,
  resourceName,
  configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
});

const altering =
  (side: Side, version = 1) =>
  (...resources: object[]) =>
    side.ask('IncrementalAlterConfigs', version, { resources, validateOnly: false });

/** Waits until the resource has these settings of its own. */
async function own(side: Side, type: number, name: string, source: number, wanted: string[]) {
  const resources = [{ resourceType: type, resourceName: name, configurationKeys: null }];
  await side.settle('DescribeConfigs', 1, { resources }, (answer) => {
    const set = answer.results[0].configs
      .filter((c: any) => c.configSource === source && c.name !== 'min.insync.replicas')
      .map((c: any) => `${c.name}=${c.value}`);
    return set.sort().join() === [...wanted].sort().join();
  });
}

async function described(side: Side, type: number, name: string, keys: string[] | null) {
  for (const version of [1, 2, 3, 4]) {
    for (const includeSynonyms of [false, true]) {
      await side.ask('DescribeConfigs', version, {
        resources: [{ resourceType: type, resourceName: name, configurationKeys: keys }],
        includeSynonyms,
      });
    }
  }
}

const CONSUMER_KEYS = ['session.timeout', 'heartbeat.interval', 'assignment.interval'].map(
  (name) => `consumer.${name}.ms`,
);

export async function groups(side: Side): Promise<void> {
  const alter = altering(side);
  const session = 'consumer.session.timeout.ms';
  await described(side, GROUP, 'g1', CONSUMER_KEYS);
  await side.ask('DescribeConfigs', 4, {
    resources: [{ resourceType: GROUP, resourceName: 'g1', configurationKeys: null }],
  });
  await described(side, GROUP, '', null);
  await alter(resource(GROUP, 'g1', [session, SET, '50000']));
  await own(side, GROUP, 'g1', 8, [`${session}=50000`]);
  await described(side, GROUP, 'g1', CONSUMER_KEYS);
  const refused: Change[] = [
    [session, SET, '1'],
    [session, SET, '0'],
    [session, SET, '90000'],
    [session, SET, 'x'],
    [session, SET, ''],
    [session, SET, null],
    [session, APPEND, '1'],
    [session, SUBTRACT, '1'],
    ['consumer.heartbeat.interval.ms', SET, '1'],
    ['consumer.heartbeat.interval.ms', SET, '99999'],
    ['consumer.assignment.interval.ms', SET, '-1'],
    ['consumer.assignment.interval.ms', SET, '99999'],
    ...['assignment.interval.ms', 'heartbeat.interval.ms', 'session.timeout.ms'].flatMap((name) =>
      ['share', 'streams'].flatMap((kind) =>
        ['-1', '0', '1', '99999'].map((value): Change => [`${kind}.${name}`, SET, value]),
      ),
    ),
    ['share.isolation.level', SET, 'x'],
    ['share.delivery.count.limit', SET, '1'],
    ['share.delivery.count.limit', SET, '11'],
    ['share.partition.max.record.locks', SET, '99'],
    ['share.partition.max.record.locks', SET, '4001'],
    ['share.record.lock.duration.ms', SET, '1'],
    ['share.record.lock.duration.ms', SET, '1000'],
    ['share.record.lock.duration.ms', SET, '60001'],
    ['share.auto.offset.reset', SET, 'x'],
    ['share.auto.offset.reset', SET, 'by_duration:x'],
    ['share.auto.offset.reset', SET, 'by_duration:-PT1H'],
    ['share.renew.acknowledge.enable', SET, 'x'],
    ['streams.num.standby.replicas', SET, '-1'],
    ['streams.num.standby.replicas', SET, '9'],
    ['streams.initial.rebalance.delay.ms', SET, '-1'],
    ['nonsense', SET, '1'],
    ['nonsense', DELETE, null],
    ['nonsense', APPEND, '1'],
    ['', SET, '1'],
  ];
  for (const change of refused) await alter(resource(GROUP, 'g2', change));
  const reset = 'share.auto.offset.reset';
  for (const value of ['earliest', 'by_duration:P1DT2H3M4.5S']) {
    await alter(resource(GROUP, 'g4', [reset, SET, value]));
    await own(side, GROUP, 'g4', 8, [`${reset}=${value}`]);
  }
  await alter(resource(GROUP, 'g4', [reset, DELETE, null]));
  await own(side, GROUP, 'g4', 8, []);
  await alter(resource(GROUP, '', [session, SET, '50000']));
  await alter(resource(GROUP, 'g2'));
  for (const resourceTypes of [[GROUP], [CLIENT_METRICS], [GROUP, GROUP], [0], [99], [GROUP, 99]]) {
    await side.ask('ListConfigResources', 1, { resourceTypes });
  }
  await side.ask('ListConfigResources', 0, {});
  await side.ask('ListConfigResources', 1, { resourceTypes: [BROKER, LOGGER] });
  await alter(resource(GROUP, 'g1', [session, DELETE, null]));
  await own(side, GROUP, 'g1', 8, []);
  await side.ask('ListConfigResources', 1, { resourceTypes: [GROUP] });
}

export async function clientMetrics(side: Side): Promise<void> {
  const alter = altering(side);
  await described(side, CLIENT_METRICS, 's1', null);
  await described(side, CLIENT_METRICS, '', null);
  await alter(
    resource(
      CLIENT_METRICS,
      's1',
      ['metrics', SET, 'org.apache.kafka.producer.,org.apache.kafka.consumer.'],
      ['interval.ms', SET, '1000'],
      ['match', SET, 'client_id=a.*'],
    ),
  );
  await own(side, CLIENT_METRICS, 's1', 7, [
    'metrics=org.apache.kafka.producer.,org.apache.kafka.consumer.',
    'interval.ms=1000',
    'match=client_id=a.*',
  ]);
  await described(side, CLIENT_METRICS, 's1', null);
  const refused: Change[] = [
    ['interval.ms', SET, '99'],
    ['interval.ms', SET, '3600001'],
    ['interval.ms', SET, '1e3'],
    ['interval.ms', APPEND, '1'],
    ['metrics', APPEND, 'a'],
    ['match', SET, 'client_id'],
    ['match', SET, 'client_id='],
    ['match', SET, '=x'],
    ['match', SET, 'client_id=a=b'],
    ['match', SET, 'client_id=('],
    ['match', SET, 'clientid=x'],
    ['match', SET, 'client_id=x,client_id=x'],
    ['match', SET, 'client_id=x,,client_software_name=y'],
    ['metrics', SET, 'a,a'],
    ['metrics', SET, null],
    ['nonsense', SET, '1'],
  ];
  for (const change of refused) await alter(resource(CLIENT_METRICS, 's2', change));
  await alter(resource(CLIENT_METRICS, '', ['metrics', SET, 'a']));
  await side.ask('ListConfigResources', 0, {});
  for (const change of [
    ['match', SET, 'client_id=x,client_id=y'],
    ['match', SET, ''],
    ['metrics', SET, ''],
    ['metrics', SET, '*'],
  ] as Change[]) {
    await alter(resource(CLIENT_METRICS, 's2', change));
  }
  for (const name of ['s1', 's2']) {
    await alter(
      resource(
        CLIENT_METRICS,
        name,
        ['metrics', DELETE, null],
        ['interval.ms', DELETE, null],
        ['match', DELETE, null],
      ),
    );
    await own(side, CLIENT_METRICS, name, 7, []);
  }
  await side.settle('ListConfigResources', 0, {}, (a) => a.configResources.length === 0);
}

/** Its number's; the one of the metadata topic is another kind of 1. */
const instanceId = (number: number): string => {
  const bytes = Buffer.alloc(16, 0xc1);
  bytes.writeInt32BE(number, 12);
  return bytes.toString('base64url');
};

/** Clients that push, each of which would have to wait for the rest of an hour between two pushes. */
export async function pushes(side: Side): Promise<void> {
  const alter = altering(side);
  // What is pushed to us comes into this topic, which is there on both sides then.
  await side.makeTopic('metrics');
  const hour = String(3_600_000);
  await alter(
    resource(CLIENT_METRICS, 'pushed', ['metrics', SET, 'org.'], ['interval.ms', SET, hour]),
  );
  const isSubscribed = (wanted: boolean): Promise<unknown> =>
    side.settle(
      'GetTelemetrySubscriptions',
      0,
      { clientInstanceId: ZERO_UUID },
      ({ requestedMetrics }) => requestedMetrics.length > 0 === wanted,
    );
  await isSubscribed(true);
  /** Asks what to push; the number of what it was told. */
  const told = async (client: number, note = ''): Promise<number> => {
    const body = { clientInstanceId: instanceId(client) };
    const answer = await side.quietly('GetTelemetrySubscriptions', 0, body);
    side.keep(`GetTelemetrySubscriptions v0 of ${client} ${note}`, answer);
    return answer.subscriptionId;
  };
  const metrics = metricsData([{ name: 'org.apache.kafka.producer.x', value: 1 }], {});
  const push = async (
    client: number,
    subscriptionId: number,
    note: string,
    more: object = {},
  ): Promise<void> => {
    const body = { clientInstanceId: instanceId(client), subscriptionId, metrics, ...more };
    const answer = await side.quietly('PushTelemetry', 0, body);
    side.keep(`PushTelemetry v0 of ${client} ${note}`, answer);
  };
  const first = await told(1);
  await told(1, 'at once again');
  await push(1, first, 'first');
  await push(1, first, 'too soon');
  await told(1, 'after a push');
  await push(1, first, 'last', { terminating: true });
  await push(1, first, 'after the last', { terminating: true });
  await push(1, first, 'after the last, not terminating');
  await told(1, 'after the last');
  await push(2, 0, 'unasked');
  await push(2, await told(2, 'after it pushed unasked'), 'once asked');
  await push(3, (await told(3)) + 1, 'of another subscription');
  await push(3, await told(3, 'again'), 'too late');
  for (const [index, compressionType] of Object.values(CompressionType).entries()) {
    const client = 10 + index;
    const packed = compress(compressionType, metrics);
    await push(client, await told(client), `packed by ${compressionType}`, {
      ...{ metrics: packed, compressionType },
    });
  }
  for (const [client, compressionType] of [20, -1, 5, 127].entries()) {
    await push(30 + client, await told(30 + client), `packed by ${compressionType}`, {
      compressionType,
    });
    await told(30 + client, 'after that');
  }
  await push(40, await told(40), 'of nothing', { metrics: Buffer.alloc(0) });
  await push(41, await told(41), 'too large', { metrics: Buffer.alloc(1_048_577) });
  await told(41, 'after that');
  await push(42, await told(42), 'the only one', { terminating: true });
  const last = await told(50);
  await alter(
    resource(CLIENT_METRICS, 'pushed', ['metrics', DELETE, null], ['interval.ms', DELETE, null]),
  );
  await isSubscribed(false);
  await push(50, last, 'of a subscription that is gone');
  await push(50, await told(50, 'of which nothing is left'), 'of nothing that is wanted');
  for (const clientInstanceId of [ZERO_UUID, METADATA_TOPIC]) {
    await side.ask('PushTelemetry', 0, { clientInstanceId, subscriptionId: 1, metrics });
  }
}

export async function brokers(side: Side): Promise<void> {
  await side.makeTopic('c4');
  const alter = altering(side);
  const key = 'log.retention.ms';
  for (const name of ['1', '']) {
    const source = name === '' ? 3 : 2;
    await alter(resource(BROKER, name, [key, SET, '500000']));
    await own(side, BROKER, name, source, [`${key}=500000`]);
    await described(side, BROKER, name, [key, 'log.retention.hours']);
    await described(side, TOPIC, 'c4', ['retention.ms']);
    await alter(resource(BROKER, name, [key, DELETE, null]));
    await own(side, BROKER, name, source, []);
  }
  for (const name of ['1', '']) {
    await alter(resource(BROKER, name, ['of.a.plugin', SET, 'secret']));
    await own(side, BROKER, name, name === '' ? 3 : 2, ['of.a.plugin=null']);
    await described(side, BROKER, name, ['of.a.plugin']);
  }
  for (const name of ['1', '']) {
    await alter(resource(BROKER, name, ['of.a.plugin', DELETE, null]));
    await own(side, BROKER, name, name === '' ? 3 : 2, []);
  }
  // Of what has no effect on us.
  for (const [changed, value] of [
    ['background.threads', '12'],
    ['remote.log.reader.threads', '11'],
    ['follower.fetch.last.tiered.offset.enable', 'true'],
  ] as const) {
    for (const name of ['1', '']) {
      const source = name === '' ? 3 : 2;
      await alter(resource(BROKER, name, [changed, SET, value]));
      await own(side, BROKER, name, source, [`${changed}=${value}`]);
      await described(side, BROKER, name, [changed]);
      await alter(resource(BROKER, name, [changed, SET, '-1']));
      await alter(resource(BROKER, name, [changed, APPEND, '1']));
      await alter(resource(BROKER, name, [changed, DELETE, null]));
      await own(side, BROKER, name, source, []);
    }
  }
  // The same, but of one broker alone.
  for (const [changed, value] of [
    ['sasl.kerberos.min.time.before.relogin', '58000'],
    ['sasl.kerberos.ticket.renew.jitter', '0.1'],
    ['sasl.login.refresh.buffer.seconds', '299'],
    ['sasl.login.refresh.window.factor', '0.75'],
  ] as const) {
    await alter(resource(BROKER, '', [changed, SET, value]));
    await alter(resource(BROKER, '1', [changed, SET, value]));
    await own(side, BROKER, '1', 2, [`${changed}=${value}`]);
    await described(side, BROKER, '1', [changed]);
    await alter(resource(BROKER, '1', [changed, SET, '-1']));
    await alter(resource(BROKER, '1', [changed, SET, 'x']));
    await alter(resource(BROKER, '1', [changed, DELETE, null]));
    await own(side, BROKER, '1', 2, []);
  }
  const ofListener = 'listener.name.plaintext.max.connections';
  for (const name of ['1', '']) {
    const source = name === '' ? 3 : 2;
    await alter(resource(BROKER, name, [ofListener, SET, '900']));
    await own(side, BROKER, name, source, [`${ofListener}=900`]);
    await side.ask('DescribeConfigs', 4, {
      resources: [{ resourceType: BROKER, resourceName: name, configurationKeys: [ofListener] }],
    });
    await alter(resource(BROKER, name, [ofListener, SET, 'x']));
    await alter(resource(BROKER, name, [ofListener, APPEND, '1']));
    await alter(resource(BROKER, name, [ofListener, DELETE, null]));
    await own(side, BROKER, name, source, []);
  }
  for (const name of ['1', '', '2', 'x', '-1', ' 1']) {
    for (const change of [
      ['log.cleanup.policy', APPEND, 'nonsense'],
      ['log.cleanup.policy', SET, 'delete,delete'],
      ['log.segment.bytes', SET, '1'],
      ['log.segment.bytes', SUBTRACT, '1'],
      ['broker.id', DELETE, null],
      ['nonsense', APPEND, '1'],
      ['queued.max.requests', SET, '1'],
      ['group.share.max.session.timeout.ms', SET, '50000'],
      ['num.io.threads', SET, '0'],
      ['message.max.bytes', SET, '-1'],
      ['compression.type', SET, 'x'],
    ] as Change[]) {
      await alter(resource(BROKER, name, change));
    }
  }
  await alter(resource(BROKER, '1', ['min.insync.replicas', SET, '1']));
}

/** The loggers themselves differ; how they are asked for does not. */
export async function loggers(side: Side): Promise<void> {
  const alter = altering(side);
  await alter(resource(LOGGER, '1', ['root', SET, 'INFO']));
  for (const name of ['1', '', '2', 'x']) {
    await side.ask('DescribeConfigs', 4, {
      resources: [{ resourceType: LOGGER, resourceName: name, configurationKeys: ['root'] }],
      includeSynonyms: true,
    });
    for (const change of [
      ['root', SET, 'LOUD'],
      ['root', SET, 'info'],
      ['root', SET, null],
      ['root', DELETE, null],
      ['root', APPEND, 'INFO'],
      ['root', SUBTRACT, 'INFO'],
      ['nonsense', SET, 'INFO'],
      ['nonsense', DELETE, null],
    ] as Change[]) {
      await alter(resource(LOGGER, name, change));
    }
  }
  for (const level of ['TRACE', 'WARN', 'INFO']) {
    await alter(resource(LOGGER, '1', ['root', SET, level]));
    await side.ask('DescribeConfigs', 1, {
      resources: [{ resourceType: LOGGER, resourceName: '1', configurationKeys: ['root'] }],
    });
  }
}

export async function replacing(side: Side): Promise<void> {
  await side.makeTopic('c5', 1, { 'retention.ms': '5000', 'segment.ms': '60000' });
  for (const version of [0, 1, 2]) {
    const alter = (type: number, name: string, ...pairs: [string, string | null][]) =>
      side.ask('AlterConfigs', version, {
        resources: [
          {
            resourceType: type,
            resourceName: name,
            configs: pairs.map(([config, value]) => ({ name: config, value })),
          },
        ],
      });
    await side.ask('AlterConfigs', version, { resources: [] });
    await alter(TOPIC, 'c5', ['retention.ms', `${6000 + version}`]);
    await own(side, TOPIC, 'c5', 1, [`retention.ms=${6000 + version}`]);
    await alter(TOPIC, 'c5', ['retention.ms', 'x']);
    await alter(TOPIC, 'c5', ['retention.ms', null]);
    await alter(TOPIC, 'c5', ['retention.ms', '1'], ['retention.ms', '2']);
    await alter(TOPIC, 'c5', ['nonsense', '1']);
    await alter(TOPIC, 'c5', ['min.compaction.lag.ms', '9'], ['max.compaction.lag.ms', '8']);
    await alter(TOPIC, 'c5', ['remote.storage.enable', 'true']);
    await alter(TOPIC, 'c5', ['cleanup.policy', 'delete,delete']);
    await alter(TOPIC, 'c5', ['cleanup.policy', 'delete,,compact']);
    await alter(TOPIC, 'c5', ['segment.ms', '+70000']);
    await alter(TOPIC, 'c5', ['segment.ms', '7e4']);
    await alter(TOPIC, 'absent', ['retention.ms', 'x']);
    await alter(TOPIC, 'absent', ['retention.ms', '1']);
    await alter(TOPIC, '', ['retention.ms', '1']);
    await alter(BROKER, '2', ['log.retention.ms', '1']);
    await alter(BROKER, '1', ['node.id', '1']);
    await alter(LOGGER, '1', ['root', 'INFO']);
    await alter(GROUP, '', ['consumer.session.timeout.ms', '50000']);
    await alter(GROUP, 'g3', ['consumer.session.timeout.ms', '1']);
    await alter(CLIENT_METRICS, 's3', ['interval.ms', '1']);
    await alter(99, 'x', ['retention.ms', '1']);
    await alter(TOPIC, 'c5');
    await own(side, TOPIC, 'c5', 1, []);
  }
}

export async function features(side: Side): Promise<void> {
  const ELR = 'eligible.leader.replicas.version';
  const told = async (version: number): Promise<any> => {
    const answer = await side.quietly('ApiVersions', version, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    // How its voters were made decides about Kafka's kraft.version.
    const known = ['metadata.version', ELR];
    const of = (list: any[]): any[] => list.filter(({ name }) => known.includes(name));
    side.keep(`features v${version}`, {
      supported: of(answer.supportedFeatures),
      finalized: of(answer.finalizedFeatures),
      epoch: answer.finalizedFeaturesEpoch > 0,
    });
  };
  for (const version of [3, 4]) await told(version);
  for (const version of [0, 1, 2]) {
    const update = (feature: string, maxVersionLevel: number, more: object = {}) =>
      side.ask('UpdateFeatures', version, {
        featureUpdates: [{ feature, maxVersionLevel, ...more }],
      });
    await side.ask('UpdateFeatures', version, { featureUpdates: [] });
    for (const level of [-1, 0, 1, 9, 32_767]) {
      await update('nonsense', level);
      await update(ELR, level);
      await update('metadata.version', level);
    }
    await update('metadata.version', 30);
    if (version === 0) {
      await update('metadata.version', 29, { allowDowngrade: true });
      await update(ELR, 0, { allowDowngrade: true });
      await told(4);
      await update(ELR, 1);
      continue;
    }
    for (const upgradeType of [0, 1, 2, 3, 4]) {
      await update('metadata.version', 29, { upgradeType });
      await update('metadata.version', 7, { upgradeType });
      await update('metadata.version', 31, { upgradeType });
    }
    await side.ask('UpdateFeatures', version, {
      featureUpdates: [{ feature: ELR, maxVersionLevel: 0, upgradeType: 2 }],
      validateOnly: true,
    });
    await side.ask('UpdateFeatures', version, {
      featureUpdates: [
        { feature: ELR, maxVersionLevel: 0, upgradeType: 2 },
        { feature: 'nonsense', maxVersionLevel: 1 },
      ],
    });
  }
}
