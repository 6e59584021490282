/** What a consumer group does when members or topics have changed: a new epoch, a new target. */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { AnyGroup } from '../any-group.ts';
import type { GroupProbe } from '../group-probe.ts';
import type { GroupSettings } from '../group-settings.ts';
import type { ShardLog } from '../shard-log.ts';
import type { Timers } from '../timers.ts';
import type { TopicDirectory } from '../topic-directory.ts';
import { type AssignableMember, assignors } from './assignor.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import type { ConsumerMember } from './consumer-member.ts';
import { isReconciled, isSameProgress } from './consumer-member.ts';
import type { Edit } from './edit.ts';
import { isSame, NO_PARTITIONS, type TopicPartitions } from './partitions.ts';
import { reconcile } from './reconciliation.ts';
import type { TopicHashes } from './topic-hashes.ts';

/** What the parts that work on the consumer groups of one partition share. */
export interface ConsumerParts {
  readonly store: ShardLog;
  readonly groups: Map<string, AnyGroup>;
  readonly settings: GroupSettings;
  readonly groupSettings: GroupOverrides;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: GroupProbe;
  readonly topics: TopicDirectory;
  readonly hashes: TopicHashes;
}

/** What was set for one group, under Kafka's names; undefined: the broker's setting holds. */
export type GroupOverrides = (groupId: string, name: string) => number | undefined;

/** The group's own setting, or the broker's. */
export function settingOf(
  { groupSettings, settings }: ConsumerParts,
  groupId: string,
  name: keyof typeof OVERRIDES,
): number {
  return groupSettings(groupId, name) ?? settings[OVERRIDES[name]];
}

const OVERRIDES = {
  'consumer.session.timeout.ms': 'consumerSessionTimeoutMs',
  'consumer.heartbeat.interval.ms': 'consumerHeartbeatIntervalMs',
  'consumer.assignment.interval.ms': 'consumerAssignmentIntervalMs',
} as const;

/** Begins a new epoch when it `must`, or when the topics that the group reads have changed. */
export function bumpEpoch(parts: ConsumerParts, edit: Edit, must: boolean): void {
  const { group } = edit;
  const metadataHash = parts.hashes.of(group.subscribedTopics());
  if (must || metadataHash !== group.metadataHash) {
    edit.apply({ kind: 'group', value: { epoch: group.epoch + 1, metadataHash } });
    parts.probe.rebalances++;
    parts.probe.consumerRebalances++;
    parts.logger.info('consumer group has a new epoch', {
      'kafka.group': group.id,
      'kafka.group_epoch': group.epoch,
      members: group.members.size,
    });
  }
  group.needsRefresh = false;
  if (group.hasLegacyTopics) edit.apply({ kind: 'legacyTopics', value: null });
}

/** Makes the target of the group's epoch, unless the last one was made just before. */
export function retarget(parts: ConsumerParts, edit: Edit): void {
  const { group } = edit;
  if (group.targetEpoch >= group.epoch) return;
  const now = parts.clock.now();
  const intervalMs = settingOf(parts, group.id, 'consumer.assignment.interval.ms');
  const sinceMs = now - group.targetTimestamp;
  // A target of the future was made before the clock went back, or by a broker whose clock is ahead.
  if (group.targetTimestamp !== 0 && sinceMs >= 0 && sinceMs < intervalMs) return;
  for (const [id, target] of assign(parts, group)) {
    const known = group.targets.get(id);
    if (known === undefined || !isSame(known, target)) {
      edit.apply({ kind: 'target', id, value: target });
    }
  }
  edit.apply({ kind: 'targetEpoch', value: { epoch: group.epoch, timestamp: now } });
}

function assign(parts: ConsumerParts, group: ConsumerGroup): [string, TopicPartitions][] {
  const { topics, settings } = parts;
  const name = group.preferredAssignor ?? (settings.consumerAssignors[0] as string);
  const assignor = assignors.get(name);
  assert(assignor !== undefined, `no assignor ${name}`);
  const members: AssignableMember[] = [...group.members.values()].map((member) => ({
    id: member.id,
    instanceId: member.instanceId,
    topicIds: topicIdsOf(parts, group, member),
    target: group.target(member.id),
  }));
  const count = (topicId: string): number =>
    topics.partitionCount(topics.topicName(topicId) as string);
  const assigned = assignor(members, count);
  return members.map(({ id }) => [id, assigned.get(id) ?? NO_PARTITIONS]);
}

/** Topics that the member reads, and that exist. */
function topicIdsOf(
  { topics }: ConsumerParts,
  group: ConsumerGroup,
  member: ConsumerMember,
): Set<string> {
  const ids = new Set<string>();
  for (const name of group.topicsOf(member)) {
    const id = topics.topicId(name);
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

/** Takes the member a step towards its target. */
export function advance(
  parts: ConsumerParts,
  edit: Edit,
  memberId: string,
  isSubscriptionNew: boolean,
  owned: TopicPartitions | null,
): ConsumerMember {
  const { group } = edit;
  const member = group.members.get(memberId);
  assert(member !== undefined, `${memberId} is no member of group ${group.id}`);
  if (!isSubscriptionNew && isReconciled(member, group.targetEpoch)) return member;
  const progress = reconcile(member, {
    target: group.target(memberId),
    targetEpoch: group.targetEpoch,
    topicIds: topicIdsOf(parts, group, member),
    isSubscriptionNew,
    owned,
    isHeld: (topicId, partition) => group.ownerOf(topicId, partition) !== undefined,
  });
  if (isSameProgress(progress, member)) return member;
  edit.apply({ kind: 'progress', id: memberId, value: progress });
  return group.members.get(memberId) as ConsumerMember;
}
