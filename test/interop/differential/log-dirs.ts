/** Where replicas lie, and are wished to lie. Both sides have two log directories. */
import { batchOf } from '../../unit/broker/fixture.ts';
import type { Side } from './side.ts';

const VERSIONS = [1, 2];
const LONG_NAME = 'n'.repeat(249);

export async function wishes(side: Side): Promise<void> {
  const create = (name: string, numPartitions: number) =>
    side.ask('CreateTopics', 7, {
      topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 30_000,
    });
  const [here, there] = side.logDirs as [string, string];
  const topic = (name: string, ...partitions: number[]) => ({ name, partitions });
  const { ask, place } = placesOf(side);
  // Of partitions that are made later.
  await place('a wish', here, topic('dirs1', 0, 1, 2), topic('dirs2', 0));
  await place('another wish', there, topic('dirs1', 1));
  await create('dirs1', 3);
  await create('dirs2', 1);
  await side.topicReady('dirs1', 3);
  await ask('as wished', 'dirs1', 0, 1, 2);
  await place('back', here, topic('dirs1', 1));
  await moved(side, 'dirs1', 1, here);
  const dirs: [note: string, dirs: object[]][] = [
    ['nothing', []],
    ['no topic', [{ path: here, topics: [] }]],
    ['no partition', [{ path: here, topics: [topic('dirs1')] }]],
    ['where it is', [{ path: here, topics: [topic('dirs1', 0, 1)] }]],
    ['twice', [{ path: here, topics: [topic('dirs1', 0, 0), topic('dirs1', 0)] }]],
    ['two topics', [{ path: here, topics: [topic('dirs1', 2), topic('dirs2', 0)] }]],
    [
      'the last one counts',
      ['/absent', here].map((path) => ({ path, topics: [topic('dirs1', 0)] })),
    ],
    [
      'the last one is absent',
      [here, '/absent'].map((path) => ({ path, topics: [topic('dirs1', 0)] })),
    ],
    ['absent directory', [{ path: '/absent', topics: [topic('dirs1', 0), topic('absent', 0)] }]],
    ['no path', [{ path: '', topics: [topic('dirs1', 0)] }]],
    ['a path that is not the same', [{ path: `${here}/`, topics: [topic('dirs1', 0)] }]],
    ['absent partitions', [{ path: here, topics: [topic('dirs1', 3, -1, 2_147_483_647)] }]],
    ['absent topic', [{ path: here, topics: [topic('absent', 0)] }]],
    ['no name', [{ path: here, topics: [topic('', 0)] }]],
    ['a name that none can have', [{ path: here, topics: [topic('a b/c', 0)] }]],
    ['a name that is too long', [{ path: here, topics: [topic(LONG_NAME, 0)] }]],
    ['too long and absent', [{ path: '/absent', topics: [topic(LONG_NAME, 0)] }]],
    ['the metadata', [{ path: here, topics: [topic('__cluster_metadata', 0)] }]],
  ];
  for (const version of VERSIONS) {
    for (const [note, given] of dirs) {
      // What has a path in it reads differently on either side.
      const answer = await side.quietly('AlterReplicaLogDirs', version, { dirs: given });
      const byName = (a: any, b: any): number => (a.topicName < b.topicName ? -1 : 1);
      answer?.results.sort(byName);
      side.keep(`AlterReplicaLogDirs v${version} ${note}`, answer);
    }
  }
  await ask('nothing has moved', 'dirs1', 0, 1, 2);
}

/** Replicas that are moved for real, and slowly. */
export async function moves(side: Side): Promise<void> {
  const [here, there] = side.logDirs as [string, string];
  const topic = (name: string, ...partitions: number[]) => ({ name, partitions });
  const { ask, place } = placesOf(side);
  const append = (name: string, ...values: string[]) =>
    side.ask('Produce', 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [
        { name, partitionData: [{ index: 0, records: batchOf(values, { timestamp: side.base }) }] },
      ],
    });
  const read = (name: string, maxBytes = 10_000) =>
    side.ask('Fetch', 11, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes,
      topics: [
        {
          topic: name,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: maxBytes }],
        },
      ],
    });
  await side.makeTopic('moved', 2);
  await append('moved', 'a', 'b');
  await append('moved', 'c');
  await place('to the other', there, topic('moved', 0, 1));
  for (const index of [0, 1]) await moved(side, 'moved', index, there);
  await ask('moved', 'moved', 0, 1);
  await append('moved', 'd');
  await read('moved');
  await place('there already', there, topic('moved', 0, 1));
  await place('one back', here, topic('moved', 1));
  await moved(side, 'moved', 1, here);
  await ask('apart', 'moved', 0, 1);

  // More than a copy takes at once, and then hardly anything.
  await side.makeTopic('slow');
  for (const value of ['a', 'b', 'c']) await append('slow', value.repeat(LARGE_BYTES));
  await setRate(side, '1');
  await place('slowly', there, topic('slow', 0));
  await ask('under way', 'slow', 0);
  await place('the same again', there, topic('slow', 0));
  await ask('still under way', 'slow', 0);
  await append('slow', 'meanwhile');
  await place('given up', here, topic('slow', 0));
  await ask('given up', 'slow', 0);
  await place('anew', there, topic('slow', 0));
  await side.ask('DeleteTopics', 3, { topicNames: ['slow'], timeoutMs: 10_000 });
  await side.topicGone('slow');
  const nowhere = (answer: any): boolean => answer.results.every((r: any) => r.topics.length === 0);
  await side.settle(
    'DescribeLogDirs',
    4,
    { topics: [{ topic: 'slow', partitions: [0] }] },
    nowhere,
  );
  await setRate(side, null);
  await side.makeTopic('slow');
  await ask('made again', 'slow', 0);
}

/** Of one record; two of them are more than the brokers' `replica.fetch.max.bytes`. */
const LARGE_BYTES = 900_000;

const RATE = 'replica.alter.log.dirs.io.max.bytes.per.second';

async function setRate(side: Side, value: string | null): Promise<void> {
  const resource = { resourceType: 4, resourceName: '1' };
  const config = { name: RATE, configOperation: value === null ? 1 : 0, value };
  await side.quietly('IncrementalAlterConfigs', 1, {
    resources: [{ ...resource, configs: [config] }],
  });
  const question = { resources: [{ ...resource, configurationKeys: [RATE] }] };
  const isSet = (answer: any): boolean =>
    (answer.results[0].configs[0]?.value === value) === (value !== null);
  await side.settle('DescribeConfigs', 4, question, isSet);
}

interface Replica {
  readonly logDir: string;
  readonly partitionIndex: number;
  readonly partitionSize: number;
  readonly offsetLag: number;
  readonly isFutureKey: boolean;
}

async function replicasOf(side: Side, name: string, partitions: number[]): Promise<Replica[]> {
  const topics = [{ topic: name, partitions }];
  const { results } = await side.quietly('DescribeLogDirs', 4, { topics });
  return results.flatMap(({ logDir, topics: found }: any) =>
    found.flatMap((topic: any) => topic.partitions.map((p: any) => ({ logDir, ...p }))),
  );
}

/** Waits until the replica is in the directory, and nowhere else. */
async function moved(side: Side, name: string, index: number, logDir: string): Promise<void> {
  await side.settle('DescribeLogDirs', 4, { topics: [{ topic: name, partitions: [index] }] }, (a) =>
    a.results.every((result: any) => {
      const found = result.topics.flatMap((topic: any) => topic.partitions);
      return result.logDir === logDir
        ? found.length === 1 && !found[0].isFutureKey
        : found.length === 0;
    }),
  );
}

function placesOf(side: Side) {
  return {
    /** Asks for the replicas to be in the directory, and keeps what is said to each. */
    place: async (note: string, path: string, ...topics: object[]): Promise<void> => {
      const answer = await side.quietly('AlterReplicaLogDirs', 2, { dirs: [{ path, topics }] });
      side.keep(`AlterReplicaLogDirs v2 ${note}`, answer);
    },
    /** Keeps where the replicas are. How far a copy has come depends on the time. */
    ask: async (note: string, name: string, ...partitions: number[]): Promise<void> => {
      const found = await replicasOf(side, name, partitions);
      const replicas = found
        .map(({ partitionSize, offsetLag, ...one }) =>
          one.isFutureKey ? { ...one, lags: offsetLag > 0 } : { ...one, partitionSize, offsetLag },
        )
        .map((one) => JSON.stringify(one))
        .sort();
      side.keep(`DescribeLogDirs v4 ${note}`, replicas);
    },
  };
}
