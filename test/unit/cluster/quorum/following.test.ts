import { expect, it } from 'vitest';
import type { Disk, DiskFile } from '../../../../src/base/disk.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import {
  fetchAnswerOf,
  fetchResponseOf,
  type SnapshotRequest,
  snapshotResponseOf,
} from '../../../../src/cluster/quorum/bodies.ts';
import type { QuorumContext } from '../../../../src/cluster/quorum/context.ts';
import { QuorumCounters } from '../../../../src/cluster/quorum/counters.ts';
import { Following } from '../../../../src/cluster/quorum/following.ts';
import {
  encodeSnapshot,
  type Snapshot,
  SnapshotStore,
} from '../../../../src/cluster/quorum/snapshots.ts';
import { FaultyDisk } from '../../../support/faulty-disk.ts';
import { ManualClock, settle } from '../../client/manual-clock.ts';

const FOLDER = '/data/__cluster_metadata-0';
const ID = { endOffset: 100, epoch: 5 };

/** A follower far behind, whose leader has nothing for it but a snapshot. */
function setup() {
  const clock = new ManualClock();
  const disk: Disk = new FaultyDisk(clock);
  disk.makeDirectory('/data');
  disk.makeDirectory(FOLDER);
  /** Ends the sync of the file that the snapshot comes in. */
  let synced = (): void => {};
  const slow = new Proxy(disk, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'open') return typeof value === 'function' ? value.bind(target) : value;
      return (path: string, mode: 'read' | 'create'): DiskFile => {
        const file = target.open(path, mode);
        file.sync = () => new Promise((resolve) => (synced = resolve));
        return file;
      };
    },
  });
  const snapshots = new SnapshotStore(slow, FOLDER, silentLogger);
  const bytes = encodeSnapshot({ ...ID, voters: [], timestamp: 1 }, []);
  const installed: Snapshot[] = [];
  const leader = { leaderId: 2, leaderEpoch: 5 };
  const context = {
    self: { id: 1, directoryId: 'A'.repeat(22) },
    clusterId: null,
    epoch: 5,
    leader,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    settings: { fetchTimeoutMs: 1_000, electionTimeoutMs: 500, snapshotBytes: 1, snapshotMs: 0 },
    counters: new QuorumCounters(),
    log: {
      snapshots,
      endOffset: 10,
      startOffset: 0,
      lastEpoch: 1,
      highWatermark: 8,
      isOnline: true,
      flush: () => Promise.resolve(),
      onDisk: <T>(_: string, action: () => T): T => action(),
      install: (snapshot: Snapshot) => installed.push(snapshot),
    },
    peers: {
      send: (_id: number, _channel: string, _call: unknown, body: Partial<SnapshotRequest>) => {
        if ('replicaState' in body) {
          return Promise.resolve(fetchResponseOf(fetchAnswerOf({ snapshotId: ID })));
        }
        const part = { bytes, position: 0, size: bytes.length };
        return Promise.resolve(snapshotResponseOf(0, ID, leader, part));
      },
    },
    learn: () => {},
    fail: (error: unknown) => {
      throw error;
    },
  };
  const following = new Following(context as unknown as QuorumContext, 2, {
    fetched: () => {},
    lost: () => {},
  });
  following.start();
  return { snapshots, installed, following, sync: () => synced() };
}

it('takes a snapshot together with the log that goes on behind it', async () => {
  const { snapshots, installed, following, sync } = setup();
  await settle();
  expect(snapshots.newest).toBeNull();
  sync();
  await settle();
  expect(snapshots.newest).toEqual(ID);
  expect(installed).toMatchObject([ID]);
  following.close();
});

it('does not seem to have what it had no time to take', async () => {
  const { snapshots, installed, following, sync } = setup();
  await settle();
  following.close();
  sync();
  await settle();
  expect(installed).toEqual([]);
  expect(snapshots.newest).toBeNull();
});
