import { describe, expect, it } from 'vitest';
import type { AlterPartitionResponse } from '../../../../src/cluster/controller/alter-partition.ts';
import { NO_LEADER } from '../../../../src/cluster/metadata-image.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { GRACE_MS, Harness, settled } from './harness.ts';

interface Change {
  readonly isr: readonly number[];
  readonly from?: number;
  readonly leaderEpoch?: number;
  readonly partitionEpoch?: number;
  readonly topicId?: string;
  readonly index?: number;
  readonly recovering?: boolean;
  /** Epochs of the members; the registered ones when not given. */
  readonly epochs?: ReadonlyMap<number, number>;
  readonly brokerEpoch?: number;
}

async function alter(harness: Harness, change: Change) {
  const p = harness.partition('t');
  const from = change.from ?? p.leader;
  const response: AlterPartitionResponse = await harness.controller.alterPartition({
    brokerId: from,
    brokerEpoch: change.brokerEpoch ?? harness.epochs.get(from)!,
    topics: [
      {
        topicId: change.topicId ?? p.topicId,
        partitions: [
          {
            partitionIndex: change.index ?? 0,
            leaderEpoch: change.leaderEpoch ?? p.leaderEpoch,
            partitionEpoch: change.partitionEpoch ?? p.partitionEpoch,
            newIsr: [],
            newIsrWithEpochs: change.isr.map((brokerId) => ({
              brokerId,
              brokerEpoch: (change.epochs ?? harness.epochs).get(brokerId) ?? -1,
            })),
            leaderRecoveryState: change.recovering === true ? 1 : 0,
          },
        ],
      },
    ],
  });
  return response.topics[0]!.partitions[0]!;
}

async function cluster(
  given: Record<string, string | number | boolean> = {},
  configs: Record<string, string> = {},
  assignment: readonly (readonly number[])[] = [[1, 2, 3]],
): Promise<Harness> {
  const harness = new Harness(given);
  await harness.join(1, 2, 3, 4);
  await harness.createTopic('t', assignment, configs);
  return harness;
}

async function lose(harness: Harness, id: number, living: readonly number[]): Promise<void> {
  harness.controller.connectionClosed(id, id + 100);
  await harness.pass(GRACE_MS + 100, living);
}

describe('a leader that changes its ISR', () => {
  it('gets the new state, which every broker has', async () => {
    const harness = await cluster();
    const answer = await alter(harness, { isr: [1, 3] });
    expect(answer).toMatchObject({ errorCode: 0, isr: [1, 3], leaderId: 1, partitionEpoch: 1 });
    expect(harness.partition('t')).toMatchObject({ isr: [1, 3], partitionEpoch: 1 });
    expect(await alter(harness, { isr: [1, 3, 2] })).toMatchObject({ isr: [1, 3, 2] });
  });

  it('may name the brokers without their epochs', async () => {
    const harness = await cluster();
    const answer = await alter(harness, { isr: [1, 2], epochs: new Map() });
    expect(answer.errorCode).toBe(0);
  });

  const refused: [string, Change, number][] = [
    [
      'a topic that there is not',
      { isr: [1], topicId: 'x'.repeat(22) },
      ErrorCode.UNKNOWN_TOPIC_ID,
    ],
    ['a partition that there is not', { isr: [1], index: 7 }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['a term to come', { isr: [1], leaderEpoch: 1 }, ErrorCode.NOT_CONTROLLER],
    ['a state to come', { isr: [1], partitionEpoch: 1 }, ErrorCode.NOT_CONTROLLER],
    ['a term that is over', { isr: [1], leaderEpoch: -1 }, ErrorCode.FENCED_LEADER_EPOCH],
    ['a state that is over', { isr: [1], partitionEpoch: -1 }, ErrorCode.INVALID_UPDATE_VERSION],
    ['a broker that does not lead', { isr: [1, 2], from: 2 }, ErrorCode.INVALID_REQUEST],
    ['an ISR without the leader', { isr: [2, 3] }, ErrorCode.INVALID_REQUEST],
    ['an empty ISR', { isr: [] }, ErrorCode.INVALID_REQUEST],
    ['a member twice', { isr: [1, 2, 2] }, ErrorCode.INVALID_REQUEST],
    ['a member that has no replica', { isr: [1, 4] }, ErrorCode.INVALID_REQUEST],
    ['a recovery that is not due', { isr: [1], recovering: true }, ErrorCode.INVALID_REQUEST],
    [
      'a member of another life',
      { isr: [1, 2], epochs: new Map([[2, 0]]) },
      ErrorCode.INELIGIBLE_REPLICA,
    ],
  ];
  it.each(refused)('is refused with %s', async (_, change, code) => {
    const harness = await cluster();
    expect((await alter(harness, change)).errorCode).toBe(code);
    expect(harness.partition('t').partitionEpoch).toBe(0);
  });

  it('is refused with a member that is out, or on its way out', async () => {
    const harness = await cluster();
    await lose(harness, 3, [1, 2, 4]);
    expect((await alter(harness, { isr: [1, 2, 3] })).errorCode).toBe(ErrorCode.INELIGIBLE_REPLICA);
    await harness.createTopic('u', [[2, 1]]);
    await harness.heartbeat(2, { shutDown: true });
    expect((await alter(harness, { isr: [1, 2] })).errorCode).toBe(ErrorCode.INELIGIBLE_REPLICA);
  });

  it('is refused as a whole in an earlier life', async () => {
    const harness = await cluster();
    await expect(alter(harness, { isr: [1], brokerEpoch: 0 - 1 })).rejects.toMatchObject({
      code: ErrorCode.STALE_BROKER_EPOCH,
    });
  });
});

describe('min.insync.replicas', () => {
  it('decides who is eligible, as long as it is what it was', async () => {
    const harness = await cluster({}, { 'min.insync.replicas': '2' });
    await alter(harness, { isr: [1] });
    expect(harness.partition('t').elr).toEqual([2, 3]);
    await harness.controller.alterConfigs(
      { resourceType: 2, resourceName: 't' },
      () => [{ name: 'min.insync.replicas', value: '1' }],
      false,
    );
    expect(harness.partition('t')).toMatchObject({ isr: [1], elr: [] });
  });

  it('does so for all topics when it is changed for the brokers', async () => {
    const harness = await cluster({ 'min.insync.replicas': 2 });
    await alter(harness, { isr: [1] });
    expect(harness.partition('t').elr).toEqual([2, 3]);
    await harness.controller.alterConfigs(
      { resourceType: 4, resourceName: '' },
      () => [{ name: 'min.insync.replicas', value: '1' }],
      false,
    );
    expect(harness.partition('t').elr).toEqual([]);
  });

  it('is one for all brokers: which of them led would decide', async () => {
    const harness = await cluster();
    const change = harness.controller.alterConfigs(
      { resourceType: 4, resourceName: '1' },
      () => [{ name: 'min.insync.replicas', value: '2' }],
      false,
    );
    await expect(change).rejects.toThrow('cannot be altered while ELR is enabled');
  });

  it('makes nobody eligible while the cluster has that feature switched off', async () => {
    const harness = await cluster({ 'min.insync.replicas': 2 });
    await alter(harness, { isr: [1] });
    expect(harness.partition('t').elr).toEqual([2, 3]);
    const name = 'eligible.leader.replicas.version';
    await harness.controller.updateFeatures([{ name, level: 0, upgradeType: 2 }], false);
    expect(harness.partition('t')).toMatchObject({ isr: [1], elr: [] });
    await lose(harness, 1, [2, 3, 4]);
    expect(harness.partition('t')).toMatchObject({ leader: NO_LEADER, isr: [1], elr: [] });
  });

  it('is no more than there are replicas', async () => {
    const harness = await cluster({}, { 'min.insync.replicas': '5' }, [[1, 2]]);
    await alter(harness, { isr: [1] });
    expect(harness.partition('t').elr).toEqual([2]);
    expect((await alter(harness, { isr: [1, 2] })).errorCode).toBe(0);
    expect(harness.partition('t').elr).toEqual([]);
  });
});

describe('a partition whose replicas are all away', () => {
  it('has no leader until one with everything is back', async () => {
    const harness = await cluster({ 'min.insync.replicas': 2 });
    await lose(harness, 3, [1, 2, 4]);
    await lose(harness, 2, [1, 4]);
    await lose(harness, 1, [4]);
    expect(harness.partition('t')).toMatchObject({ leader: NO_LEADER, isr: [], elr: [1, 2] });
    expect(harness.controller.term?.index.leaderless.size).toBe(1);
    await harness.heartbeat(3);
    expect(harness.partition('t').leader).toBe(NO_LEADER);
    await harness.heartbeat(2);
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2], elr: [1] });
    expect(harness.controller.stats.uncleanElections).toBe(0);
  });

  it('gets any leader where that is allowed, at once when it comes to be', async () => {
    const harness = await cluster();
    await alter(harness, { isr: [1] });
    await lose(harness, 1, [2, 3, 4]);
    expect(harness.partition('t').leader).toBe(NO_LEADER);
    const name = 'unclean.leader.election.enable';
    await harness.controller.alterConfigs(
      { resourceType: 2, resourceName: 't' },
      () => [{ name, value: 'true' }],
      false,
    );
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2], leaderRecoveryState: 1 });
    expect(harness.controller.stats.uncleanElections).toBe(1);
    expect(await alter(harness, { isr: [2] })).toMatchObject({ leaderRecoveryState: 0 });
  });
});

describe('leaders that are asked for', () => {
  const elect = async (harness: Harness, electionType: number, all = false) => {
    const topicPartitions = all
      ? null
      : [
          { topic: 't', partitions: [0, 9] },
          { topic: 'none', partitions: [0] },
        ];
    const body = { electionType, topicPartitions, timeoutMs: 1000 };
    const response = await harness.controller.electLeaders(body);
    return response.replicaElectionResults.map(({ topic, partitionResult }) => [
      topic,
      partitionResult.map((p) => p.errorCode),
    ]);
  };
  const { UNKNOWN_TOPIC_OR_PARTITION: UNKNOWN, ELECTION_NOT_NEEDED: NOT_NEEDED } = ErrorCode;

  it('are the preferred ones', async () => {
    const harness = await cluster();
    await lose(harness, 1, [2, 3, 4]);
    expect(await elect(harness, 0)).toEqual([
      ['t', [ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, UNKNOWN]],
      ['none', [UNKNOWN]],
    ]);
    await harness.heartbeat(1);
    await alter(harness, { isr: [2, 3, 1] });
    expect(await elect(harness, 0, true)).toEqual([['t', [0]]]);
    expect(harness.partition('t').leader).toBe(1);
    expect((await elect(harness, 0))[0]).toEqual(['t', [NOT_NEEDED, UNKNOWN]]);
    expect(await elect(harness, 0, true)).toEqual([['t', []]]);
  });

  it('may be unclean ones, for partitions without a leader', async () => {
    const harness = await cluster();
    await alter(harness, { isr: [1] });
    expect((await elect(harness, 1))[0]).toEqual(['t', [NOT_NEEDED, UNKNOWN]]);
    await lose(harness, 1, [3, 4]);
    await lose(harness, 2, [3, 4]);
    expect((await elect(harness, 1, true))[0]).toEqual(['t', [0]]);
    expect(harness.partition('t').leader).toBe(3);
  });

  it('are not there when nobody is', async () => {
    const harness = await cluster({}, {}, [[1]]);
    await lose(harness, 1, [2, 3, 4]);
    expect((await elect(harness, 1, true))[0]).toEqual([
      't',
      [ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE],
    ]);
  });

  it('are of no other kind', async () => {
    await expect(elect(await cluster(), 5)).rejects.toMatchObject({
      code: ErrorCode.INVALID_REQUEST,
    });
  });
});

describe('leadership', () => {
  async function awayFrom1(given: Record<string, number | boolean>): Promise<Harness> {
    const harness = await cluster(given);
    await lose(harness, 1, [2, 3, 4]);
    await harness.heartbeat(1);
    await alter(harness, { isr: [2, 3, 1] });
    expect(harness.partition('t').leader).toBe(2);
    await harness.pass(1_000, [1, 2, 3, 4]);
    return harness;
  }

  it('returns to the preferred replicas by itself', async () => {
    const harness = await awayFrom1({ 'leader.imbalance.check.interval.seconds': 1 });
    expect(harness.partition('t').leader).toBe(1);
    expect(harness.controller.term?.index.imbalanced.size).toBe(0);
  });

  it('stays where that is switched off, or too little is away', async () => {
    const quick = { 'leader.imbalance.check.interval.seconds': 1 };
    const off = await awayFrom1({ ...quick, 'auto.leader.rebalance.enable': false });
    expect(off.partition('t').leader).toBe(2);
    const little = await awayFrom1({ ...quick, 'leader.imbalance.per.broker.percentage': 100 });
    expect(little.partition('t').leader).toBe(2);
  });
});

describe('a reassignment', () => {
  const reassign = async (
    harness: Harness,
    replicas: number[] | null,
    allowReplicationFactorChange = true,
    partitionIndex = 0,
  ) => {
    const response = await harness.controller.alterReassignments({
      timeoutMs: 1000,
      allowReplicationFactorChange,
      topics: [{ name: 't', partitions: [{ partitionIndex, replicas }] }],
    });
    return response.responses[0]!.partitions[0]!;
  };
  const list = async (harness: Harness, name: string | null = null) =>
    (
      await harness.controller.listReassignments({
        timeoutMs: 1000,
        topics: name === null ? null : [{ name, partitionIndexes: [0] }],
      })
    ).topics;

  it('adds the new replicas, and takes the old ones away when those are in sync', async () => {
    const harness = await cluster({}, {}, [[1, 2]]);
    expect(await reassign(harness, [4, 3])).toMatchObject({ errorCode: 0, errorMessage: null });
    const state = { replicas: [4, 3, 1, 2], adding: [3, 4], removing: [1, 2], leader: 1 };
    expect(harness.partition('t')).toMatchObject(state);
    expect(await list(harness)).toEqual([
      {
        name: 't',
        partitions: [
          {
            partitionIndex: 0,
            replicas: [4, 3, 1, 2],
            addingReplicas: [3, 4],
            removingReplicas: [1, 2],
          },
        ],
      },
    ]);
    expect(await list(harness, 't')).toHaveLength(1);
    expect(await list(harness, 'u')).toHaveLength(0);
    await alter(harness, { isr: [1, 2, 3] });
    expect(harness.partition('t').removing).toEqual([1, 2]);
    const last = await alter(harness, { isr: [1, 2, 3, 4] });
    expect(last.errorCode).toBe(ErrorCode.NEW_LEADER_ELECTED);
    expect(harness.partition('t')).toMatchObject({
      replicas: [4, 3],
      isr: [3, 4],
      adding: [],
      removing: [],
      leader: 4,
    });
    expect(await list(harness)).toEqual([]);
  });

  it('to another order of the same is over at once', async () => {
    const harness = await cluster();
    await reassign(harness, [3, 1, 2]);
    expect(harness.partition('t')).toMatchObject({ replicas: [3, 1, 2], adding: [], leader: 1 });
    expect(await list(harness)).toEqual([]);
  });

  it('can be taken back', async () => {
    const harness = await cluster({}, {}, [[1, 2]]);
    await reassign(harness, [3, 4]);
    await alter(harness, { isr: [1, 2, 3] });
    expect((await reassign(harness, null)).errorCode).toBe(0);
    expect(harness.partition('t')).toMatchObject({
      replicas: [1, 2],
      isr: [1, 2],
      adding: [],
      removing: [],
      leader: 1,
    });
    expect((await reassign(harness, null)).errorCode).toBe(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS);
  });

  it('can be changed while it is under way', async () => {
    const harness = await cluster({}, {}, [[1, 2]]);
    await reassign(harness, [3, 1]);
    expect((await reassign(harness, [4, 1])).errorCode).toBe(0);
    expect(harness.partition('t')).toMatchObject({
      replicas: [4, 1, 2, 3],
      adding: [4],
      removing: [2, 3],
    });
  });

  it('is refused with replicas that cannot be', async () => {
    const harness = await cluster();
    for (const replicas of [[], [1, 9], [1, 1]]) {
      expect((await reassign(harness, replicas)).errorCode).toBe(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      );
    }
    expect((await reassign(harness, [1], false)).errorCode).toBe(
      ErrorCode.INVALID_REPLICATION_FACTOR,
    );
    expect((await reassign(harness, [1, 2, 4], false)).errorCode).toBe(0);
    expect((await reassign(harness, [1], true, 5)).errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
  });

  it('goes on by itself when a broker that comes is all that was missing', async () => {
    const harness = await cluster({}, {}, [[1, 2]]);
    await reassign(harness, [1, 3]);
    await alter(harness, { isr: [1, 2, 3] });
    expect(harness.partition('t')).toMatchObject({ replicas: [1, 3], isr: [1, 3], leader: 1 });
  });
});

describe('new topics', () => {
  const create = (harness: Harness, name: string, factor: number, partitions = 6) =>
    harness.controller.createTopics(
      [
        {
          name,
          numPartitions: partitions,
          replicationFactor: factor,
          assignments: [],
          configs: [],
        },
      ],
      false,
    );

  it('are spread over the brokers, and in sync from the start', async () => {
    const harness = await cluster();
    await create(harness, 'u', 3, 4);
    const partitions = harness.store.image.topic('u')!.partitions;
    expect(new Set(partitions.map(({ leader }) => leader)).size).toBe(4);
    for (const { replicas, isr, leader } of partitions) {
      expect(new Set(replicas).size).toBe(3);
      expect(isr).toEqual(replicas);
      expect(leader).toBe(replicas[0]);
    }
  });

  it('are led by brokers that are there', async () => {
    const harness = await cluster();
    await lose(harness, 4, [1, 2, 3]);
    await create(harness, 'u', 4, 3);
    for (const { replicas, isr } of harness.store.image.topic('u')!.partitions) {
      expect(replicas.at(-1)).toBe(4);
      expect(isr).toEqual(replicas.slice(0, 3));
    }
  });

  it('need as many brokers as replicas', async () => {
    const harness = await cluster();
    const [outcome] = await create(harness, 'u', 5);
    expect(outcome).toMatchObject({ error: { code: ErrorCode.INVALID_REPLICATION_FACTOR } });
  });

  it('wait for the brokers of the configuration, for a while', async () => {
    const harness = new Harness({
      'cluster.brokers': ['1@a:1', '2@b:2', '3@c:3'],
      'default.replication.factor': 3,
    });
    await harness.join(1);
    const [early] = await create(harness, 'u', -1);
    expect(early).toMatchObject({ error: { code: ErrorCode.INVALID_REPLICATION_FACTOR } });
    await harness.pass(31_000, [1]);
    const [late] = await create(harness, 'u', -1);
    expect(late).toMatchObject({ value: { replicationFactor: 1 } });
  });

  it('keep their replication factor when they grow', async () => {
    const harness = await cluster({}, {}, [[1, 2]]);
    await harness.controller.createPartitions([{ name: 't', count: 3, assignments: null }], false);
    expect(harness.store.image.topic('t')!.partitions.map((p) => p.replicas.length)).toEqual([
      2, 2, 2,
    ]);
  });

  it('are refused when nobody of an assignment is there', async () => {
    const harness = await cluster();
    await lose(harness, 4, [1, 2, 3]);
    await expect(harness.createTopic('u', [[4]])).rejects.toMatchObject({
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    });
    await expect(harness.createTopic('u', [[1, 2], [3]])).rejects.toMatchObject({
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    });
  });
});

describe('many partitions', () => {
  it('change by one step when their leader goes', async () => {
    const harness = new Harness();
    await harness.join(1, 2, 3);
    const assignment = Array.from({ length: 3_000 }, (_, i) => [(i % 3) + 1, ((i + 1) % 3) + 1]);
    await harness.createTopic('t', assignment);
    const before = harness.store.steps.length;
    await lose(harness, 1, [2, 3]);
    expect(harness.store.steps.length).toBe(before + 1);
    expect(harness.controller.term?.index.leaderships(1)).toBe(0);
    expect(harness.controller.term?.index.leaderships(2)).toBe(2_000);
    expect(harness.controller.term?.index.leaderless.size).toBe(0);
    await settled();
  });
});
