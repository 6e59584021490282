import { describe, expect, it } from 'vitest';
import { VoterHistory } from '../../../../src/cluster/quorum/voters.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { brokerStep, QuorumRig, topicStep } from './rig.ts';

/** A quorum, all of whose brokers are registered. */
async function registered(members: number, joining = 0): Promise<QuorumRig> {
  const rig = new QuorumRig({ members, joining });
  await rig.startAll();
  for (const { id } of rig.members) {
    await rig.during((await rig.leader()).quorum!.append([brokerStep(id)]));
  }
  return rig;
}

const voterIds = (rig: QuorumRig): number[] =>
  (rig.active?.quorum?.voters ?? []).map(({ id }) => id).toSorted((a, b) => a - b);

/** Everybody votes with the disk that it has now. */
const allVote = (rig: QuorumRig): boolean =>
  rig.members.every(({ id, directoryId }) =>
    rig.active?.quorum?.voters.some((v) => v.id === id && v.directoryId === directoryId),
  );

describe('an observer', () => {
  it('becomes a voter when it is registered and has caught up', async () => {
    const rig = new QuorumRig({ members: 1, joining: 2 });
    await rig.startAll();
    await rig.leader();
    await rig.run(1_000);
    expect(voterIds(rig)).toEqual([0]);
    expect(rig.active!.quorum!.observers.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual([
      1, 2,
    ]);
    await rig.during(rig.quorum(0).append([brokerStep(1), brokerStep(2)]));
    await rig.until(() => allVote(rig), 'all vote');
    expect(rig.active!.quorum!.observers).toEqual([]);
    // Now it is theirs as well: the one that was alone is not needed.
    await rig.run(100);
    rig.kill(0);
    await rig.leader();
    await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
  });

  it('finds the new leader when the old one is gone', async () => {
    const rig = new QuorumRig({ members: 3, joining: 1 });
    await rig.startAll();
    const { id } = await rig.leader();
    await rig.run(100);
    rig.kill(id);
    await rig.leader();
    const offset = await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    await rig.until(() => rig.quorum(3).lastOffset === offset, 'the observer has it', 500);
    expect(rig.quorum(3).state).toBe('observer');
  });

  it('stays one where five vote already', async () => {
    const rig = await registered(5, 1);
    await rig.run(2_000);
    expect(voterIds(rig)).toEqual([0, 1, 2, 3, 4]);
    await rig.until(
      () => rig.quorum(5).lastOffset === rig.active!.quorum!.lastOffset,
      'it follows',
    );
  });

  it('that copies a log from before there were voters does not take itself for its writer', async () => {
    const rig = new QuorumRig({ members: 1, joining: 1 });
    await rig.start(0);
    await rig.start(1);
    await rig.until(() => rig.quorum(1).logEndOffset > 0, 'it copies');
    // As if the part with the voters had not come yet.
    rig.kill(1);
    const { disk } = rig.member(1);
    for (const name of disk.list('/data/__cluster_metadata-0')) {
      if (name.endsWith('.checkpoint')) disk.remove(`/data/__cluster_metadata-0/${name}`);
    }
    await rig.start(1);
    expect(rig.quorum(1).isLeader).toBe(false);
    await rig.run(500);
    expect(rig.quorum(1).leaderId).toBe(0);
  });
});

describe('a broker whose disk was replaced', () => {
  it('joins as an observer, and votes in place of the one that it was', async () => {
    const rig = await registered(3);
    const { id } = rig.members.find(({ quorum }) => !quorum!.isLeader)!;
    const before = rig.member(id).directoryId;
    rig.replaceDisk(id);
    const quorum = await rig.start(id);
    expect(rig.member(id).directoryId).not.toBe(before);
    expect(quorum.isVoter).toBe(false);
    await rig.until(() => allVote(rig), 'it votes again');
    expect(voterIds(rig)).toEqual([0, 1, 2]);
    await rig.until(() => quorum.lastOffset === rig.active!.quorum!.lastOffset, 'it has all');
  });

  it('gives no vote as the one that it was', async () => {
    const rig = await registered(3);
    const [one, other] = rig.members.filter(({ quorum }) => !quorum!.isLeader);
    // The leader and one more are lost: what is left and an empty disk are no majority.
    const lost = rig.active!.id;
    await rig.during(rig.active!.quorum!.append([topicStep('a', 1)]));
    rig.kill(lost);
    rig.replaceDisk(other!.id);
    await rig.start(other!.id);
    await rig.run(5_000);
    expect(rig.active).toBeNull();
    expect(rig.quorum(one!.id).counters.elections).toBe(0);
    await rig.start(lost);
    await rig.until(() => allVote(rig), 'all vote again');
    expect(rig.active!.quorum!.image.topic('a')).toBeDefined();
  });
});

describe('a broker that is removed', () => {
  it('votes no more, until it registers again', async () => {
    const rig = await registered(3);
    const { id } = rig.members.find(({ quorum }) => !quorum!.isLeader)!;
    rig.kill(id);
    await rig.during(
      rig.active!.quorum!.append([
        { type: 'UnregisterBroker', value: { brokerId: id, brokerEpoch: 1 } },
      ]),
    );
    await rig.during(rig.active!.quorum!.removeVoter(id));
    expect(voterIds(rig)).not.toContain(id);
    await rig.start(id);
    await rig.run(2_000);
    expect(voterIds(rig)).not.toContain(id);
    await rig.during(rig.active!.quorum!.append([brokerStep(id)]));
    await rig.until(() => voterIds(rig).includes(id), 'it votes again');
  });

  it('lets another one lead when it led', async () => {
    const rig = await registered(3);
    const { id, quorum } = rig.active!;
    await rig.during(
      quorum!.append([{ type: 'UnregisterBroker', value: { brokerId: id, brokerEpoch: 1 } }]),
    );
    quorum!.removeVoter(id).catch(() => {});
    await rig.until(() => rig.active !== null && rig.active.id !== id, 'another leader');
    expect(voterIds(rig)).not.toContain(id);
  });

  it('votes as before when the removal is cut off with its leader', async () => {
    const rig = await registered(3);
    await rig.run(50);
    const { id, quorum } = rig.active!;
    const others = rig.members.filter((member) => member.id !== id);
    for (const other of others) {
      rig.weather.cut.add(`${Math.min(id, other.id)}-${Math.max(id, other.id)}`);
    }
    quorum!.removeVoter(others[0]!.id).catch(() => {});
    expect(quorum!.voters).toHaveLength(2);
    await rig.until(() => rig.active !== null && rig.active.id !== id, 'another leader');
    rig.weather.cut.clear();
    await rig.until(() => quorum!.leaderId === rig.active!.id, 'the old one follows');
    await rig.run(100);
    expect(quorum!.counters.truncations).toBe(1);
    expect(quorum!.voters).toHaveLength(3);
  });

  it('is not the last one that votes', async () => {
    const rig = await registered(1);
    await expect(rig.quorum(0).removeVoter(0)).rejects.toMatchObject({
      code: ErrorCode.INVALID_REQUEST,
    });
  });

  it('is removed by the leader alone', async () => {
    const rig = await registered(3);
    const { quorum } = rig.members.find((member) => !member.quorum!.isLeader)!;
    await expect(quorum!.removeVoter(0)).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
  });
});

describe('who votes', () => {
  const voter = (id: number) => ({ id, directoryId: `d${id}` });

  it('is what the last record says, committed or not, until it is cut off', () => {
    const history = new VoterHistory();
    expect(history.latest).toEqual([]);
    history.restart(10, [voter(0)]);
    history.add(15, [voter(0), voter(1)]);
    history.add(20, [voter(0), voter(1), voter(2)]);
    expect(history.latest).toHaveLength(3);
    expect(history.latestOffset).toBe(20);
    expect(history.before(20)).toHaveLength(2);
    expect(history.before(15)).toHaveLength(1);
    history.truncate(20);
    expect(history.latest).toHaveLength(2);
    history.truncate(12);
    expect(history.latest).toEqual([voter(0)]);
  });
});
