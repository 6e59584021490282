/** A member of a consumer group (KIP-848), as the log has it; replaced, never changed. */
import type { MemberProtocol } from '../member.ts';
import { type HeldPartitions, isSameHeld, NOTHING_HELD } from './partitions.ts';

/** What a static member that will be back has in place of its epoch, and what leaves with a request. */
export const LEFT_EPOCH = -1;
export const AWAY_EPOCH = -2;

/**
 * stable: it has what it is to have, in its epoch. unrevoked: it has to give partitions up first, and
 * stays in its epoch until then. unreleased: some of its partitions are still another's.
 */
export type MemberState = 'stable' | 'unrevoked' | 'unreleased' | 'unknown';

/** What a member that speaks the classic protocol has told about itself. */
export interface ClassicMetadata {
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
}

/** What it says of itself. */
export interface MemberMetadata {
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Each once. */
  readonly topics: readonly string[];
  /** '' and null: none. */
  readonly regex: string | null;
  /** -1: not known. */
  readonly rebalanceTimeoutMs: number;
  /** Name of the assignor that it asks for. */
  readonly assignor: string | null;
  /** Null: it speaks the consumer protocol. */
  readonly classic: ClassicMetadata | null;
}

/** How far it has come towards its target. */
export interface MemberProgress {
  readonly epoch: number;
  /** Its answer with the present epoch may have been lost: then it comes with this one once more. */
  readonly previousEpoch: number;
  readonly state: MemberState;
  readonly assigned: HeldPartitions;
  readonly revoking: HeldPartitions;
}

export interface ConsumerMember extends MemberMetadata, MemberProgress {
  readonly id: string;
}

export const NEW_METADATA: MemberMetadata = {
  instanceId: null,
  rackId: null,
  clientId: '',
  clientHost: '',
  topics: [],
  regex: '',
  rebalanceTimeoutMs: -1,
  assignor: null,
  classic: null,
};

export const NEW_PROGRESS: MemberProgress = {
  epoch: 0,
  previousEpoch: -1,
  state: 'stable',
  assigned: NOTHING_HELD,
  revoking: NOTHING_HELD,
};

export const newMember = (id: string): ConsumerMember => ({
  id,
  ...NEW_METADATA,
  ...NEW_PROGRESS,
});

/** It has come to `epoch`, with all that it is to have. */
export const isReconciled = (member: ConsumerMember, epoch: number): boolean =>
  member.state === 'stable' && member.epoch === epoch;

/** Its regular expression; null: it has none. */
export const regexOf = ({ regex }: MemberMetadata): string | null =>
  regex === null || regex === '' ? null : regex;

/** The topics in any order. */
export function hasSameTopics(a: MemberMetadata, b: MemberMetadata): boolean {
  if (a.topics === b.topics) return true;
  const known = new Set(a.topics);
  return known.size === b.topics.length && b.topics.every((topic) => known.has(topic));
}

export const isSameMetadata = (a: MemberMetadata, b: MemberMetadata): boolean =>
  a.instanceId === b.instanceId &&
  a.rackId === b.rackId &&
  a.clientId === b.clientId &&
  a.clientHost === b.clientHost &&
  a.regex === b.regex &&
  a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
  a.assignor === b.assignor &&
  hasSameTopics(a, b) &&
  isSameClassic(a.classic, b.classic);

function isSameClassic(a: ClassicMetadata | null, b: ClassicMetadata | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.sessionTimeoutMs === b.sessionTimeoutMs &&
    a.protocols.length === b.protocols.length &&
    a.protocols.every((protocol, i) => {
      const other = b.protocols[i] as MemberProtocol;
      return protocol.name === other.name && protocol.metadata.equals(other.metadata);
    })
  );
}

export const isSameProgress = (a: MemberProgress, b: MemberProgress): boolean =>
  a.epoch === b.epoch &&
  a.previousEpoch === b.previousEpoch &&
  a.state === b.state &&
  isSameHeld(a.assigned, b.assigned) &&
  isSameHeld(a.revoking, b.revoking);
