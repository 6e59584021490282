import { describe, expect, it } from 'vitest';
import type { FatalError } from '../../../../src/base/errors.ts';
import type { MetadataQuorum } from '../../../../src/cluster/quorum/metadata-quorum.ts';
import { FOLDER, QuorumRig, topicStep } from './rig.ts';

const DIRECTORY = `${FOLDER}/__cluster_metadata-0`;

const checkpoints = (rig: QuorumRig, id: number): string[] =>
  rig
    .member(id)
    .disk.list(DIRECTORY)
    .filter((name) => name.includes('.checkpoint'));

const imageOf = (quorum: MetadataQuorum): string => JSON.stringify([...quorum.image.records()]);

let nextTopic = 0;
async function fill(rig: QuorumRig, count: number): Promise<void> {
  const { quorum } = await rig.leader();
  for (let n = 0; n < count; n++) {
    await rig.during(quorum!.append([topicStep(`t${nextTopic}`, nextTopic++)]));
  }
}

describe('a snapshot', () => {
  it('is taken when enough has come, and the log before the last but one goes', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotBytes: 2_000 } });
    await rig.start(0);
    await fill(rig, 70);
    const quorum = rig.quorum(0);
    expect(quorum.snapshotCounts.snapshots).toBeGreaterThan(2);
    expect(checkpoints(rig, 0)).toHaveLength(2);
    expect(quorum.logStartOffset).toBeGreaterThan(0);
    const oldest = checkpoints(rig, 0)[0]!;
    expect(Number(oldest.slice(0, 20))).toBe(quorum.logStartOffset);
  });

  it('and the log behind it make the same image', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotBytes: 2_000 } });
    await rig.start(0);
    await fill(rig, 70);
    const before = imageOf(rig.quorum(0));
    const { lastTimestamp } = rig.quorum(0);
    for (const stop of ['stop', 'kill', 'cutPower'] as const) {
      await rig[stop](0);
      const quorum = await rig.start(0);
      expect(imageOf(quorum)).toBe(before);
      expect(quorum.lastTimestamp).toBeGreaterThanOrEqual(lastTimestamp);
      expect(quorum.voters).toHaveLength(1);
    }
    rig.quorum(0).takeSnapshot();
    rig.cutPower(0);
    expect(imageOf(await rig.start(0))).toBe(before);
  });

  it('is taken after a while, too', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotMs: 60_000 } });
    await rig.start(0);
    await fill(rig, 1);
    expect(rig.quorum(0).snapshotCounts.snapshots).toBe(0);
    await rig.run(60_001);
    await fill(rig, 1);
    expect(rig.quorum(0).snapshotCounts.snapshots).toBe(1);
    await fill(rig, 1);
    expect(rig.quorum(0).snapshotCounts.snapshots).toBe(1);
  });

  it('that is damaged is left out, and the one before serves', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotBytes: 2_000 } });
    await rig.start(0);
    await fill(rig, 70);
    const before = imageOf(rig.quorum(0));
    await rig.stop(0);
    const { disk } = rig.member(0);
    const newest = `${DIRECTORY}/${checkpoints(rig, 0).at(-1)}`;
    const bytes = disk.content(newest);
    bytes[bytes.length - 30]! ^= 1;
    disk.setContent(newest, bytes);
    expect(imageOf(await rig.start(0))).toBe(before);
  });

  it('that is needed and missing stops the start', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotBytes: 2_000 } });
    await rig.start(0);
    await fill(rig, 70);
    await rig.stop(0);
    for (const name of checkpoints(rig, 0)) rig.member(0).disk.remove(`${DIRECTORY}/${name}`);
    await expect(rig.start(0)).rejects.toThrow(/no snapshot tells what was before/);
  });

  it('half written is removed at the start', async () => {
    const rig = new QuorumRig({ members: 1 });
    await rig.start(0);
    await rig.stop(0);
    const { disk } = rig.member(0);
    const name = '00000000000000000009-0000000001.checkpoint';
    disk.setContent(`${DIRECTORY}/${name}.part`, Buffer.from('x'));
    disk.setContent(`${DIRECTORY}/${name}.tmp`, Buffer.from('x'));
    await rig.start(0);
    // The one of the first start stays.
    expect(checkpoints(rig, 0)).toEqual(['00000000000000000000-0000000000.checkpoint']);
  });

  it('for which there is no room leaves the log as it is', async () => {
    const rig = new QuorumRig({ members: 1, settings: { snapshotBytes: 2_000 } });
    await rig.start(0);
    const { disk } = rig.member(0);
    disk.fault = ({ path }) =>
      path.includes('.checkpoint') ? Object.assign(new Error('full'), { code: 'ENOSPC' }) : null;
    await fill(rig, 70);
    expect(rig.quorum(0).snapshotCounts).toMatchObject({ snapshots: 0 });
    expect(rig.quorum(0).snapshotCounts.snapshotFailures).toBeGreaterThan(1);
    expect(rig.quorum(0).logStartOffset).toBe(0);
    disk.fault = () => null;
    await fill(rig, 40);
    expect(rig.quorum(0).snapshotCounts.snapshots).toBeGreaterThan(0);
  });
});

describe('records behind a snapshot that do not go on from it', () => {
  it('are not taken for newer ones than they are', async () => {
    const rig = new QuorumRig({ members: 3 });
    await rig.startAll();
    await rig.leader();
    await rig.run(50);
    // A leader that is cut off appends what nobody will ever commit.
    const old = rig.active!;
    for (const { id } of rig.members) {
      if (id !== old.id) rig.weather.cut.add(`${Math.min(id, old.id)}-${Math.max(id, old.id)}`);
    }
    for (let n = 0; n < 30; n++) old.quorum!.append([topicStep(`lost${n}`, n)]).catch(() => {});
    await rig.run(10);
    const lostEnd = old.quorum!.logEndOffset;
    await rig.until(() => rig.active !== null && rig.active.id !== old.id, 'another leader');
    await fill(rig, 5);
    const { quorum: leader } = rig.active!;
    leader!.takeSnapshot();
    // Its next start finds the leader's snapshot, and its own log as it was.
    rig.kill(old.id);
    const name = checkpoints(rig, rig.active!.id).at(-1)!;
    const bytes = rig.active!.disk.content(`${DIRECTORY}/${name}`);
    rig.member(old.id).disk.setContent(`${DIRECTORY}/${name}`, bytes);
    const again = await rig.start(old.id);
    expect(again.logEndOffset).toBeLessThan(lostEnd);
    expect(again.logEndOffset).toBe(leader!.logEndOffset);
    expect(imageOf(again)).toBe(imageOf(leader!));
  });
});

describe('a follower that is too far behind', () => {
  it('takes the leader’s snapshot, in parts, and goes on from there', async () => {
    const rig = new QuorumRig({ members: 3 });
    await rig.startAll();
    await rig.leader();
    await rig.run(50);
    const { id } = rig.members.find(({ quorum }) => !quorum!.isLeader)!;
    await fill(rig, 1);
    rig.kill(id);
    const { quorum: leader } = await rig.leader();
    // More than fits into one part.
    for (let step = 0; step < 20; step++) {
      const records = Array.from({ length: 500 }, () =>
        topicStep(`topic-with-a-long-name-${'x'.repeat(150)}-${nextTopic}`, nextTopic++),
      );
      await rig.during(leader!.append(records));
    }
    leader!.takeSnapshot();
    await fill(rig, 1);
    leader!.takeSnapshot();
    await fill(rig, 1);
    leader!.takeSnapshot();
    await fill(rig, 3);
    expect(leader!.logStartOffset).toBeGreaterThan(10_000);
    const follower = await rig.start(id);
    const told: string[] = [];
    follower.onCommitted((delta) => told.push(`${delta.removedTopics.length}`));
    await rig.during(follower.caughtUp());
    expect(follower.counters.snapshotsFetched).toBe(1);
    expect(follower.counters.fetches).toBeLessThan(30);
    expect(imageOf(follower)).toBe(imageOf(leader!));
    expect(told.length).toBeGreaterThan(0);
    // And it is there after its next start.
    rig.cutPower(id);
    const again = await rig.start(id);
    await rig.during(again.caughtUp());
    expect(again.counters.snapshotsFetched).toBe(0);
    expect(imageOf(again)).toBe(imageOf(leader!));
  });

  it('begins anew when power is lost at any time while it takes one', async () => {
    const rig = new QuorumRig({ members: 3, syncMs: 3 });
    await rig.startAll();
    await rig.leader();
    await rig.run(50);
    const { id } = rig.members.find(({ quorum }) => !quorum!.isLeader)!;
    rig.kill(id);
    const { quorum: leader } = await rig.leader();
    await fill(rig, 20);
    for (let n = 0; n < 3; n++) {
      await fill(rig, 2);
      leader!.takeSnapshot();
    }
    const untouched = rig.member(id).disk;
    for (let ms = 1; ms < 30; ms += 2) {
      rig.member(id).disk = untouched.clone();
      await rig.start(id);
      await rig.run(ms);
      rig.cutPower(id);
      const follower = await rig.start(id);
      await rig.during(follower.caughtUp());
      expect(rig.member(id).fatal as FatalError | null).toBeNull();
      expect(imageOf(follower)).toBe(imageOf(leader!));
      rig.kill(id);
    }
  });
});
