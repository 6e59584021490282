/** Groups and offsets as records of `__consumer_offsets`, in Kafka's schemas and versions. */
import { groupMetadataKey, groupMetadataValue } from '../protocol/stored/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../protocol/stored/offset-commit.ts';
import { decodeVersioned, encodeVersioned, storedVersion } from '../protocol/stored/versioned.ts';
import type { Group, StoredGroup } from './group.ts';
import type { CommittedOffset } from './group-offsets.ts';
import { Member, NO_ASSIGNMENT } from './member.ts';
import type { StoredRecord } from './shard-log.ts';

/** The version that leads a key tells the type of the record. */
const OFFSET_COMMIT_KEY_LEGACY = 0;
const OFFSET_COMMIT_KEY = 1;
const GROUP_METADATA_KEY = 2;
const GROUP_METADATA_VALUE_VERSION = 3;
const OFFSET_COMMIT_VALUE_VERSION = 4;
/** The only version that can say when an offset expires. */
const OFFSET_COMMIT_VALUE_VERSION_EXPIRING = 1;

export function offsetRecord(
  group: string,
  topic: string,
  partition: number,
  committed: CommittedOffset,
): StoredRecord {
  const version =
    committed.expireTimestamp === -1
      ? OFFSET_COMMIT_VALUE_VERSION
      : OFFSET_COMMIT_VALUE_VERSION_EXPIRING;
  return {
    key: encodeVersioned(offsetCommitKey, OFFSET_COMMIT_KEY, { group, topic, partition }),
    value: encodeVersioned(offsetCommitValue, version, committed),
  };
}

export const offsetTombstone = (group: string, topic: string, partition: number): StoredRecord => ({
  key: encodeVersioned(offsetCommitKey, OFFSET_COMMIT_KEY, { group, topic, partition }),
  value: null,
});

/** The group with the given assignments by member id; who has none gets an empty one. */
export function groupRecord(group: Group, assignments: ReadonlyMap<string, Buffer>): StoredRecord {
  const members = [...group.members.values()].map((member) => ({
    memberId: member.id,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: member.metadataFor(group.protocolName),
    assignment: assignments.get(member.id) ?? NO_ASSIGNMENT,
  }));
  return {
    key: encodeVersioned(groupMetadataKey, GROUP_METADATA_KEY, { group: group.id }),
    value: encodeVersioned(groupMetadataValue, GROUP_METADATA_VALUE_VERSION, {
      protocolType: group.protocolType ?? '',
      generation: group.generation,
      protocol: group.protocolName,
      leader: group.leader,
      currentStateTimestamp: group.stateTimestamp,
      members,
    }),
  };
}

export const groupTombstone = (group: string): StoredRecord => ({
  key: encodeVersioned(groupMetadataKey, GROUP_METADATA_KEY, { group }),
  value: null,
});

/** What the records of a log tell, one call a record, in the log's order. */
export interface RecordVisitor {
  /** Null: a tombstone. */
  offset(group: string, topic: string, partition: number, committed: CommittedOffset | null): void;
  group(group: string, stored: StoredGroup | null): void;
}

/**
 * Decodes one record. False when it is of a type that is not known here (KIP-848 groups have their
 * own). Throws RangeError on bytes that are no such record, and on a newer version of it.
 */
export function visitRecord(key: Buffer, value: Buffer | null, visitor: RecordVisitor): boolean {
  switch (storedVersion(key)) {
    case OFFSET_COMMIT_KEY_LEGACY:
    case OFFSET_COMMIT_KEY: {
      const { group, topic, partition } = decodeVersioned(offsetCommitKey, key);
      visitor.offset(group, topic, partition, value === null ? null : readOffset(value));
      return true;
    }
    case GROUP_METADATA_KEY: {
      const { group } = decodeVersioned(groupMetadataKey, key);
      visitor.group(group, value === null ? null : readGroup(value));
      return true;
    }
    default:
      return false;
  }
}

function refuseNewer(value: Buffer, highest: number): void {
  const version = storedVersion(value);
  if (version > highest) throw new RangeError(`version ${version}, known are 0-${highest}`);
}

function readOffset(value: Buffer): CommittedOffset {
  refuseNewer(value, offsetCommitValue.max);
  return { ...decodeVersioned(offsetCommitValue, value), order: 0 };
}

function readGroup(value: Buffer): StoredGroup {
  refuseNewer(value, groupMetadataValue.max);
  const stored = decodeVersioned(groupMetadataValue, value);
  const members = stored.members.map(
    (member) =>
      new Member({
        id: member.memberId,
        instanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs:
          member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
        sessionTimeoutMs: member.sessionTimeout,
        // Only the chosen one is stored; a member that comes back tells the others again.
        protocols: [{ name: stored.protocol ?? '', metadata: Buffer.from(member.subscription) }],
        assignment: Buffer.from(member.assignment),
      }),
  );
  return {
    generation: stored.generation,
    protocolType: stored.protocolType === '' ? null : stored.protocolType,
    protocolName: stored.protocol,
    leader: stored.leader,
    stateTimestamp: stored.currentStateTimestamp,
    members,
  };
}
