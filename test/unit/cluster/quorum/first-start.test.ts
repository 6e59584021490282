import { describe, expect, it } from 'vitest';
import { encodeStep } from '../../../../src/cluster/quorum/steps.ts';
import { METADATA_TOPIC } from '../../../../src/cluster/topic-names.ts';
import { brokerStep, FOLDER, QuorumRig, topicStep } from './rig.ts';

const METADATA = `${FOLDER}/${METADATA_TOPIC}-0`;

/** A log of the days before there were voters, in its first and only epoch. */
async function oldLog(rig: QuorumRig, id: number): Promise<void> {
  await rig.start(id);
  const member = rig.member(id);
  member.quorum!.abandon();
  const { disk } = member;
  for (const name of disk.list(METADATA)) {
    if (name.endsWith('.checkpoint') || name === 'quorum-state') disk.remove(`${METADATA}/${name}`);
  }
  const log = member.log!;
  log.truncateFullyAndStartAt(0);
  for (const record of [brokerStep(id), topicStep('old', 1)]) {
    log.append(encodeStep([record], 5), { leaderEpoch: 1, origin: 'coordinator' });
  }
  await rig.during(log.flush());
  rig.kill(id);
}

describe('a log that nobody votes in', () => {
  it('belongs to the broker alone that wrote it', async () => {
    const rig = new QuorumRig({ members: 1 });
    await oldLog(rig, 0);
    const quorum = await rig.start(0);
    expect(quorum.isActive).toBe(true);
    expect(quorum.epoch).toBe(2);
    expect([...quorum.image.topics.keys()]).toEqual(['old']);
    expect(quorum.voters).toEqual([{ id: 0, directoryId: rig.member(0).directoryId }]);
    rig.cutPower(0);
    expect((await rig.start(0)).epoch).toBe(3);
    expect(rig.quorum(0).voters).toHaveLength(1);
  });

  it('comes to others, who vote then, too', async () => {
    const rig = new QuorumRig({ members: 1, joining: 2 });
    await oldLog(rig, 0);
    await rig.startAll();
    await rig.during((await rig.leader()).quorum!.append([brokerStep(1), brokerStep(2)]));
    await rig.until(() => rig.quorum(2).voters.length === 3, 'three vote');
    expect([...rig.quorum(2).image.topics.keys()]).toEqual(['old']);
  });
});

describe('a broker by itself', () => {
  it('needs no timer to be active', async () => {
    const rig = new QuorumRig({ members: 1 });
    const since = rig.clock.monotonic();
    await rig.start(0);
    expect(rig.clock.monotonic()).toBe(since);
    expect(rig.quorum(0).isActive).toBe(true);
    await rig.during(rig.quorum(0).append([topicStep('a', 1)]));
    expect(rig.clock.monotonic()).toBe(since);
  });
});

describe('a voter that has lost quorum-state', () => {
  it('does not start: whom it has voted for is not known', async () => {
    const rig = new QuorumRig({ members: 3 });
    await rig.startAll();
    await rig.leader();
    await rig.run(50);
    rig.kill(1);
    rig.member(1).disk.remove(`${METADATA}/quorum-state`);
    await expect(rig.start(1)).rejects.toThrow(/quorum-state is missing/);
  });
});
