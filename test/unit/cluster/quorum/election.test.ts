import { describe, expect, it } from 'vitest';
import { voteRequestOf } from '../../../../src/cluster/quorum/bodies.ts';
import type { MetadataQuorum } from '../../../../src/cluster/quorum/metadata-quorum.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { QuorumRig, topicStep } from './rig.ts';

async function started(members: number, seed = 1): Promise<QuorumRig> {
  const rig = new QuorumRig({ members, seed });
  await rig.startAll();
  await rig.leader();
  await rig.run(50);
  return rig;
}

/** A vote that member `from` asks of member `to`. */
function ask(
  rig: QuorumRig,
  from: number,
  to: number,
  more: { epoch: number; lastEpoch?: number; endOffset?: number; preVote?: boolean },
) {
  const asked = rig.quorum(to);
  const voter = (id: number) => ({ id, directoryId: rig.member(id).directoryId });
  const request = voteRequestOf({
    clusterId: rig.clusterId,
    from: voter(from),
    to: voter(to),
    lastEpoch: asked.logEndEpoch,
    endOffset: asked.logEndOffset,
    preVote: false,
    ...more,
  });
  return { request, answer: () => partitionOf(asked.handleVote(request)) };
}

const partitionOf = (response: ReturnType<MetadataQuorum['handleVote']>) =>
  response.topics[0]!.partitions[0]!;

const othersOf = (rig: QuorumRig, id: number): number[] =>
  rig.members.map((member) => member.id).filter((other) => other !== id);

describe('an election', () => {
  it('has one winner, that is active when its first step is committed', async () => {
    const rig = await started(3);
    const leaders = rig.members.filter(({ quorum }) => quorum!.isLeader);
    expect(leaders).toHaveLength(1);
    const [leader] = leaders;
    expect(leader!.quorum!.isActive).toBe(true);
    for (const { quorum } of rig.members) {
      expect(quorum!.leaderId).toBe(leader!.id);
      expect(quorum!.epoch).toBe(1);
      expect(quorum!.highWatermark).toBe(1);
    }
  });

  it('comes at once when the leader is gone', async () => {
    const rig = await started(3);
    const since = rig.clock.monotonic();
    rig.kill(rig.active!.id);
    await rig.leader();
    expect(rig.clock.monotonic() - since).toBeLessThan(100);
    expect(rig.active!.quorum!.epoch).toBe(2);
  });

  it('comes at once when the leader resigns to stop', async () => {
    const rig = await started(3);
    const since = rig.clock.monotonic();
    await rig.stop(rig.active!.id);
    await rig.leader();
    expect(rig.clock.monotonic() - since).toBeLessThan(30);
  });

  it('replaces a leader that hangs, which then gives up by itself', async () => {
    const rig = await started(3);
    const { id, quorum } = rig.active!;
    for (const other of othersOf(rig, id)) {
      rig.weather.cut.add(`${Math.min(id, other)}-${Math.max(id, other)}`);
    }
    const lost = quorum!.append([topicStep('lost', 1)]);
    lost.catch(() => {});
    await rig.until(
      () => rig.members.some((member) => member.id !== id && member.quorum!.isActive),
      'another leader',
      1_500,
    );
    await rig.until(() => !quorum!.isLeader, 'the old one gives up', 1_500);
    await expect(lost).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
    expect(quorum!.counters.resignations).toBe(1);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'is won soon where answers take longer than the first attempts (seed %i)',
    async (seed) => {
      const rig = await started(3, seed);
      rig.weather.delayMs = 200;
      const { epoch } = rig.active!.quorum!;
      rig.kill(rig.active!.id);
      await rig.until(() => rig.active !== null, 'another leader', 4_000);
      expect(rig.active!.quorum!.epoch - epoch).toBeLessThanOrEqual(5);
    },
  );

  it('is not begun by a voter that alone does not reach the leader', async () => {
    const rig = await started(3);
    const { id } = rig.active!;
    const [cut] = othersOf(rig, id);
    rig.weather.cut.add(`${Math.min(id, cut!)}-${Math.max(id, cut!)}`);
    await rig.run(5_000);
    expect(rig.quorum(cut!).counters.preVotes).toBeGreaterThan(3);
    expect(rig.quorum(cut!).counters.elections).toBe(0);
    expect(rig.active!.id).toBe(id);
    expect(rig.active!.quorum!.epoch).toBe(1);
    rig.weather.cut.clear();
    const offset = await rig.during(rig.active!.quorum!.append([topicStep('t', 1)]));
    await rig.until(() => rig.quorum(cut!).lastOffset === offset, 'it follows again');
    expect(rig.active!.quorum!.epoch).toBe(1);
  });

  it('has no winner with one of two voters, and goes on when the other is back', async () => {
    const rig = await started(2);
    const [one, other] = [rig.active!.id, 1 - rig.active!.id];
    rig.kill(other);
    await rig.run(5_000);
    expect(rig.active).toBeNull();
    await rig.start(other);
    await rig.leader();
    expect(rig.quorum(one).epoch).toBeGreaterThan(1);
  });

  it('is won at once by a lone voter', async () => {
    const rig = new QuorumRig({ members: 1 });
    await rig.start(0);
    expect(rig.quorum(0).isActive).toBe(true);
    expect(rig.quorum(0).voters).toEqual([{ id: 0, directoryId: rig.member(0).directoryId }]);
  });
});

describe('a vote', () => {
  /** Two voters of three without a leader, and the third down. */
  async function leaderless(): Promise<{ rig: QuorumRig; asked: number; from: number }> {
    const rig = await started(3);
    const { id } = rig.active!;
    const [asked, from] = othersOf(rig, id);
    rig.kill(id);
    rig.kill(from!);
    await rig.run(10);
    return { rig, asked: asked!, from: from! };
  }

  it('is given once an epoch', async () => {
    const { rig, asked, from } = await leaderless();
    const epoch = rig.quorum(asked).epoch + 5;
    const third = rig.members.find(({ id }) => id !== asked && id !== from)!.id;
    expect(ask(rig, from, asked, { epoch }).answer().voteGranted).toBe(true);
    expect(ask(rig, third, asked, { epoch }).answer().voteGranted).toBe(false);
    expect(ask(rig, from, asked, { epoch }).answer().voteGranted).toBe(true);
    expect(rig.quorum(asked).votedFor!.id).toBe(from);
  });

  it('is remembered after power loss', async () => {
    const { rig, asked, from } = await leaderless();
    const epoch = rig.quorum(asked).epoch + 5;
    const third = rig.members.find(({ id }) => id !== asked && id !== from)!.id;
    expect(ask(rig, from, asked, { epoch }).answer().voteGranted).toBe(true);
    rig.cutPower(asked);
    await rig.start(asked);
    expect(rig.quorum(asked).epoch).toBe(epoch);
    expect(ask(rig, third, asked, { epoch }).answer().voteGranted).toBe(false);
  });

  it('goes to none whose log ends earlier', async () => {
    const { rig, asked, from } = await leaderless();
    const { epoch, logEndEpoch, logEndOffset } = rig.quorum(asked);
    const shorter = { epoch: epoch + 5, endOffset: logEndOffset - 1 };
    expect(ask(rig, from, asked, shorter).answer().voteGranted).toBe(false);
    const older = { epoch: epoch + 6, lastEpoch: logEndEpoch - 1, endOffset: logEndOffset + 9 };
    expect(ask(rig, from, asked, older).answer().voteGranted).toBe(false);
    const newer = { epoch: epoch + 6, lastEpoch: logEndEpoch + 1, endOffset: 1 };
    expect(ask(rig, from, asked, newer).answer().voteGranted).toBe(true);
  });

  it('of an epoch that is over is refused, with the present one', async () => {
    const { rig, asked, from } = await leaderless();
    const { epoch } = rig.quorum(asked);
    expect(ask(rig, from, asked, { epoch: epoch - 1 }).answer()).toMatchObject({
      errorCode: ErrorCode.FENCED_LEADER_EPOCH,
      leaderEpoch: epoch,
      voteGranted: false,
    });
  });

  it('is not asked of a broker with another disk', async () => {
    const { rig, asked, from } = await leaderless();
    const { request } = ask(rig, from, asked, { epoch: 9 });
    request.topics[0]!.partitions[0]!.voterDirectoryId = rig.member(from).directoryId;
    const answer = partitionOf(rig.quorum(asked).handleVote(request));
    expect(answer.errorCode).toBe(ErrorCode.INVALID_VOTER_KEY);
    expect(rig.quorum(asked).epoch).toBeLessThan(9);
  });

  it('is not given to strangers, nor is their epoch believed', async () => {
    const rig = await started(3);
    const { request } = ask(rig, 0, rig.active!.id, { epoch: 99 });
    request.topics[0]!.partitions[0]!.replicaId = 77;
    const answer = partitionOf(rig.active!.quorum!.handleVote(request));
    expect(answer.errorCode).toBe(ErrorCode.INVALID_VOTER_KEY);
    request.topics[0]!.partitions[0]!.replicaId = 0;
    request.clusterId = 'AnotherCluster';
    expect(rig.active!.quorum!.handleVote(request).errorCode).toBe(
      ErrorCode.INCONSISTENT_CLUSTER_ID,
    );
    expect(rig.active!.quorum!.epoch).toBe(1);
  });

  it('in advance is given by those who miss the leader alone, and changes nothing', async () => {
    const rig = await started(3);
    const { id } = rig.active!;
    const [one, other] = othersOf(rig, id);
    const preVote = { epoch: 1, preVote: true };
    expect(ask(rig, one!, other!, preVote).answer().voteGranted).toBe(false);
    expect(ask(rig, one!, id, preVote).answer().voteGranted).toBe(false);
    const { rig: without, asked, from } = await leaderless();
    await without.run(20);
    const before = without.quorum(asked).epoch;
    expect(ask(without, from, asked, { epoch: before, preVote: true }).answer()).toMatchObject({
      voteGranted: true,
      leaderEpoch: before,
    });
    expect(without.quorum(asked).votedFor?.id).not.toBe(from);
    expect(without.quorum(asked).epoch).toBe(before);
  });
});
