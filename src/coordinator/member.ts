import type { Random } from '../base/random.ts';
import type { joinGroupRequest, joinGroupResponse } from '../protocol/messages/11-join-group.ts';
import type { syncGroupRequest, syncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import type { Infer } from '../protocol/schema.ts';
import type { Timeout } from './timers.ts';

export type JoinRequest = Infer<typeof joinGroupRequest>;
export type JoinResponse = Infer<typeof joinGroupResponse>;
export type SyncRequest = Infer<typeof syncGroupRequest>;
export type SyncResponse = Infer<typeof syncGroupResponse>;

/** An assignment strategy that a member can follow, with what it tells the leader about itself. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

export interface MemberOptions {
  readonly id: string;
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[];
  readonly assignment?: Buffer;
}

/** A member of a classic group. `Group` keeps `joining` and the counts it stands for in step. */
export class Member {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** It has not seen the end of a join yet, so it can't send heartbeats. */
  isNew = false;
  /** Answers its JoinGroup that waits for the others; null: none waits. */
  joining: ((response: JoinResponse) => void) | null = null;
  /** Answers its SyncGroup that waits for the leader's; null: none waits. */
  syncing: ((response: SyncResponse) => void) | null = null;
  session: Timeout | null = null;

  constructor(options: MemberOptions) {
    this.id = options.id;
    this.instanceId = options.instanceId;
    this.clientId = options.clientId;
    this.clientHost = options.clientHost;
    this.rebalanceTimeoutMs = options.rebalanceTimeoutMs;
    this.sessionTimeoutMs = options.sessionTimeoutMs;
    this.protocols = options.protocols;
    this.assignment = options.assignment ?? NO_ASSIGNMENT;
  }

  get isStatic(): boolean {
    return this.instanceId !== null;
  }

  /** A member that waits for an answer of ours can't be blamed for silence; a new one can. */
  get isExcusedFromHeartbeat(): boolean {
    return !this.isNew && (this.joining !== null || this.syncing !== null);
  }

  /** What it says for the protocol; empty when it does not know it. */
  metadataFor(protocol: string | null): Buffer {
    return this.protocols.find((p) => p.name === protocol)?.metadata ?? NO_ASSIGNMENT;
  }

  /** Whether it offers the same protocols with the same metadata in the same order. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((p, i) => {
        const own = this.protocols[i] as MemberProtocol;
        return p.name === own.name && p.metadata.equals(own.metadata);
      })
    );
  }
}

/** Clients that don't say (version 0) mean the session timeout. */
export const rebalanceTimeoutOf = (request: JoinRequest): number =>
  request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs;

/** The request's protocols in bytes of our own: the request's belong to its frame. */
export function protocolsOf(request: JoinRequest): MemberProtocol[] {
  const byName = new Map<string, MemberProtocol>();
  for (const { name, metadata } of request.protocols) {
    if (!byName.has(name)) byName.set(name, { name, metadata: Buffer.from(metadata) });
  }
  return [...byName.values()];
}

/** `prefix-` and a random UUID of version 4. */
export function newMemberId(random: Random, prefix: string): string {
  const bytes = Buffer.alloc(16);
  random.fill(bytes);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  const parts = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ] as const;
  return `${prefix}-${parts.map(([from, to]) => hex.slice(from, to)).join('-')}`;
}
