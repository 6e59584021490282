/** Replicas and leaders of three brokers: who is told to move where, and what cannot be. */
import type { Side } from './side.ts';

const TOPIC = 'replicas';
const TIMEOUT_MS = 10_000;
const PREFERRED = 0;
const UNCLEAN = 1;

type Move = readonly [partitionIndex: number, replicas: readonly number[] | null];

const movesOf = (name: string, moves: readonly Move[]) => ({
  name,
  partitions: moves.map(([partitionIndex, replicas]) => ({ partitionIndex, replicas })),
});

/** Nothing moves, and everybody is in sync. */
async function settled(side: Side): Promise<void> {
  const named = { topics: [{ name: TOPIC }], allowAutoTopicCreation: false };
  await side.settle('Metadata', 9, named, ({ topics: [topic] }) =>
    topic.partitions.every(
      ({ replicaNodes, isrNodes }: { replicaNodes: number[]; isrNodes: number[] }) =>
        replicaNodes.length === isrNodes.length,
    ),
  );
  const all = { topics: null, timeoutMs: TIMEOUT_MS };
  await side.settle('ListPartitionReassignments', 0, all, ({ topics }) => topics.length === 0);
}

/** The topic's replicas, in their order. */
async function shown(side: Side): Promise<void> {
  const named = { topics: [{ name: TOPIC }], allowAutoTopicCreation: false };
  const { topics } = await side.quietly('Metadata', 9, named);
  const replicas = topics[0].partitions
    .toSorted((a: any, b: any) => a.partitionIndex - b.partitionIndex)
    .map((partition: any) => partition.replicaNodes.join());
  side.keep('replicas are', replicas);
}

export async function reassignments(side: Side): Promise<void> {
  const assignments = [
    [0, 1],
    [1, 2],
    [2, 0, 1],
  ].map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  await side.ask('CreateTopics', 7, {
    timeoutMs: TIMEOUT_MS,
    topics: [{ name: TOPIC, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }],
  });
  await settled(side);
  const alter = (moves: readonly Move[], more: object = {}, version = 1): Promise<unknown> =>
    side.ask('AlterPartitionReassignments', version, {
      timeoutMs: TIMEOUT_MS,
      topics: [movesOf(TOPIC, moves)],
      ...more,
    });
  const list = (topics: readonly object[] | null): Promise<unknown> =>
    side.ask('ListPartitionReassignments', 0, { timeoutMs: TIMEOUT_MS, topics });
  for (const version of [0, 1]) {
    for (const replicas of [[], [0, 0], [1, 9], [-1], [0, 1, 2, 3], null]) {
      await alter([[0, replicas]], {}, version);
    }
    await alter([[9, [0]]], {}, version);
    await alter([[-1, [0]]], {}, version);
    await alter([], {}, version);
  }
  await alter([
    [0, [0, 1]],
    [9, [0]],
    [1, [1, 7]],
  ]);
  await settled(side);
  const elsewhere = movesOf('absent', [[0, [0]]]);
  await alter([], { topics: [elsewhere] });
  await alter([], { topics: [elsewhere, movesOf(TOPIC, [[0, null]])] });
  const fixed = { allowReplicationFactorChange: false };
  await alter([[0, [0, 1, 2]]], fixed);
  await alter([[0, [2]]], fixed);
  await alter([[2, [1, 0]]], fixed);
  await shown(side);
  await alter([[0, [2, 1]]], fixed);
  await settled(side);
  await shown(side);
  await alter(
    [
      [0, [1, 2]],
      [1, [0, 1, 2]],
      [2, [0]],
    ],
    {},
    0,
  );
  await settled(side);
  await shown(side);
  await list(null);
  await list([]);
  await list([{ name: TOPIC, partitionIndexes: [0, 1, 2] }]);
  await list([{ name: TOPIC, partitionIndexes: [] }]);
  await list([{ name: TOPIC, partitionIndexes: [9, -1] }]);
  await list([{ name: 'absent', partitionIndexes: [0] }]);
}

export async function elections(side: Side): Promise<void> {
  const elect = (electionType: number, topicPartitions: readonly object[]): Promise<unknown> =>
    side.ask('ElectLeaders', 2, { electionType, topicPartitions, timeoutMs: TIMEOUT_MS });
  const all = [{ topic: TOPIC, partitions: [0, 1, 2] }];
  await side.quietly('ElectLeaders', 2, { electionType: PREFERRED, topicPartitions: all });
  await settled(side);
  for (const type of [PREFERRED, UNCLEAN]) {
    await elect(type, all);
    await elect(type, [{ topic: TOPIC, partitions: [0, 9, -1] }]);
    await elect(type, [{ topic: 'absent', partitions: [0] }, ...all]);
    await elect(type, [{ topic: TOPIC, partitions: [] }]);
  }
  for (const type of [2, 7, -1]) await elect(type, all);
  for (const version of [0, 1]) {
    await side.ask('ElectLeaders', version, { topicPartitions: all, timeoutMs: TIMEOUT_MS });
  }
}

export async function quorum(side: Side): Promise<void> {
  const metadata = { topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] };
  for (const version of [0, 1, 2]) {
    // Whoever leads is asked through the one that is connected to, and both have three voters.
    const { topics, nodes } = await side.quietly('DescribeQuorum', version, {
      topics: [metadata],
    });
    const [{ errorCode, leaderId, currentVoters, observers }] = topics[0].partitions;
    const ids = currentVoters.map(({ replicaId }: { replicaId: number }) => replicaId).toSorted();
    side.keep(`DescribeQuorum v${version} of three`, {
      errorCode,
      hasLeader: ids.includes(leaderId),
      ids,
      observers,
      nodes: (nodes ?? []).map(({ nodeId }: { nodeId: number }) => nodeId).toSorted(),
    });
    await side.ask('DescribeQuorum', version, { topics: [metadata, metadata] });
  }
}

/** Broker `gone` is fenced, and stays so. */
export async function unregistering(side: Side, gone: number): Promise<void> {
  const unregister = (brokerId: number): Promise<unknown> =>
    side.ask('UnregisterBroker', 0, { brokerId });
  for (const nobody of [9, -1, 2_147_483_647]) await unregister(nobody);
  await unregister(gone);
  const all = { includeClusterAuthorizedOperations: false, includeFencedBrokers: true };
  await side.settle('DescribeCluster', 2, all, ({ brokers }) =>
    brokers.every(({ brokerId }: { brokerId: number }) => brokerId !== gone),
  );
  await unregister(gone);
}
