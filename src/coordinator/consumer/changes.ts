/**
 * What can change of a consumer group: each change is one record of the log, which replaces what an
 * earlier one with the same key said. Null: it is forgotten.
 */

import type { Infer, Message } from '../../protocol/schema.ts';
import {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
  consumerGroupMemberMetadataKey,
  consumerGroupMemberMetadataValue,
  consumerGroupMetadataKey,
  consumerGroupMetadataValue,
  consumerGroupPartitionMetadataKey,
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
} from '../../protocol/stored/consumer-group.ts';
import {
  decodeVersioned,
  encodeVersioned,
  storedVersion,
} from '../../protocol/stored/versioned.ts';
import type { StoredRecord } from '../shard-log.ts';
import type { MemberMetadata, MemberProgress, MemberState } from './consumer-member.ts';
import { type HeldPartitions, listed, type TopicPartitions } from './partitions.ts';

export interface GroupEpoch {
  readonly epoch: number;
  /** Of the topics that the group reads, as they were when it came to this epoch. */
  readonly metadataHash: string;
}

export interface TargetEpoch {
  readonly epoch: number;
  /** Wall clock, milliseconds, when the target was made; 0: unknown. */
  readonly timestamp: number;
}

/** The topics that a regular expression stands for. */
export interface ResolvedRegex {
  readonly topics: readonly string[];
  /** Of the metadata that they were looked up in. */
  readonly version: number;
  /** Wall clock, milliseconds. */
  readonly timestamp: number;
}

export type Change =
  | { readonly kind: 'group'; readonly value: GroupEpoch | null }
  | { readonly kind: 'legacyTopics'; readonly value: true | null }
  | { readonly kind: 'member'; readonly id: string; readonly value: MemberMetadata | null }
  | { readonly kind: 'targetEpoch'; readonly value: TargetEpoch | null }
  | { readonly kind: 'target'; readonly id: string; readonly value: TopicPartitions | null }
  | { readonly kind: 'progress'; readonly id: string; readonly value: MemberProgress | null }
  | { readonly kind: 'regex'; readonly regex: string; readonly value: ResolvedRegex | null };

const KEY_VERSIONS = {
  group: consumerGroupMetadataKey.min,
  legacyTopics: consumerGroupPartitionMetadataKey.min,
  member: consumerGroupMemberMetadataKey.min,
  targetEpoch: consumerGroupTargetAssignmentMetadataKey.min,
  target: consumerGroupTargetAssignmentMemberKey.min,
  progress: consumerGroupCurrentMemberAssignmentKey.min,
  regex: consumerGroupRegularExpressionKey.min,
};

const STATE_NUMBERS: Readonly<Record<MemberState, number>> = {
  stable: 0,
  unrevoked: 1,
  unreleased: 2,
  unknown: 127,
};

const stateOf = (number: number): MemberState =>
  (Object.keys(STATE_NUMBERS) as MemberState[]).find((name) => STATE_NUMBERS[name] === number) ??
  'unknown';

export function changeRecord(groupId: string, change: Change): StoredRecord {
  const record = <K, V>(
    keyMessage: Message<K>,
    key: K,
    valueMessage: Message<V> | null,
    value: V | null,
  ): StoredRecord => ({
    key: encodeVersioned(keyMessage, keyMessage.max, key),
    value:
      value === null || valueMessage === null
        ? null
        : encodeVersioned(valueMessage, valueMessage.max, value),
  });
  switch (change.kind) {
    case 'group':
      return record(
        consumerGroupMetadataKey,
        { groupId },
        consumerGroupMetadataValue,
        change.value,
      );
    case 'legacyTopics':
      return record(consumerGroupPartitionMetadataKey, { groupId }, null, null);
    case 'member': {
      const key = { groupId, memberId: change.id };
      const value = change.value === null ? null : memberValue(change.value);
      return record(consumerGroupMemberMetadataKey, key, consumerGroupMemberMetadataValue, value);
    }
    case 'targetEpoch': {
      const value =
        change.value === null
          ? null
          : {
              assignmentEpoch: change.value.epoch,
              assignmentTimestamp: change.value.timestamp,
            };
      const [key, valueMessage] = [
        consumerGroupTargetAssignmentMetadataKey,
        consumerGroupTargetAssignmentMetadataValue,
      ];
      return record(key, { groupId }, valueMessage, value);
    }
    case 'target': {
      const value = change.value === null ? null : { topicPartitions: listed(change.value) };
      const [key, valueMessage] = [
        consumerGroupTargetAssignmentMemberKey,
        consumerGroupTargetAssignmentMemberValue,
      ];
      return record(key, { groupId, memberId: change.id }, valueMessage, value);
    }
    case 'progress': {
      const value = change.value === null ? null : progressValue(change.value);
      const [key, valueMessage] = [
        consumerGroupCurrentMemberAssignmentKey,
        consumerGroupCurrentMemberAssignmentValue,
      ];
      return record(key, { groupId, memberId: change.id }, valueMessage, value);
    }
    case 'regex': {
      const key = { groupId, regularExpression: change.regex };
      const value =
        change.value === null ? null : { ...change.value, topics: [...change.value.topics] };
      const valueMessage = consumerGroupRegularExpressionValue;
      return record(consumerGroupRegularExpressionKey, key, valueMessage, value);
    }
  }
}

const memberValue = (member: MemberMetadata): Infer<typeof consumerGroupMemberMetadataValue> => ({
  instanceId: member.instanceId,
  rackId: member.rackId,
  clientId: member.clientId,
  clientHost: member.clientHost,
  subscribedTopicNames: [...member.topics].sort(),
  subscribedTopicRegex: member.regex,
  rebalanceTimeoutMs: member.rebalanceTimeoutMs,
  serverAssignor: member.assignor,
  classicMemberMetadata:
    member.classic === null
      ? null
      : {
          sessionTimeoutMs: member.classic.sessionTimeoutMs,
          supportedProtocols: [...member.classic.protocols],
        },
});

const progressValue = (
  progress: MemberProgress,
): Infer<typeof consumerGroupCurrentMemberAssignmentValue> => ({
  memberEpoch: progress.epoch,
  previousMemberEpoch: progress.previousEpoch,
  state: STATE_NUMBERS[progress.state],
  assignedPartitions: heldValue(progress.assigned),
  partitionsPendingRevocation: heldValue(progress.revoking),
});

const heldValue = (held: HeldPartitions) =>
  listed(held).map(({ topicId, partitions }) => ({
    topicId,
    partitions,
    assignmentEpochs: partitions.map((p) => held.get(topicId)?.get(p) as number),
  }));

/**
 * The change of a consumer group that the record stands for; null when it is of another type. Throws
 * RangeError on bytes that are no such record, and on a newer version of it.
 */
export function readChange(
  key: Buffer,
  value: Buffer | null,
): { groupId: string; change: Change } | null {
  const read = <V>(valueMessage: Message<V>): V | null => {
    if (value === null) return null;
    const version = storedVersion(value);
    if (version > valueMessage.max) {
      throw new RangeError(`version ${version}, known are 0-${valueMessage.max}`);
    }
    return decodeVersioned(valueMessage, value);
  };
  switch (storedVersion(key)) {
    case KEY_VERSIONS.group: {
      const { groupId } = decodeVersioned(consumerGroupMetadataKey, key);
      return { groupId, change: { kind: 'group', value: read(consumerGroupMetadataValue) } };
    }
    case KEY_VERSIONS.legacyTopics: {
      const { groupId } = decodeVersioned(consumerGroupPartitionMetadataKey, key);
      return { groupId, change: { kind: 'legacyTopics', value: value === null ? null : true } };
    }
    case KEY_VERSIONS.member: {
      const { groupId, memberId: id } = decodeVersioned(consumerGroupMemberMetadataKey, key);
      const stored = read(consumerGroupMemberMetadataValue);
      const member = stored === null ? null : readMember(stored);
      return { groupId, change: { kind: 'member', id, value: member } };
    }
    case KEY_VERSIONS.targetEpoch: {
      const { groupId } = decodeVersioned(consumerGroupTargetAssignmentMetadataKey, key);
      const stored = read(consumerGroupTargetAssignmentMetadataValue);
      const target =
        stored === null
          ? null
          : { epoch: stored.assignmentEpoch, timestamp: stored.assignmentTimestamp };
      return { groupId, change: { kind: 'targetEpoch', value: target } };
    }
    case KEY_VERSIONS.target: {
      const { groupId, memberId: id } = decodeVersioned(
        consumerGroupTargetAssignmentMemberKey,
        key,
      );
      const stored = read(consumerGroupTargetAssignmentMemberValue);
      const target =
        stored === null
          ? null
          : new Map(stored.topicPartitions.map((t) => [t.topicId, new Set(t.partitions)]));
      return { groupId, change: { kind: 'target', id, value: target } };
    }
    case KEY_VERSIONS.progress: {
      const { groupId, memberId: id } = decodeVersioned(
        consumerGroupCurrentMemberAssignmentKey,
        key,
      );
      const stored = read(consumerGroupCurrentMemberAssignmentValue);
      const progress = stored === null ? null : readProgress(stored);
      return { groupId, change: { kind: 'progress', id, value: progress } };
    }
    case KEY_VERSIONS.regex: {
      const { groupId, regularExpression: regex } = decodeVersioned(
        consumerGroupRegularExpressionKey,
        key,
      );
      return {
        groupId,
        change: { kind: 'regex', regex, value: read(consumerGroupRegularExpressionValue) },
      };
    }
    default:
      return null;
  }
}

type StoredMember = Infer<typeof consumerGroupMemberMetadataValue>;

const readMember = (stored: StoredMember): MemberMetadata => ({
  instanceId: stored.instanceId,
  rackId: stored.rackId,
  clientId: stored.clientId,
  clientHost: stored.clientHost,
  topics: [...new Set(stored.subscribedTopicNames)],
  regex: stored.subscribedTopicRegex,
  rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
  assignor: stored.serverAssignor,
  classic: readClassic(stored.classicMemberMetadata),
});

/** Nobody speaks the classic protocol without naming an assignor. */
const readClassic = (stored: StoredMember['classicMemberMetadata']): MemberMetadata['classic'] =>
  stored === null || stored.supportedProtocols.length === 0
    ? null
    : {
        sessionTimeoutMs: stored.sessionTimeoutMs,
        protocols: stored.supportedProtocols.map(({ name, metadata }) => ({
          name,
          metadata: Buffer.from(metadata),
        })),
      };

function readProgress(
  stored: Infer<typeof consumerGroupCurrentMemberAssignmentValue>,
): MemberProgress {
  // Records of before Kafka 4.3 don't say when each partition was given.
  const since = Math.max(stored.memberEpoch, 0);
  const held = (topics: typeof stored.assignedPartitions): HeldPartitions =>
    new Map(
      topics.map(({ topicId, partitions, assignmentEpochs }) => [
        topicId,
        new Map(
          partitions.map((p, i) => [
            p,
            assignmentEpochs?.length === partitions.length ? (assignmentEpochs[i] ?? since) : since,
          ]),
        ),
      ]),
    );
  return {
    epoch: stored.memberEpoch,
    previousEpoch: stored.previousMemberEpoch,
    state: stateOf(stored.state),
    assigned: held(stored.assignedPartitions),
    revoking: held(stored.partitionsPendingRevocation),
  };
}
