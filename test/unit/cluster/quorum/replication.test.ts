import { describe, expect, it } from 'vitest';
import { METADATA_TOPIC_ID } from '../../../../src/cluster/quorum/bodies.ts';
import { METADATA_TOPIC } from '../../../../src/cluster/topic-names.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { type Member, QuorumRig, topicStep } from './rig.ts';

async function started(members: number, syncMs = 0): Promise<QuorumRig> {
  const rig = new QuorumRig({ members, syncMs });
  await rig.startAll();
  await rig.leader();
  await rig.run(50);
  return rig;
}

const followersOf = (rig: QuorumRig): Member[] =>
  rig.running.filter(({ quorum }) => !quorum!.isLeader);

describe('a step', () => {
  it('is applied everywhere, as one delta, in order', async () => {
    const rig = await started(3);
    const told = rig.members.map(() => [] as string[]);
    for (const { id, quorum } of rig.members) {
      quorum!.onCommitted((delta, image) => {
        expect(delta.removedTopics).toEqual([]);
        told[id]!.push([...image.topics.keys()].join(' '));
      });
    }
    const { quorum } = rig.active!;
    const first = quorum!.append([topicStep('a', 1), topicStep('b', 2)]);
    const second = quorum!.append([topicStep('c', 3)]);
    expect(await rig.during(first)).toBe(2);
    expect(quorum!.image.topic('b')).toBeDefined();
    expect(await rig.during(second)).toBe(3);
    await rig.until(() => rig.members.every((m) => m.quorum!.lastOffset === 3), 'all have it');
    for (const texts of told) expect(texts).toEqual(['a b', 'a b c']);
  });

  it('is committed within a round trip and a sync', async () => {
    const rig = await started(3);
    rig.weather.delayMs = 1;
    const since = rig.clock.monotonic();
    await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    expect(rig.clock.monotonic() - since).toBeLessThan(2.1);
  });

  it('is not committed before it is on a majority of the devices', async () => {
    const rig = await started(3);
    const [one, other] = followersOf(rig);
    rig.kill(one!.id);
    rig.kill(other!.id);
    const { quorum } = rig.active!;
    let isDone = false;
    const step = quorum!.append([topicStep('a', 1)]).finally(() => {
      isDone = true;
    });
    await rig.run(500);
    expect(isDone).toBe(false);
    expect(quorum!.image.topic('a')).toBeUndefined();
    await rig.start(one!.id);
    await rig.during(step);
    expect(quorum!.image.topic('a')).toBeDefined();
  });

  it('is refused by who does not lead', async () => {
    const rig = await started(3);
    const [follower] = followersOf(rig);
    const refused = follower!.quorum!.append([topicStep('a', 1)]);
    await expect(refused).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
  });

  it('that a leader of old did not get committed gives way', async () => {
    const rig = await started(3);
    const old = rig.active!;
    for (const { id } of followersOf(rig)) {
      rig.weather.cut.add(`${Math.min(id, old.id)}-${Math.max(id, old.id)}`);
    }
    const lost = old.quorum!.append([topicStep('lost', 1)]);
    lost.catch(() => {});
    await rig.until(() => rig.active !== null && rig.active !== old, 'another leader');
    const offset = await rig.during(rig.active!.quorum!.append([topicStep('kept', 2)]));
    rig.weather.cut.clear();
    await rig.until(() => old.quorum!.lastOffset === offset, 'the old one follows');
    expect(old.quorum!.counters.truncations).toBe(1);
    expect([...old.quorum!.image.topics.keys()]).toEqual(['kept']);
    await expect(lost).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
  });

  it('survives the loss of the power of all disks once it is acknowledged', async () => {
    const rig = await started(3, 5);
    for (let n = 0; n < 20; n++) {
      await rig.during((await rig.leader()).quorum!.append([topicStep(`t${n}`, n)]));
      for (const { id } of rig.members) rig.cutPower(id);
      for (const { id } of rig.members) await rig.start(id);
    }
    const leader = await rig.leader();
    expect(leader.quorum!.image.topics.size).toBe(20);
  });
});

describe('a follower', () => {
  it('costs few messages while nothing changes', async () => {
    const rig = await started(3);
    const [follower] = followersOf(rig);
    const before = follower!.quorum!.counters.fetches;
    await rig.run(10_000);
    expect(follower!.quorum!.counters.fetches - before).toBeLessThan(45);
  });

  it('has caught up when it has what was committed as it came', async () => {
    const rig = await started(3);
    const [follower] = followersOf(rig);
    rig.kill(follower!.id);
    const offset = await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    const quorum = await rig.start(follower!.id);
    expect(quorum.lastOffset).toBeLessThan(offset);
    await rig.during(quorum.caughtUp());
    expect(quorum.lastOffset).toBeGreaterThanOrEqual(offset);
  });

  it('that has no room keeps up again when it has', async () => {
    const rig = await started(3);
    const [follower] = followersOf(rig);
    follower!.disk.capacityBytes = follower!.disk.usedBytes;
    const offset = await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    await rig.run(200);
    expect(follower!.quorum!.lastOffset).toBeLessThan(offset);
    expect(follower!.fatal).toBeNull();
    follower!.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await rig.until(() => follower!.quorum!.lastOffset === offset, 'it has it');
  });

  it('whose disk fails takes part no more', async () => {
    const rig = await started(3);
    const [follower] = followersOf(rig);
    follower!.disk.fault = ({ operation }) =>
      operation === 'sync' ? Object.assign(new Error('EIO'), { code: 'EIO' }) : null;
    await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    await rig.until(() => follower!.fatal !== null, 'it gives up');
    expect(follower!.quorum!.state).toBe('resigned');
  });
});

const partitionOf = (partitionIndex: number) => ({ partitionIndex });

describe('a leader', () => {
  it('that can append no more lets another one lead', async () => {
    const rig = await started(3);
    const old = rig.active!;
    old.disk.capacityBytes = old.disk.usedBytes;
    const refused = old.quorum!.append([topicStep('a', 1)]);
    await expect(refused).rejects.toMatchObject({ code: ErrorCode.KAFKA_STORAGE_ERROR });
    await rig.until(() => rig.active !== null && rig.active.id !== old.id, 'another leader');
    await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
  });

  it('alone on a full disk serves what there is, and changes when there is room', async () => {
    const rig = new QuorumRig({ members: 1 });
    await rig.start(0);
    await rig.during(rig.quorum(0).append([topicStep('a', 1)]));
    rig.kill(0);
    const { disk } = rig.member(0);
    disk.capacityBytes = disk.usedBytes;
    const quorum = await rig.start(0);
    expect(quorum.isActive).toBe(true);
    expect([...quorum.image.topics.keys()]).toEqual(['a']);
    const refused = quorum.append([topicStep('b', 2)]);
    await expect(refused).rejects.toMatchObject({ code: ErrorCode.KAFKA_STORAGE_ERROR });
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await rig.during(quorum.append([topicStep('b', 2)]));
    expect([...quorum.image.topics.keys()]).toEqual(['a', 'b']);
  });

  it('tells of the quorum (DescribeQuorum)', async () => {
    const rig = await started(3);
    const request = {
      topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }],
    };
    const { topics } = rig.active!.quorum!.describe(request);
    const told = topics[0]!.partitions[0]!;
    expect(told).toMatchObject({
      errorCode: 0,
      leaderId: rig.active!.id,
      leaderEpoch: 1,
      highWatermark: 1,
      observers: [],
    });
    expect(
      told.currentVoters.map(({ replicaId, logEndOffset }) => [replicaId, logEndOffset]),
    ).toEqual([0, 1, 2].map((id) => [id, 1]));
    const [follower] = followersOf(rig);
    const elsewhere = follower!.quorum!.describe(request).topics[0]!.partitions[0]!;
    expect(elsewhere.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });

  it('tells of nothing but the metadata, under the names that it was asked by', async () => {
    const rig = await started(1);
    const [metadata, other] = [METADATA_TOPIC, 't'].map((topicName) => ({
      topicName,
      partitions: [{ partitionIndex: 0 }],
    }));
    const twice = { topicName: METADATA_TOPIC, partitions: [0, 1].map(partitionOf) };
    for (const topics of [[], [other!], [metadata!, other!], [twice]]) {
      const told = rig.active!.quorum!.describe({ topics });
      expect(told).toMatchObject({ errorCode: 0, nodes: [] });
      const names = told.topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex })),
      }));
      expect(names).toEqual(topics);
      for (const { errorCode } of told.topics.flatMap(({ partitions }) => partitions)) {
        expect(errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      }
    }
  });

  it('refuses fetches of other epochs, with its own', async () => {
    const rig = await started(3);
    const { quorum } = rig.active!;
    const fetch = async (currentLeaderEpoch: number) => {
      const response = await quorum!.handleFetch({
        ...({} as any),
        clusterId: null,
        replicaId: -1,
        replicaState: { replicaId: 1, replicaEpoch: -1 },
        maxWaitMs: 0,
        maxBytes: 1000,
        topics: [
          {
            topic: '',
            topicId: METADATA_TOPIC_ID,
            partitions: [{ partition: 0, currentLeaderEpoch, fetchOffset: 0, lastFetchedEpoch: 0 }],
          },
        ],
      });
      return response.responses[0]!.partitions[0]!;
    };
    expect((await fetch(0)).errorCode).toBe(ErrorCode.FENCED_LEADER_EPOCH);
    const later = await fetch(7);
    expect(later.errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
    expect(later.currentLeader).toEqual({ leaderId: rig.active!.id, leaderEpoch: 1 });
  });
});
