/**
 * Mistakes on purpose: each takes one safeguard out of the brokers, and the simulation has to find
 * out. A mistake is made in the process that runs the seed, by replacing methods of the real
 * classes, and is put right again after the run.
 */

import { Controller } from '../../src/cluster/controller/controller.ts';
import { Succession } from '../../src/cluster/controller/succession.ts';
import { FollowedPartition } from '../../src/cluster/followed-partition.ts';
import { Leadership } from '../../src/cluster/leadership.ts';
import { Partition } from '../../src/cluster/partition.ts';
import { Leadership as QuorumLeadership } from '../../src/cluster/quorum/leadership.ts';
import { Replicas } from '../../src/cluster/quorum/replicas.ts';
import { Requests } from '../../src/cluster/quorum/requests.ts';
import { ReplicaRepair } from '../../src/cluster/replica-repair.ts';
import { ConsumerGroup } from '../../src/coordinator/consumer/consumer-group.ts';
import { ConsumerGroups } from '../../src/coordinator/consumer/consumer-groups.ts';
import { NEW_PROGRESS } from '../../src/coordinator/consumer/consumer-member.ts';
import { Conversions } from '../../src/coordinator/consumer/conversions.ts';
import { GroupOffsets } from '../../src/coordinator/group-offsets.ts';
import { ShardLog } from '../../src/coordinator/shard-log.ts';
import { MarkerSender } from '../../src/coordinator/transactions/marker-sender.ts';
import { TransactionShard } from '../../src/coordinator/transactions/transaction-shard.ts';
import { CleanedTransactions } from '../../src/log/cleaned-transactions.ts';
import { CLEANED_SUFFIX } from '../../src/log/log-files.ts';
import { LogSegment } from '../../src/log/log-segment.ts';
import { ManagedDirectory } from '../../src/log/managed-directory.ts';
import { OffsetMap } from '../../src/log/offset-map.ts';
import { PartitionLog } from '../../src/log/partition-log.ts';
import { ProducerStateManager } from '../../src/log/producer-state-manager.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { Authorizer } from '../../src/security/authorizer.ts';
import { ClientQuotas, Meter } from '../../src/security/client-quotas.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Workload } from './workload-kinds.ts';

export interface Mutant {
  /** What is wrong with it. */
  readonly mistake: string;
  /** What goes wrong in the runs that are to find it. */
  readonly faults: readonly FaultKind[];
  /** What clients do in them beside writing and reading. */
  readonly workloads: readonly Workload[];
  readonly make: () => void;
}

const isOfUsers = (topic: string): boolean => !topic.startsWith('__');

/** What puts the mistakes right that were made. */
const undoings: (() => void)[] = [];

/** Replaces a method; the new one is given the old one, and is called as a method. */
function replace<C, K extends keyof C>(
  prototype: C,
  name: K,
  make: (original: C[K]) => C[K],
): void {
  const original = prototype[name];
  undoings.push(() => {
    prototype[name] = original;
  });
  prototype[name] = make(original);
}

/** Replaces a getter. */
function replaceGetter<C extends object>(
  prototype: C,
  name: keyof C & string,
  make: (original: (this: C) => unknown) => (this: C) => unknown,
): void {
  const found = Object.getOwnPropertyDescriptor(prototype, name);
  if (found?.get === undefined) throw new Error(`no getter ${name}`);
  const { get } = found as { get: (this: C) => unknown };
  undoings.push(() => Object.defineProperty(prototype, name, found));
  Object.defineProperty(prototype, name, { ...found, get: make(get) });
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'ack-before-isr': {
    mistake: 'acks=all is answered before the other replicas have the records',
    faults: ['kill'],
    workloads: [],
    make: () => replace(Partition.prototype, 'wait', () => () => false),
  },
  'leader-alone-commits': {
    mistake: 'the high watermark is what the leader alone has',
    faults: ['kill', 'isolate'],
    workloads: [],
    make: () =>
      replace(
        Partition.prototype,
        'append',
        (original) =>
          function append(this: Partition, records, how) {
            const info = original.call(this, records, how);
            const before = this.log.highWatermark;
            this.log.setHighWatermark(this.log.logEndOffset);
            if (this.log.highWatermark > before) this.highWatermarkMoved(before);
            return info;
          },
      ),
  },
  'no-sync': {
    mistake: 'acks=all is answered when the records are in page caches',
    faults: ['powerAll'],
    workloads: [],
    make: () =>
      replaceGetter(
        PartitionLog.prototype,
        'flushedOffset',
        (original) =>
          function flushedOffset(this: PartitionLog) {
            return isOfUsers(this.topic) ? this.logEndOffset : original.call(this);
          },
      ),
  },
  'no-sync-by-followers': {
    mistake: 'followers say that they have synced what they have not',
    faults: ['powerOne', 'powerAll'],
    workloads: [],
    make: () =>
      replace(
        FollowedPartition.prototype,
        'ask',
        (original) =>
          function ask(this: FollowedPartition, bytes) {
            const asked = original.call(this, bytes);
            return { ...asked, flushedOffset: asked.fetchOffset };
          },
      ),
  },
  'no-truncation': {
    mistake: 'a follower does not tell the epoch of its last record, and so is never told to cut',
    faults: ['kill', 'isolate'],
    workloads: [],
    make: () =>
      replace(
        FollowedPartition.prototype,
        'ask',
        (original) =>
          function ask(this: FollowedPartition, bytes) {
            return { ...original.call(this, bytes), lastFetchedEpoch: -1 };
          },
      ),
  },
  'ignores-divergence': {
    mistake: 'a follower does not cut what the leader says it has not',
    faults: ['kill', 'isolate'],
    workloads: ['transactions'],
    make: () => replace(Partition.prototype, 'truncateTo', () => () => {}),
  },
  'truncates-to-high-watermark': {
    mistake: 'a new follower cuts its log at its own high watermark (KIP-101)',
    faults: ['kill', 'killAll'],
    workloads: [],
    make: () =>
      replace(
        Partition.prototype,
        'update',
        (original) =>
          function update(this: Partition, image) {
            const changed = original.call(this, image);
            if (changed && !this.isLeader && !this.isOffline) {
              this.log.truncateTo(this.log.highWatermark);
            }
            return changed;
          },
      ),
  },
  'shrinks-alone': {
    mistake: 'a leader takes replicas out of sync without asking the controller',
    faults: ['kill', 'isolate'],
    workloads: [],
    make: () =>
      replace(
        Leadership.prototype,
        'checkEnoughInSync',
        () =>
          function checkEnoughInSync(this: Leadership) {
            for (const follower of this.followers) follower.isInSync = false;
          },
      ),
  },
  'leads-on': {
    mistake: 'a leader that is followed by another one goes on to lead',
    faults: ['isolate', 'pause', 'split'],
    workloads: [],
    make: () =>
      replace(
        Partition.prototype,
        'update',
        (original) =>
          function update(this: Partition, image) {
            if (this.isLeader) return false;
            return original.call(this, image);
          },
      ),
  },
  'deaf-to-farewells': {
    mistake: 'that the connection of a broker is closed tells the controller nothing',
    faults: ['kill'],
    workloads: [],
    make: () => replace(Controller.prototype, 'connectionClosed', () => () => {}),
  },
  'trusts-empty-disks': {
    mistake: 'a broker that comes with an empty disk is taken for one that has what it had',
    faults: ['replaceDisk', 'killAll'],
    workloads: [],
    make: () =>
      replace(
        Succession.prototype,
        'distrustBroker',
        () =>
          function distrustBroker(this: Succession, draft, index, brokerId) {
            this.removeBroker(draft, index, brokerId);
          },
      ),
  },
  'trusts-disks': {
    mistake: 'what lies on a disk is handed out, and copied, without a look at its checksum',
    faults: ['bitFlip'],
    workloads: [],
    make: () => replace(LogSegment.prototype, 'isVerified', () => () => true),
  },
  'leaves-damage': {
    mistake: 'what is damaged is not mended from other replicas',
    faults: ['bitFlip'],
    workloads: [],
    make: () => {
      replace(ReplicaRepair.prototype, 'wake', () => () => {});
      replace(ReplicaRepair.prototype, 'start', () => () => {});
    },
  },
  'throttles-for-ever': {
    mistake: 'a client that was above its quota once is told to wait for ever',
    faults: ['kill'],
    workloads: ['throttling'],
    make: () =>
      replace(
        Meter.prototype,
        'throttleMs',
        (original) =>
          function throttleMs(this: Meter, nowMs) {
            return original.call(this, nowMs) > 0 ? 2 ** 31 - 1 : 0;
          },
      ),
  },
  'votes-for-everybody': {
    mistake: 'a voter of the metadata quorum votes twice in an epoch',
    faults: ['killController', 'isolate', 'split'],
    workloads: ['administration', 'groups'],
    make: () =>
      replace(
        Requests.prototype,
        'vote',
        (original) =>
          function vote(this: Requests, request) {
            const response = original.call(this, request);
            const answer = response.topics[0]?.partitions[0];
            if (answer?.errorCode !== ErrorCode.NONE) return response;
            const granted = { ...answer, voteGranted: true };
            return { ...response, topics: [{ ...response.topics[0]!, partitions: [granted] }] };
          },
      ),
  },
  'no-majority': {
    mistake: 'a change of the metadata is committed without a majority of the voters',
    faults: ['killController', 'isolate', 'split'],
    workloads: ['administration', 'groups'],
    make: () => replace(Replicas.prototype, 'majorityOffset', () => (_voters, own) => own),
  },
  'acts-before-commit': {
    mistake: 'the controller answers before its change is committed',
    faults: ['killController', 'isolate', 'split'],
    workloads: ['administration', 'groups'],
    make: () =>
      replace(
        QuorumLeadership.prototype,
        'append',
        (original) =>
          function append(this: QuorumLeadership, records) {
            const committed = original.call(this, records);
            return Promise.race([committed, Promise.resolve(0)]);
          },
      ),
  },
  'forgets-producers': {
    mistake: 'a new leader knows nothing of what producers have sent before',
    faults: ['dropConnections', 'kill'],
    workloads: [],
    make: () => {
      replace(ProducerStateManager.prototype, 'findDuplicate', () => () => null);
      replace(ProducerStateManager.prototype, 'check', () => () => {});
    },
  },
  'keeps-rights': {
    mistake: 'a broker goes by rights that it has looked up before ACLs were changed',
    faults: ['kill'],
    workloads: ['authorization'],
    make: () =>
      replace(
        Authorizer.prototype,
        'rightsOf',
        (original) =>
          function rightsOf(this: Authorizer, principal, host, held = null) {
            return held ?? original.call(this, principal, host, held);
          },
      ),
  },
  'overlooks-denials': {
    mistake: 'what one ACL allows is allowed, though another one denies it',
    faults: ['kill'],
    workloads: ['authorization'],
    make: () =>
      replace(
        Authorizer.prototype,
        'decide',
        (original) =>
          function decide(this: Authorizer, principal, host, resourceType, name) {
            const allowed = original.call(this, principal, host, resourceType, name);
            return allowed === 0 ? -1 : allowed;
          },
      ),
  },
  'keeps-quotas': {
    mistake: 'a broker goes by the quotas that there were when it looked first',
    faults: ['kill'],
    workloads: ['authorization'],
    make: () => {
      const seen = new WeakSet<ClientQuotas>();
      replaceGetter(
        ClientQuotas.prototype,
        'isOn',
        (original) =>
          function isOn(this: ClientQuotas) {
            if (seen.has(this)) return true;
            const now = original.call(this) as boolean;
            if (now) seen.add(this);
            return now;
          },
      );
    },
  },
  'stable-is-committed': {
    mistake: 'readers of committed records see what belongs to open transactions',
    faults: ['kill'],
    workloads: ['transactions'],
    make: () =>
      replaceGetter(
        PartitionLog.prototype,
        'lastStableOffset',
        () =>
          function lastStableOffset(this: PartitionLog) {
            return this.highWatermark;
          },
      ),
  },
  'no-aborted-list': {
    mistake: 'readers of committed records are not told which transactions were aborted',
    faults: ['kill'],
    workloads: ['transactions'],
    make: () => replace(PartitionLog.prototype, 'abortedTransactions', () => () => []),
  },
  'drops-markers': {
    mistake: 'the coordinator takes some markers for written that were not sent',
    faults: ['kill'],
    workloads: ['transactions'],
    make: () =>
      replace(
        MarkerSender.prototype,
        'send',
        (original) =>
          function send(this: MarkerSender, job) {
            const partitions = new Map(
              [...job.partitions].map(([topic, [first]]) => [topic, new Set([first!])]),
            );
            original.call(this, { ...job, partitions });
          },
      ),
  },
  'forgets-commits': {
    mistake: 'a coordinator that loads a group forgets offsets that were committed',
    faults: ['killAll'],
    workloads: ['groups'],
    make: () =>
      replace(
        GroupOffsets.prototype,
        'put',
        (original) =>
          function put(this: GroupOffsets, topic, partition, committed) {
            const known = this.get(topic, partition);
            if (known !== null && committed.offset - known.offset < 30) return;
            original.call(this, topic, partition, committed);
          },
      ),
  },
  'answers-before-stored': {
    mistake: 'a coordinator answers before its records are stored',
    faults: ['isolate', 'kill'],
    workloads: ['groups', 'consumerGroups'],
    make: () =>
      replace(
        ShardLog.prototype,
        'write',
        (original) =>
          function write(this: ShardLog, records, stored, options) {
            original.call(this, records, () => {}, options);
            stored(ErrorCode.NONE);
            return () => {};
          },
      ),
  },
  'forgets-decisions': {
    mistake: 'a coordinator that loads a transaction forgets that its end was decided',
    faults: ['killDecider'],
    workloads: ['transactions'],
    make: () =>
      replace(
        TransactionShard.prototype,
        'loaded',
        () =>
          function loaded(this: TransactionShard) {
            for (const transaction of this.transactions.values()) {
              if (!transaction.isDecided) continue;
              transaction.fields = { ...transaction.fields, state: 'Ongoing' };
            }
          },
      ),
  },
  'gives-what-is-held': {
    mistake: 'a member is given a partition before its owner has let go of it',
    faults: ['kill'],
    workloads: ['consumerGroups'],
    make: () => replace(ConsumerGroup.prototype, 'ownerOf', () => () => undefined),
  },
  'forgets-member-epochs': {
    mistake: 'a coordinator that loads a group forgets how far its members had come',
    faults: ['kill'],
    workloads: ['consumerGroups'],
    make: () =>
      replace(
        ConsumerGroups.prototype,
        'loaded',
        (original) =>
          function loaded(this: ConsumerGroups, group) {
            for (const id of [...group.members.keys()]) {
              group.apply({ kind: 'progress', id, value: NEW_PROGRESS });
            }
            original.call(this, group);
          },
      ),
  },
  'migrates-empty-handed': {
    mistake: 'a group that migrates online forgets what its classic members have',
    faults: ['kill'],
    workloads: ['consumerGroups'],
    make: () =>
      replace(
        Conversions.prototype,
        'upgraded',
        (original) =>
          function upgraded(this: Conversions, classic) {
            const made = original.call(this, classic);
            for (const { id, epoch } of made.group.members.values()) {
              const value = { ...NEW_PROGRESS, epoch, previousEpoch: epoch };
              made.group.apply({ kind: 'progress', id, value });
            }
            return made;
          },
      ),
  },
  'forgets-sessions': {
    mistake: 'a coordinator that loads a group does not wait for its members to show up',
    faults: ['kill'],
    workloads: ['consumerGroups'],
    make: () => replace(ConsumerGroups.prototype, 'loaded', () => () => {}),
  },
  'drops-tombstones-early': {
    mistake: 'the cleaner drops tombstones and markers that a replica has not passed, unheard',
    faults: ['kill', 'isolate'],
    workloads: ['compaction'],
    make: () => {
      // A replica that hears of it begins anew, and has them not, and what they delete neither.
      replace(PartitionLog.prototype, 'removesTo', () => () => {});
      replaceGetter(
        Partition.prototype,
        'replicatedTo',
        () =>
          function replicatedTo(this: Partition) {
            return this.log.logEndOffset;
          },
      );
    },
  },
  'confuses-keys': {
    mistake: 'the cleaner takes keys for the same that differ in their last byte',
    faults: ['kill'],
    workloads: ['compaction'],
    make: () => {
      replace(
        OffsetMap.prototype,
        'put',
        (original) =>
          function put(this: OffsetMap, bytes, start, end, offset) {
            return original.call(this, bytes, start, end - 1, offset);
          },
      );
      replace(
        OffsetMap.prototype,
        'get',
        (original) =>
          function get(this: OffsetMap, bytes, start, end) {
            return original.call(this, bytes, start, end - 1);
          },
      );
    },
  },
  'keeps-older-values': {
    mistake: 'the cleaner keeps the oldest value of a key that it comes upon, not the latest',
    faults: ['kill'],
    workloads: ['compaction'],
    make: () => {
      const kept = new WeakMap<OffsetMap, Set<string>>();
      replace(
        OffsetMap.prototype,
        'get',
        () =>
          function get(this: OffsetMap, bytes, start, end) {
            let keys = kept.get(this);
            if (keys === undefined) kept.set(this, (keys = new Set()));
            const key = Buffer.from(bytes.subarray(start, end)).toString('latin1');
            if (keys.has(key)) return Infinity;
            keys.add(key);
            return -1;
          },
      );
    },
  },
  'cleans-what-was-aborted': {
    mistake: 'the cleaner takes aborted records for committed ones',
    faults: ['kill'],
    workloads: ['compaction'],
    make: () => replace(CleanedTransactions.prototype, 'isAborted', () => () => false),
  },
  'hides-gaps': {
    mistake: 'offsets have gaps of which a start after a crash does not know',
    faults: ['kill', 'killAll'],
    workloads: ['compaction'],
    make: () => replace(ManagedDirectory.prototype, 'noteCleaned', () => () => {}),
  },
  'swaps-unsynced': {
    mistake: 'a cleaned segment is put in place before it is on the device',
    faults: ['powerOne', 'powerAll'],
    workloads: ['compaction'],
    make: () =>
      replace(
        LogSegment.prototype,
        'sync',
        (original) =>
          function sync(this: LogSegment, withIndexes) {
            return this.path.endsWith(CLEANED_SUFFIX)
              ? Promise.resolve()
              : original.call(this, withIndexes);
          },
      ),
  },
};

/** Makes a mistake; what it returns puts it right again. */
export function makeMutant(name: string): () => void {
  const mutant = mutants[name];
  if (mutant === undefined) throw new Error(`no mutant ${name}`);
  mutant.make();
  return () => {
    for (const undo of undoings.splice(0)) undo();
  };
}
