/** Where replicas lie, and are wished to lie. Both sides have one log directory. */
import type { Side } from './side.ts';

const VERSIONS = [1, 2];
const LONG_NAME = 'n'.repeat(249);

export async function logDirs(side: Side): Promise<void> {
  const create = (name: string, numPartitions: number) =>
    side.ask('CreateTopics', 7, {
      topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 30_000,
    });
  await create('dirs1', 3);
  await create('dirs2', 1);
  const { results } = await side.quietly('DescribeLogDirs', 4, { topics: [] });
  const here: string = results[0].logDir;
  const topic = (name: string, ...partitions: number[]) => ({ name, partitions });
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
    for (const [note, wishes] of dirs) {
      // What has a path in it reads differently on either side.
      const answer = await side.quietly('AlterReplicaLogDirs', version, { dirs: wishes });
      const byName = (a: any, b: any): number => (a.topicName < b.topicName ? -1 : 1);
      answer?.results.sort(byName);
      side.keep(`AlterReplicaLogDirs v${version} ${note}`, answer);
    }
  }
  await side.ask('DescribeLogDirs', 4, {
    topics: [topic('dirs1', 0, 1, 2)].map(({ name, partitions }) => ({ topic: name, partitions })),
  });
}
