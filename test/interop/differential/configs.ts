/** Settings of topics and of the broker: described, changed, refused. */
import { brokerKeys } from '../../../src/config/broker-keys.ts';
import type { Side } from './side.ts';

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

/** Settings of the broker whose value is the same on both sides. */
const BROKER_KEYS = [
  'log.retention.ms',
  'log.retention.hours',
  'log.segment.bytes',
  'message.max.bytes',
  'num.partitions',
  'min.insync.replicas',
  'auto.create.topics.enable',
  'compression.type',
  'log.cleanup.policy',
  'offsets.topic.num.partitions',
  'node.id',
  'nonsense',
];

export async function describe(side: Side): Promise<void> {
  await side.makeTopic('c1', 1, { 'retention.ms': '5000', 'cleanup.policy': 'compact' });
  for (const version of [1, 2, 3, 4]) {
    const ask = (
      resourceType: number,
      resourceName: string,
      configurationKeys: string[] | null,
      more: object = {},
    ) =>
      side.ask('DescribeConfigs', version, {
        resources: [{ resourceType, resourceName, configurationKeys }],
        ...more,
      });
    const all = [TOPIC, 'c1', null] as const;
    await ask(...all);
    await ask(...all, { includeSynonyms: true });
    await ask(TOPIC, 'c1', []);
    await ask(TOPIC, 'c1', ['retention.ms', 'nonsense', 'retention.ms']);
    await ask(TOPIC, 'absent', null);
    await ask(TOPIC, '', null);
    await ask(TOPIC, 'a b', null);
    await ask(BROKER, '1', BROKER_KEYS);
    await ask(BROKER, '1', BROKER_KEYS, { includeSynonyms: true });
    await ask(BROKER, '', BROKER_KEYS);
    await ask(BROKER, '2', BROKER_KEYS);
    await ask(BROKER, 'x', BROKER_KEYS);
    await ask(0, 'x', null);
    await ask(99, 'x', null);
    await side.ask('DescribeConfigs', version, { resources: [] });
  }
  // Values depend on machine and folder; what kind of thing they are does not.
  const { results } = await side.quietly('DescribeConfigs', 4, {
    resources: [{ resourceType: BROKER, resourceName: '1', configurationKeys: null }],
  });
  const kinds = results[0].configs
    .filter(({ name }: any) => brokerKeys.has(name))
    .map(({ name, configType, isSensitive }: any) => ({ name, configType, isSensitive }));
  side.keep('kinds of settings of brokers', kinds);
}

export async function alter(side: Side): Promise<void> {
  await side.makeTopic('c2');
  await side.makeTopic('c3');
  for (const version of [0, 1]) {
    const one = (name: string, configOperation: number, value: string | null) => ({
      name,
      configOperation,
      value,
    });
    const resource = (resourceType: number, resourceName: string, ...configs: object[]) => ({
      resourceType,
      resourceName,
      configs,
    });
    const ask = (resources: object[], validateOnly = false) =>
      side.ask('IncrementalAlterConfigs', version, { resources, validateOnly });
    const own = async (...wanted: string[]): Promise<void> => {
      await side.settle('DescribeConfigs', 1, described, (a) => {
        const set = a.results[0].configs
          .filter((c: any) => c.configSource === 1)
          .map((c: any) => `${c.name}=${c.value}`);
        return set.sort().join() === wanted.sort().join();
      });
    };
    await ask([]);
    await ask([resource(TOPIC, 'c2')]);
    await ask([resource(TOPIC, 'c2', one('retention.ms', SET, '7000'))], true);
    await ask([resource(TOPIC, 'c2', one('retention.ms', SET, '7000'))]);
    await own('retention.ms=7000');
    const refused: [string, number, string | null][] = [
      ['retention.ms', SET, 'x'],
      ['retention.ms', SET, null],
      ['retention.ms', SET, '-2'],
      ['retention.ms', APPEND, '1'],
      ['retention.ms', SUBTRACT, '1'],
      ['retention.ms', 9, '1'],
      ['nonsense', SET, '1'],
      ['nonsense', DELETE, null],
      ['', SET, '1'],
      ['cleanup.policy', APPEND, 'nonsense'],
      ['cleanup.policy', APPEND, null],
      ['compression.type', SET, 'brotli'],
      ['min.insync.replicas', SET, '0'],
      ['segment.bytes', SET, '1'],
      ['max.message.bytes', SET, '12.5'],
    ];
    for (const [name, operation, value] of refused) {
      await ask([resource(TOPIC, 'c2', one(name, operation, value))]);
    }
    await ask([
      resource(TOPIC, 'c2', one('retention.ms', SET, '1'), one('retention.ms', SET, '2')),
    ]);
    await ask([
      resource(TOPIC, 'c2', one('retention.ms', SET, '1')),
      resource(TOPIC, 'c2', one('segment.ms', SET, '2')),
      resource(TOPIC, 'c3', one('segment.ms', SET, '60000')),
    ]);
    await ask([resource(TOPIC, 'c2', one('cleanup.policy', APPEND, 'compact'))]);
    await own('retention.ms=7000', 'cleanup.policy=delete,compact');
    await ask([resource(TOPIC, 'c2', one('cleanup.policy', APPEND, 'compact'))]);
    await ask([resource(TOPIC, 'c2', one('cleanup.policy', SUBTRACT, 'delete'))]);
    await own('retention.ms=7000', 'cleanup.policy=compact');
    await ask([resource(TOPIC, 'c2', one('cleanup.policy', DELETE, 'whatever'))]);
    await ask([resource(TOPIC, 'c2', one('retention.ms', DELETE, null))]);
    await ask([resource(TOPIC, 'c2', one('retention.ms', DELETE, null))]);
    await own();
    await ask([resource(TOPIC, 'absent', one('retention.ms', SET, '1'))]);
    await ask([resource(TOPIC, '', one('retention.ms', SET, '1'))]);
    await ask([resource(TOPIC, 'a b', one('retention.ms', SET, '1'))]);
    for (const name of ['1', '', '2', 'x']) {
      await ask([resource(BROKER, name, one('log.retention.ms', SET, '600000000'))], true);
      await ask([resource(BROKER, name, one('log.retention.ms', SET, 'x'))], true);
      await ask([resource(BROKER, name, one('num.partitions', SET, '3'))], true);
      await ask([resource(BROKER, name, one('node.id', SET, '3'))], true);
      await ask([resource(BROKER, name, one('nonsense.key', SET, '3'))], true);
    }
    await ask([resource(0, 'x', one('retention.ms', SET, '1'))]);
    await ask([resource(99, 'x', one('retention.ms', SET, '1'))]);
    await ask([
      resource(TOPIC, 'c2', one('retention.ms', SET, '8000')),
      resource(TOPIC, 'absent', one('retention.ms', SET, '1')),
      resource(TOPIC, 'c3', one('retention.ms', SET, 'x')),
    ]);
    await own('retention.ms=8000');
    await side.ask('DescribeConfigs', 4, described);
    await ask([resource(TOPIC, 'c2', one('retention.ms', DELETE, null))]);
    await own();
  }
}

const described = {
  resources: [{ resourceType: TOPIC, resourceName: 'c2', configurationKeys: null }],
  includeSynonyms: true,
};
