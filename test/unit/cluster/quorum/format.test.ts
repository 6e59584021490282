import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { formatCluster } from '../../../../src/cluster/quorum/format.ts';
import { QUORUM_STATE_FILE, QuorumStateFile } from '../../../../src/cluster/quorum/quorum-state.ts';
import { SnapshotStore } from '../../../../src/cluster/quorum/snapshots.ts';
import { readMetaProperties } from '../../../../src/log/meta-properties.ts';
import { FaultyDisk, systemError } from '../../../support/faulty-disk.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const brokersOf = (count: number, dirs = 1) =>
  Array.from({ length: count }, (_, id) => ({
    id,
    dirs: Array.from({ length: dirs }, (_, n) => `/b${id}/d${n}`),
  }));

const newDisk = (): FaultyDisk => new FaultyDisk(new ManualClock());

let seed = 1;
const format = (disk: FaultyDisk, brokers = brokersOf(3)): string =>
  formatCluster({ disk, random: seededRandom(seed++), brokers }).clusterId;

function votersIn(disk: FaultyDisk, dir: string) {
  const directory = `${dir}/__cluster_metadata-0`;
  if (!disk.exists(directory)) return null;
  const snapshots = new SnapshotStore(disk, directory, silentLogger);
  snapshots.load();
  return snapshots.readNewest()?.voters ?? null;
}

/** Every broker's folders are its own, of one cluster, and all voters say the same of who votes. */
function expectFormatted(disk: FaultyDisk, brokers: ReturnType<typeof brokersOf>): void {
  const owners = brokers.flatMap(({ id, dirs }) =>
    dirs.map((dir) => ({ id, owner: readMetaProperties(disk, dir)! })),
  );
  expect(new Set(owners.map(({ owner }) => owner.clusterId)).size).toBe(1);
  for (const { id, owner } of owners) expect(owner.nodeId).toBe(id);
  const directoryIds = owners.map(({ owner }) => owner.directoryId);
  expect(new Set(directoryIds).size).toBe(directoryIds.length);
  const voters = brokers.map(({ id, dirs }) => ({
    id,
    directoryId: readMetaProperties(disk, dirs[0]!)!.directoryId,
  }));
  for (const { dirs } of brokers) expect(votersIn(disk, dirs[0]!)).toEqual(voters);
}

describe('the format of a cluster', () => {
  it('gives every folder an owner, and every voter the same statement of who votes', () => {
    const disk = newDisk();
    format(disk, brokersOf(3, 2));
    expectFormatted(disk, brokersOf(3, 2));
  });

  it('changes nothing the second time', () => {
    const disk = newDisk();
    const clusterId = format(disk);
    const before = disk.content('/b1/d0/meta.properties');
    expect(format(disk)).toBe(clusterId);
    expect(disk.content('/b1/d0/meta.properties')).toEqual(before);
    expectFormatted(disk, brokersOf(3));
  });

  it('lets five vote at the most', () => {
    const disk = newDisk();
    format(disk, brokersOf(7));
    expect(votersIn(disk, '/b0/d0')!.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
    expect(votersIn(disk, '/b6/d0')).toBeNull();
    expect(readMetaProperties(disk, '/b6/d0')!.nodeId).toBe(6);
  });

  it('can be done again after a crash at any time', () => {
    const brokers = brokersOf(3);
    const probe = newDisk();
    format(probe, brokers);
    const calls = probe.calls;
    expect(calls).toBeGreaterThan(20);
    for (let stop = 1; stop <= calls; stop++) {
      const disk = newDisk();
      disk.fault = ({ number }) => (number >= stop ? systemError('EIO') : null);
      try {
        format(disk, brokers);
      } catch {
        // The power is gone.
      }
      disk.crash(seededRandom(stop));
      format(disk, brokers);
      expectFormatted(disk, brokers);
    }
  });

  it('lets a broker with an empty folder join under another directory id', () => {
    const disk = newDisk();
    const clusterId = format(disk);
    const before = readMetaProperties(disk, '/b1/d0')!;
    disk.removeDirectory('/b1/d0');
    expect(format(disk)).toBe(clusterId);
    const after = readMetaProperties(disk, '/b1/d0')!;
    expect(after).toMatchObject({ clusterId, nodeId: 1 });
    expect(after.directoryId).not.toBe(before.directoryId);
    expect(votersIn(disk, '/b1/d0')).toBeNull();
    expect(votersIn(disk, '/b0/d0')).toContainEqual({ id: 1, directoryId: before.directoryId });
  });

  it('adds brokers to what one broker alone has begun', () => {
    const disk = newDisk();
    const clusterId = format(disk, brokersOf(1));
    expect(format(disk, brokersOf(3))).toBe(clusterId);
    expect(readMetaProperties(disk, '/b2/d0')!.clusterId).toBe(clusterId);
    expect(votersIn(disk, '/b2/d0')).toBeNull();
  });

  it('refuses folders of two clusters, and of other brokers', () => {
    const disk = newDisk();
    format(disk, [{ id: 0, dirs: ['/x'] }]);
    const other = newDisk();
    format(other, [{ id: 1, dirs: ['/y'] }]);
    disk.makeDirectory('/y');
    disk.setContent('/y/meta.properties', other.content('/y/meta.properties'));
    const both = [
      { id: 0, dirs: ['/x'] },
      { id: 1, dirs: ['/y'] },
    ];
    expect(() => format(disk, both)).toThrow(FatalError);
    expect(() => format(disk, [{ id: 5, dirs: ['/x'] }])).toThrow(/expected .* node 5/);
  });
});

describe('quorum-state', () => {
  const directory = '/d';
  function file(): { disk: FaultyDisk; state: QuorumStateFile } {
    const disk = newDisk();
    disk.makeDirectory(directory);
    return { disk, state: new QuorumStateFile(disk, directory) };
  }

  it('is written as Kafka writes it, and read again', () => {
    const { disk, state } = file();
    expect(state.read()).toBeNull();
    const votedFor = { id: 2, directoryId: 'S9M0RZaDS02vYH3ohG4FXA' };
    state.write({ epoch: 7, leaderId: -1, votedFor });
    expect(JSON.parse(disk.content(`${directory}/${QUORUM_STATE_FILE}`).toString())).toEqual({
      leaderId: -1,
      leaderEpoch: 7,
      votedId: 2,
      votedDirectoryId: 'S9M0RZaDS02vYH3ohG4FXA',
      data_version: 1,
    });
    expect(state.read()).toEqual({ epoch: 7, leaderId: -1, votedFor });
    state.write({ epoch: 8, leaderId: 1, votedFor: null });
    expect(state.read()).toEqual({ epoch: 8, leaderId: 1, votedFor: null });
  });

  it('survives power loss once it is written', () => {
    const { disk, state } = file();
    state.write({ epoch: 7, leaderId: -1, votedFor: null });
    disk.crash(seededRandom(1));
    expect(state.read()!.epoch).toBe(7);
  });

  it.each(['', '{', '[]', 'null', '{"leaderEpoch":"7"}', '{"leaderEpoch":7,"votedId":1}'])(
    'stops the start when it is damaged: %s',
    (text) => {
      const { disk, state } = file();
      disk.setContent(`${directory}/${QUORUM_STATE_FILE}`, Buffer.from(text));
      expect(() => state.read()).toThrow(FatalError);
    },
  );
});
